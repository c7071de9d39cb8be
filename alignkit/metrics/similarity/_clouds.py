"""Responses as point clouds: centred, and as the smallest matrix with the same geometry."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_finite
from ..._core.errors import InputError
from ...solvers.algebra import svd
from .._rounding import check_size, equal_rows

Matrix = NDArray[np.float64]


# Squared norms between these leave room for what is computed with them.
_MODEST = (1e-100, 1e100)


class Cloud(NamedTuple):
    """A centred point cloud up to rotation.

    Attributes
    ----------
    factor : ndarray of shape (n_samples - 1, n_dimensions)
        Inner products of clouds in common coordinates; the direction that centring removes is left out.
    norm : float
        Its Frobenius norm.
    rank : int or None
        Number of its dimensions, None where nobody asked.
    """

    factor: Matrix
    norm: float
    rank: int | None


def centred(name: str, X: ArrayLike) -> Matrix:
    """Return checked float64 responses (n_samples, n_units) less each unit's mean.

    Constant units become exactly zero, whatever round-off their mean has.
    """
    values = check_array(name, X, ndim=2, dtype=np.float64, min_rows=2, finite=False)
    if values.shape[1] == 0:
        raise InputError(f"`{name}` has no units, got shape {values.shape}.")
    with np.errstate(over="ignore", invalid="ignore"):
        means = values.mean(axis=0)
    # NaN and infinity reach the means, so that the values need no pass of their own.
    if not np.isfinite(means).all():
        check_finite(name, values)
    moved: Matrix = values - means
    # Few units repeat their first value, and only these can be constant.
    suspects = np.flatnonzero(values[0] == values[1])
    moved[:, suspects[(values[:, suspects] == values[0, suspects]).all(axis=0)]] = 0
    if equal_rows(values, moved):
        raise InputError(f"all {len(values)} rows of `{name}` are equal: there is no geometry to compare.")
    with np.errstate(over="ignore"):
        power = float(np.vdot(moved, moved))
    if not _MODEST[0] < power < _MODEST[1]:
        check_size(name, float(np.abs(moved).max()))
    return moved


def contrasts(values: Matrix) -> Matrix:
    """Return centred rows in n - 1 orthonormal coordinates of the space they live in (a reflection)."""
    # The reflection takes the constant vector to the first axis, whose coordinate is then zero.
    return np.asarray(values[1:] + values[0] / (np.sqrt(len(values)) - 1))


def triangle(values: Matrix) -> Matrix:
    """Return R of the QR decomposition of matrices (..., n, p) with n >= p."""
    return np.asarray(np.linalg.qr(values, mode="r"))


def left_singular(values: Matrix, device: str | None = None) -> tuple[Matrix, Matrix]:
    """Return U (n, r) and s (r,) of a matrix, r its numerical rank."""
    n, p = values.shape
    # Only the left side is wanted: more columns than rows go first.
    square = triangle(values.T).T if p > n else values
    U, s, _ = svd(square, device=device)
    kept = s > s[0] * max(n, p) * np.finfo(np.float64).eps
    return U[:, kept], s[kept]


def cloud(values: Matrix, alpha: float = 1.0, device: str | None = None) -> Cloud:
    """Return the cloud of centred responses, whitened by 1 - alpha, its norm kept."""
    rows = contrasts(values)
    norm = float(np.linalg.norm(rows))
    if alpha == 1:
        n, p = rows.shape
        return Cloud(triangle(rows.T).T if p > n else rows, norm, None)
    U, s = left_singular(rows, device)
    return _whitened(U, s, alpha)


def cloud_of_gram(name: str, gram: Matrix, alpha: float = 1.0) -> Cloud:
    """Return the cloud whose inner products are a Gram matrix, centred first."""
    n = len(gram)
    columns = contrasts(gram - gram.mean(axis=0)).T
    inner = contrasts(columns - columns.mean(axis=0))
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = float(np.abs(values).max())
    if largest <= n * np.finfo(np.float64).eps * float(np.abs(gram).max()):
        raise InputError(f"`{name}` is zero after centring: there is no geometry to compare.")
    if values[-1] < -1e-7 * largest:
        raise InputError(
            f"`{name}` is no Gram matrix: its smallest eigenvalue is {values[-1]:.3g}, its largest "
            f"{largest:.3g}. Of dissimilarities, only squared Euclidean ones D give one, as -D / 2 "
            "(cross-validated and rank-transformed ones do not)."
        )
    kept = values > n * np.finfo(np.float64).eps * largest
    return _whitened(vectors[:, kept], np.sqrt(values[kept]), alpha)


def _whitened(U: Matrix, s: Matrix, alpha: float) -> Cloud:
    norm = float(np.linalg.norm(s))
    mixed = alpha * s + (1 - alpha)
    return Cloud(U * (mixed * (norm / np.linalg.norm(mixed))), norm, len(s))


def check_whitening(first: Cloud, second: Cloud, alpha: float) -> None:
    """Refuse or warn where whitened clouds overlap whatever the responses are."""
    if alpha == 1:
        return
    n, ranks = len(first.factor) + 1, (first.rank or 0, second.rank or 0)
    if n > sum(ranks):
        return
    reason = (
        f"whitening (alpha={alpha:g}) with {n} samples of {ranks[0]} and {ranks[1]} dimensions: with "
        "n_samples <= their sum, whitened responses overlap whatever they are. Use alpha=1, or fewer "
        "dimensions."
    )
    if alpha == 0:
        raise InputError(reason)
    warnings.warn(reason, UserWarning, stacklevel=4)
