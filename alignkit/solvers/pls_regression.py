"""Partial least squares of many targets together, its number of components chosen by cross-validation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from .._core.progress import track
from ._held_out import Fold, Rows, path_errors, r2_from_errors, target_blocks
from ._rotation import Rotation, check_candidates, column_mean, rotated_input

logger = logging.getLogger(__name__)

# What is left of the covariance below this share of it is rounding error, and its direction arbitrary.
EXHAUSTED = 1e-10
# The largest number tried where none is given.
MOST = 50
# Up to this many rows or columns a whole decomposition is faster than Lanczos steps.
SMALL = 150


@dataclass(frozen=True)
class PLSCVResult:
    """Cross-validated partial least squares, refitted on all rows; ``X @ coef + intercept`` predicts.

    Attributes
    ----------
    coef : ndarray of shape (n_features, n_targets)
        Weights, in the units of X.
    intercept : ndarray of shape (n_targets,)
        Predictions at X = 0.
    n_components : int
        Number of components in these weights.
    cv_scores : ndarray of shape (n_targets,)
        Mean R2 over folds with that number, at most 1. Where several were tried it was chosen as the best.
    candidates : ndarray of shape (n_candidates,)
        The numbers that were tried.
    candidate_scores : ndarray of shape (n_candidates,)
        Mean over targets and folds of R2 with each.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    n_components: int
    cv_scores: NDArray[np.float64]
    candidates: NDArray[np.intp]
    candidate_scores: NDArray[np.float64]


def pls_cv(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_components: ArrayLike | None,
    folds: Sequence[Fold],
    standardize: bool = True,
) -> PLSCVResult:
    """Fit partial least squares (PLS2) with the number of components that predicts held-out rows best.

    Component k is the direction of the features whose covariance with all targets together is largest,
    among those uncorrelated with components 1 to k - 1. One decomposition of the features per fold serves
    all numbers of components: those of fewer are the first of those of more.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features.
    Y : array of shape (n_samples, n_targets)
        Responses to the same samples. All targets share the components.
    n_components : int, array of int or None
        The numbers to choose from, each at least 1; None stands for all from 1 to 50. Numbers above the
        rank of the features are lowered to it, with a warning where they were asked for.
    folds : sequence of (train, test)
        Row indices of each fold, disjoint within a fold; at least two rows in each part.
    standardize : bool, default=True
        Z-score features and targets by the training part of each fold. Constant features and targets get
        weight 0. Weights come back in the units of X and Y all the same.

    Returns
    -------
    result : PLSCVResult
        float64, in which all is computed.

    Raises
    ------
    InputError
        If an array holds NaN, a number of components is below 1, or a fold is not usable.

    Warns
    -----
    UserWarning
        If more components are asked for than the features have.

    Notes
    -----
    One number serves all targets: the one with the highest mean over targets of mean fold R2; of equals the
    smaller. A fold whose training part has fewer components is scored with all that it has. The weights are
    those of NIPALS iterated to convergence, found from X'X and X'Y alone (Dayal & MacGregor 1997) after a
    rotation to the principal components of X, where X'X is diagonal. The cost per fold is a Gram matrix and
    an eigendecomposition of the smaller side of X, products of O(n_samples * rank * n_targets), and per
    component some tens of products of O(rank * min(rank, n_targets)). Directions of X below some 1e-7 of
    the strongest are taken for zero.

    References
    ----------
    Wold S, Sjostrom M, Eriksson L (2001). PLS-regression: a basic tool of chemometrics. Chemometrics and
    Intelligent Laboratory Systems, doi:10.1016/S0169-7439(01)00155-1.

    Dayal BS, MacGregor JF (1997). Improved PLS algorithms. Journal of Chemometrics,
    doi:10.1002/(SICI)1099-128X(199701)11:1<73::AID-CEM435>3.0.CO;2-#.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 4))
    >>> Y = X @ rng.standard_normal((4, 3)) + 5.0
    >>> rows = np.arange(60)
    >>> folds = [(rows[rows % 3 != k], rows[rows % 3 == k]) for k in range(3)]
    >>> result = pls_cv(X, Y, n_components=[1, 4], folds=folds)
    >>> result.n_components, result.cv_scores.round(6)
    (4, array([1., 1., 1.]))
    """
    targets, parts, design, whole = rotated_input(X, Y, folds, standardize=standardize)
    everything = np.arange(len(targets))
    candidates = check_candidates(n_components, len(whole.singular), most=MOST)

    scores = np.zeros((len(candidates), targets.shape[1]))
    for train, test in track(parts, "PLS: folds"):
        model = _Path.of(design.rotate(train, test), targets, train, int(candidates.max()), standardize)
        scores += model.scores(targets[test], candidates)
    scores /= len(parts)
    means = scores.mean(axis=1)
    best = int(np.argmax(means))

    model = _Path.of(whole, targets, everything, int(candidates[best]), standardize)
    if model.length < candidates[best]:
        logger.info("PLS: %d components explain all that the features can", model.length)
    coef, at_mean = design.weights(whole, everything, model.directions @ model.loadings)
    return PLSCVResult(coef, model.mean - at_mean, model.length, scores[best], candidates, means)


@dataclass(frozen=True)
class _Path:
    """Weights of 1, 2, ... components of one training part."""

    rotation: Rotation
    directions: NDArray[np.float64]  # (rank, length)
    loadings: NDArray[np.float64]  # (length, n_targets) in the units of Y
    mean: NDArray[np.float64]  # (n_targets,)

    @property
    def length(self) -> int:
        return int(self.directions.shape[1])

    @classmethod
    def of(
        cls,
        rotation: Rotation,
        targets: NDArray[Any],
        train: Rows,
        n_components: int,
        standardize: bool,
    ) -> _Path:
        rank, n_targets = len(rotation.singular), targets.shape[1]
        mean, scale = np.empty(n_targets), np.ones(n_targets)
        covariance = np.empty((rank, n_targets))
        for block in target_blocks(len(train), n_targets):
            seen = targets[train, block].astype(np.float64)
            mean[block] = column_mean(seen)
            seen -= mean[block]
            if standardize:
                sd = np.sqrt(np.einsum("ij,ij->j", seen, seen) / len(train))
                scale[block] = np.where(sd > 0, sd, 1.0)
                seen /= scale[block]
            covariance[:, block] = rotation.singular[:, None] * (rotation.left.T @ seen)
        directions = pls_directions(rotation.singular, covariance, n_components)
        return cls(rotation, directions, (directions.T @ covariance) * scale, mean)

    def scores(self, held_out: NDArray[Any], candidates: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return R2 of the test rows, (n_candidates, n_targets)."""
        projected = self.rotation.test @ self.directions
        result = np.empty((len(candidates), held_out.shape[1]))
        # A fold may hold fewer components than the whole; those that are missing would add nothing.
        rows = np.minimum(candidates, self.length)
        for block in target_blocks(len(held_out), held_out.shape[1]):
            truth = held_out[:, block].astype(np.float64)
            errors = path_errors(projected, self.loadings[:, block], truth - self.mean[block])
            result[:, block] = r2_from_errors(errors[rows], truth)
        return result


def pls_directions(
    singular: NDArray[np.float64], covariance: NDArray[np.float64], n_components: int
) -> NDArray[np.float64]:
    """Find PLS directions of features whose inner products are diagonal.

    Parameters
    ----------
    singular : array of shape (rank,)
        Roots of the diagonal of X'X, positive.
    covariance : array of shape (rank, n_targets)
        X'Y.
    n_components : int
        How many are wanted.

    Returns
    -------
    directions : ndarray of shape (rank, n_found)
        R with R'X'XR = 1: ``R @ R.T @ covariance`` are the weights, and those of k components come from the
        first k columns. Fewer than asked for where nothing of the covariance is left.

    Examples
    --------
    >>> pls_directions(np.array([2.0, 1.0]), np.array([[4.0], [0.0]]), 2)
    array([[0.5],
           [0. ]])
    """
    rest = _compress(covariance)
    powers = singular**2
    directions = np.zeros((len(singular), min(n_components, len(singular))))
    loadings = np.zeros_like(directions)
    everything = np.linalg.norm(rest)
    for number in range(directions.shape[1]):
        if np.linalg.norm(rest) <= EXHAUSTED * everything:
            return directions[:, :number]
        direction = _strongest(rest)
        # Twice, because the first pass leaves rounding errors as large as what it took away.
        for _ in range(2):
            direction = direction - directions[:, :number] @ (loadings[:, :number].T @ direction)
        direction /= np.sqrt(powers @ direction**2)
        directions[:, number] = direction
        loadings[:, number] = powers * direction
        rest -= np.outer(loadings[:, number], direction @ rest)
    return directions


def _compress(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a copy C with the same C C' and at most as many columns as rows."""
    rank, n_targets = covariance.shape
    if n_targets <= 2 * rank:
        return covariance.copy()
    values, vectors = scipy.linalg.eigh(covariance @ covariance.T, driver="evd", check_finite=False)
    return np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _strongest(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the left singular vector of the largest singular value."""
    rank, n_columns = matrix.shape
    if n_columns == 1:
        return np.asarray(matrix[:, 0] / np.linalg.norm(matrix))
    if min(rank, n_columns) > SMALL:
        start = matrix @ np.random.default_rng(0).standard_normal(n_columns)
        product = LinearOperator((rank, rank), matvec=lambda v: matrix @ (matrix.T @ v), dtype=np.float64)
        try:
            return np.asarray(eigsh(product, k=1, v0=start, tol=0)[1][:, 0])
        except ArpackNoConvergence:
            logger.info("PLS: Lanczos steps did not converge, decomposing the whole matrix")
    gram = matrix @ matrix.T if rank <= n_columns else matrix.T @ matrix
    top = [len(gram) - 1, len(gram) - 1]
    vector = scipy.linalg.eigh(gram, subset_by_index=top, check_finite=False)[1][:, 0]
    if rank > n_columns:
        vector = matrix @ vector
        vector /= np.linalg.norm(vector)
    return np.asarray(vector)
