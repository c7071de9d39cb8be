"""Ridge regression whose penalty is set by how much it shortens each target's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError
from .._core.progress import track
from ._held_out import (
    Fold,
    Rows,
    check_features_and_targets,
    check_parts,
    r2_from_errors,
    target_blocks,
)
from ._rotation import Features, Rotation, column_mean

# Penalties per decade at which the norms are tabulated: close enough that one or two Newton steps do.
PER_DECADE = 10
# Relative step at which the search stops (the next one would be its square), and the most steps it may take.
CLOSE, MOST_STEPS = 1e-6, 60
CACHED_ELEMENTS = 2**15


@dataclass(frozen=True)
class FractionalRidgeFit:
    """Ridge regression at a given fraction of each target's unpenalised norm.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_targets)
        Weights, in the units of X; ``X @ coef + intercept`` predicts.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0; zeros without an intercept.
    alphas : ndarray of shape (n_targets,)
        The ridge penalty that gives the fraction; 0 at fraction 1, NaN where the unpenalised weights are 0.
    """

    coef: NDArray[np.floating[Any]]
    intercept: NDArray[np.floating[Any]]
    alphas: NDArray[np.float64]


@dataclass(frozen=True)
class FractionalRidgeCVResult(FractionalRidgeFit):
    """Cross-validated fractional ridge, refitted on all rows at each target's best fraction.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_targets)
        Weights, in the units of X; ``X @ coef + intercept`` predicts.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0; zeros without an intercept.
    alphas : ndarray of shape (n_targets,)
        The ridge penalty that gives the fraction on all rows; 0 at fraction 1, NaN for a constant target.
    best_fractions : ndarray of shape (n_targets,)
        The fraction with the highest mean R2 over folds.
    cv_scores : ndarray of shape (n_targets,)
        That mean R2, at most 1. It was chosen as the best of several: optimistic, not a test score.
    """

    best_fractions: NDArray[np.float64]
    cv_scores: NDArray[np.float64]


def fractional_ridge_cv(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    fractions: ArrayLike,
    folds: Sequence[Fold],
    fit_intercept: bool = True,
    standardize: bool = False,
) -> FractionalRidgeCVResult:
    """Fit a ridge regression per target, each at the fraction that predicts held-out rows best.

    A fraction g asks for the penalty at which the weights are g times as long as the unpenalised ones
    (of least norm, where features outnumber samples). Unlike penalties, fractions mean the same for every
    target and every set of features: 1 is no penalty, near 0 is hardly any weight.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    fractions : array of shape (n_fractions,)
        Fractions to choose from, each above 0 and at most 1.
    folds : sequence of (train, test)
        Row indices of each fold, disjoint within a fold; at least two rows in each part.
    fit_intercept : bool, default=True
        Fit an unpenalised intercept by centring.
    standardize : bool, default=False
        Z-score the features by the training part of each fold; the norm is then that of the weights of
        z-scored features. Weights come back in the units of X all the same.

    Returns
    -------
    result : FractionalRidgeCVResult
        Weights in the precision of X and Y (float32 only if both are).

    Raises
    ------
    InputError
        If an array holds NaN, a fraction is not in (0, 1], or a fold is not usable.

    Notes
    -----
    Every fold is decomposed once, all penalties follow from that: see :func:`fraction_alphas`. In each fold
    the fraction is that of the weights of its own training part. Of equally good fractions the smallest is
    taken. Directions of X below some 1e-7 of the strongest are taken for zero; noise in directions little
    above that makes the unpenalised weights long, and a fraction of them then says little.

    References
    ----------
    Rokem A, Kay K (2020). Fractional ridge regression: a fast, interpretable reparameterization of ridge
    regression. GigaScience, doi:10.1093/gigascience/giaa133.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 3))
    >>> Y = X @ np.array([[1.0], [2.0], [-2.0]]) + 5.0
    >>> rows = np.arange(60)
    >>> folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    >>> result = fractional_ridge_cv(X, Y, fractions=[0.5, 1.0], folds=folds)
    >>> result.best_fractions, result.alphas, result.coef.ravel().round(6)
    (array([1.]), array([0.]), array([ 1.,  2., -2.]))
    """
    features, targets, grid = _prepare(X, Y, fractions)
    parts = check_parts(folds, len(targets))
    # Rising, so that the first of equally good ones is the simplest.
    grid = np.unique(grid)
    design = Features(features, center=fit_intercept, standardize=standardize)
    scores = np.zeros((len(grid), targets.shape[1]))
    for train, test in track(parts, "fractional ridge: folds"):
        _add_scores(scores, design, targets, grid, train, test)
    scores /= len(parts)
    best = np.argmax(scores, axis=0)
    fit = _refit(design, targets, grid[best])
    return FractionalRidgeCVResult(
        fit.coef, fit.intercept, fit.alphas, grid[best], scores[best, np.arange(targets.shape[1])]
    )


def fractional_ridge_fit(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    fractions: ArrayLike,
    fit_intercept: bool = True,
    standardize: bool = False,
) -> FractionalRidgeFit:
    """Fit a ridge regression per target at given fractions of its unpenalised norm.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    fractions : float or array of shape (n_targets,)
        The fraction of each target, above 0 and at most 1; one number serves all.
    fit_intercept : bool, default=True
        Fit an unpenalised intercept by centring.
    standardize : bool, default=False
        Z-score the features first; see :func:`fractional_ridge_cv`.

    Returns
    -------
    fit : FractionalRidgeFit
        Weights, intercept and the penalties that the fractions came to.

    Raises
    ------
    InputError
        If an array holds NaN, a fraction is not in (0, 1], or their number is neither 1 nor n_targets.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    >>> fit = fractional_ridge_fit(X, X[:, :1], fractions=0.5)
    >>> fit.alphas, fit.coef.ravel()             # 2 / (2 + alpha) = 0.5
    (array([2.]), array([0.5, 0. ]))
    """
    features, targets, given = _prepare(X, Y, np.atleast_1d(np.asarray(fractions)))
    if len(given) not in (1, targets.shape[1]):
        raise InputError(
            f"`fractions` must be one number or one per target, got {len(given)} for {targets.shape[1]} "
            "targets. Use `fractional_ridge_cv` to choose among several."
        )
    design = Features(features, center=fit_intercept, standardize=standardize)
    return _refit(design, targets, np.broadcast_to(given, (targets.shape[1],)))


def fraction_alphas(
    singular: NDArray[np.float64], projected: NDArray[np.float64], fractions: ArrayLike
) -> NDArray[np.float64]:
    """Find the ridge penalties at which weights have given fractions of their unpenalised norm.

    With X = U S V' the weights at penalty a are V diag(s / (s^2 + a)) U'y. Their norm over the unpenalised
    norm, n(a), falls from 1 to 0; solved is ``1 / n(a) = 1 / fraction``. The left side is concave in a and
    nearly linear, so that Newton's steps converge from any start, from below after the first one: no grid
    limits the answer.

    Parameters
    ----------
    singular : array of shape (rank,)
        Singular values of X, positive.
    projected : array of shape (rank, n_targets)
        U'Y.
    fractions : array broadcastable to (n_fractions, n_targets)
        In (0, 1].

    Returns
    -------
    alphas : ndarray of shape (n_fractions, n_targets)
        0 at fraction 1; NaN where the unpenalised weights are 0. The norm ratio is exact to some 1e-12.

    References
    ----------
    Reinsch CH (1971). Smoothing by spline functions II. Numerische Mathematik, doi:10.1007/BF02162161
    (Newton's steps on the inverse norm).

    Examples
    --------
    >>> fraction_alphas(np.array([2.0]), np.array([[5.0]]), [[0.5], [1.0]])
    array([[4.],
           [0.]])
    """
    wanted = np.asarray(fractions, dtype=np.float64)
    lengths = projected / singular[:, None] if len(singular) else projected
    largest = np.abs(lengths).max(axis=0, initial=0.0)
    known = largest > 0
    # Shares of the squared norm: scaled first, because squares of small numbers underflow.
    shares = (lengths / np.where(known, largest, 1.0)) ** 2
    shares /= np.where(known, shares.sum(axis=0), 1.0)
    target = np.broadcast_to(wanted, (len(wanted), projected.shape[1]))
    alphas = np.full(target.shape, np.nan)
    if known.any():
        powers = singular**2
        alphas[:, known] = _solve(powers, shares[:, known], target[:, known])
    return alphas


def _solve(
    powers: NDArray[np.float64], shares: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the penalties, (n_fractions, n_targets), by Newton's steps from a tabulated start."""
    low, high = np.log10(powers.min()), np.log10(powers.max())
    # At fraction g every penalty lies between (1 / g - 1) times the weakest and the strongest power.
    top = high + max(0.0, np.log10(1.0 / target.min())) + 0.1
    table = np.logspace(low - 2, top, int((top - low + 2) * PER_DECADE) + 2)
    inner = 1.0 / (powers + table[:, None])
    shrink = (powers * inner) ** 2
    norm2 = shrink @ shares
    inverse = 1.0 / np.sqrt(norm2)
    slope = (shrink * inner) @ shares * inverse / norm2
    weighted = shares * powers[:, None] ** 2
    alphas = np.empty(target.shape)
    # Blocks that stay in the processor's cache through the passes of a step.
    step = max(1, CACHED_ELEMENTS // len(powers))
    for start in range(0, shares.shape[1], step):
        block = slice(start, min(start + step, shares.shape[1]))
        near = np.ascontiguousarray(weighted[:, block])
        for row, fraction in enumerate(target[:, block]):
            if (fraction >= 1.0).all():
                continue
            first = _interpolate(table, inverse[:, block], slope[:, block], 1.0 / fraction)
            alphas[row, block] = _newton(powers[:, None], near, 1.0 / fraction, first)
    return np.where(target >= 1.0, 0.0, alphas)


def _interpolate(
    table: NDArray[np.float64],
    inverse: NDArray[np.float64],
    slope: NDArray[np.float64],
    goal: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return where the inverse norm reaches the goal by the cubic through both ends of the table's cell."""
    cell = np.clip((inverse < goal).sum(axis=0) - 1, 0, len(table) - 2)
    columns = np.arange(len(goal))
    left, right = inverse[cell, columns], inverse[cell + 1, columns]
    height = np.maximum(right - left, np.finfo(float).tiny)
    part = np.clip((goal - left) / height, 0.0, 1.0)
    rest = 1.0 - part
    low, high = table[cell], table[cell + 1]
    cubic = rest**2 * ((1 + 2 * part) * low + part * height / slope[cell, columns])
    cubic += part**2 * ((1 + 2 * rest) * high - rest * height / slope[cell + 1, columns])
    return np.asarray(np.clip(cubic, low, high))


def _newton(
    powers: NDArray[np.float64],
    weighted: NDArray[np.float64],
    goal: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    alpha = start
    inner, squared = np.empty_like(weighted), np.empty_like(weighted)
    for _ in range(MOST_STEPS):
        np.add(powers, alpha, out=inner)
        np.reciprocal(inner, out=inner)
        np.multiply(inner, inner, out=squared)
        np.multiply(squared, weighted, out=squared)
        norm2 = squared.sum(axis=0)
        # d/da norm2^(-1/2) = slope * norm2^(-3/2)
        slope = np.einsum("kq,kq->q", squared, inner)
        moved = np.maximum(alpha + (goal * np.sqrt(norm2) - 1.0) * norm2 / slope, 0.0)
        near = np.abs(moved - alpha) <= CLOSE * moved
        alpha = moved
        if near.all():
            break
    return alpha


def _prepare(
    X: ArrayLike, Y: ArrayLike, fractions: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    features, targets = check_features_and_targets(X, Y)
    given = check_array("fractions", fractions, ndim=1, dtype=np.float64, min_rows=1)
    outside = given[(given <= 0) | (given > 1)]
    if len(outside):
        raise InputError(
            f"`fractions` must be above 0 and at most 1, got {outside[0]:g}. 1 is no penalty; for none of "
            "the weights use the mean of the targets."
        )
    return features, targets, given


def _add_scores(
    scores: NDArray[np.float64],
    design: Features,
    targets: NDArray[Any],
    fractions: NDArray[np.float64],
    train: Rows,
    test: Rows,
) -> None:
    rotation = design.rotate(train, test)
    dtype = np.result_type(design.X.dtype, targets.dtype)
    seen_axes, test_axes = rotation.left.astype(dtype), rotation.test.astype(dtype)
    # A quadratic form is shorter where the test part is longer than the components are many.
    gram = test_axes.T @ test_axes if len(test) > len(rotation.singular) else None
    for block in target_blocks(4 * len(train), targets.shape[1]):
        projected, mean = _project(seen_axes, targets[train, block], design.center)
        truth = targets[test, block].astype(np.float64)
        held_out = (truth - mean).astype(dtype)
        alphas = fraction_alphas(rotation.singular, projected.astype(np.float64), fractions[:, None])
        errors = np.empty(alphas.shape)
        cross = None if gram is None else 2 * (test_axes.T @ held_out)
        power = np.einsum("ij,ij->j", held_out, held_out, dtype=np.float64)
        for row, alpha in enumerate(alphas):
            weights = _shrink(rotation.singular, alpha, dtype) * projected
            if cross is None:
                residual = held_out - test_axes @ weights
                errors[row] = np.einsum("ij,ij->j", residual, residual)
            else:
                change = gram @ weights
                change -= cross
                errors[row] = power + np.einsum("kq,kq->q", weights, change)
        scores[:, block] += r2_from_errors(np.maximum(errors, 0.0), truth)


def _project(
    axes: NDArray[Any], seen: NDArray[Any], center: bool
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    values = seen.astype(np.float64)
    mean = column_mean(values) if center else np.zeros(values.shape[1])
    return axes.T @ (values - mean).astype(axes.dtype), mean


def _shrink(
    singular: NDArray[np.float64], alphas: NDArray[np.float64], dtype: Any = np.float64
) -> NDArray[Any]:
    """Return what takes U'Y to weights of the components, (rank, n_targets); 0 where alpha is not known."""
    # Without unpenalised weights there is nothing to shorten.
    known = np.where(np.isnan(alphas), np.inf, alphas)
    first: NDArray[Any] = singular[:, None].astype(dtype)
    return np.asarray(first / (first**2 + known.astype(dtype)))


def _refit(design: Features, targets: NDArray[Any], fractions: NDArray[np.float64]) -> FractionalRidgeFit:
    everything = np.arange(len(targets))
    rotation: Rotation = design.rotate(everything, everything[:0])
    dtype = np.result_type(design.X.dtype, targets.dtype)
    coef = np.empty((design.X.shape[1], targets.shape[1]), dtype)
    intercept, alphas = np.empty(targets.shape[1], dtype), np.empty(targets.shape[1])
    for block in target_blocks(len(targets), targets.shape[1]):
        projected, mean = _project(rotation.left, targets[:, block], design.center)
        alphas[block] = fraction_alphas(rotation.singular, projected, fractions[block][None])[0]
        weights = _shrink(rotation.singular, alphas[block]) * projected
        found, at_mean = design.weights(rotation, everything, weights)
        coef[:, block], intercept[block] = found, mean - at_mean
    return FractionalRidgeFit(coef, intercept, alphas)
