"""How far two point clouds are apart under the best rotation."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...solvers.algebra import multiply, singular_values, svd
from ._clouds import Cloud, Matrix

ShapeKind = Literal["angular", "euclidean"]

# Below this size all singular values are as quick as eigenvalues, and more accurate.
_SMALL = 128
# Largest relative error of a squared distance that the quick way may leave.
_TOLERANCE = 1e-9
# Squared distances of unit-norm clouds below this are taken from differences instead: 2 - 2c cancels.
_NEAR = 1e-5


def rotation_distance(first: Cloud, second: Cloud, kind: ShapeKind, device: str | None = None) -> float:
    """Return the distance of two clouds under the best orthogonal map."""
    scales = (first.norm, second.norm) if kind == "angular" else (1.0, 1.0)
    norms = first.norm / scales[0], second.norm / scales[1]
    total = norms[0] ** 2 + norms[1] ** 2
    unit = scales[0] * scales[1]
    cross = multiply(np.ascontiguousarray(first.factor.T), second.factor, device=device)
    on_cpu = device is None or device == "cpu"
    if on_cpu and min(cross.shape) > _SMALL:
        overlap, error = _nuclear_norm_squared(cross)
    else:
        overlap, error = float(singular_values(cross, device=device).sum()), 0.0
    squared = total - 2 * overlap / unit
    if 2 * error / unit > _TOLERANCE * squared:
        squared = total - 2 * float(singular_values(cross).sum()) / unit
    if squared < _NEAR * total:
        squared = _residual(first, second, scales, device)
    return chord_to_distance(squared, kind)


def chord_to_distance(squared: float, kind: ShapeKind) -> float:
    """Return the distance, or the angle between unit vectors that are so far apart, squared."""
    chord = float(np.sqrt(max(squared, 0.0)))
    # Unit vectors are at most 2 apart; only round-off goes beyond.
    return chord if kind == "euclidean" else 2 * float(np.arcsin(min(chord / 2, 1.0)))


def _nuclear_norm_squared(A: Matrix) -> tuple[float, float]:
    """Return the sum of singular values from eigenvalues of A A', and a bound of its error."""
    squares = np.linalg.eigvalsh(A @ A.T if A.shape[0] <= A.shape[1] else A.T @ A)
    values = np.sqrt(np.maximum(squares, 0))
    slack = 10 * np.finfo(np.float64).eps * squares[-1]
    errors = np.minimum(np.sqrt(slack), slack / (2 * np.maximum(values, np.finfo(np.float64).tiny)))
    return float(values.sum()), float(errors.sum())


def _residual(first: Cloud, second: Cloud, scales: tuple[float, float], device: str | None) -> float:
    """Return the squared distance from the differences themselves, for clouds that all but coincide."""
    width = max(first.factor.shape[1], second.factor.shape[1])
    A, B = (
        np.pad(one.factor / scale, ((0, 0), (0, width - one.factor.shape[1])))
        for one, scale in zip((first, second), scales, strict=True)
    )
    U, _, Vt = svd(A.T @ B, device=device)
    return float(np.sum((A @ (U @ Vt) - B) ** 2))
