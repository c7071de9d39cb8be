"""Differences between decoders, on the trials that all of them were evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...reports.summary import DIFFERENCE_COLUMNS
from ...stats import fdr, sign_flip_test
from .config import DecodeConfig
from .rows import CORRECTIONS, by_name, metrics_of
from .scoring import EVERY, Scored

_LEAST_UNITS = 6  # fewer give no p below .05


def difference_rows(config: DecodeConfig, scored: Sequence[Scored]) -> pd.DataFrame:
    """Return the difference of every two decoders, by exchanging them on held-out stimuli (classes: units).

    A decoder's several trainings count as their mean; controls are left out, and so are scores that are no
    mean over trials (AUC).
    """
    groups = {name: group for name, group in by_name(scored).items() if not group[0].shuffled}
    rows = []
    metrics = metrics_of(next(iter(groups.values()))) if groups else []
    for score, repetitions, metric in metrics:
        hits = {name: _hits(group, score, repetitions) for name, group in groups.items()}
        for a, b in combinations([name for name, values in hits.items() if values is not None], 2):
            pair = pd.concat([hits[a], hits[b]], axis=1, join="inner").dropna()
            difference = (pair.iloc[:, 0] - pair.iloc[:, 1]).to_numpy(dtype=np.float64)
            if len(difference) < _LEAST_UNITS:
                continue
            p = 1.0
            if difference.any():
                p = float(sign_flip_test(difference, alternative="two-sided", random_state=config.seed).p[0])
            se = float(difference.std(ddof=1) / np.sqrt(len(difference)))
            rows.append({"roi": config.roi or "all", "metric": metric, "model_a": a, "model_b": b,
                         "difference": float(difference.mean()), "se": se, "p": p})  # fmt: skip
    if not rows:
        return pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))
    table = pd.DataFrame(rows)
    method = config.inference.correction
    table["p_corrected"] = fdr(table["p"].to_numpy(), method=method)
    return table.assign(correction=CORRECTIONS[method])[list(DIFFERENCE_COLUMNS)]


def _hits(group: Sequence[Scored], score: str, repetitions: str) -> pd.Series | None:
    """Return each held-out stimulus's (or unit's) share of the score, which is the mean of the shares."""
    from ...decoders import Retrieval

    frames = []
    for one in group:
        for fold, evaluation in enumerate(one.evaluations):
            result = evaluation.results[EVERY, repetitions]
            if not isinstance(result, Retrieval):
                return _class_hits(group, score, repetitions)
            value = _of_trials(result, score)
            if value is None:
                return None
            frames.append(pd.DataFrame({"unit": [f"{fold}/{s}" for s in result.stimuli], "value": value}))
    table = pd.concat(frames, ignore_index=True)
    shares: pd.Series = table.groupby("unit")["value"].mean()
    return shares


def _class_hits(group: Sequence[Scored], score: str, repetitions: str) -> pd.Series | None:
    """Return each held-out unit's share of the (balanced) accuracy, of single trials."""
    from ...decoders import Classification

    if score not in ("accuracy", "balanced accuracy") or repetitions != "1":
        return None
    frames = []
    for one in group:
        for fold, evaluation in enumerate(one.evaluations):
            result = evaluation.results[EVERY, repetitions]
            assert isinstance(result, Classification)  # the caller looked
            predicted = result.predicted
            truth = one.shown[fold]["target"].to_numpy()
            size = np.full(len(truth), len(truth), dtype=np.float64)
            if score == "balanced accuracy":
                counts = np.bincount(truth)
                size = (counts * np.count_nonzero(counts))[truth].astype(np.float64)
            value = (predicted == truth) / (size * len(one.evaluations) * len(group))
            units = [f"{one.scope}/{fold}/{unit}" for unit in one.shown[fold]["unit"]]
            frames.append(pd.DataFrame({"unit": units, "value": value}))
    shares: pd.Series = pd.concat(frames, ignore_index=True).groupby("unit")["value"].sum()
    return shares * len(shares)


def _of_trials(result: Any, score: str) -> NDArray[np.float64] | None:
    if score == "MRR":
        return np.asarray(1 / result.ranks, dtype=np.float64)
    if score.startswith("top-"):
        k = int(score.removeprefix("top-"))
        # Of ties at the edge, the share of orders that hit.
        return np.asarray(np.clip((k - result.better) / (result.tied + 1), 0.0, 1.0))
    return None
