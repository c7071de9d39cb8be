"""Inner products of RDMs under the covariance that their distances have."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

from ..._core.checks import check_array
from ..._core.errors import InputError
from .._rounding import check_range
from ._pairs import count_stimuli

Matrix = NDArray[np.float64]
Product = Callable[[Matrix, Matrix], Matrix]

# With a full noise covariance, the missing pairs are solved for as one dense system: 0.5 GiB.
_MAX_MISSING = 8000


def check_sigma(sigma_k: ArrayLike, n_stimuli: int) -> Matrix:
    """Return noise variances (n_stimuli,) or a noise covariance (n_stimuli, n_stimuli) of patterns."""
    sigma = check_array("sigma_k", sigma_k, ndim=(1, 2), dtype=np.float64)
    if sigma.shape not in ((n_stimuli,), (n_stimuli, n_stimuli)):
        raise InputError(
            f"`sigma_k` must be the noise variances ({n_stimuli},) or the noise covariance ({n_stimuli}, "
            f"{n_stimuli}) of the {n_stimuli} stimuli's patterns, got shape {sigma.shape}."
        )
    check_range("sigma_k", sigma)
    if sigma.ndim == 1:
        if sigma.min() <= 0:
            raise InputError(f"`sigma_k` must hold variances above 0, got {sigma.min():g}.")
        return sigma
    if np.abs(sigma - sigma.T).max() > 1e-8 * np.abs(sigma).max():
        raise InputError("`sigma_k` must be symmetric. Give a covariance matrix of the stimuli's patterns.")
    try:
        cholesky(sigma, lower=True)
    except LinAlgError as error:
        raise InputError(
            "`sigma_k` must be positive definite. Give a covariance, shrunk where it is singular."
        ) from error
    return np.asarray((sigma + sigma.T) / 2)


def whitened_product(kept: NDArray[np.bool_], sigma: Matrix | None = None) -> Product:
    """Return (A, B) -> A inv(V) B' for the pairs kept.

    V, the covariance of squared distances estimated from patterns with noise covariance S, is the
    elementwise square of ``C S C'``, with C the contrasts between stimuli.

    Parameters
    ----------
    kept : ndarray of bool, shape (n_pairs,)
        Pairs that have a value.
    sigma : ndarray of shape (n_stimuli,) or (n_stimuli, n_stimuli), optional
        S or its diagonal; by default the identity.

    Returns
    -------
    product : function
        Of arrays (n_a, n_kept) and (n_b, n_kept), to an array (n_a, n_b).
    """
    n_stimuli = count_stimuli(len(kept))
    if sigma is not None and sigma.ndim == 2:
        return _full(kept, sigma, n_stimuli)
    return _independent(kept, np.ones(n_stimuli) if sigma is None else sigma)


def _independent(kept: NDArray[np.bool_], variances: Matrix) -> Product:
    # Pairs covary by the squared variance of the stimulus they share, so that V is a diagonal and a term of
    # rank n_stimuli, |C| S^2 |C|', whatever pairs are missing: one n_stimuli x n_stimuli system inverts it.
    first, second = (index[kept] for index in np.triu_indices(len(variances), k=1))
    n_kept = len(first)
    ends = np.stack([first, second], axis=1)
    indptr = 2 * np.arange(n_kept + 1)
    incidence = csr_array((np.ones(2 * n_kept), ends.ravel(), indptr), shape=(n_kept, len(variances)))
    diagonal = 2 * variances[first] * variances[second]
    scaled = csr_array(incidence.multiply(1 / diagonal[:, None]))
    system = cho_factor((incidence.T @ scaled).toarray() + np.diag(variances**-2.0))

    def product(A: Matrix, B: Matrix) -> Matrix:
        sums_a, sums_b = (np.asarray(scaled.T @ M.T) for M in (A, B))
        return np.asarray((A / diagonal) @ B.T - sums_a.T @ cho_solve(system, sums_b))

    return product


def _full(kept: NDArray[np.bool_], sigma: Matrix, n_stimuli: int) -> Product:
    # inv(V) d holds, off the diagonal, -K (-D/2) K with K = inv(S), centred so that K 1 = 0: the Gram matrix
    # that has these distances and is centred by generalised least squares, whitened on both sides.
    inverse = cho_solve(cho_factor(sigma), np.eye(n_stimuli))
    sums = inverse.sum(axis=0)
    K = inverse - np.outer(sums, sums) / sums.sum()

    def apply(vectors: Matrix) -> Matrix:
        return np.stack([squareform(K @ squareform(row) @ K, checks=False) for row in vectors]) / 2

    missing = np.flatnonzero(~kept)
    if len(missing) == 0:
        return lambda A, B: np.asarray(A @ apply(B).T)
    if len(missing) > _MAX_MISSING:
        raise InputError(
            f"a full `sigma_k` takes at most {_MAX_MISSING} pairs without a value, got {len(missing)}. Give "
            "the variances only (one per stimulus), or drop the stimuli whose pairs are missing."
        )
    return _marginal(apply, kept, K)


def _marginal(apply: Callable[[Matrix], Matrix], kept: NDArray[np.bool_], K: Matrix) -> Product:
    """Return the product for a part of the pairs: the inverse of a block is a Schur complement."""
    first, second = (index[~kept] for index in np.triu_indices(len(K), k=1))
    block = K[np.ix_(first, first)] * K[np.ix_(second, second)]
    block += K[np.ix_(first, second)] * K[np.ix_(second, first)]
    solve = partial(cho_solve, cho_factor(block / 2))

    def product(A: Matrix, B: Matrix) -> Matrix:
        filled = [np.zeros((len(M), len(kept))) for M in (A, B)]
        for whole, part in zip(filled, (A, B), strict=True):
            whole[:, kept] = part
        of_a, of_b = (apply(whole) for whole in filled)
        return np.asarray(A @ of_b[:, kept].T - of_a[:, ~kept] @ solve(of_b[:, ~kept].T))

    return product
