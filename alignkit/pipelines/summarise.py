"""From outcomes to what the report says: corrections over all tests, findings, truth, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..recordings.scores import LOWER, Scores, closeness
from ..reports import RunSummary
from ..stats import fdr
from .comparisons import Context, Outcome
from .comparisons.partition import JOINT, QUANTITIES
from .config import RunConfig, TimingOptions
from .maps import report_maps
from .pictures import drawn_matrices
from .time_findings import p_text, time_findings
from .twins import twin_findings, twin_table

_CORRECTIONS = {"bh": "FDR (Benjamini-Hochberg)", "by": "FDR (Benjamini-Yekutieli)"}
CHOSEN = "(chosen)"
ALPHA = 0.05
NEVER_LEADS = ("group mean", "significant share")
PARTS = (*QUANTITIES.values(), JOINT)


def summarise(
    config: RunConfig,
    context: Context,
    outcomes: Sequence[Outcome],
    *,
    config_yaml: str,
    command: str,
    log_warnings: Sequence[str] = (),
) -> RunSummary:
    """Join what all comparisons found into one summary.

    p-values against zero are corrected over all regions and models of a metric (chosen layers and single
    layers apart), those of differences over all pairs and regions of a metric.
    """
    method = config.inference.correction
    scores = _corrected_scores(Scores.concat([outcome.scores for outcome in outcomes]), method)
    differences = _corrected_differences([outcome.differences for outcome in outcomes], method)
    rdms, thumbnails = drawn_matrices(context, outcomes, _ranking(scores))
    metrics = _metrics(scores)
    leaders = [
        _leader(scores, differences, roi, metric)
        for metric in metrics
        if metric not in PARTS
        for roi in context.rois
    ]
    found = [leader for leader in leaders if leader is not None]
    twins = twin_table(context.candidates, scores, differences, method)
    best = list(
        dict.fromkeys(name for leader in found for name in (leader["model"], leader["runner_up"]) if name)
    )
    tested = set(scores.table.loc[scores.table["p"].notna(), "metric"]) - set(PARTS)
    warnings = [*log_warnings, *(w for outcome in outcomes for w in outcome.warnings), *context.dataset.notes]
    return RunSummary(
        title=config.title or f"{context.dataset.name}: which model explains it?",
        sentence=describe(config, context),
        scores=scores,
        facts=_facts(config, context),
        coverage=f"{len(context.dataset.subjects)} of {len(context.dataset.subjects)} subjects",
        differences=differences,
        headline=(
            *(_finding(leader, outcomes) for leader in found),
            *twin_findings(twins, scores),
            *time_findings(scores, metrics, context.rois),
            *_parts(scores, context.rois),
        ),
        rdms=rdms,
        rdm_thumbnails=thumbnails,
        maps=tuple(report_maps(context, list(outcomes), best)),
        channel_values=_channel_values(outcomes),
        twins=twins if len(twins) else None,
        truth=_truth(context, scores, found, metrics),
        audit=tuple(dict.fromkeys(_audit_row(row) for outcome in outcomes for row in outcome.audit)),
        warnings=tuple(dict.fromkeys(warnings)),
        methods=(
            *_model_methods(config, context),
            *(m for o in outcomes for m in o.methods),
            _corrections(method, over_time=config.windows is not None),
        ),
        references=_references(context, outcomes),
        config_yaml=config_yaml,
        versions=context.plan.versions,
        command=command,
        metric_notes={
            metric: f"{note} {_what_p_says(context)}" if metric in tested else note
            for outcome in outcomes
            for metric, note in outcome.notes.items()
        },
        chance={metric: value for outcome in outcomes for metric, value in outcome.chance.items()},
        without_zero=tuple(metric for outcome in outcomes for metric in outcome.without_zero),
    )


def describe(config: RunConfig, context: Context) -> str:
    """Return what was asked of what, in one sentence."""
    dataset = context.dataset
    subjects = f"{len(dataset.subjects)} subject" + ("s" if len(dataset.subjects) > 1 else "")
    kinds = ", ".join(dict.fromkeys(component.kind for component in config.comparisons))
    regions = "" if context.rois == ("all",) else f" in {', '.join(context.rois)}"
    models = f"{len(context.candidates)} model" + ("" if len(context.candidates) == 1 else "s")
    return f"{models} against {subjects} of {dataset.name}{regions} ({kinds})."


def _facts(config: RunConfig, context: Context) -> tuple[tuple[str, str], ...]:
    dataset = context.dataset
    facts = [("Dataset", dataset.name), ("Subjects", f"{len(dataset.subjects)}")]
    if dataset.study is not None:
        first = next(iter(dataset.study.values()))
        shapes = [" x ".join(map(str, r.data.shape)) for r in dataset.study.values()]
        axes = "Samples x channels" + ("" if first.times_s is None else " x times")
        facts += [
            ("Modality", f"{first.modality}, {first.unit}"),
            (axes, "; ".join(dict.fromkeys(shapes))),
            _what_was_shown(context),
        ]
    elif dataset.rdms is not None:
        facts += [("Dissimilarities", dataset.rdms.measure), ("Stimuli", str(dataset.rdms.n_stimuli))]
    families: dict[str, list[str]] = {}
    for candidate in context.candidates:
        families.setdefault(candidate.family, []).append(candidate.name)
    facts += [("Regions", ", ".join(context.rois))]
    facts += [(f"Models, {family}", ", ".join(names)) for family, names in families.items()]
    facts += [
        ("Comparisons", ", ".join(component.kind for component in config.comparisons)),
        ("Seed", str(context.plan.seed)),
        ("Threads, device", f"{context.plan.threads}, {context.plan.device}"),
    ]
    return tuple(facts)


def _what_was_shown(context: Context) -> tuple[str, str]:
    if context.axis is not None:
        seconds = len(context.axis.onset_s) * context.axis.tr_s
        return ("Continuous stimulus", f"{seconds:.0f} s, a sample every {context.axis.tr_s:g} s")
    assert context.dataset.study is not None  # checked by the caller
    return ("Stimuli or conditions", str(len(context.dataset.study.common_stimuli)))


def _corrected_scores(scores: Scores, method: str) -> Scores:
    table = scores.to_frame()
    everyone = (table["subject"] == "all") & (table["fold"] == "all") & table["p"].notna()
    for metric in table["metric"].unique():
        for chosen in (True, False):
            rows = everyone & (table["metric"] == metric) & ((table["layer"] == CHOSEN) == chosen)
            if rows.any():
                table.loc[rows, "p_corrected"] = fdr(table.loc[rows, "p"].to_numpy(), method=method)  # type: ignore[arg-type]
                table.loc[rows, "correction"] = _CORRECTIONS[method]
    return Scores(table)


def _corrected_differences(tables: Sequence[pd.DataFrame], method: str) -> pd.DataFrame:
    columns = ["roi", "metric", "model_a", "model_b", "difference", "se", "p", "p_corrected", "correction"]
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame(columns=columns)
    joined = pd.concat(filled, ignore_index=True)
    joined["p_corrected"] = np.nan
    for metric in joined["metric"].unique():
        rows = joined["metric"] == metric
        joined.loc[rows, "p_corrected"] = fdr(joined.loc[rows, "p"].to_numpy(), method=method)  # type: ignore[arg-type]
    joined["correction"] = _CORRECTIONS[method]
    return joined[columns]


def _metrics(scores: Scores) -> list[str]:
    return [str(m) for m in scores.table["metric"].unique() if not str(m).endswith(NEVER_LEADS)]


def _model_rows(scores: Scores, roi: str, metric: str) -> pd.DataFrame:
    table = scores.table
    keep = (table["subject"] == "all") & (table["layer"] == CHOSEN) & (table["fold"] == "all")
    keep &= (table["roi"] == roi) & (table["metric"] == metric) & table["time_s"].isna()
    found = table[keep]
    return found.loc[closeness(found).sort_values(ascending=False, kind="stable").index]


def _leader(scores: Scores, differences: pd.DataFrame, roi: str, metric: str) -> dict[str, Any] | None:
    rows = _model_rows(scores, roi, metric)
    if not len(rows):
        return None
    first = {str(name): value for name, value in rows.iloc[0].items()}
    second = str(rows.iloc[1]["model"]) if len(rows) > 1 else ""
    p = np.nan
    if second and len(differences):
        pair = differences[(differences["roi"] == roi) & (differences["metric"] == metric)]
        wanted = {first["model"], second}
        same = [{a, b} == wanted for a, b in zip(pair["model_a"], pair["model_b"], strict=True)]
        match = pair[same]
        p = float(match["p_corrected"].iloc[0]) if len(match) else np.nan
    second_value = float(rows.iloc[1]["value"]) if second else np.nan
    return {**first, "runner_up": second, "runner_up_value": second_value, "margin_p": p}


def _what_p_says(context: Context) -> str:
    exchanged, new = "stimuli or labels", "stimuli"
    if context.axis is not None:
        exchanged = new = "stretches of time"
    return (
        f"Stars and p hold these data against exchanged {exchanged}; the interval speaks of new subjects and "
        f"{new} as well, and may reach 0 where p is small."
    )


def _parts(scores: Scores, rois: Sequence[str]) -> list[str]:
    """Return a sentence per region on what all models explain together and each alone."""
    table = scores.table
    everyone = table[(table["subject"] == "all") & (table["fold"] == "all")]
    findings = []
    for roi in rois:
        joint = everyone[(everyone["roi"] == roi) & (everyone["metric"] == JOINT)]
        if not len(joint):
            continue
        where = "" if roi == "all" else f"{roi}: "
        value = float(joint["value"].iloc[0])
        unique = everyone[(everyone["roi"] == roi) & (everyone["metric"] == QUANTITIES["unique"])]
        adds = [
            _part(dict(row)) for row in unique.sort_values("value", ascending=False).to_dict(orient="records")
        ]
        adds = [text for text in adds if text]
        if value <= 0:
            findings.append(f"{where}all models together explain nothing held out (R2 {_number(value)}).")
        else:
            only = f"only {', '.join(adds)}" if adds else "no model alone adds to the others"
            findings.append(f"{where}all models together reach a held-out R2 of {_number(value)}; {only}.")
    return findings


def _part(row: dict[Any, Any]) -> str:
    if not row["value"] > 0:
        return ""
    p = f", p {p_text(row['p_corrected'])} corrected" if np.isfinite(row["p_corrected"]) else ""
    return f"{row['model']} explains {_number(row['value'])} of it{p}"


def _number(value: float) -> str:
    # Without the sign that a small negative number leaves on its rounded zero.
    return f"{round(value, 3) + 0.0:.3f}"


def _finding(leader: dict[str, Any], outcomes: Sequence[Outcome]) -> str:
    where = "" if leader["roi"] == "all" else f"{leader['roi']}: "
    distance = leader["closer"] == LOWER
    bound = "floor" if distance else "ceiling"
    leads = "leads" if leader["runner_up"] else "scores"
    if distance:
        leads = "is closest" if leader["runner_up"] else "is measured"
    elif leader["value"] <= 0:
        leads = "is the least bad" if leader["runner_up"] else "explains nothing"
    text = f"{where}{leader['model']} {leads} by {leader['metric']} ({_number(leader['value'])}"
    if np.isfinite(leader["ci_low"]):
        text += f" [{_number(leader['ci_low'])}, {_number(leader['ci_high'])}]"
    if np.isfinite(leader["ceiling_lower"]) and np.isfinite(leader["ceiling_upper"]):
        text += f"; {bound} {leader['ceiling_lower']:.3f} to {leader['ceiling_upper']:.3f}"
    elif np.isfinite(leader["ceiling_upper"]):
        text += f"; {bound} {leader['ceiling_upper']:.3f}"
    chance = {k: v for outcome in outcomes for k, v in outcome.chance.items()}.get(leader["metric"])
    if chance is not None:
        text += f"; chance {chance:.3f}"
    p = leader["p_corrected"]
    text += f"; p {p_text(p)} corrected)" if np.isfinite(p) else ")"
    if leader["runner_up"]:
        apart = "ahead of" if leader["margin_p"] < ALPHA else "not told apart from"
        if not np.isfinite(leader["margin_p"]):
            apart = "level with" if leader["value"] == leader["runner_up_value"] else "before"
        text += f", {apart} {leader['runner_up']} ({_number(leader['runner_up_value'])}"
        text += (
            f"; difference p {p_text(leader['margin_p'])} corrected)"
            if np.isfinite(leader["margin_p"])
            else ")"
        )
    if leader["metric"] in _leaking(outcomes):
        text += ". This is optimistic: the folds leak (see the audit)"
    return text + "."


def _leaking(outcomes: Sequence[Outcome]) -> set[str]:
    """Return the metrics whose folds the audit found to leak."""
    rows = [row for outcome in outcomes for row in outcome.audit]
    return {check.rpartition(", ")[0] for check, verdict, _ in rows if verdict == "leaks"}


def _truth(
    context: Context, scores: Scores, leaders: Sequence[dict[str, Any]], metrics: Sequence[str]
) -> pd.DataFrame | None:
    if context.dataset.truth is None or not metrics:
        return None
    rows = []
    for truth in context.dataset.truth.to_dict(orient="records"):
        for leader in leaders:
            if leader["roi"] != truth["roi"]:
                continue
            rows.append(
                {
                    "roi": f"{truth['roi']}, {leader['metric']}" if len(metrics) > 1 else truth["roi"],
                    "planted_model": truth["model"],
                    "planted_layer": truth["layer"],
                    "recovered_model": leader["model"],
                    "recovered_layer": _best_layer(scores, leader),
                    "value": leader["value"],
                    "runner_up": leader["runner_up"],
                    "margin_p": leader["margin_p"],
                    "correct": leader["model"] == truth["model"],
                }
            )
    return pd.DataFrame(rows) if rows else None


def _best_layer(scores: Scores, leader: dict[str, Any]) -> str:
    table = scores.table
    keep = (table["subject"] == "all") & (table["layer"] != CHOSEN) & (table["model"] == leader["model"])
    keep &= (table["roi"] == leader["roi"]) & (table["metric"] == leader["metric"])
    layers = table[keep]
    return str(layers.loc[closeness(layers).idxmax(), "layer"]) if len(layers) else ""


def _ranking(scores: Scores) -> dict[str, list[str]]:
    """Return each region's models, the best first, by the first RSA."""
    metrics = [metric for metric in _metrics(scores) if metric.startswith("rsa")]
    rois = [str(roi) for roi in scores.table["roi"].unique()]
    return {roi: [str(m) for m in _model_rows(scores, roi, metrics[0])["model"]] for roi in rois if metrics}


def _channel_values(outcomes: Sequence[Outcome]) -> pd.DataFrame | None:
    parts = [
        pd.DataFrame(
            {
                "subject": scores.subject,
                "roi": scores.channels["roi"].to_list() if "roi" in scores.channels else "all",
                "channel": scores.channels["name"].to_list(),
                "model": scores.model,
                "metric": scores.metric,
                "value": scores.values[0],
            }
        )
        for outcome in outcomes
        for scores in outcome.channels
    ]
    return pd.concat(parts, ignore_index=True) if parts else None


def _audit_row(row: tuple[str, str, str]) -> tuple[str, str, str]:
    return (row[0], {"clean": "pass", "leaks": "fail"}.get(row[1], row[1]), row[2])


def _model_methods(config: RunConfig, context: Context) -> list[str]:
    networks = [candidate for candidate in context.candidates if candidate.features is not None]
    if not networks:
        return []
    notes = [f"{candidate.name}: {note}" for candidate in networks for note in candidate.notes]
    if context.axis is not None:
        return [f"{_timed_features(config.timing)} {' '.join(dict.fromkeys(notes))}".strip()]
    options = config.features
    text = (
        f"Features. Every stimulus was shown to {', '.join(c.name for c in networks)}, and the outputs of "
        f"{sum(len(c.layers) for c in networks)} layers were kept (pooling: {options.pooling}; sparse random "
        f"projection of larger layers: {options.projection}). " + " ".join(dict.fromkeys(notes))
    )
    return [text.strip()]


def _timed_features(timing: TimingOptions) -> str:
    moment = f"the {timing.sample_at} of each sample"
    if timing.response == "fir":
        how = (
            f"low-passed and sampled at {moment} (Lanczos, 3 lobes; sums: every feature carries the rate "
            f"of events) and entered at delays of {', '.join(map(str, timing.delays))} samples"
        )
    else:
        extra = ("", " and its time derivative", ", its time and its dispersion derivative")[
            timing.derivatives
        ]
        how = (
            f"entered as impulses at the events' onsets, convolved with the canonical haemodynamic response "
            f"({timing.response}){extra} and sampled at {moment}"
        )
    return (
        f"Timed features were {how}. Of each run's time courses polynomials up to degree "
        f"{timing.detrend_degree} were taken out, and they were z-scored."
    )


def _corrections(method: str, *, over_time: bool) -> str:
    tests = "regions, models and windows" if over_time else "regions and models"
    return (
        f"Corrections. {_CORRECTIONS[method]} over all {tests} of a metric; differences: over all "
        "pairs of models and regions of a metric. Everything random follows from the seed."
    )


def _references(context: Context, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    from ..datasets import DATASETS

    name = context.dataset.name
    citation = DATASETS.facts(name).get("citation", "") if name in DATASETS else ""
    papers = [candidate.paper for candidate in context.candidates]
    listed = [str(citation), *papers, *(r for outcome in outcomes for r in outcome.references)]
    return tuple(dict.fromkeys(reference for reference in listed if reference))
