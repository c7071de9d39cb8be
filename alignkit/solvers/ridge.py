"""Ridge regression of many targets at once, each with its own cross-validated alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.device import pick_device
from .._core.errors import InputError
from ._memory import enough_memory
from ._ridge_input import (
    Fold,
    Missing,
    Problem,
    check_alphas,
    check_folds,
    check_targets,
    check_weights,
    problems,
)
from ._ridge_solve import solve_cv, solve_fit
from ._targets import Scoring
from ._training_part import Design

if TYPE_CHECKING:
    import torch

# Elements of one block of targets: 64 MiB in float32, so that memory does not grow with the targets.
BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True)
class RidgeFit:
    """Coefficients of a ridge regression; ``X @ coef + intercept`` predicts.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_targets)
        Weights, in the units of X.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0; zeros without an intercept.
    """

    coef: NDArray[np.floating[Any]]
    intercept: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RidgeCVResult(RidgeFit):
    """Cross-validated ridge regression, refitted on all rows at each target's best alpha.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_targets)
        Weights, in the units of X.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0; zeros without an intercept.
    best_alphas : ndarray of shape (n_targets,)
        The alpha with the highest mean score over folds.
    cv_scores : ndarray of shape (n_targets,)
        That mean score: R2, at most 1 (or minus the mean squared error, at most 0). It was chosen as the
        best of several: optimistic, not a test score.
    """

    best_alphas: NDArray[np.float64]
    cv_scores: NDArray[np.float64]


def ridge_cv(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    alphas: ArrayLike,
    folds: Sequence[Fold] | Literal["leave-one-out"],
    scoring: Scoring = "r2",
    fit_intercept: bool = True,
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    missing: Missing = "raise",
    device: str = "auto",
) -> RidgeCVResult:
    """Fit a ridge regression per target, each at the alpha that predicts held-out rows best.

    Minimises ``sum_i v_i (y_i - x_i w - b)^2 + alpha ||w||^2`` per target, with sample weights v. Every fold
    is decomposed once, and the errors of all alphas follow from that in closed form. Centring and z-scoring
    use the training part of each fold only.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features. float32 is kept; Gram matrices and eigenvectors are float64 in any case.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    alphas : array of shape (n_alphas,)
        Penalties to choose from, all positive, in any order; one that comes twice changes nothing.
    folds : sequence of (train, test) or "leave-one-out"
        Row indices of each fold, disjoint within a fold; at least two test rows each. Leave-one-out is
        computed in closed form from one decomposition; z-scoring takes mean and spread of all rows then, the
        one left out among them.
    scoring : {"r2", "neg-mse"}, default="r2"
        What is averaged over folds to choose alpha: R2, or minus the mean squared error. The second gives
        more weight to folds whose responses vary more. With leave-one-out the errors are pooled:
        ``1 - sum e_i^2 / sum (y_i - mean)^2``, or minus their mean square; both choose the same alpha.
    fit_intercept : bool, default=True
        Fit b (unpenalised) by centring; otherwise b = 0.
    standardize : bool, default=False
        Z-score the features first, so that the penalty does not depend on their units. Constant features
        get weight 0. The coefficients that come back are in the units of X all the same.
    sample_weight : array of shape (n_samples,), optional
        Not negative. A weight of 2 is the same as the row twice, in fits, z-scores and held-out scores; a
        weight of 0 leaves it out. Leave-one-out leaves a row out with its whole weight.
    missing : {"raise", "drop"}, default="raise"
        What NaN in Y mean: an error, or that each target is fitted and scored on the rows that it has. Folds
        with less than 1 training or 2 test responses of a target are left out of its mean.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Returns
    -------
    result : RidgeCVResult
        Arrays in the precision of X and Y (float32 only if both are).

    Raises
    ------
    InputError
        If an array holds NaN, an alpha is not positive, a fold is not usable, a target has too few
        responses, or the memory does not suffice.

    Notes
    -----
    R2 of a fold is ``1 - SSE / SST`` with SST about the test part's own mean. A target that is constant in
    a test part scores 0 there. Ties go to the largest alpha.

    The cost is one eigendecomposition per fold, O(min(n, p)^3), and about three products of
    O(min(n, p)^2 n_targets) a fold, whatever the number of alphas; with leave-one-out O(n_alphas n min(n, p)
    n_targets). Targets with other responses missing take decompositions of their own.

    References
    ----------
    Golub GH, Heath M, Wahba G (1979). Generalized cross-validation as a method for choosing a good ridge
    parameter. Technometrics, doi:10.1080/00401706.1979.10489751.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 3))
    >>> Y = X @ np.array([[1.0], [2.0], [-2.0]]) + 5.0
    >>> rows = np.arange(60)
    >>> folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    >>> result = ridge_cv(X, Y, alphas=[1e-6, 100.0], folds=folds)
    >>> result.coef.ravel().round(3), result.intercept.round(3)
    (array([ 1.,  2., -2.]), array([5.]))
    """
    check_option("scoring", scoring, get_args(Scoring))
    features, targets = _check_pair(X, Y, missing)
    grid = check_alphas(alphas)
    parts = check_folds(folds, len(targets))
    weights = check_weights(sample_weight, len(targets))
    result = RidgeCVResult(*_room(features, targets), *np.empty((2, targets.shape[1])))
    with _enough_memory(features, targets):
        for problem in problems(targets, parts, weights, least=2):
            design = _design(features, targets, problem, fit_intercept, standardize, device)
            found = solve_cv(design, problem.targets, grid, problem.folds, scoring, BLOCK_ELEMENTS)
            for room, values in zip(_arrays(result), found, strict=True):
                room[..., problem.columns] = values
    return result


def ridge_fit(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    alphas: ArrayLike,
    fit_intercept: bool = True,
    standardize: bool = False,
    sample_weight: ArrayLike | None = None,
    missing: Missing = "raise",
    device: str = "auto",
) -> RidgeFit:
    """Fit a ridge regression per target at given alphas.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    alphas : float or array of shape (n_targets,)
        The penalty of each target, positive; one number serves all.
    fit_intercept : bool, default=True
        Fit an unpenalised intercept by centring.
    standardize : bool, default=False
        Z-score the features first; see :func:`ridge_cv`.
    sample_weight : array of shape (n_samples,), optional
        See :func:`ridge_cv`.
    missing : {"raise", "drop"}, default="raise"
        What NaN in Y mean; see :func:`ridge_cv`.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Returns
    -------
    fit : RidgeFit
        Coefficients and intercept.

    Raises
    ------
    InputError
        If an array holds NaN, an alpha is not positive, their number is neither 1 nor n_targets, a target has
        no response, or the memory does not suffice.
    """
    features, targets = _check_pair(X, Y, missing)
    given = check_alphas(np.atleast_1d(np.asarray(alphas)))
    if len(given) not in (1, targets.shape[1]):
        raise InputError(
            f"`alphas` must be one number or one per target, got {len(given)} for {targets.shape[1]} targets."
        )
    per_target = np.broadcast_to(given, (targets.shape[1],))
    weights = check_weights(sample_weight, len(targets))
    fit = RidgeFit(*_room(features, targets))
    with _enough_memory(features, targets):
        for problem in problems(targets, None, weights, least=1):
            design = _design(features, targets, problem, fit_intercept, standardize, device)
            found = solve_fit(design, problem.targets, per_target[problem.columns], BLOCK_ELEMENTS)
            fit.coef[:, problem.columns], fit.intercept[problem.columns] = found
    return fit


def _check_pair(X: ArrayLike, Y: ArrayLike, missing: str) -> tuple[NDArray[Any], NDArray[Any]]:
    features = check_array("X", X, ndim=2)
    targets = check_targets(features, Y, missing)
    if features.shape[1] == 0:
        raise InputError(f"`X` has no columns, got shape {features.shape}.")
    return features, targets


def _precision(features: NDArray[Any], targets: NDArray[Any]) -> type[np.floating[Any]]:
    return np.float32 if max(features.dtype.itemsize, targets.dtype.itemsize) <= 4 else np.float64


def _room(features: NDArray[Any], targets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return room for coefficients and intercepts."""
    dtype = _precision(features, targets)
    return np.empty((features.shape[1], targets.shape[1]), dtype), np.empty(targets.shape[1], dtype)


def _arrays(result: RidgeCVResult) -> tuple[NDArray[Any], ...]:
    return result.coef, result.intercept, result.best_alphas, result.cv_scores


def _design(
    features: NDArray[Any],
    targets: NDArray[Any],
    problem: Problem,
    fit_intercept: bool,
    standardize: bool,
    device: str,
) -> Design:
    import torch

    on = pick_device(device)
    rows = features if problem.rows is None else features[problem.rows]
    ready = np.require(rows, dtype=_precision(features, targets), requirements=["C", "W"])
    weights: torch.Tensor | None = None
    if problem.weights is not None:
        weights = torch.from_numpy(problem.weights).to(on)
    return Design(torch.from_numpy(ready).to(on), fit_intercept, standardize, weights)


def _enough_memory(features: NDArray[Any], targets: NDArray[Any]) -> Any:
    n_samples, n_features = features.shape
    return enough_memory(
        f"ridge regression of {n_samples} samples x {n_features} features and {targets.shape[1]} targets",
        "Use float32 arrays, fewer features (a random projection keeps their distances), or fewer samples.",
    )
