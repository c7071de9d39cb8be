"""Cross-validated scores of a linear decoder at every time, or of every time's decoder at all times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from .folds import Folds, check_classes, make_folds
from .over_times import Floats, LinearOverTimes, decide, decide_across, neighbours_as_slice
from .over_times_scores import Scoring, check_scoring, score_decision

_BLOCK_ELEMENTS = 2**22  # of decision values that are there at once: 32 MiB


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
    signals, targets = decoder.check_training(X, y)
    chosen = check_scoring(scoring or ("roc_auc" if decoder.classifies else "r2"), decoder.classifies)
    parts = make_folds(folds, targets, groups, decoder.classifies)
    if decoder.classifies:
        check_classes(parts, targets, decoder.classes_)
    weights = decoder.weights_of_folds(signals, targets, [train for train, _ in parts])
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
