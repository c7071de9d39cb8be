"""The low-rank structure that manifold centres share, which the mean-field theory does without."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from ._patterns import Floats

# Without a better rank in so many, the search ends.
_PATIENCE = 3
# What is left of the shortest centre, over the median, may fall to so much of what it was.
_SHRINKAGE = 0.5


def mean_centre_cosine(centres: Floats) -> float:
    """Return the mean size of the cosine between two centres (rows); 1 if one of them is at the origin."""
    norms = np.linalg.norm(centres, axis=1)
    if norms.min() <= 1e-8 * norms.max():
        return 1.0
    cosines = np.abs(centres @ centres.T) / np.outer(norms, norms)
    n_centres = len(centres)
    return float((cosines.sum() - np.trace(cosines)) / (n_centres * (n_centres - 1)))


def shared_directions(centres: Floats, n_common: int | None) -> Floats:
    """Return the directions without which the centres are least correlated.

    Directions of one rank minimise the sum of squared cosines of what is left of the centres; of the ranks,
    the one with the least mean cosine is taken, which can be 0. Directions that take away a single centre
    have small cosines by accident and are no common structure: principal directions then stand in, and where
    these do the same, the search ends.

    Parameters
    ----------
    centres : ndarray of shape (n_manifolds, n_units)
        Mean responses, less their mean.
    n_common : int or None
        The rank, or None to choose it.

    Returns
    -------
    directions : ndarray of shape (n_units, rank)
        Orthonormal columns.
    """
    left, scale, right = np.linalg.svd(centres, full_matrices=False)
    rank = int((scale > 1e-10 * scale[0]).sum())
    # In the basis of their own span, the search does not see the number of units.
    inner, basis = left[:, :rank] * scale[:rank], right[:rank].T
    most = min(rank - 1, len(centres) - 2) if n_common is None else n_common
    best, best_cosine, best_rank = np.zeros((rank, 0)), mean_centre_cosine(inner), 0
    found = best
    for size in range(1, most + 1):
        start = _one_more(inner, found)
        found = _least_correlated(inner, start)
        if _takes_a_centre(inner, found):
            found = start
            if n_common is None and _takes_a_centre(inner, found):
                break
        cosine = mean_centre_cosine(inner - inner @ found @ found.T)
        if n_common is not None or cosine < best_cosine:
            best, best_cosine, best_rank = found, cosine, size
        elif size - best_rank >= _PATIENCE:
            break
    return np.asarray(basis @ best)


def _one_more(inner: Floats, found: Floats) -> Floats:
    """Return directions and the principal one of what they leave."""
    left_over = inner - inner @ found @ found.T
    return np.column_stack([found, np.linalg.svd(left_over, full_matrices=False)[2][0]])


def _least_correlated(inner: Floats, start: Floats) -> Floats:
    """Return as many directions, improved from a start."""

    def cost(flat: Floats) -> tuple[float, Floats]:
        return _squared_cosines(inner, flat.reshape(start.shape))

    done = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500, "gtol": 1e-9})
    orthonormal: Floats = np.linalg.qr(done.x.reshape(start.shape))[0]
    return orthonormal


def _takes_a_centre(inner: Floats, found: Floats) -> bool:
    """Whether one centre lost much more of its length than the others."""
    before = np.linalg.norm(inner, axis=1)
    after = np.linalg.norm(inner - inner @ found @ found.T, axis=1)
    return bool(after.min() / np.median(after) < _SHRINKAGE * before.min() / np.median(before))


def _squared_cosines(inner: Floats, directions: Floats) -> tuple[float, Floats]:
    """Return the sum of squared cosines of the centres without the span of directions, and its gradient."""
    orthonormal, triangle = np.linalg.qr(directions)
    rest = inner - (inner @ orthonormal) @ orthonormal.T
    gram = rest @ rest.T
    # A centre that is wholly taken away has no cosine; this keeps it finite.
    norms = np.maximum(np.diag(gram), 1e-12 * np.trace(inner @ inner.T) / len(inner))
    scaled = gram / np.outer(norms, norms)
    np.fill_diagonal(scaled, 0)
    squares = scaled * gram
    by_gram = 2 * scaled
    np.fill_diagonal(by_gram, -2 * squares.sum(axis=1) / norms)
    # Derivative of the projector W (W'W)^-1 W' with respect to W, for any basis W of its span.
    outer = rest.T @ (by_gram @ (inner @ orthonormal))
    gradient = -2 * np.linalg.solve(triangle, outer.T).T
    return float(squares.sum()), gradient.ravel()
