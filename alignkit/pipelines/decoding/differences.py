"""Differences between decoders, on the trials that all of them were evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...reports.summary import DIFFERENCE_COLUMNS
from ...stats import fdr, sign_flip_test
from .config import DecodeConfig
from .rows import CORRECTIONS, by_name, metrics_of
from .scoring import EVERY, Scored

if TYPE_CHECKING:
    from ...decoders import Classification, Retrieval

_LEAST_UNITS = 6  # fewer give no p below .05
_OF_TRIALS, _OF_CLASSES = ("MRR",), ("accuracy", "balanced accuracy")


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
    """Return each held-out stimulus's (of classes: unit's) share of the score, the mean of the shares.

    Subjects, folds and trainings count the same, and so do the stimuli of each.
    """
    from ...decoders import Retrieval

    frames = []
    for one in group:
        for fold, evaluation in enumerate(one.evaluations):
            result = evaluation.results[EVERY, repetitions]
            if isinstance(result, Retrieval):
                frame = _of_stimuli(result, score)
            else:
                frame = _of_units(result, score) if repetitions == "1" else None
                if frame is not None:
                    frame["place"] = [f"{one.scope}/{fold}/{place}" for place in frame["place"]]
            if frame is None:
                return None
            frames.append(frame.assign(value=frame["value"] / (len(group) * len(one.evaluations))))
    shares: pd.Series = pd.concat(frames, ignore_index=True).groupby("place")["value"].sum()
    return shares * len(shares)


def _of_stimuli(result: Retrieval, score: str) -> pd.DataFrame | None:
    """Return what every trial adds to the score, and the stimulus it shows."""
    if score not in _OF_TRIALS and not score.startswith("top-"):
        return None
    names = result.stimuli if result.names is None else result.names
    table = pd.DataFrame({"place": [str(name) for name in names], "value": result.of_trials(score)})
    table["who"] = "one" if result.subjects is None else result.subjects
    trials = table.groupby(["who", "place"])["place"].transform("size")
    stimuli = table.groupby("who")["place"].transform("nunique")
    return table.assign(value=table["value"] / (trials * stimuli * table["who"].nunique()))


def _of_units(result: Classification, score: str) -> pd.DataFrame | None:
    """Return what every trial adds to the (balanced) accuracy, and the unit it belongs to."""
    if score not in _OF_CLASSES:
        return None
    table = pd.DataFrame(
        {"unit": result.units, "truth": result.truth, "right": result.predicted == result.truth}
    )
    table["who"] = "one" if result.subjects is None else result.subjects
    size = table.groupby("who")["truth"].transform("size").astype(np.float64)
    if score == "balanced accuracy":
        of_class = table.groupby(["who", "truth"])["truth"].transform("size")
        size = of_class * table.groupby("who")["truth"].transform("nunique")
    place = table["who"].astype(str) + "/" + table["unit"].astype(str)
    return pd.DataFrame({"place": place, "value": table["right"] / (size * table["who"].nunique())})
