"""Classes at every time of a trial: cross-validated by units, with interval, p over times, and patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import clone

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import derive_seed
from ...stats.permutation import widen_cross_validated_null
from ..linear._over_times import LinearOverTimes, decide, decide_across
from ..linear._over_times_scores import score_decision
from ..trials import Trials
from ._intervals import check_confidence, student_interval
from .nulls import compare_over_times, permute_labels

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
        Mean over folds, and Student's interval over them.
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


class _Fold(NamedTuple):
    """A held-out part, and what was decided about it."""

    test: Indices
    decision: Floats  # (n_times, n_test, n_outputs)


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
        Exchanges of labels within units (of whole units where each holds one class).
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
    signals, targets = decoder._check_training(X, codes)
    if not decoder.classifies:
        raise InputError(f"`estimator` must tell classes apart, and {type(estimator).__name__} does not.")
    scoring = "roc_auc" if len(classes) == 2 else "balanced_accuracy"
    folds, scores, across = [], [], []
    weights = decoder._weights_of_folds(signals, targets, [train for train, _ in parts])
    for (coef, intercept), (_, test) in zip(weights, parts, strict=True):
        decision = decide(signals[:, test], coef, intercept)
        folds.append(_Fold(test, decision))
        scores.append(score_decision(decision, targets[test], scoring, True))
        if generalise:
            across.append(_across(signals[:, test], coef, intercept, targets[test], scoring))
    fold_scores = np.stack(scores)
    exchanged = permute_labels(codes, units, n_permutations=n_permutations, seed=seed)
    if refit:
        null = _null_refitted(decoder, signals, exchanged, parts, scoring)
    else:
        null = widen_cross_validated_null(_null_exchanged(folds, exchanged, len(classes)))
    test_of_times = compare_over_times(fold_scores.mean(axis=0), null, correction=correction)
    interval = student_interval(fold_scores, confidence=confidence)
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
    )


def _across(signals: Floats, coef: Floats, intercept: Floats, wanted: Indices, scoring: str) -> Floats:
    """Return the score of every time's decoder at all times; one after another, as decisions are large."""
    rows = [
        score_decision(decide_across(signals, coef[[time]], intercept[[time]]), wanted, scoring, True)
        for time in range(len(coef))
    ]
    return np.concatenate(rows)


def folds_by_unit(
    codes: Indices, units: NDArray[Any], *, n_folds: int | Literal["units"], seed: int
) -> list[tuple[Indices, Indices]]:
    """Return (train, test) rows that keep units whole, every class in every part.

    Raises
    ------
    InputError
        If there are fewer units than folds, or a part would lack a class.
    """
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

    n_units = len(np.unique(units))
    n_parts = n_units if n_folds == "units" else n_folds
    if not 2 <= n_parts <= n_units:
        raise InputError(
            f"{n_parts} folds need as many units, and there are {n_units}. Take fewer folds, or smaller "
            "units."
        )
    splitter = LeaveOneGroupOut()
    if n_folds != "units":
        state = derive_seed(seed, "folds") % 2**32
        splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=state)
    parts = [(np.asarray(a), np.asarray(b)) for a, b in splitter.split(codes, codes, units)]
    for train, test in parts:
        for name, rows in (("training", train), ("held-out", test)):
            if len(np.unique(codes[rows])) < len(np.unique(codes)):
                raise InputError(
                    f"the {name} part of a fold lacks a class (held out: "
                    f"{', '.join(np.unique(units[test])[:3])}). Take fewer folds, or units that hold every "
                    "class."
                )
    return parts


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


def _null_refitted(
    decoder: LinearOverTimes,
    signals: Floats,
    exchanged: Indices,
    parts: list[tuple[Indices, Indices]],
    scoring: str,
) -> Floats:
    """Return the score of decoders fitted to every exchange of labels, (n_permutations, n_times)."""
    null = np.empty((len(exchanged), len(signals)))
    trains = [train for train, _ in parts]
    for row, labels in enumerate(track(exchanged, "permutations")):
        scores = []
        for (coef, intercept), (_, test) in zip(
            decoder._weights_of_folds(signals, labels, trains), parts, strict=True
        ):
            if len(np.unique(labels[test])) < len(decoder.classes_):
                # Whole units may be exchanged so that a fold is left without a class: it has no score then.
                continue
            decision = decide(signals[:, test], coef, intercept)
            scores.append(score_decision(decision, labels[test], scoring, True))
        null[row] = np.mean(scores, axis=0) if scores else 1 / len(decoder.classes_)
    return null


def _null_exchanged(folds: list[_Fold], exchanged: Indices, n_classes: int) -> Floats:
    """Return the score of every exchange of labels at every time, (n_permutations, n_times)."""
    total = np.zeros((len(exchanged), len(folds[0].decision)))
    count = np.zeros((len(exchanged), 1))
    for test, decision in folds:
        labels = exchanged[:, test]
        score = _null_area(decision, labels) if n_classes == 2 else _null_recall(decision, labels, n_classes)
        # Whole units may be exchanged so that a fold is left with one class: it has no area then.
        known = np.isfinite(score).all(axis=1, keepdims=True)
        total += np.where(known, score, 0.0)
        count += known
    return total / np.maximum(count, 1)


def _null_area(decision: Floats, labels: Indices) -> Floats:
    ranks = rankdata(decision[..., 0], axis=-1)
    positive = labels.astype(np.float64)
    n_positive = positive.sum(axis=1, keepdims=True)
    pairs = n_positive * (labels.shape[1] - n_positive)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((positive @ ranks.T - n_positive * (n_positive + 1) / 2) / pairs)


def _null_recall(decision: Floats, labels: Indices, n_classes: int) -> Floats:
    picked = decision.argmax(axis=-1)
    total = np.zeros((len(labels), len(decision)))
    present = np.zeros((len(labels), 1))
    for code in range(n_classes):
        member = (labels == code).astype(np.float64)
        size = member.sum(axis=1, keepdims=True)
        hits = member @ (picked == code).T.astype(np.float64)
        total += np.where(size > 0, hits / np.maximum(size, 1), 0.0)
        present += size > 0
    return np.asarray(total / present)
