"""Classes at every time of a trial: cross-validated by units, with interval, p over times, and patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ..._core.errors import InputError
from ..._core.random import derive_seed
from ...stats.permutation import widen_cross_validated_null
from ..linear.folds import folds_by_unit
from ..linear.over_times import LinearOverTimes, decide, decide_across
from ..linear.over_times_scores import score_decision
from ..trials import Trials
from ._exchanged_labels import exchanged_null, refitted_null
from ._intervals import check_confidence, student_interval
from ._label_exchanges import Exchanged, design_of
from .nulls import compare_over_times, recording_order

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_SCORES = {"roc_auc": "AUC", "balanced_accuracy": "balanced accuracy"}


@dataclass(frozen=True, eq=False)
class OverTimes:
    """Result of :func:`decode_over_times`.

    Attributes
    ----------
    times_s : ndarray of shape (n_times,)
        In seconds from onset.
    score : {"AUC", "balanced accuracy"}
        Of two classes, or more.
    value, ci_low, ci_high : ndarray of shape (n_times,)
        Mean over folds, and Student's interval over them, its variance raised as folds share training data
        (Nadeau and Bengio 2003).
    p, p_corrected : ndarray of shape (n_times,)
        Against exchanged labels, and corrected for all times.
    null : ndarray of shape (n_permutations, n_times)
        Scores of exchanged labels.
    chance : float
        0.5, or one over the number of classes.
    fold_scores : ndarray of shape (n_folds, n_times)
        Of each held-out part.
    generalisation : ndarray of shape (n_times, n_times) or None
        Mean score of what is fitted at the row's time and applied at the column's.
    patterns : ndarray of shape (n_times, n_channels, n_outputs)
        Haufe patterns of decoders fitted to all trials, in the data's unit.
    classes : tuple of str
        One output for two classes, whose pattern points to the second; else an output per class.
    n_trials, n_units : int
        What was decoded, and what stayed whole.
    exchanged : {"trials within units", "blocks within units", "whole units"}
        What the permutations exchanged, see :func:`permute_labels`.
    """

    times_s: Floats
    score: str
    value: Floats
    ci_low: Floats
    ci_high: Floats
    p: Floats
    p_corrected: Floats
    null: Floats
    chance: float
    fold_scores: Floats
    generalisation: Floats | None
    patterns: Floats
    classes: tuple[str, ...]
    n_trials: int
    n_units: int
    exchanged: Exchanged = "trials within units"


def decode_over_times(
    estimator: LinearOverTimes,
    trials: Trials,
    *,
    n_folds: int | Literal["units"] = 5,
    generalise: bool = False,
    correction: Literal["max", "fdr"] = "max",
    n_permutations: int = 199,
    refit: bool = True,
    confidence: float = 0.95,
    seed: int = 0,
) -> OverTimes:
    """Tell classes apart at every time of the trials of one subject.

    Parameters
    ----------
    estimator : LinearOverTimes
        A classifier, such as :class:`LogisticOverTimes`; it is not changed.
    trials : Trials
        Of one subject, with classes and times. Units stay on one side of every fold.
    n_folds : int or "units", default=5
        Folds, with near the same shares of classes in each; or one fold for every unit.
    generalise : bool, default=False
        Apply the decoder of every time at all times as well.
    correction : {"max", "fdr"}, default="max"
        Over times: family-wise error, or false discovery rate.
    n_permutations : int, default=199
        Exchanges of labels within units: of trials, of blocks of trials where classes come in blocks, or of
        whole units where each holds one class, see :func:`permute_labels`.
    refit : bool, default=True
        Fit anew to every exchange. Without, held-out labels alone are exchanged and the null is widened by
        the root of 2, since folds share training data: fast, and conservative.
    confidence : float, default=0.95
        Of the intervals.
    seed : int, default=0
        Of folds and exchanges.

    Returns
    -------
    result : OverTimes

    Raises
    ------
    InputError
        If there are several subjects, no classes or no times, fewer units than folds, a fold without a class,
        or as in :func:`permute_labels`.

    References
    ----------
    King J-R, Dehaene S (2014). Characterizing the dynamics of mental representations: the temporal
    generalization method. Trends Cogn Sci, doi:10.1016/j.tics.2014.01.002.
    Nadeau C, Bengio Y (2003). Inference for the generalization error. Machine Learning,
    doi:10.1023/A:1024068626366.
    """
    check_confidence(confidence)
    times_s = _checked(trials)
    X = trials.read().astype(np.float64)
    y, units = trials.column("target"), trials.table["unit"].astype(str).to_numpy()
    classes = tuple(trials.targets.names[code] for code in np.unique(y))
    if len(classes) < 2:
        raise InputError(f"all trials are of one class ({classes[0]!r}); decoding needs at least two.")
    codes = np.unique(y, return_inverse=True)[1].astype(np.intp)
    parts = folds_by_unit(codes, units, n_folds=n_folds, seed=seed)
    decoder = clone(estimator)
    signals, targets = decoder.check_training(X, codes)
    if not decoder.classifies:
        raise InputError(f"`estimator` must tell classes apart, and {type(estimator).__name__} does not.")
    scoring = "roc_auc" if len(classes) == 2 else "balanced_accuracy"
    decisions, scores, across = [], [], []
    weights = decoder.weights_of_folds(signals, targets, [train for train, _ in parts])
    for (coef, intercept), (_, test) in zip(weights, parts, strict=True):
        decision = decide(signals[:, test], coef, intercept)
        decisions.append((test, decision))
        scores.append(score_decision(decision, targets[test], scoring, True))
        if generalise:
            across.append(_across(signals[:, test], coef, intercept, targets[test], scoring))
    fold_scores = np.stack(scores)
    design = design_of(codes, units, recording_order(trials))
    exchanged = design.exchanges(n_permutations, np.random.default_rng(derive_seed(seed, "labels")), parts)
    if refit:
        null = refitted_null(decoder, signals, exchanged, parts)
    else:
        null = widen_cross_validated_null(exchanged_null(decisions, exchanged, len(classes)))
    test_of_times = compare_over_times(fold_scores.mean(axis=0), null, correction=correction)
    interval = student_interval(fold_scores, confidence=confidence, folds=True)
    return OverTimes(
        times_s=times_s,
        score=_SCORES[scoring],
        value=fold_scores.mean(axis=0),
        ci_low=interval.low,
        ci_high=interval.high,
        p=test_of_times.p,
        p_corrected=test_of_times.p_corrected,
        null=null,
        chance=1 / len(classes),
        fold_scores=fold_scores,
        generalisation=np.mean(across, axis=0) if generalise else None,
        patterns=clone(estimator).fit(X, codes).patterns_,
        classes=classes,
        n_trials=len(trials),
        n_units=len(set(units)),
        exchanged=design.exchanged,
    )


def _across(signals: Floats, coef: Floats, intercept: Floats, wanted: Indices, scoring: str) -> Floats:
    """Return the score of every time's decoder at all times; one after another, as decisions are large."""
    rows = [
        score_decision(decide_across(signals, coef[[time]], intercept[[time]]), wanted, scoring, True)
        for time in range(len(coef))
    ]
    return np.concatenate(rows)


def _checked(trials: Trials) -> Floats:
    if not trials.targets.are_classes:
        raise InputError("decoding at every time tells classes apart; these trials have embeddings.")
    present = trials.table["subject"].unique()
    if len(present) != 1:
        raise InputError(f"decode one subject at a time, got {', '.join(map(str, present))}.")
    times_s = trials.study[str(present[0])].times_s
    if times_s is None:
        raise InputError(f"the recording of {present[0]!r} has no times.")
    return np.asarray(times_s, dtype=np.float64)
