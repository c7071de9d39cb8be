"""Convex weights that minimise a quadratic form, for many forms at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Relative ridge that keeps the forms of identical members solvable.
JITTER = 1e-10


def simplex_weights(forms: Floats) -> Floats:
    """Minimise ``w' R w`` over ``w >= 0, sum(w) = 1``, exactly, for each form.

    With v = w / (w' R w) this is ``min v' R v / 2 - sum(v)`` over ``v >= 0``: non-negative least squares,
    solved by Lawson and Hanson's active sets, a step of all forms at a time.

    Parameters
    ----------
    forms : ndarray of shape (n_forms, k, k)
        Symmetric positive semi-definite, such as covariances of the residuals of k predictions.

    Returns
    -------
    weights : ndarray of shape (n_forms, k)
        In [0, 1]; equal ones where the form is 0. Of identical members one may take the weight of all.

    References
    ----------
    Lawson CL, Hanson RJ (1974). Solving Least Squares Problems, chapter 23. doi:10.1137/1.9781611971217.
    """
    n_forms, k, _ = forms.shape
    size = np.trace(forms, axis1=1, axis2=2) / k
    known = size > 0
    scaled = np.where(known[:, None, None], forms / np.where(known, size, 1.0)[:, None, None], 0.0)
    scaled = scaled + np.eye(k) * np.where(known, JITTER, 1.0)[:, None, None]
    values = np.zeros((n_forms, k))
    passive = np.zeros((n_forms, k), dtype=bool)
    # Each round lets one member in; a form needs about k of them, and never more than this.
    for _ in range(10 * k + 10):
        slope = 1.0 - np.einsum("fij,fj->fi", scaled, values)
        slope[passive] = -np.inf
        entering = slope.argmax(axis=1)
        rows = np.flatnonzero(slope.max(axis=1) > 1e-9)
        if not rows.size:
            break
        passive[rows, entering[rows]] = True
        values[rows], passive[rows] = _feasible(scaled[rows], values[rows], passive[rows])
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def _feasible(forms: Floats, values: Floats, passive: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Move to the optimum of the passive members, dropping those that would turn negative on the way."""
    values, passive = values.copy(), passive.copy()
    for _ in range(forms.shape[1] + 1):
        goal = _solve_passive(forms, passive)
        negative = passive & (goal <= 0)
        if not negative.any():
            return goal, passive
        distance = np.where(negative, values - goal, 1.0)
        fraction = np.where(negative, values / np.where(distance > 0, distance, 1.0), 1.0)
        step = fraction.min(axis=1, keepdims=True)
        leaving = negative & (fraction <= step)
        values = np.where(leaving, 0.0, values + step * (goal - values))
        passive &= ~leaving
    return values, passive


def _solve_passive(forms: Floats, passive: NDArray[np.bool_]) -> Floats:
    """Solve ``R v = 1`` within the passive members; 0 for the others."""
    both = passive[:, :, None] & passive[:, None, :]
    system = np.where(both, forms, np.eye(forms.shape[1]))
    return np.asarray(np.linalg.solve(system, passive.astype(float)[:, :, None])[:, :, 0])
