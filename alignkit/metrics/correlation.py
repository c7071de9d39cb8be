"""How well predictions match responses, column by column."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_same_samples
from .._core.errors import InputError
from ._arrays import torch_too
from ._registry import METRICS
from ._rounding import constant_along

# Squares between these leave room for what is computed with them.
_MODEST = (1e-100, 1e100)


@torch_too
def column_correlation(
    A: ArrayLike, B: ArrayLike, *, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Compute Pearson's r of every column of A with the same column of B.

    Nothing is added to the denominator: r is exact, and does not depend on the units.

    Parameters
    ----------
    A : array of shape (n_samples, n_columns)
        Such as recorded responses.
    B : array of shape (n_samples, n_columns)
        Such as predicted responses.
    weights : array of shape (n_samples,), optional
        How much each sample counts, not negative; by default all the same.

    Returns
    -------
    r : ndarray of shape (n_columns,)
        float64 in [-1, 1]. NaN where a column of A or B is constant, but for rounding: such a column has no
        correlation.

    Raises
    ------
    InputError
        If the shapes differ, there are NaN or fewer than 2 samples, or `weights` do not fit.

    References
    ----------
    Pearson K (1895). Note on regression and inheritance in the case of two parents. Proc R Soc,
    doi:10.1098/rspl.1895.0041.

    Examples
    --------
    >>> column_correlation([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]], [[2.0, 0.0], [4.0, 1.0], [6.0, 0.0]])
    array([ 1., nan])
    """
    first, second = _check_columns("A", A, "B", B)
    counts = _check_weights(weights, len(first))
    first, constant_first = _centred(first, counts)
    second, constant_second = _centred(second, counts)
    undefined = constant_first | constant_second
    # One root each: the product of both powers leaves float64 before they do.
    lengths = [np.where(undefined, 1.0, _lengths(side, counts)) for side in (first, second)]
    r = np.einsum("i,ij,ij->j", counts, first, second) / lengths[0] / lengths[1]
    return np.where(undefined, np.nan, r.clip(-1, 1))


@torch_too
def column_r2(Y: ArrayLike, prediction: ArrayLike) -> NDArray[np.float64]:
    """Compute the coefficient of determination of every column.

    ``R2 = 1 - sum (y - prediction)^2 / sum (y - mean(y))^2``: 1 is perfect, 0 as good as the mean of the
    very samples scored, below 0 worse than that.

    Parameters
    ----------
    Y : array of shape (n_samples, n_columns)
        Recorded responses.
    prediction : array of shape (n_samples, n_columns)
        Predicted responses, in the same unit.

    Returns
    -------
    r2 : ndarray of shape (n_columns,)
        float64, at most 1. 0 where a column of Y is constant, but for rounding: there is no variance to
        explain.

    Raises
    ------
    InputError
        If the shapes differ, or there are NaN or fewer than 2 samples.

    References
    ----------
    Wright S (1921). Correlation and causation, J Agric Res 20:557.

    Examples
    --------
    >>> column_r2([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0]])
    array([0.5])
    """
    truth, guess = _check_columns("Y", Y, "prediction", prediction)
    centred, constant = _centred(truth, np.full(len(truth), 1 / len(truth)))
    error = truth - guess
    # What is off by more than float64 can tell in units of Y explains -inf of it.
    with np.errstate(over="ignore"):
        total = np.einsum("ij,ij->j", centred, centred)
        odd = np.flatnonzero(~constant & ~((total > _MODEST[0]) & (total < _MODEST[1])))
        if len(odd):
            sizes = np.abs(centred[:, odd]).max(axis=0)
            error[:, odd] /= sizes
            total[odd] = np.einsum("ij,ij->j", centred[:, odd] / sizes, centred[:, odd] / sizes)
        r2 = 1 - np.einsum("ij,ij->j", error, error) / np.where(constant, 1.0, total)
    return np.where(constant, 0.0, r2)


def _check_columns(
    name_a: str, A: ArrayLike, name_b: str, B: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first = check_array(name_a, A, ndim=2, dtype=np.float64, min_rows=2)
    second = check_array(name_b, B, ndim=2, dtype=np.float64, min_rows=2)
    check_same_samples(name_a, first, name_b, second)
    if first.shape != second.shape:
        raise InputError(
            f"`{name_a}` and `{name_b}` must have the same columns, got shapes {first.shape} and "
            f"{second.shape}."
        )
    return first, second


def _check_weights(weights: ArrayLike | None, n_samples: int) -> NDArray[np.float64]:
    if weights is None:
        return np.full(n_samples, 1 / n_samples)
    given = check_array("weights", weights, ndim=1, dtype=np.float64)
    if given.shape != (n_samples,):
        raise InputError(f"`weights` must be one per sample, got {len(given)} for {n_samples} samples.")
    if (given < 0).any() or np.count_nonzero(given) < 2:
        raise InputError(
            f"`weights` must not be negative and at least 2 must be above 0; the smallest is {given.min():g} "
            f"and {np.count_nonzero(given > 0)} are above 0."
        )
    return np.asarray(given / given.sum())


def _centred(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    # Constants are told by their ends: the computed mean of equal numbers is often not that number.
    constant = constant_along(values[weights > 0], axis=0)
    deviations: NDArray[np.float64] = values - weights @ values
    return deviations, constant


def _lengths(deviations: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square of columns, of those out of range after a division by their largest."""
    with np.errstate(over="ignore"):
        power = np.einsum("i,ij,ij->j", weights, deviations, deviations)
    odd = np.flatnonzero(~((power > _MODEST[0]) & (power < _MODEST[1])))
    if len(odd):
        largest = np.abs(deviations[:, odd]).max(axis=0)
        deviations[:, odd] /= np.where(largest > 0, largest, 1.0)
        power[odd] = np.einsum("i,ij,ij->j", weights, deviations[:, odd], deviations[:, odd])
    return np.asarray(np.sqrt(power))


METRICS.register(
    "column-correlation",
    kind="similarity",
    inputs="columns",
    range=(-1.0, 1.0),
    higher_is_closer=True,
    invariant_to=("column-scale", "column-shift", "sample-permutation"),
    unit="r",
    paper="Pearson 1895, doi:10.1098/rspl.1895.0041",
    summary="Pearson's r of each channel with its prediction",
)(column_correlation)

METRICS.register(
    "column-r2",
    kind="similarity",
    inputs="columns",
    range=(float("-inf"), 1.0),
    higher_is_closer=True,
    invariant_to=("joint-scale", "joint-shift", "sample-permutation"),
    unit="R2",
    paper="Wright 1921, Correlation and causation, J Agric Res 20:557",
    summary="share of each channel's variance that its prediction explains",
)(column_r2)
