"""Energy stochastic shape distance: distances between single trials, under one rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ._rotation_search import Search, best_rotation, polar

Floats = NDArray[np.float64]

# Trials closer than this share of the typical distance pull no harder than at it.
_FLOOR = 1e-6


def energy_squared_distance(x: Floats, y: Floats, search: Search) -> float:
    """Return the squared distance of trials (n_stimuli, n_repeats, n_dims), unbiased: it can be below 0."""
    size_x, size_y = np.einsum("iaj,iaj->ia", x, x), np.einsum("iaj,iaj->ia", y, y)
    sizes = size_y[:, :, None] + size_x[:, None, :]
    floor = _FLOOR * max(float(np.sqrt(sizes.mean())), np.finfo(np.float64).tiny)
    x_turned = np.ascontiguousarray(np.swapaxes(x, 1, 2))
    n_dims = x.shape[2]
    flat_y = y.reshape(-1, n_dims)

    def objective(T: Floats) -> tuple[float, Floats]:
        squares = (flat_y @ T).reshape(y.shape) @ x_turned
        squares *= -2
        squares += sizes
        # Below the floor a parabola that joins smoothly: its weights are what the step needs to be monotone.
        gaps = np.sqrt(np.maximum(squares, floor**2))
        cost = float(gaps.sum())
        if cost_below := float(np.minimum(squares - floor**2, 0).sum()):
            cost += cost_below / (2 * floor)
        return cost / gaps.size, flat_y.T @ (np.reciprocal(gaps, out=gaps) @ x).reshape(-1, n_dims)

    first = polar(y.mean(axis=1).T @ x.mean(axis=1))
    T = best_rotation(objective, first, search)
    turned = y @ T
    between = np.mean([cdist(a, b).mean() for a, b in zip(x, turned, strict=True)])
    return float(between - (_mean_gap(x, size_x) + _mean_gap(y, size_y)) / 2)


def _mean_gap(x: Floats, sizes: Floats) -> float:
    """Return the mean distance of two different trials of a stimulus."""
    n_repeats = x.shape[1]
    squares = sizes[:, :, None] + sizes[:, None, :] - 2 * (x @ np.swapaxes(x, 1, 2))
    # A trial is no partner of its own, and round-off must not make it one.
    squares[:, np.arange(n_repeats), np.arange(n_repeats)] = 0
    total = float(np.sqrt(np.maximum(squares, 0)).sum())
    return total / float(len(x) * n_repeats * (n_repeats - 1))
