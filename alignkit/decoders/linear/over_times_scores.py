"""Scores of decision values over times, equal to scikit-learn's, many times at once."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata

from ..._core.checks import check_option
from ..._core.errors import InputError

Scoring = Literal["roc_auc", "accuracy", "balanced_accuracy", "r2", "r"]
Floats = NDArray[np.float64]

_OF_CLASSES = ("accuracy", "balanced_accuracy")
_OF_NUMBERS = ("r2", "r")


def check_scoring(scoring: str, classifies: bool) -> str:
    """Return the score's name when it fits the targets."""
    check_option("scoring", scoring, get_args(Scoring))
    if scoring in (_OF_NUMBERS if classifies else _OF_CLASSES):
        kind, fitting = ("classes", "roc_auc") if classifies else ("numbers", "r2")
        raise InputError(
            f"`scoring` is {scoring!r}, but the targets are {kind}; use {fitting!r}, for instance."
        )
    return scoring


def score_decision(decision: Floats, targets: NDArray[Any], scoring: str, classifies: bool) -> Floats:
    """Score decision values of shape (..., n_samples, n_outputs); return scores of shape (...).

    Parameters
    ----------
    decision : ndarray of shape (..., n_samples, n_outputs)
        Of the samples that `targets` is of.
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Codes of classes, or numbers.
    scoring : str
        See :func:`cross_validate_over_times`.
    classifies : bool
        Whether targets are codes.

    Returns
    -------
    scores : ndarray of shape (...)
        Higher is better.

    Raises
    ------
    InputError
        If a class has no sample here that the score needs, or the area under the curve is asked for
        targets that take more or fewer than two values.
    """
    if scoring == "r2":
        return np.asarray(_r2(decision, targets).mean(axis=-1))
    if scoring == "r":
        return np.asarray(_correlation(decision, targets).mean(axis=-1))
    if scoring == "roc_auc":
        return _area_under_curve(decision, targets if classifies else _two_codes(targets))
    picked = decision[..., 0] > 0 if decision.shape[-1] == 1 else decision.argmax(axis=-1)
    hits = picked == targets
    if scoring == "accuracy":
        return np.asarray(hits.mean(axis=-1))
    # Classes without a sample here have no recall; the mean is over the others.
    recall = [hits[..., targets == code].mean(axis=-1) for code in np.unique(targets)]
    return np.asarray(np.mean(recall, axis=0))


def _area_under_curve(decision: Floats, codes: NDArray[Any]) -> Floats:
    n_outputs = decision.shape[-1]
    n_classes = max(n_outputs, 2)
    counts = np.bincount(codes, minlength=n_classes)
    if (counts == 0).any():
        raise InputError(
            f"`scoring` is 'roc_auc', but {int((counts == 0).sum())} of {n_classes} classes have no sample "
            "in a test part. Use folds that hold every class, or 'accuracy'."
        )
    if n_outputs == 1:
        return _rank_area(decision[..., 0], codes == 1)
    # Ranks of one class against the rest are those of probabilities, which compare samples.
    likely = softmax(decision, axis=-1)
    areas = [_rank_area(likely[..., code], codes == code) for code in range(n_outputs)]
    return np.asarray(np.mean(areas, axis=0))


def _rank_area(values: Floats, positive: NDArray[np.bool_]) -> Floats:
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    ranks = rankdata(values, axis=-1)
    above = ranks[..., positive].sum(axis=-1) - n_positive * (n_positive + 1) / 2
    return np.asarray(above / (n_positive * n_negative))


def _two_codes(targets: Floats) -> NDArray[np.intp]:
    values = np.unique(targets)
    if len(values) != 2 or targets.shape[1] != 1:
        raise InputError(
            f"`scoring` is 'roc_auc', which needs one target of two values, got {targets.shape[1]} target(s) "
            f"of {len(values)} value(s) in a test part. Use 'r2' or 'r'."
        )
    return np.asarray(targets[:, 0] == values[1], dtype=np.intp)


def _r2(predicted: Floats, targets: Floats) -> Floats:
    """R2 per output; a constant target scores 1 where it is met and 0 elsewhere, as in scikit-learn."""
    errors = ((predicted - targets) ** 2).sum(axis=-2)
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    varies = spread > 0
    scores = 1.0 - errors / np.where(varies, spread, 1.0)
    return np.where(varies, scores, np.where(errors == 0, 1.0, 0.0))


def _correlation(predicted: Floats, targets: Floats) -> Floats:
    """Pearson's r per output; NaN where either side is constant."""
    a = predicted - predicted.mean(axis=-2, keepdims=True)
    b = targets - targets.mean(axis=0)
    norm = np.sqrt((a**2).sum(axis=-2) * (b**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=-2) / norm)
