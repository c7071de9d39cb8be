"""Scores over the folds of a cross-validation; interval and p know that folds share training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...stats.permutation import permutation_p, widen_cross_validated_null
from ._intervals import check_confidence, student_interval
from ._over_subjects import RANKS
from ._scoring import Result
from .evaluate import Evaluation
from .protocol import ProtocolCard

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldsEvaluation:
    """Result of :func:`pool_folds`.

    Attributes
    ----------
    table : DataFrame
        A row per `subject`, `repetitions` and `score`: `value` (mean over folds), `ci_low`, `ci_high`,
        `chance` (mean over folds), `p`, `n_folds`.
    folds : tuple of Evaluation
        What was pooled.
    null : dict of (str, str, str) to ndarray of shape (n_permutations,)
        Pooled scores under exchange, widened, by subject, repetitions and score.
    card : ProtocolCard
        Of all folds.
    """

    table: pd.DataFrame
    folds: tuple[Evaluation, ...]
    null: dict[tuple[str, str, str], Floats]
    card: ProtocolCard

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def pool_folds(evaluations: Sequence[Evaluation], *, confidence: float = 0.95) -> FoldsEvaluation:
    """Pool the evaluations of the folds of a cross-validation.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        One of each fold of :func:`folds_of_trials`, each with a seed of its own, so that exchanges differ.
    confidence : float, default=0.95
        Of the intervals.

    Returns
    -------
    pooled : FoldsEvaluation
        Means over folds. Intervals are Student's over folds with the variance raised from 1 / k to
        1 / k + 1 / (k - 1), since folds share training data; the null's spread is raised by the root of 2.

    Raises
    ------
    InputError
        For fewer than two folds, folds that were evaluated in different ways, or with one seed.

    References
    ----------
    Nadeau C, Bengio Y (2003). Inference for the generalization error. Machine Learning,
    doi:10.1023/A:1024068626366.
    """
    check_confidence(confidence)
    n_folds = len(evaluations)
    if n_folds < 2:
        raise InputError(f"pooling needs at least 2 folds, got {n_folds}.")
    keys = set(evaluations[0].results)
    if any(set(each.results) != keys for each in evaluations):
        raise InputError("the folds differ in subjects or repetitions; evaluate all of them in one way.")
    if len({each.card.seed for each in evaluations}) < n_folds:
        raise InputError(
            "folds were evaluated with one seed; give each its own, so that nulls are independent."
        )
    rows, nulls = [], {}
    for subject, repetitions in evaluations[0].results:
        found = [each.results[subject, repetitions] for each in evaluations]
        common = [
            name for name in found[0].table["score"] if all(name in set(f.table["score"]) for f in found)
        ]
        for score in common:
            null = _null(found, score)
            row = _row(found, score, null, confidence)
            rows.append({"subject": subject, "repetitions": repetitions, **row})
            if null is not None:
                nulls[subject, repetitions, score] = null
    return FoldsEvaluation(
        pd.DataFrame(rows), tuple(evaluations), nulls, _card(evaluations, rows, confidence)
    )


def _row(found: Sequence[Result], score: str, null: Floats | None, confidence: float) -> dict[str, object]:
    values = np.array([result.value(score) for result in found])
    chance = np.array([r.table.loc[r.table["score"] == score, "chance"].iloc[0] for r in found])
    k, mean = len(values), float(values.mean())
    shares = score not in RANKS
    interval = student_interval(values[:, None], confidence=confidence, shares=shares, folds=True)
    p = np.nan
    if null is not None:
        p = float(permutation_p(mean, null, alternative="less" if score == "mean rank" else "greater"))
    low, high = float(interval.low[0]), float(interval.high[0])
    row: dict[str, object] = {"score": score, "value": mean, "ci_low": low, "ci_high": high}
    return {**row, "chance": float(chance.mean()), "p": p, "n_folds": k}


def _null(found: Sequence[Result], score: str) -> Floats | None:
    if any(score not in result.null or not len(result.null) for result in found):
        return None
    n = min(len(result.null) for result in found)
    mean = np.mean([result.null[score].to_numpy()[:n] for result in found], axis=0)
    return widen_cross_validated_null(mean)


def _card(
    evaluations: Sequence[Evaluation], rows: Sequence[dict[str, object]], confidence: float
) -> ProtocolCard:
    cards = [each.card for each in evaluations]
    chance = {str(row["score"]): float(str(row["chance"])) for row in rows}
    findings = tuple(dict.fromkeys(text for card in cards for text in card.audit.findings))
    units = tuple(dict.fromkeys(unit for card in cards for unit in card.units))
    # Folds of classes may show the same stimuli again.
    stimuli = frozenset().union(*(each.stimuli for each in evaluations))
    seen = frozenset().union(*(each.stimuli_seen for each in evaluations))
    return replace(
        cards[0],
        n_trials=sum(card.n_trials for card in cards),
        n_stimuli=len(stimuli),
        n_units=sum(card.n_units for card in cards),
        units=units[:5],
        n_stimuli_seen=len(seen),
        audit=replace(cards[0].audit, verdict="leaks" if findings else "clean", findings=findings),
        chance=chance,
        uncertainty=(
            f"means over {len(cards)} folds; {confidence:.0%} Student's interval over folds, corrected for "
            "shared training data; p from exchanges in every fold, the null widened, not corrected for many "
            "tests"
        ),
        times_evaluated=max(card.times_evaluated for card in cards),
    )
