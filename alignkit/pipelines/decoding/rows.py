"""Scores of decoders as rows of the common table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from ...recordings.scores import LOWER, Scores
from ...stats import fdr, permutation_p
from .building import NETWORK
from .config import DecodeConfig
from .course import Course
from .scoring import EVERY, Scored

if TYPE_CHECKING:
    from ...decoders import Evaluation

CHOSEN = "(chosen)"
SHOWN = ("top-1", "top-5", "top-10", "MRR", "accuracy", "balanced accuracy", "AUC")
OF_AVERAGES = ("top-1", "accuracy")
FAMILIES = {NETWORK: "network"}
LINEAR, CONTROL = "linear", "shuffled control"
CORRECTIONS = {"bh": "FDR (Benjamini-Hochberg)", "by": "FDR (Benjamini-Yekutieli)"}
_LEAST_SUBJECTS = 3  # two say nothing of how subjects differ


def metric_of(score: str, repetitions: str, every: Sequence[Evaluation], main: str) -> str:
    """Return a score's name with what it was chosen from, and how many trials were averaged."""
    sizes = sorted({one.card.n_choices for one in every})
    name = (
        f"{score} of {'-'.join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))}"
        if score.startswith("top-")
        else score
    )
    if repetitions == main:
        return name
    return f"{name}, {repetitions} repetition{'' if repetitions == '1' else 's'}"


def main_repetitions(one: Evaluation) -> str:
    """Return the repetitions that the headline is about: the last that were asked for."""
    return str(one.card.repetitions[-1])


def score_rows(config: DecodeConfig, scored: Sequence[Scored]) -> tuple[Scores, dict[str, float]]:
    """Return the scores of all decoders, and each metric's chance."""
    rows: list[dict[str, Any]] = []
    chance: dict[str, float] = {}
    for name, group in by_name(scored).items():
        first = group[0]
        for score, repetitions, metric in metrics_of(group):
            found = [_found(one, score, repetitions) for one in group]
            chance[metric] = float(np.mean([row["chance"] for row in found]))
            base = {
                "roi": config.roi or "all",
                "model": name,
                "layer": CHOSEN,
                "metric": metric,
                "fold": "all",
            }
            base |= {"family": family_of(first), "closer": LOWER if "rank" in score else ""}
            rows += _subject_rows(base, group, score, repetitions)
            rows.append({**base, "subject": EVERY, **_together(config, group, found, score, repetitions)})
    table = pd.DataFrame(rows)
    return Scores(_corrected(table, config.inference.correction)), chance


def course_rows(config: DecodeConfig, courses: Sequence[Course]) -> tuple[Scores, dict[str, float]]:
    """Return scores over time, and each metric's chance."""
    rows: list[dict[str, Any]] = []
    chance: dict[str, float] = {}
    for name in dict.fromkeys(one.decoder for one in courses):
        group = [one for one in courses if one.decoder == name]
        metric = f"{group[0].score} over time"
        chance[metric] = group[0].chance
        family = FAMILIES.get(_kind_of(config, name), LINEAR)
        base = {"roi": config.roi or "all", "model": name, "family": family, "layer": CHOSEN}
        base |= {"metric": metric, "fold": "all"}
        if len(group) > 1:
            for one in group:
                rows += [{**base, "subject": one.scope, "time_s": time, "value": value, "n": one.n}
                         for time, value in zip(one.times_s, one.value, strict=True)]  # fmt: skip
        rows += [
            {**base, "subject": EVERY, **row} for row in _mean_course(group, config.inference.confidence)
        ]
    return Scores(pd.DataFrame(rows)), chance


def full_table(scored: Sequence[Scored]) -> pd.DataFrame:
    """Return every score of every decoder, subject, training and number of repetitions."""
    frames = []
    for one in scored:
        frame = one.table.copy()
        frame.insert(0, "shuffled", one.shuffled)
        frame.insert(0, "seed", one.seed)
        frame.insert(0, "scope", one.scope)
        frame.insert(0, "decoder", one.decoder)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def name_of(one: Scored) -> str:
    """Return the decoder's name, and that it is a control where it is."""
    return f"{one.decoder}, shuffled" if one.shuffled else one.decoder


def family_of(one: Scored) -> str:
    """Return what kind of decoder it is."""
    return CONTROL if one.shuffled else FAMILIES.get(one.component.kind, LINEAR)


def _kind_of(config: DecodeConfig, name: str) -> str:
    return next((one.kind for one in config.decoders if (one.name or one.kind) == name), "")


def by_name(scored: Sequence[Scored]) -> dict[str, list[Scored]]:
    """Return what belongs to each decoder: of every scope and training."""
    groups: dict[str, list[Scored]] = {}
    for one in scored:
        groups.setdefault(name_of(one), []).append(one)
    return groups


def metrics_of(group: Sequence[Scored]) -> list[tuple[str, str, str]]:
    """Return (score, repetitions, metric) of what the report shows: what all subjects have."""
    every = [evaluation for one in group for evaluation in one.evaluations]
    main = main_repetitions(every[0])
    pairs = group[0].table[["score", "repetitions"]].drop_duplicates().astype(str)
    common = set.intersection(
        *(set(map(tuple, one.table[["score", "repetitions"]].astype(str).to_numpy())) for one in group)
    )
    found = []
    for score, repetitions in pairs.itertuples(index=False):
        shown = SHOWN if repetitions == main else OF_AVERAGES
        twice = repetitions == main and score == "accuracy" and all(map(_is_even, group))
        if score in shown and not twice and (score, repetitions) in common:
            found.append((score, repetitions, metric_of(score, repetitions, every, main)))
    order = {score: place for place, score in enumerate(SHOWN)}
    return sorted(found, key=lambda entry: (entry[1] != main, order[entry[0]]))


def _is_even(one: Scored) -> bool:
    # With as many trials of each class, accuracy and balanced accuracy are one number, and chance is too.
    chance = one.table[one.table["subject"] == EVERY].groupby("score")["chance"].mean()
    if "accuracy" not in chance or "balanced accuracy" not in chance:
        return False
    return bool(np.isclose(chance["accuracy"], chance["balanced accuracy"], atol=1e-9))


def _found(one: Scored, score: str, repetitions: str, subject: str = EVERY) -> pd.Series:
    table = one.table
    rows = table[(table["subject"] == subject) & (table["repetitions"] == repetitions)]
    return rows[rows["score"] == score].iloc[0]


def _subject_rows(
    base: dict[str, Any], group: Sequence[Scored], score: str, repetitions: str
) -> list[dict[str, Any]]:
    """Return a row per subject, where there are several: of decoders of their own, or of one for all."""
    of_subject: dict[str, list[float]] = {}
    for one in group:
        names = (
            [one.scope] if one.scope != EVERY else [n for n in one.table["subject"].unique() if n != EVERY]
        )
        for name in names:
            row = _found(one, score, repetitions, EVERY if one.scope != EVERY else name)
            of_subject.setdefault(str(name), []).append(float(row["value"]))
    if len(of_subject) < 2:
        return []
    return [{**base, "subject": name, "value": float(np.mean(values))} for name, values in of_subject.items()]


def _together(
    config: DecodeConfig, group: Sequence[Scored], found: Sequence[pd.Series], score: str, repetitions: str
) -> dict[str, Any]:
    """Return value, interval, p and n over subjects, over trainings, or of the one evaluation."""
    value = float(np.mean([row["value"] for row in found]))
    scopes = list(dict.fromkeys(one.scope for one in group))
    nulls = [null for one in group if (null := _null_of(one, score, repetitions)) is not None]
    p = np.nan
    if nulls:
        n = min(map(len, nulls))
        mean_null = np.mean(np.stack([null[:n] for null in nulls]), axis=0)
        p = float(permutation_p(value, mean_null,
                                alternative="less" if "rank" in score else "greater"))  # fmt: skip
    if len(scopes) > 1:
        means = [np.mean([row["value"] for row, one in zip(found, group, strict=True) if one.scope == scope])
                 for scope in scopes]  # fmt: skip
        limits = _interval(np.array(means), found, config.inference.confidence)
        return {"value": value, **limits, "p": p, "n": len(scopes)}
    low, high = (float(np.mean([row[name] for row in found])) for name in ("ci_low", "ci_high"))
    n_counted = found[0].get("n_stimuli", found[0].get("n_folds", np.nan))
    return {"value": value, "ci_low": min(low, value), "ci_high": max(high, value), "p": p, "n": n_counted}


def _null_of(one: Scored, score: str, repetitions: str) -> NDArray[np.float64] | None:
    from ...decoders import FoldsEvaluation

    if isinstance(one.evaluation, FoldsEvaluation):
        return one.evaluation.null.get((EVERY, repetitions, score))
    null = one.evaluation.results[EVERY, repetitions].null
    return np.asarray(null[score], dtype=np.float64) if score in null else None


def _interval(
    values: NDArray[np.float64], found: Sequence[Mapping[str, Any] | pd.Series], confidence: float
) -> dict[str, float]:
    """Return Student's interval over subjects; of two, or of subjects alike, the mean of their own limits."""
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if len(values) >= _LEAST_SUBJECTS and spread > 0:
        half = student.ppf((1 + confidence) / 2, len(values) - 1) * spread / np.sqrt(len(values))
        low, high = mean - half, mean + half
    else:
        low, high = (float(np.mean([row[name] for row in found])) for name in ("ci_low", "ci_high"))
    return {"ci_low": min(max(low, 0.0), mean), "ci_high": max(min(high, 1.0), mean)}


def _mean_course(group: Sequence[Course], confidence: float) -> list[dict[str, Any]]:
    from ...decoders import compare_over_times

    first = group[0]
    if len(group) == 1:
        columns = ("value", "ci_low", "ci_high", "p", "p_corrected")
        rows = zip(first.times_s, *(getattr(first, name) for name in columns), strict=True)
        return [{"time_s": time, **dict(zip(columns, values, strict=True)), "n": first.n,
                 "correction": "largest score over times"} for time, *values in rows]  # fmt: skip
    values = np.stack([one.value for one in group])
    p = corrected = np.full(values.shape[1], np.nan)
    nulls = [one.null for one in group if one.null is not None]
    if len(nulls) == len(group):
        test = compare_over_times(values.mean(axis=0), np.mean(np.stack(nulls), axis=0))
        p, corrected = test.p, test.p_corrected
    rows_of = []
    for place, time in enumerate(first.times_s):
        own = [{"ci_low": one.ci_low[place], "ci_high": one.ci_high[place]} for one in group]
        limits = _interval(values[:, place], own, confidence)
        rows_of.append({"time_s": time, "value": values[:, place].mean(), **limits,
                        "p": p[place], "p_corrected": corrected[place], "n": len(group),
                        "correction": "largest score over times"})  # fmt: skip
    return rows_of


def _corrected(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Correct p over all decoders and metrics; controls are no findings."""
    table["p_corrected"], table["correction"] = np.nan, ""
    rows = (table["subject"] == EVERY) & table["p"].notna() & (table["family"] != CONTROL)
    if rows.any():
        table.loc[rows, "p_corrected"] = fdr(table.loc[rows, "p"].to_numpy(), method=method)  # type: ignore[arg-type,index]
        table.loc[rows, "correction"] = CORRECTIONS[method]
    return table
