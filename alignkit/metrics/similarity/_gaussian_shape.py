"""Gaussian stochastic shape distance: means, and Bures distances of covariances, under one rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._clouds import triangle
from ._rotation_search import Search, best_rotation, polar

Floats = NDArray[np.float64]

# Singular values below this share of the largest are taken for it where a root is divided by them.
_FLOOR = 1e-6


def roots_of_trials(trials: Floats, shrinkage: float) -> Floats:
    """Return roots R_i, (n_stimuli, n_rows, n_units), of the covariances R_i' R_i over repeats.

    Shrinkage is towards the mean covariance of all stimuli.
    """
    n_repeats = len(trials)
    roots = np.swapaxes(trials - trials.mean(axis=0), 0, 1) / np.sqrt(n_repeats - 1)
    if shrinkage:
        pooled = roots.reshape(-1, roots.shape[2]) / np.sqrt(len(roots))
        pooled = _compressed(pooled)
        everywhere = np.broadcast_to(pooled, (len(roots), *pooled.shape))
        roots = np.concatenate([np.sqrt(1 - shrinkage) * roots, np.sqrt(shrinkage) * everywhere], axis=1)
    return _compressed(roots)


def _compressed(roots: Floats) -> Floats:
    """Return roots of the same products with no more rows than columns."""
    n_rows, n_columns = roots.shape[-2:]
    return roots if n_rows <= n_columns else triangle(roots)


def gaussian_squared_distance(
    means: tuple[Floats, Floats], roots: tuple[Floats, Floats], alpha: float, search: Search
) -> float:
    """Return the squared distance of two systems in as many dimensions."""
    (mean_x, mean_y), (A, B) = means, roots
    n_stimuli, n_dims = mean_x.shape
    cross = alpha * (mean_y.T @ mean_x)
    constant = alpha * sum(float(np.vdot(m, m)) for m in means)
    constant += (2 - alpha) * sum(float(np.vdot(root, root)) for root in roots)
    stacked = B.reshape(-1, n_dims).T
    A_turned = np.ascontiguousarray(np.swapaxes(A, 1, 2))

    def objective(T: Floats) -> tuple[float, Floats]:
        factors, overlap = _polar_factors(B @ (T @ A_turned))
        cost = constant - 2 * (float(np.vdot(cross, T)) + (2 - alpha) * overlap)
        return cost / n_stimuli, cross + (2 - alpha) * (stacked @ (factors @ A).reshape(-1, n_dims))

    T = best_rotation(objective, polar(mean_y.T @ mean_x), search)
    # From the differences themselves: constant less overlap would leave its round-off in small distances.
    U, _, Vt = np.linalg.svd(B @ (T @ A_turned), full_matrices=False)
    moved = np.swapaxes(U, 1, 2) @ B @ T
    outside = B @ T - U @ moved
    gaps = float(np.sum((Vt @ A - moved) ** 2)) + float(np.sum(outside**2))
    gaps += float(np.sum((A - np.swapaxes(Vt, 1, 2) @ (Vt @ A)) ** 2))
    gaps_of_means = float(np.sum((mean_x - mean_y @ T) ** 2))
    return (alpha * gaps_of_means + (2 - alpha) * gaps) / float(n_stimuli)


def _polar_factors(M: Floats) -> tuple[Floats, float]:
    """Return U V' of matrices U S V', and the sum of all their singular values."""
    wide = M.shape[1] < M.shape[2]
    tall = np.swapaxes(M, 1, 2) if wide else M
    # Eigenvalues are quicker than singular vectors; what the square loses is a direction of next to no size.
    squares, vectors = np.linalg.eigh(np.swapaxes(tall, 1, 2) @ tall)
    values = np.sqrt(np.maximum(squares, 0))
    floors = np.maximum(_FLOOR * values[:, -1:], np.finfo(np.float64).tiny)
    scaled = vectors / np.maximum(values, floors)[:, None, :]
    factors = tall @ (scaled @ np.swapaxes(vectors, 1, 2))
    return np.swapaxes(factors, 1, 2) if wide else factors, float(values.sum())
