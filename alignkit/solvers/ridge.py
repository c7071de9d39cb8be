"""Ridge regression of many targets at once, each with its own cross-validated alpha."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option, check_same_samples
from .._core.device import pick_device
from .._core.errors import InputError
from .._core.progress import track
from ._training_part import Design, TrainingPart, column_mean

if TYPE_CHECKING:
    from torch import Tensor

Fold = tuple[ArrayLike, ArrayLike]
Scoring = Literal["r2", "neg-mse"]

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
    folds: Sequence[Fold],
    scoring: Scoring = "r2",
    fit_intercept: bool = True,
    standardize: bool = False,
    device: str = "auto",
) -> RidgeCVResult:
    """Fit a ridge regression per target, each at the alpha that predicts held-out rows best.

    Minimises ``||y - X w - b||^2 + alpha ||w||^2`` per target. Every fold is decomposed once and all
    alphas follow from that. Centring and z-scoring use the training part of each fold only.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features. float32 is kept; Gram matrices and eigenvectors are float64 in any case.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    alphas : array of shape (n_alphas,)
        Penalties to choose from, all positive.
    folds : sequence of (train, test)
        Row indices of each fold, disjoint within a fold; at least two test rows each.
    scoring : {"r2", "neg-mse"}, default="r2"
        What is averaged over folds to choose alpha: R2, or minus the mean squared error. The second gives
        more weight to folds whose responses vary more.
    fit_intercept : bool, default=True
        Fit b (unpenalised) by centring; otherwise b = 0.
    standardize : bool, default=False
        Z-score the features first, so that the penalty does not depend on their units. Constant features
        get weight 0. The coefficients that come back are in the units of X all the same.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Returns
    -------
    result : RidgeCVResult
        Arrays in the precision of X and Y (float32 only if both are).

    Raises
    ------
    InputError
        If an array holds NaN, an alpha is not positive, or a fold is not usable.

    Notes
    -----
    R2 of a fold is ``1 - SSE / SST`` with SST about the test part's own mean. A target that is constant in
    a test part scores 0 there. Ties go to the largest alpha. The cost is one eigendecomposition per fold,
    O(min(n, p)^3), and products of O(n_alphas * n_test * min(n, p) * n_targets).

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
    design, targets, grid = _prepare(X, Y, alphas, fit_intercept, standardize, device)
    parts = _check_folds(folds, len(targets))
    kernel = design.kernel()
    scores = np.zeros((len(grid), targets.shape[1]))
    for train, test in track(parts, "ridge: folds"):
        scores += _score_fold(design, targets, grid, train, test, kernel, scoring)
    scores /= len(parts)

    # Of equals the largest alpha: where nothing can be told apart, the simplest model.
    descending = np.argsort(-grid, kind="stable")
    best = descending[np.argmax(scores[descending], axis=0)]
    coef, intercept = _refit(design, targets, grid[best], kernel)
    return RidgeCVResult(coef, intercept, grid[best], scores[best, np.arange(targets.shape[1])])


def ridge_fit(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    alphas: ArrayLike,
    fit_intercept: bool = True,
    standardize: bool = False,
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
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.

    Returns
    -------
    fit : RidgeFit
        Coefficients and intercept.

    Raises
    ------
    InputError
        If an array holds NaN, an alpha is not positive, or their number is neither 1 nor n_targets.
    """
    design, targets, given = _prepare(
        X, Y, np.atleast_1d(np.asarray(alphas)), fit_intercept, standardize, device
    )
    if len(given) not in (1, targets.shape[1]):
        raise InputError(
            f"`alphas` must be one number or one per target, got {len(given)} for {targets.shape[1]} targets."
        )
    per_target = np.broadcast_to(given, (targets.shape[1],))
    return RidgeFit(*_refit(design, targets, per_target, design.kernel()))


def _prepare(
    X: ArrayLike, Y: ArrayLike, alphas: ArrayLike, fit_intercept: bool, standardize: bool, device: str
) -> tuple[Design, NDArray[Any], NDArray[np.float64]]:
    import torch

    features = check_array("X", X, ndim=2)
    targets = check_array("Y", Y, ndim=2)
    check_same_samples("X", features, "Y", targets)
    for name, array in (("X", features), ("Y", targets)):
        if array.shape[1] == 0:
            raise InputError(f"`{name}` has no columns, got shape {array.shape}.")
    grid = check_array("alphas", alphas, ndim=1, dtype=np.float64, min_rows=1)
    if (grid <= 0).any():
        raise InputError(
            f"`alphas` must be positive, got {grid.min():g}. For plain least squares use a small one, "
            "such as 1e-6."
        )
    wide = np.float32 if max(features.dtype.itemsize, targets.dtype.itemsize) <= 4 else np.float64
    ready = np.require(features, dtype=wide, requirements=["C", "W"])
    on_device = torch.from_numpy(ready).to(pick_device(device))
    return Design(on_device, fit_intercept, standardize), targets, grid


def _check_folds(folds: Sequence[Fold], n_samples: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    if len(folds) == 0:
        raise InputError("`folds` is empty; give a list of (train, test) row indices.")
    checked = []
    for number, (train, test) in enumerate(folds):
        seen = _check_rows(f"training part of fold {number}", train, 1, n_samples)
        # One row has no spread of its own, so that its R2 is not defined.
        held_out = _check_rows(f"test part of fold {number}", test, 2, n_samples)
        shared = np.intersect1d(seen, held_out)
        if len(shared):
            raise InputError(
                f"`folds`: fold {number} has {len(shared)} row(s) in both its training and its test part, "
                f"such as row {shared[0]}. Test rows must not be trained on."
            )
        checked.append((seen, held_out))
    return checked


def _check_rows(name: str, rows: ArrayLike, least: int, n_samples: int) -> NDArray[np.intp]:
    given = np.asarray(rows)
    if given.size < least:
        raise InputError(
            f"`folds`: the {name} has {given.size} row(s), but needs at least {least}. "
            "Use fewer folds or more samples."
        )
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise InputError(
            f"`folds`: the {name} must be a list of row numbers, got dtype {given.dtype} and shape "
            f"{given.shape}."
        )
    outside = given[(given < 0) | (given >= n_samples)]
    if len(outside):
        raise InputError(f"`folds`: the {name} names row {outside[0]}, but there are {n_samples} samples.")
    return given.astype(np.intp)


def _score_fold(
    design: Design,
    targets: NDArray[Any],
    alphas: NDArray[np.float64],
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    kernel: Tensor | None,
    scoring: Scoring,
) -> NDArray[np.float64]:
    """Return the scores of the test rows, (n_alphas, n_targets)."""
    import torch

    device = design.X.device
    part = design.decompose(torch.from_numpy(train).to(device), torch.from_numpy(test).to(device), kernel)
    scores = np.empty((len(alphas), targets.shape[1]))
    for block in _target_blocks(targets):
        seen, mean = _load(targets[train, block], design)
        held_out = _to_device(targets[test, block], design) - mean
        errors = _squared_errors(part, part.train.T @ seen, held_out.to(design.X.dtype), alphas)
        if scoring == "r2":
            total = (held_out - column_mean(held_out)).square().sum(0)
            # Told by equality: the sum of squares of a constant is not always an exact 0.
            constant = (held_out == held_out[0]).all(0)
            score = torch.where(constant, 0.0, 1.0 - errors / torch.where(constant, 1.0, total))
        else:
            score = -errors / len(held_out)
        scores[:, block] = score.cpu().numpy()
    return scores


def _squared_errors(
    part: TrainingPart, projected: Tensor, held_out: Tensor, alphas: NDArray[np.float64]
) -> Tensor:
    """Return the summed squared test errors, (n_alphas, n_targets) float64."""
    import torch

    errors = torch.empty((len(alphas), held_out.shape[1]), dtype=torch.float64, device=held_out.device)
    if part.test_gram is not None:
        cross = part.test.T @ held_out
        power = held_out.double().square().sum(0)
    for row, alpha in enumerate(alphas):
        shrink = (1.0 / (part.eigenvalues + alpha)).to(held_out.dtype)
        if part.test_gram is None:
            residual = torch.addmm(held_out, part.test * shrink, projected, alpha=-1)
            errors[row] = residual.square_().sum(0)
        else:
            # ||y - T w||^2 = ||y||^2 + w'(T'T w - 2 T'y): shorter when the test part is long.
            weights = shrink[:, None] * projected
            change = torch.addmm(cross, part.test_gram, weights, beta=-2).mul_(weights)
            errors[row] = power + change.sum(0)
    # Rounding can take a perfect fit below zero in the second form.
    return errors.clamp_min_(0)


def _refit(
    design: Design, targets: NDArray[Any], alphas: NDArray[np.float64], kernel: Tensor | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    import torch

    everything = torch.arange(len(targets), device=design.X.device)
    part = design.decompose(everything, everything[:0], kernel)
    weights = design.weights(part)
    feature_mean, _ = design.moments(everything)
    dtype = np.float32 if design.X.dtype == torch.float32 else np.float64
    coef = np.empty((design.X.shape[1], targets.shape[1]), dtype)
    intercept = np.empty(targets.shape[1], dtype)
    for block in _target_blocks(targets):
        seen, mean = _load(targets[:, block], design)
        penalty = torch.tensor(alphas[block], device=seen.device)
        shrink = (1.0 / (part.eigenvalues[:, None] + penalty)).to(seen.dtype)
        found = weights @ (shrink * (part.train.T @ seen))
        coef[:, block] = found.cpu().numpy()
        intercept[block] = (mean - feature_mean @ found.double()).cpu().numpy()
    return coef, intercept


def _load(values: NDArray[Any], design: Design) -> tuple[Tensor, Tensor]:
    """Return centred targets in the working precision, and their float64 mean."""
    loaded = _to_device(values, design)
    mean = column_mean(loaded) if design.fit_intercept else loaded.new_zeros(loaded.shape[1])
    return (loaded - mean).to(design.X.dtype), mean


def _to_device(values: NDArray[Any], design: Design) -> Tensor:
    import torch

    # torch takes no read-only memory, no foreign byte order and no negative strides.
    ready = np.require(values, dtype=np.float64, requirements=["C", "W"])
    return torch.from_numpy(ready).to(design.X.device)


def _target_blocks(targets: NDArray[Any]) -> Iterator[slice]:
    n_samples, n_targets = targets.shape
    step = max(1, BLOCK_ELEMENTS // n_samples)
    for start in range(0, n_targets, step):
        yield slice(start, min(start + step, n_targets))
