"""Principal-components regression of many targets, each with its own number of components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.progress import track
from ._held_out import Fold, Rows, path_errors, r2_from_errors, target_blocks
from ._rotation import Features, Rotation, check_candidates, column_mean, rotated_input


@dataclass(frozen=True)
class ComponentsCVResult:
    """Cross-validated principal-components regression, refitted on all rows.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_targets)
        Weights, in the units of X; ``X @ coef + intercept`` predicts.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0.
    n_components : ndarray of shape (n_targets,)
        Number of components in each target's weights.
    cv_scores : ndarray of shape (n_targets,)
        Mean R2 over folds with that number, at most 1. Where several were tried it was chosen as the best.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    n_components: NDArray[np.intp]
    cv_scores: NDArray[np.float64]


def components_cv(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_components: ArrayLike | None,
    folds: Sequence[Fold],
    standardize: bool = True,
) -> ComponentsCVResult:
    """Regress each target on as many leading principal components as predict held-out rows best.

    The components are those of the training part of each fold. Components are uncorrelated there, so that
    the weights of the first k do not depend on k: one running sum scores every number of components.

    Parameters
    ----------
    X, Y, folds
        See :func:`pls_cv`; but every target has its own number.
    n_components : int, array of int or None
        The numbers to choose from, each at least 1; None stands for all up to the rank of the features.
        Numbers above it are lowered, with a warning where they were asked for.
    standardize : bool, default=True
        Z-score the features by the training part of each fold, so that the components do not depend on
        their units. Constant features get weight 0.

    Returns
    -------
    result : ComponentsCVResult
        float64, in which all is computed.

    Raises
    ------
    InputError
        See :func:`pls_cv`.

    Warns
    -----
    UserWarning
        If more components are asked for than the features have.

    Notes
    -----
    Of equally good numbers the smallest is taken. A fold whose training part has fewer components is scored
    with all that it has. The cost per fold is a Gram matrix and an eigendecomposition of the smaller side
    of X, and products of O((n_samples + n_components) * n_components * n_targets). Directions of X below
    some 1e-7 of the strongest are taken for zero.

    References
    ----------
    Massy WF (1965). Principal components regression in exploratory statistical research. JASA,
    doi:10.1080/01621459.1965.10480787.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 3)) * [4.0, 2.0, 1.0]
    >>> Y = X @ np.array([[1.0], [0.0], [0.0]]) + 5.0
    >>> rows = np.arange(60)
    >>> folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    >>> result = components_cv(X, Y, n_components=[1, 3], folds=folds, standardize=False)
    >>> result.n_components, result.coef.ravel().round(6) + 0.0
    (array([3]), array([1., 0., 0.]))
    """
    targets, parts, design, whole = rotated_input(X, Y, folds, standardize=standardize)
    everything = np.arange(len(targets))
    candidates = check_candidates(n_components, len(whole.singular), most=len(targets))

    scores = np.zeros((len(candidates), targets.shape[1]))
    for train, test in track(parts, "principal components: folds"):
        rotation = design.rotate(train, test)
        length = min(int(candidates.max()), len(rotation.singular))
        rows = np.minimum(candidates, length)
        for block in target_blocks(len(train), targets.shape[1]):
            weights, mean = _component_weights(rotation, targets[train, block], length)
            truth = targets[test, block].astype(np.float64)
            errors = path_errors(rotation.test[:, :length], weights, truth - mean)
            scores[:, block] += r2_from_errors(errors[rows], truth)
    scores /= len(parts)
    best = np.argmax(scores, axis=0)
    chosen = candidates[best]
    coef, intercept = _refit(design, whole, targets, everything, chosen)
    return ComponentsCVResult(coef, intercept, chosen, scores[best, np.arange(targets.shape[1])])


def _component_weights(
    rotation: Rotation, seen: NDArray[Any], length: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of the first components, (length, n_targets), and the targets' means."""
    values = seen.astype(np.float64)
    mean = column_mean(values)
    projected = rotation.left[:, :length].T @ (values - mean)
    return projected / rotation.singular[:length, None], mean


def _refit(
    design: Features,
    rotation: Rotation,
    targets: NDArray[Any],
    everything: Rows,
    chosen: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    coef = np.empty((design.X.shape[1], targets.shape[1]))
    intercept = np.empty(targets.shape[1])
    length = int(chosen.max())
    for block in target_blocks(len(targets), targets.shape[1]):
        weights, mean = _component_weights(rotation, targets[:, block], length)
        weights[np.arange(length)[:, None] >= chosen[block]] = 0.0
        coef[:, block], at_mean = design.weights(rotation, everything, weights)
        intercept[block] = mean - at_mean
    return coef, intercept
