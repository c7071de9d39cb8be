"""Banded ridge regression: several feature spaces, each with its own penalty, chosen per target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option, check_same_samples
from .._core.device import pick_device
from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ._band_choice import best_candidates, descent
from ._band_search import refit
from ._band_weights import candidate_weights, subset_weights
from ._bands import BandedDesign
from ._held_out import Fold, check_parts
from ._ridge_input import check_alphas

if TYPE_CHECKING:
    pass

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Search = Literal["random", "hypergradient"]


@dataclass(frozen=True)
class BandedRidgeCVResult:
    """Cross-validated banded ridge regression, refitted on all rows.

    ``sum_j X_j @ coefs[j] + intercept`` predicts; it minimises
    ``||y - sum_j X_j b_j - c||^2 + best_alpha sum_j ||b_j||^2 / weight_j``.

    Attributes
    ----------
    coefs : tuple of ndarray of shape (n_features_j, n_targets)
        Weights of each space's features, in the units of X_j.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0; zeros without an intercept.
    weights : ndarray of shape (n_spaces, n_targets)
        Share of each space, from 0 (left out) to 1, summing to 1 for every target. It says how little the
        space is penalised, not how much variance it explains.
    best_alphas : ndarray of shape (n_targets,)
        Penalty at these shares: the penalty of space j is ``best_alphas / weights[j]``.
    cv_scores : ndarray of shape (n_targets,)
        Mean R2 over folds, at most 1. It was chosen as the best of many: optimistic, not a test score.
    """

    coefs: tuple[NDArray[np.floating[Any]], ...]
    intercept: NDArray[np.floating[Any]]
    weights: Floats
    best_alphas: Floats
    cv_scores: Floats

    @property
    def deltas(self) -> Floats:
        """``log(weights / best_alphas)``, (n_spaces, n_targets); minus infinity for a space left out."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.weights / self.best_alphas))


def banded_ridge_cv(
    spaces: Sequence[ArrayLike],
    Y: ArrayLike,
    *,
    alphas: ArrayLike,
    folds: Sequence[Fold],
    n_weights: int = 50,
    weights: ArrayLike | None = None,
    search: Search = "random",
    n_steps: int = 20,
    start: ArrayLike | None = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    device: str = "auto",
    random_state: RandomState = 0,
) -> BandedRidgeCVResult:
    """Fit a ridge regression per target on several feature spaces, each space with a penalty of its own.

    The penalties are chosen by their mean R2 over folds: candidate shares of the spaces, times the alphas.
    The candidates are all spaces alike (which is ridge on all features together, at these very alphas), every
    space alone (ridge on that space), and Dirichlet draws; so no target does worse in cross-validation than
    with either kind of ridge.

    Parameters
    ----------
    spaces : sequence of array of shape (n_samples, n_features_j)
        Features, one array per space. float32 is kept; kernels and decompositions are float64 in any case.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples.
    alphas : array of shape (n_alphas,)
        Penalties to choose from, all positive.
    folds : sequence of (train, test)
        Row indices of each fold, disjoint within a fold; at least two test rows each.
    n_weights : int, default=50
        Candidates in all; at least the ``n_spaces + 1`` that are always there. The rest are drawn with
        concentrations 0.1 (few spaces) and 1 (uniform on the simplex) in turn.
    weights : array of shape (n_candidates, n_spaces), optional
        Candidates to use instead. Not negative; a row that does not sum to 1 stands for the same shares at
        ``alphas / sum``.
    search : {"random", "hypergradient"}, default="random"
        With ``"hypergradient"`` the log weights of each target then follow the gradient of the same R2 from
        the best candidate, off the grid. Slower by far on a CPU; the better of both is kept.
    n_steps : int, default=20
        Steps of that descent at most.
    start : array of shape (n_spaces, n_targets), optional
        `deltas` of an earlier fit. With ``search="hypergradient"`` the descent begins there and there is no
        random search; with ``"random"`` they are one more candidate for each target.
    fit_intercept : bool, default=True
        Fit an unpenalised intercept by centring on each training part.
    standardize : bool, default=False
        Z-score the features by each training part first. Constant features get weight 0. The coefficients
        that come back are in the units of X all the same.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.
    random_state : int, Generator or None, default=0
        Source of the draws.

    Returns
    -------
    result : BandedRidgeCVResult
        Arrays in the precision of the input (float32 only if all of it is).

    Raises
    ------
    InputError
        If there is no space, an array holds NaN, sizes do not fit, an alpha or weight is not positive, or a
        fold is not usable.

    Notes
    -----
    Each space's kernel is made once (once a fold with `standardize`, or with fewer features than samples,
    where the rows are rotated into the span of the features first). Each candidate then costs one
    eigendecomposition a fold, O(min(n, p)^3), and O(n_alphas n_test min(n, p) n_targets) for the alphas.
    Ties go to the largest alpha of the first candidate. A target that is constant in a test part scores 0
    there.

    The same candidates, alphas and folds give the scores of himalaya's ``MultipleKernelRidgeCV`` with
    ``fit_intercept=True`` (and R2 as its score) to rounding. Its default has no intercept and centres neither
    the kernels nor the responses, which moved best scores by up to .011 at 1,500 samples: it equals
    ``fit_intercept=False`` here.

    With float32 input, kernels conditioned better than 100 are decomposed in float32, others in float64.

    References
    ----------
    Nunez-Elizalde AO, Huth AG, Gallant JL (2019). Voxelwise encoding models with non-spherical multivariate
    normal priors. NeuroImage, doi:10.1016/j.neuroimage.2019.04.012.

    Dupre la Tour T et al. (2022). Feature-space selection with banded ridge regression. NeuroImage,
    doi:10.1016/j.neuroimage.2022.119728.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> informative, noise = rng.standard_normal((60, 3)), rng.standard_normal((60, 80))
    >>> Y = informative @ np.array([[1.0], [2.0], [-2.0]]) + 0.1 * rng.standard_normal((60, 1))
    >>> rows = np.arange(60)
    >>> folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    >>> result = banded_ridge_cv([informative, noise], Y, alphas=[0.1, 10.0], folds=folds)
    >>> bool(result.cv_scores[0] > 0.95), bool(result.weights[0, 0] > 0.95)
    (True, True)
    """
    check_option("search", search, get_args(Search))
    design, targets, grid = _prepare(spaces, Y, alphas, fit_intercept, standardize, device)
    parts = check_parts(folds, len(targets))
    n_spaces = len(design.spaces)
    given = None if start is None else _check_start(start, n_spaces, targets.shape[1])
    kernels = design.kernels()
    if search == "hypergradient" and given is not None:
        shares, penalties = np.zeros((n_spaces, targets.shape[1])), np.ones(targets.shape[1])
        scores = np.full(targets.shape[1], -np.inf)
    else:
        candidates = candidate_weights(n_spaces, n_weights, weights, random_state)
        everything = [np.arange(len(candidates))]
        shares, penalties, scores = best_candidates(
            design, targets, candidates, grid, parts, kernels, everything
        )[0]
    if search == "hypergradient" or given is not None:
        steps = n_steps if search == "hypergradient" else 0
        found = descent(design, targets, (shares, penalties, scores), given, grid, parts, kernels, steps)
        shares, penalties, scores = found
    coefs, intercept = refit(design, targets, shares, penalties, kernels)
    return BandedRidgeCVResult(tuple(coefs), intercept, shares, penalties, scores)


def banded_ridge_subsets(
    spaces: Sequence[ArrayLike],
    Y: ArrayLike,
    *,
    alphas: ArrayLike,
    folds: Sequence[Fold],
    n_weights: int = 20,
    one_penalty: bool = False,
    fit_intercept: bool = True,
    standardize: bool = False,
    device: str = "auto",
    random_state: RandomState = 0,
) -> Iterator[tuple[tuple[int, ...], BandedRidgeCVResult]]:
    """Fit every non-empty subset of the spaces as :func:`banded_ridge_cv` would, sharing what they share.

    The candidates of a subset are all candidates that give weight to no other space, so that in
    cross-validation no subset does worse than one that it contains.

    Parameters
    ----------
    spaces, Y, alphas, folds, fit_intercept, standardize, device, random_state
        As in :func:`banded_ridge_cv`.
    n_weights : int, default=20
        Candidates of each subset of two or more spaces in which all its spaces have weight: all alike, and
        Dirichlet draws.
    one_penalty : bool, default=False
        One penalty for all spaces of a subset: plain ridge on their features together. `n_weights` is not
        used, and no subset borrows another's fit.

    Yields
    ------
    subset : tuple of int
        Numbers of its spaces, all pairs after all single ones and so on.
    result : BandedRidgeCVResult
        Weights of the other spaces are 0, as are their coefficients.

    Raises
    ------
    InputError
        As :func:`banded_ridge_cv`.
    """
    design, targets, grid = _prepare(spaces, Y, alphas, fit_intercept, standardize, device)
    parts = check_parts(folds, len(targets))
    n_spaces = len(design.spaces)
    subsets = [members for size in range(1, n_spaces + 1) for members in combinations(range(n_spaces), size)]
    candidates, member = subset_weights(
        subsets, n_spaces, 1 if one_penalty else n_weights, as_generator(random_state)
    )
    support = candidates > 0
    allowed = []
    for number, subset in enumerate(subsets):
        outside = np.delete(np.arange(n_spaces), subset)
        inside = member == number if one_penalty else ~support[:, outside].any(axis=1)
        allowed.append(np.flatnonzero(inside))
    kernels = design.kernels()
    found = best_candidates(design, targets, candidates, grid, parts, kernels, allowed)
    for subset, (shares, penalties, scores) in zip(subsets, found, strict=True):
        coefs, intercept = refit(design, targets, shares, penalties, kernels)
        yield subset, BandedRidgeCVResult(tuple(coefs), intercept, shares, penalties, scores)


def _prepare(
    spaces: Sequence[ArrayLike],
    Y: ArrayLike,
    alphas: ArrayLike,
    fit_intercept: bool,
    standardize: bool,
    device: str,
) -> tuple[BandedDesign, NDArray[Any], Floats]:
    import torch

    if hasattr(spaces, "shape") or len(spaces) == 0:
        came = f"one array of shape {np.asarray(spaces).shape}" if len(spaces) else "nothing"
        raise InputError(
            f"`spaces` must be a list of arrays (n_samples, n_features), one per feature space, got {came}."
        )
    targets = check_array("Y", Y, ndim=2)
    if targets.shape[1] == 0:
        raise InputError(f"`Y` has no columns, got shape {targets.shape}. Give at least one.")
    checked = []
    for number, space in enumerate(spaces):
        features = check_array(f"spaces[{number}]", space, ndim=2)
        check_same_samples(f"spaces[{number}]", features, "Y", targets)
        if features.shape[1] == 0:
            raise InputError(f"`spaces[{number}]` has no columns, got shape {features.shape}. Leave it out.")
        checked.append(features)
    grid = check_alphas(alphas)
    single = all(array.dtype.itemsize <= 4 for array in (targets, *checked))
    wide, picked = np.float32 if single else np.float64, pick_device(device)
    tensors = [
        torch.from_numpy(np.require(array, dtype=wide, requirements=["C", "W"])).to(picked)
        for array in checked
    ]
    return BandedDesign(tuple(tensors), fit_intercept, standardize), targets, grid


def _check_start(start: ArrayLike, n_spaces: int, n_targets: int) -> Floats:
    given = check_array("start", start, ndim=2, dtype=np.float64, finite=False)
    if given.shape != (n_spaces, n_targets):
        raise InputError(
            f"`start` must have shape (n_spaces, n_targets) = ({n_spaces}, {n_targets}), got {given.shape}. "
            "Give the `deltas` of an earlier fit to the same targets."
        )
    if np.isnan(given).any() or (given == np.inf).any() or (given == -np.inf).all(axis=0).any():
        raise InputError(
            "`start` must hold log weights, below infinity and above minus infinity for at least one space "
            "of every target. Give the `deltas` of an earlier fit."
        )
    return given
