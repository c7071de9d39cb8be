"""From scored decoders to what the report says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...datasets import Dataset
from ...recordings.recording import Recording
from ...recordings.scores import Scores
from ...reports import RunSummary
from ...reports.matrices import Matrix
from ...reports.sensor_maps import SensorMap, can_be_mapped
from ..plan import Plan
from ..time_findings import time_findings
from .building import NETWORK
from .config import DecodeConfig
from .course import Course
from .differences import difference_rows
from .findings import decoding_findings, doubts_about
from .rows import course_rows, main_repetitions, score_rows
from .scoring import EVERY, Parts, Scored
from .targets import Embeddings
from .task import units_of

MOST_CLASSES = 24
_PAPERS = {
    "lda": "Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. "
    "Journal of Multivariate Analysis 88:365-411. doi:10.1016/S0047-259X(03)00096-4",
    "patterns": "Haufe S et al. (2014). On the interpretation of weight vectors of linear models in "
    "multivariate neuroimaging. NeuroImage 87:96-110. doi:10.1016/j.neuroimage.2013.10.067",
    "generalise": "King J-R, Dehaene S (2014). Characterizing the dynamics of mental representations: the "
    "temporal generalization method. Trends in Cognitive Sciences 18:203-210. doi:10.1016/j.tics.2014.01.002",
}


def summarise_decoding(
    config: DecodeConfig,
    dataset: Dataset,
    parts: Sequence[Parts],
    scored: Sequence[Scored],
    courses: Sequence[Course],
    embeddings: Embeddings | None,
    *,
    plan: Plan,
    config_yaml: str,
    command: str,
    log_warnings: Sequence[str] = (),
) -> RunSummary:
    """Join what all decoders reached into one summary."""
    scores, chance = score_rows(config, scored)
    differences = difference_rows(config, scored)
    found = decoding_findings(scores, differences, chance, main_repetitions(scored[0].evaluations[0]))
    if courses:
        over_time, its_chance = course_rows(config, courses)
        chance |= its_chance
        metrics = list(dict.fromkeys(map(str, over_time.table["metric"])))
        found += time_findings(over_time, metrics, [config.roi or "all"], nothing="chance")
        scores = Scores.concat([scores, over_time])
    warnings = [*log_warnings, *doubts_about(scored), *dataset.notes]
    return RunSummary(
        title=config.title or f"{dataset.name}: what can be decoded?",
        sentence=_sentence(config, dataset, parts, embeddings),
        scores=scores,
        facts=_facts(config, dataset, parts, embeddings, plan),
        coverage=_coverage(dataset, parts),
        differences=differences,
        headline=tuple(found),
        matrices=(*_confusions(scored), *_generalisations(courses)),
        sensor_maps=tuple(_patterns(courses, parts)),
        cards=tuple(_cards(scored, courses)),
        audit=_audit(scored),
        warnings=tuple(dict.fromkeys(warnings)),
        methods=_methods(config, dataset, parts, scored, courses, embeddings),
        references=_references(scored, courses, embeddings),
        config_yaml=config_yaml,
        versions=plan.versions,
        command=command,
        metric_notes=_notes(scores, scored),
        chance=chance,
    )


def _sentence(
    config: DecodeConfig, dataset: Dataset, parts: Sequence[Parts], embeddings: Embeddings | None
) -> str:
    names = "; ".join(one.name or one.kind for one in config.decoders)
    who = f"{len(dataset.subjects)} subject" + ("s" if len(dataset.subjects) > 1 else "")
    if embeddings is None:
        what = f"{config.target.label!r} ({len(parts[0].trials.targets.names)} classes)"
    else:
        what = f"the features that {embeddings.model.name} has of each stimulus"
    return f"Decoding {what} from {who} of {dataset.name}. Decoders: {names}."


def _coverage(dataset: Dataset, parts: Sequence[Parts]) -> str:
    decoded = {name for part in parts for name in part.trials.table["subject"].unique()}
    return f"{len(decoded)} of {len(dataset.subjects)} subjects"


def _facts(
    config: DecodeConfig,
    dataset: Dataset,
    parts: Sequence[Parts],
    embeddings: Embeddings | None,
    plan: Plan,
) -> tuple[tuple[str, str], ...]:
    study = [recording for part in parts for recording in part.trials.study.values()]
    axes = "Samples x channels" + ("" if study[0].times_s is None else " x times")
    shapes = dict.fromkeys(" x ".join(map(str, recording.data.shape)) for recording in study)
    targets = parts[0].trials.targets
    first = parts[0].splits[0]
    validation = 0 if first.validation is None else len(first.validation)
    facts = [
        ("Dataset", dataset.name),
        ("Modality", ", ".join(dict.fromkeys((study[0].modality, study[0].unit)))),
        ("Subjects", str(len(study))),
        (axes, "; ".join(shapes)),
    ]
    if embeddings is None:
        facts.append((f"Classes of {config.target.label}", ", ".join(targets.names[:12])))
    else:
        facts.append(("Embeddings", f"{embeddings.model.name}, {targets.n_dims} dimensions"))
    where = f", {len(parts[0].splits)} folds" if len(parts[0].splits) > 1 else ""
    facts += [
        (
            "Training, validation, held out",
            f"{len(first.training)}, {validation}, {len(first.held_out)} trials{where}",
        ),
        ("Decoders", "; ".join(one.name or one.kind for one in config.decoders)),
        ("Seed", str(plan.seed)),
        ("Threads, device", f"{plan.threads}, {plan.device}"),
    ]
    return tuple(facts)


def _confusions(scored: Sequence[Scored]) -> list[Matrix]:
    made = []
    for one in scored:
        if one.shuffled or one.seed:
            continue
        found = [result.confusion for each in one.evaluations for (who, _), result in each.results.items()
                 if who == EVERY and hasattr(result, "confusion")]  # fmt: skip
        if not found or len(found[0]) > MOST_CLASSES:
            continue
        names = tuple(str(name) for name in found[0].index)
        values = np.mean([each.to_numpy(dtype=np.float64) for each in found], axis=0)
        whose = "" if one.scope == EVERY else f", {one.scope}"
        made.append(
            Matrix(f"{one.decoder}{whose}: which class was taken for which", values, names, names, "shown",
                   "decoded", "share", caption="Share of held-out trials; rows sum to 1.")
        )  # fmt: skip
    return made


def _generalisations(courses: Sequence[Course]) -> list[Matrix]:
    made = []
    for name in dict.fromkeys(one.decoder for one in courses if one.generalisation is not None):
        group = [one for one in courses if one.decoder == name and one.generalisation is not None]
        times = tuple(float(time) for time in group[0].times_s)
        values = np.mean([np.asarray(one.generalisation) for one in group], axis=0)
        over = f", mean of {len(group)} subjects" if len(group) > 1 else ""
        made.append(
            Matrix(f"{name}: fitted at one time, applied at every other", values, times, times,
                   "fitted at (s)", "applied at (s)", group[0].score, group[0].chance,
                   f"{group[0].score}{over}; white is chance. Dashed: onset.")
        )  # fmt: skip
    return made


def _patterns(courses: Sequence[Course], parts: Sequence[Parts]) -> list[SensorMap]:
    """Return the pattern of each classifier of two classes at its best time, of each subject."""
    made = []
    for one in courses:
        if one.patterns is None or one.patterns.shape[2] != 1:
            continue
        recording = _recording(one.scope, parts)
        if not can_be_mapped(recording.geometry):
            continue
        peak = int(np.argmax(one.value))
        title = f"{one.decoder}, {one.scope}: pattern at {1000 * one.times_s[peak]:.0f} ms"
        caption = (
            f"What the sensors show where the decoder says {one.classes[1]!r} rather than {one.classes[0]!r} "
            "(Haufe pattern, not weights), at the time of the best score, of all trials."
        )
        if not (np.asarray(one.p_corrected) < 0.05).any():
            caption += " No time is told from chance, so that this may be noise."
        made.append(SensorMap(title, one.patterns[peak, :, 0], recording.geometry, recording.unit, caption))  # type: ignore[arg-type]
    return made


def _recording(subject: str, parts: Sequence[Parts]) -> Recording:
    return next(part.trials.study[subject] for part in parts if subject in part.trials.study)


def _cards(
    scored: Sequence[Scored], courses: Sequence[Course]
) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return the protocol of all decoders, and of each what is its own."""
    cards = []
    for one in scored:
        if one.shuffled or one.seed:
            continue
        whose = "" if one.scope == EVERY else f", {one.scope}"
        cards.append((f"{one.decoder}{whose}", tuple(one.evaluation.card.lines())))
    shared = [line for line in cards[0][1] if all(line in lines for _, lines in cards)]
    if len(cards) > 1 and shared:
        own = [(name, tuple(line for line in lines if line not in shared)) for name, lines in cards]
        cards = [("All decoders", tuple(shared)), *(card for card in own if card[1])]
    cards += [
        (f"{one.decoder} over time", tuple(one.card.lines())) for one in courses if one.card is not None
    ]
    return cards


def _audit(scored: Sequence[Scored]) -> tuple[tuple[str, str, str], ...]:
    rows: dict[tuple[str, str, str], None] = {}
    for one in scored:
        audit = one.evaluation.card.audit
        whose = "all subjects" if one.scope == EVERY else one.scope
        checked = f"Nothing shared of: {', '.join(audit.checked)}."
        verdict = "pass" if audit.verdict == "clean" else "fail"
        rows[
            f"training, validation and held-out part, {whose}", verdict, " ".join(audit.findings) or checked
        ] = None
    rows["epoch and settings", "pass", _chosen(scored)] = None
    return tuple(rows)


def _chosen(scored: Sequence[Scored]) -> str:
    ways = dict.fromkeys(
        f"{one.decoder}: {one.evaluation.card.chosen_by}" for one in scored if not one.shuffled
    )
    return "; ".join(ways) + ". The held-out part is sealed and cannot choose."


def _methods(
    config: DecodeConfig,
    dataset: Dataset,
    parts: Sequence[Parts],
    scored: Sequence[Scored],
    courses: Sequence[Course],
    embeddings: Embeddings | None,
) -> tuple[str, ...]:
    texts = []
    if embeddings is not None:
        kept = "z-scored by" if config.target.components is None else "reduced to principal components of"
        texts.append(
            f"Embeddings. Features of {embeddings.model.name} ({', '.join(embeddings.model.layers)}), {kept} "
            f"the training part's stimuli: {parts[0].trials.targets.n_dims} dimensions."
        )
    units = units_of(config, dataset, parts[0].trials.study) or "stimulus"
    if embeddings is not None:
        units += ", and stimuli with their near-duplicates"
    has_networks = any(one.component.kind == NETWORK for one in scored)
    chosen_by = "; networks stop by a validation part, linear decoders are fitted to both parts together and "
    texts.append(
        f"Parts. Units ({units}) stay whole. What is held out is sealed until a fitted decoder is evaluated "
        f"on it{chosen_by if has_networks else '; decoders '}choose their penalties by cross-validation "
        "within what they are fitted to, where they choose any."
    )
    for name in dict.fromkeys(one.decoder for one in scored):
        group = [one for one in scored if one.decoder == name and not one.shuffled]
        texts += dict.fromkeys(f"{name}. {text}" for text in _described(group))
    texts += dict.fromkeys(one.how for one in courses)
    if config.shuffled:
        texts.append(
            "Controls. Every decoder was also fitted to exchanged targets (of stimuli, or of trials within "
            "units) and evaluated in the same way."
        )
    return tuple(texts)


def _described(group: Sequence[Scored]) -> list[str]:
    """Return what one decoder was: of a network in one sentence, however often it was trained."""
    if group[0].component.kind != NETWORK:
        return [_described_linear(one) for one in group]
    every = [one.fitted.describe() for one in group]
    facts = every[0]
    plan, epochs = facts["plan"], _span([each["n_epochs"] for each in every])
    often = f" {len(every)} times" if len(every) > 1 else ""
    text = (
        f"Network {facts['network']['kind']} trained{often} with {facts['objective']['kind']} "
        f"({plan['optimizer']}, learning rate {plan['lr']:g}, batches of {plan['batch_size']}) for {epochs} "
        f"epochs, of which the weights of epoch {_span([each['best_epoch'] for each in every])} were kept; "
        f"chosen by: {facts['chosen_by']}."
    )
    return [text]


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _described_linear(one: Scored) -> str:
    facts = one.fitted.describe()
    averaged = "the mean over presentations of each stimulus" if one.component.average else "every trial"
    chosen_by = str(facts["chosen_by"])
    how = chosen_by if chosen_by.startswith("nothing") else f"its penalty was chosen by {chosen_by}"
    return f"{facts['kind']}, fitted to {averaged}{_options_of(facts['parameters'])}; {how}."


def _options_of(options: Mapping[str, Any]) -> str:
    """Return the options that tell what a linear decoder saw."""
    text = ""
    if options.get("window_s") is not None:
        start, stop = options["window_s"]
        text += f", {start:g} to {stop:g} s"
        text += " averaged" if options.get("average_window") else ""
    penalties = options.get("C")
    if penalties is not None:
        text += f", C {penalties:g}" if isinstance(penalties, float) else f", C of {penalties}"
    return text


def _references(
    scored: Sequence[Scored], courses: Sequence[Course], embeddings: Embeddings | None
) -> tuple[str, ...]:
    from ...decoders import BRAIN_NETWORKS, OBJECTIVES

    listed = [] if embeddings is None else [embeddings.model.paper]
    for one in scored:
        if one.component.kind == NETWORK:
            options = one.component.options
            listed.append(str(BRAIN_NETWORKS.facts(options["network"]["kind"])["paper"]))
            listed.append(str(OBJECTIVES.facts(options["objective"]["kind"])["paper"]))
        listed.append(_PAPERS.get(one.component.kind, ""))
    if courses:
        listed += [_PAPERS["generalise"], _PAPERS["patterns"]]
    return tuple(dict.fromkeys(reference for reference in listed if reference))


def _notes(scores: Scores, scored: Sequence[Scored]) -> dict[str, str]:
    several = len({one.scope for one in scored}) > 1
    first = scored[0]
    # The table says how p was corrected over decoders; the card speaks of one decoder.
    interval = re.sub(r", not corrected[^;]*", "", first.evaluation.card.uncertainty)
    interval = "Student's interval over subjects" if several else interval
    counted = "subjects" if several else "folds" if len(first.evaluations) > 1 else "held-out stimuli"
    notes = {}
    for metric in dict.fromkeys(map(str, scores.table["metric"])):
        timed = scores.table.loc[scores.table["metric"] == metric, "time_s"].notna().any()
        notes[metric] = (
            "Held-out trials at each time; the methods say how."
            if timed
            else f"Held-out trials; {interval}. N counts {counted}."
        )
    return notes
