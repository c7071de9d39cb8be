"""Similarity and distance of the point clouds that RDMs of squared distances describe."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from ..._core.threads import fixed_threads

Matrix = NDArray[np.float64]

# Part of the largest eigenvalue below which those under 0 are rounding.
_ROUNDING = 1e-6


def overlaps(A: Matrix, B: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return the nuclear norm of every product of point clouds, and the squared sizes of both sides.

    Parameters
    ----------
    A : ndarray of shape (n_a, n_pairs)
        Condensed squared distances, all pairs.
    B : ndarray of shape (n_b, n_pairs)
        The same for the other side.

    Returns
    -------
    overlap : ndarray of shape (n_a, n_b)
        Sum of the singular values of X'Y, the clouds centred.
    sizes_a : ndarray of shape (n_a,)
        Squared Frobenius norms of the centred clouds.
    sizes_b : ndarray of shape (n_b,)
        The same for B.
    """
    with fixed_threads(1):
        clouds_a, clouds_b = [configuration(row) for row in A], [configuration(row) for row in B]
        overlap = np.empty((len(A), len(B)))
        for i, first in enumerate(clouds_a):
            for j, second in enumerate(clouds_b):
                overlap[i, j] = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    sizes_a, sizes_b = (np.array([(cloud**2).sum() for cloud in clouds]) for clouds in (clouds_a, clouds_b))
    return overlap, sizes_a, sizes_b


def configuration(rdm: Matrix) -> Matrix:
    """Return centred points (n, n) whose squared distances are those of `rdm`."""
    gram = squareform(rdm) / -2
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(gram)
    negative = -values[values < 0].sum()
    if negative > _ROUNDING * values.max():
        warnings.warn(
            "method 'bures': an RDM is not made of squared Euclidean distances "
            f"({negative / abs(values).sum():.1%} of its spectrum is negative and was set to 0); the "
            "similarity is biased. Use method 'whitened-cosine' for crossnobis distances.",
            UserWarning,
            stacklevel=6,
        )
    # Of an eigenvalue that is rounding error the root is not: 1e-16 would add 1e-8. How large it is, as of an
    # RDM that was once float32, the eigenvalues below 0 tell.
    rounding = len(gram) * np.finfo(np.float64).eps * values.max()
    if -values[0] <= _ROUNDING * values.max():
        rounding = max(rounding, -values[0])
    kept = np.where(values > rounding, values, 0.0)
    return np.asarray(vectors * np.sqrt(kept))
