"""The score of several subjects: the mean of each one's own, so that knowing who it is tells nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ._identity_exchanges import against_exchanges
from ._intervals import Interval, student_interval
from .classification import Classification, against_null
from .retrieval import Retrieval

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Result = Retrieval | Classification
RANKS = ("mean rank", "median rank")
# With fewer subjects their spread is not known well enough.
LEAST_SUBJECTS = 3


def mean_over_subjects(found: Mapping[str, Result], order: Indices, *, confidence: float) -> Result:
    """Return the mean over subjects of their scores.

    Exchanges stay within subjects, and the null is the mean of theirs. The interval is Student's over three
    or more subjects; of two it is that of the mean of their bootstrap draws, which speaks of these subjects.

    Parameters
    ----------
    found : mapping of str to Retrieval or to Classification
        Of each subject, by name.
    order : ndarray of int
        Which of the trials, of one subject after the other, comes at each place in the result.
    confidence : float
        Of the interval and the null's range.
    """
    results = list(found.values())
    table = results[0].table[["score"]].copy()
    values = _stacked(results, "value")
    table["value"] = values.mean(axis=0)
    limits = _limits(results, values, table["score"].tolist(), confidence)
    table["ci_low"] = np.fmin(limits.low, table["value"])
    table["ci_high"] = np.fmax(limits.high, table["value"])
    for name in ("chance", "chance_even"):
        if name in results[0].table:
            table[name] = _stacked(results, name).mean(axis=0)
    null = pd.DataFrame(
        np.mean([result.null.to_numpy() for result in results], axis=0), columns=results[0].null.columns
    )
    retrievals = [one for one in results if isinstance(one, Retrieval)]
    classified = [one for one in results if isinstance(one, Classification)]
    n_trials = [len(one.better) for one in retrievals] + [len(one.predicted) for one in classified]
    people = np.repeat(np.array(list(found)), n_trials)[order]
    if retrievals:
        return replace(_retrieval(retrievals, table, null, order, confidence), subjects=people)
    return replace(_classification(classified, table, null, order, confidence), subjects=people)


def _retrieval(
    found: Sequence[Retrieval], table: pd.DataFrame, null: pd.DataFrame, order: Indices, confidence: float
) -> Retrieval:
    tested = table["score"].isin(null.columns).to_numpy()
    names = list(null.columns)
    compared = against_exchanges(table.loc[tested, "value"].to_numpy(), null.to_numpy(), names, confidence)
    for name, values in compared.items():
        table[name] = np.nan
        table.loc[tested, name] = values
    named = [one.names for one in found if one.names is not None]
    return Retrieval(
        table=table[found[0].table.columns],
        better=np.concatenate([one.better for one in found])[order],
        tied=np.concatenate([one.tied for one in found])[order],
        stimuli=np.concatenate([one.stimuli for one in found])[order],
        n_gallery=found[0].n_gallery,
        null=null,
        names=np.concatenate(named)[order] if len(named) == len(found) else None,
        draws=_draws(found),
    )


def _classification(
    found: Sequence[Classification],
    table: pd.DataFrame,
    null: pd.DataFrame,
    order: Indices,
    confidence: float,
) -> Classification:
    table = table.assign(**against_null(table["value"].to_numpy(), null.to_numpy(), confidence))
    confusion = found[0].confusion * 0.0 + np.mean([one.confusion.to_numpy() for one in found], axis=0)
    exchanged = [one.exchanged for one in found]
    return Classification(
        table=table[found[0].table.columns],
        confusion=confusion,
        predicted=np.concatenate([one.predicted for one in found])[order],
        null=null,
        truth=np.concatenate([one.truth for one in found])[order],
        units=np.concatenate([one.units for one in found])[order],
        exchanged=max(set(exchanged), key=exchanged.count),
        draws=_draws(found),
    )


def _limits(found: Sequence[Result], values: Floats, scores: list[str], confidence: float) -> Interval:
    shares = np.array([score not in RANKS for score in scores])
    if len(found) >= LEAST_SUBJECTS:
        return student_interval(values, confidence=confidence, shares=shares)
    draws = _draws(found)
    if draws is None:
        # Independent subjects: the variances of their jackknives add up.
        halves = (_stacked(found, "ci_high") - _stacked(found, "ci_low")) / 2
        half = np.sqrt((halves**2).sum(axis=0)) / len(found)
        low, high = values.mean(axis=0) - half, values.mean(axis=0) + half
    elif len(draws):
        tail = (1 - confidence) / 2
        low, high = np.quantile(draws[scores].to_numpy(), [tail, 1 - tail], axis=0)
    else:
        low = high = np.full(len(scores), np.nan)
    return Interval(
        np.where(shares, np.clip(low, 0.0, 1.0), low), np.where(shares, np.clip(high, 0.0, 1.0), high)
    )


def _draws(found: Sequence[Result]) -> pd.DataFrame | None:
    draws = [result.draws for result in found if result.draws is not None]
    if len(draws) < len(found):
        return None
    return pd.DataFrame(np.mean([one.to_numpy() for one in draws], axis=0), columns=draws[0].columns)


def _stacked(found: Sequence[Result], column: str) -> Floats:
    return np.stack([result.table[column].to_numpy(dtype=np.float64) for result in found])
