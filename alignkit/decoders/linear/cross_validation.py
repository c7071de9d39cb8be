"""Cross-validated scores of a linear decoder at every time, or of every time's decoder at all times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from ..._core.errors import InputError
from ._over_times import Floats, Indices, LinearOverTimes, decide, decide_across, neighbours_as_slice
from ._over_times_scores import Scoring, check_scoring, score_decision

_BLOCK_ELEMENTS = 2**22  # of decision values that are there at once: 32 MiB


class Splitter(Protocol):
    """Anything with scikit-learn's ``split``."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Yield (train, test) row indices."""


Folds = int | Splitter | Sequence[tuple[ArrayLike, ArrayLike]]


def cross_validate_over_times(
    estimator: LinearOverTimes,
    X: ArrayLike,
    y: ArrayLike,
    *,
    folds: Folds = 5,
    groups: ArrayLike | None = None,
    scoring: Scoring | None = None,
    generalise: bool = False,
) -> Floats:
    """Score a linear decoder on samples that it was not fitted to, at every time.

    Parameters
    ----------
    estimator : LinearOverTimes
        Such as :class:`RidgeOverTimes`; it is not changed.
    X : array of shape (n_samples, n_channels[, n_times])
        Signals, in any unit. Channels are z-scored by each training part alone.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        Classes, or numbers.
    folds : int, list of (train, test) or splitter, default=5
        A number makes as many folds in the order of the samples, with the same share of every class where
        there are classes, as scikit-learn does.
    groups : array of shape (n_samples,), optional
        Samples of one group, such as repetitions of a stimulus, stay on one side of every fold; a fold that
        has a group on both is refused.
    scoring : {"roc_auc", "accuracy", "balanced_accuracy", "r2", "r"}, optional
        By default the area under the curve of classes, and R2 of numbers. With more than two classes the area
        is the mean over one class against the rest, from the softmax of decision values. "r2" and "r" are
        means over outputs. Numbers of two values have an area as well.
    generalise : bool, default=False
        Apply the decoder of every time at all times.

    Returns
    -------
    scores : ndarray of shape (n_folds, n_times), or (n_folds, n_train_times, n_test_times)
        Higher is better; chance is 0.5 for "roc_auc", 1 / n_classes for "balanced_accuracy", 0 for "r" and at
        most 0 for "r2".

    Raises
    ------
    InputError
        If an array holds NaN, there is one class, fewer samples (of a class) than folds, a training part
        lacks a class, a fold has samples or groups on both sides, or the score does not fit the targets.

    Notes
    -----
    Equal to MNE-Python's ``cross_val_multiscore`` of a ``SlidingEstimator`` (or ``GeneralizingEstimator``)
    around a scikit-learn pipeline with a ``StandardScaler``.

    References
    ----------
    King J-R, Dehaene S (2014). Characterizing the dynamics of mental representations: the temporal
    generalization method. Trends Cogn Sci, doi:10.1016/j.tics.2014.01.002.

    Examples
    --------
    >>> from alignkit.decoders.linear.ridge import RidgeOverTimes
    >>> X = np.random.default_rng(0).standard_normal((60, 4, 3))
    >>> y = X[:, 0, 1]
    >>> cross_validate_over_times(RidgeOverTimes(), X, y, folds=3)[:, 1].round(2)
    array([1., 1., 1.])
    """
    decoder = clone(estimator)
    signals, targets = decoder._check_training(X, y)
    chosen = check_scoring(scoring or ("roc_auc" if decoder.classifies else "r2"), decoder.classifies)
    parts = _make_folds(folds, targets, groups, decoder.classifies)
    if decoder.classifies:
        _check_classes(parts, targets, decoder.classes_)
    weights = decoder._weights_of_folds(signals, targets, [train for train, _ in parts])
    scores = []
    for (coef, intercept), (_, test) in zip(weights, parts, strict=True):
        held_out, wanted = signals[:, neighbours_as_slice(test)], targets[test]
        if not generalise:
            decision = decide(held_out, coef, intercept)
            scores.append(score_decision(decision, wanted, chosen, decoder.classifies))
            continue
        at_once = max(1, _BLOCK_ELEMENTS // (held_out.shape[0] * held_out.shape[1] * coef.shape[2]))
        rows = [
            score_decision(
                decide_across(held_out, coef[start : start + at_once], intercept[start : start + at_once]),
                wanted,
                chosen,
                decoder.classifies,
            )
            for start in range(0, len(coef), at_once)
        ]
        scores.append(np.concatenate(rows))
    return np.stack(scores)


def _make_folds(
    folds: Folds, targets: NDArray[Any], groups: ArrayLike | None, classifies: bool
) -> list[tuple[Indices, Indices]]:
    n_samples = len(targets)
    labels = None if groups is None else np.asarray(groups)
    if labels is not None and labels.shape != (n_samples,):
        raise InputError(f"`groups` must hold one group per sample ({n_samples}), got shape {labels.shape}.")
    if isinstance(folds, (int, np.integer)):
        _check_number(int(folds), targets, labels, classifies)
        splitter = _splitter(int(folds), labels is not None, classifies)
        return list(splitter.split(np.empty((n_samples, 1)), targets, labels))
    given = folds.split(np.empty((n_samples, 1)), targets, labels) if hasattr(folds, "split") else folds
    parts = [
        (_rows(number, "training", train, n_samples), _rows(number, "test", test, n_samples))
        for number, (train, test) in enumerate(given)
    ]
    if not parts:
        raise InputError("`folds` is empty; give at least one (train, test).")
    for number, (train, test) in enumerate(parts):
        _check_apart(number, np.arange(n_samples), train, test, "sample")
        if labels is not None:
            _check_apart(number, labels, train, test, "group")
    return parts


def _splitter(n_folds: int, grouped: bool, classifies: bool) -> Splitter:
    if grouped:
        return StratifiedGroupKFold(n_folds) if classifies else GroupKFold(n_folds)  # type: ignore[no-any-return]
    return StratifiedKFold(n_folds) if classifies else KFold(n_folds)  # type: ignore[no-any-return]


def _check_number(n_folds: int, targets: NDArray[Any], groups: NDArray[Any] | None, classifies: bool) -> None:
    if n_folds < 2:
        raise InputError(f"`folds` must be at least 2, got {n_folds}.")
    counts = {"samples": len(targets)}
    if classifies:
        counts["samples of the rarest class"] = int(np.bincount(targets).min())
    if groups is not None:
        counts["groups"] = len(np.unique(groups))
    for what, count in counts.items():
        if count < n_folds:
            raise InputError(
                f"`folds` is {n_folds}, but there are only {count} {what}. Use at most {count} folds"
                f"{', or leave the class out' if 'class' in what else ''}."
            )


def _check_classes(
    parts: Sequence[tuple[Indices, Indices]], codes: NDArray[np.intp], classes: NDArray[Any]
) -> None:
    for number, (train, _) in enumerate(parts):
        missing = np.setdiff1d(np.arange(len(classes)), codes[train])
        if len(missing):
            shown = ", ".join(repr(name) for name in classes[missing[:5]].tolist())
            raise InputError(
                f"the training part of fold {number} has no sample of {len(missing)} class(es): {shown}. Use "
                "folds that hold every class in their training parts."
            )


def _rows(number: int, name: str, rows: ArrayLike, n_samples: int) -> Indices:
    index = np.asarray(rows)
    if index.ndim != 1 or index.size == 0 or index.dtype.kind not in "iu":
        raise InputError(
            f"the {name} part of fold {number} must hold row numbers, got shape {index.shape} of "
            f"{index.dtype}."
        )
    if index.min() < 0 or index.max() >= n_samples or len(np.unique(index)) != len(index):
        raise InputError(
            f"the {name} part of fold {number} must hold different rows from 0 to {n_samples - 1}, got "
            f"{len(index)} from {index.min()} to {index.max()}, {len(np.unique(index))} of them different."
        )
    return index.astype(np.intp)


def _check_apart(number: int, labels: NDArray[Any], train: Indices, test: Indices, what: str) -> None:
    both = np.intersect1d(labels[train], labels[test])
    if len(both):
        shown = ", ".join(repr(label) for label in both[:3].tolist())
        raise InputError(
            f"fold {number} has {len(both)} {what}(s) in the training and in the test part: {shown}. Keep "
            "each on one side."
        )
