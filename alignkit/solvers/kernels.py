"""Kernels: inner products of samples in a feature space that need not be written down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError

KernelKind = Literal["linear", "polynomial", "rbf"]

# Elements of a float64 working copy: 64 MiB.
CHUNK_ELEMENTS = 2**23


def kernel_matrix(
    X: ArrayLike,
    Z: ArrayLike | None = None,
    *,
    kind: KernelKind,
    gamma: float | None = None,
    degree: float = 3,
    coef0: float = 1.0,
) -> NDArray[np.float64]:
    """Return the kernel of all pairs of rows.

    - linear: ``x . z``
    - polynomial: ``(gamma x . z + coef0) ** degree``
    - rbf: ``exp(-gamma ||x - z||^2)``

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Features.
    Z : array of shape (m_samples, n_features), optional
        Other samples; by default those of X.
    kind : {"linear", "polynomial", "rbf"}
        Which kernel.
    gamma : float, optional
        Positive; 1 / n_features by default. Not used by the linear kernel.
    degree : float, default=3
        A whole number of at least 1; of the polynomial.
    coef0 : float, default=1.0
        Not negative; of the polynomial.

    Returns
    -------
    kernel : ndarray of shape (n_samples, m_samples)
        float64 whatever the input, for kernels lose digits where features do not: the distances of the RBF
        are differences of inner products (about the mean of X, so that an offset costs nothing).

    Raises
    ------
    InputError
        If an array holds NaN, the numbers of features differ, or an option is out of its range.

    Examples
    --------
    >>> kernel_matrix([[1.0, 2.0], [0.0, 1.0]], kind="linear")
    array([[5., 2.],
           [2., 1.]])
    >>> kernel_matrix([[0.0], [1.0]], kind="rbf", gamma=np.log(2))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    check_option("kind", kind, get_args(KernelKind))
    rows = check_array("X", X, ndim=2)
    others = None if Z is None else check_array("Z", Z, ndim=2)
    if rows.shape[1] == 0:
        raise InputError(f"`X` has no columns, got shape {rows.shape}. Give at least one.")
    if others is not None and others.shape[1] != rows.shape[1]:
        raise InputError(
            f"`X` and `Z` must have the same number of features, got {rows.shape[1]} and {others.shape[1]}."
        )
    rate = check_gamma(1.0 / rows.shape[1] if gamma is None else gamma)
    if kind == "linear":
        return _inner_products(rows, others, np.zeros(rows.shape[1]))
    if kind == "polynomial":
        # Inner products may be negative: other powers of them are no numbers.
        if degree < 1 or not float(degree).is_integer() or coef0 < 0:
            raise InputError(
                "`degree` must be a whole number of at least 1 and `coef0` not negative, got "
                f"{degree:g} and {coef0:g}."
            )
        kernel = _inner_products(rows, others, np.zeros(rows.shape[1]))
        kernel *= rate
        kernel += coef0
        return np.asarray(np.power(kernel, degree, out=kernel))
    return _radial(rows, others, rate)


def check_gamma(gamma: float) -> float:
    """Return gamma where it is a positive number."""
    if not np.isfinite(gamma) or gamma <= 0:
        raise InputError(f"`gamma` must be positive and finite, got {gamma:g}. Use None for 1 / n_features.")
    return float(gamma)


def _radial(rows: NDArray[Any], others: NDArray[Any] | None, gamma: float) -> NDArray[np.float64]:
    centre = rows.mean(axis=0, dtype=np.float64)
    kernel = _inner_products(rows, others, centre)
    own = np.diagonal(kernel).copy() if others is None else _squares(rows, centre)
    theirs = own if others is None else _squares(others, centre)
    kernel *= -2
    kernel += own[:, None] + theirs
    # Rounding can take the distance of a row to itself below zero.
    np.maximum(kernel, 0, out=kernel)
    if others is None:
        np.fill_diagonal(kernel, 0)
    kernel *= -gamma
    return np.asarray(np.exp(kernel, out=kernel))


def _inner_products(
    rows: NDArray[Any], others: NDArray[Any] | None, centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    kernel = np.zeros((len(rows), len(rows) if others is None else len(others)))
    for columns in _column_chunks(rows.shape[1], sum(kernel.shape)):
        chunk = rows[:, columns].astype(np.float64) - centre[columns]
        # The product of an array with itself takes half the work, and comes out symmetric.
        kernel += chunk @ (chunk if others is None else others[:, columns] - centre[columns]).T
    return kernel


def _squares(rows: NDArray[Any], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = np.zeros(len(rows))
    for columns in _column_chunks(rows.shape[1], len(rows)):
        chunk = rows[:, columns] - centre[columns]
        squares += np.einsum("ij,ij->i", chunk, chunk)
    return squares


def _column_chunks(n_columns: int, n_rows: int) -> Iterator[slice]:
    step = max(1, CHUNK_ELEMENTS // max(1, n_rows))
    for start in range(0, n_columns, step):
        yield slice(start, min(start + step, n_columns))
