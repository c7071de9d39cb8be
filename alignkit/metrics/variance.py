"""Shares of explained variance: what each feature space explains alone, with others, and in a joint model."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError

Floats = NDArray[np.float64]


def unique_parts(r2: ArrayLike) -> Floats:
    """Return what the joint model loses without each space.

    Parameters
    ----------
    r2 : array of shape (2 ** n_spaces, n_channels) or (2 ** n_spaces,)
        R2 of every subset. Row s is the subset that holds space j where bit j of s is set: row 0 is no space
        (0 as a rule), row 1 space 0, row 2 space 1, row 3 both, and the last row all.

    Returns
    -------
    unique : ndarray of shape (n_spaces, n_channels) or (n_spaces,)
        ``R2(all) - R2(all without j)``. Negative where a space only adds noise.

    Raises
    ------
    InputError
        If the number of rows is not a power of two above 1, or a value is not finite.

    Examples
    --------
    >>> unique_parts([0.0, 0.5, 0.4, 0.6]).round(3)
    array([0.2, 0.1])
    """
    table = _check_table(r2)
    full = len(table) - 1
    return np.stack([table[full] - table[full ^ (1 << j)] for j in range(_n_spaces(table))])


def commonality_parts(r2: ArrayLike) -> Floats:
    """Split the joint R2 into what is unique to every single space and shared by every set of spaces.

    Inclusion and exclusion: ``R2(S)`` is the sum of the parts of all sets that meet S. For two spaces the
    shared part is ``R2(0) + R2(1) - R2(0 and 1)``. It is negative where one space makes another one better
    (suppression), and is left so.

    Parameters
    ----------
    r2 : array of shape (2 ** n_spaces, n_channels) or (2 ** n_spaces,)
        R2 of every subset; see :func:`unique_parts` for the order.

    Returns
    -------
    parts : ndarray of the shape of `r2`
        In the same order: row 1 is unique to space 0, row 3 shared by spaces 0 and 1 alone. Row 0 is
        ``R2(no space)``, 0 as a rule. All rows sum to the joint R2.

    Raises
    ------
    InputError
        If the number of rows is not a power of two above 1, or a value is not finite.

    References
    ----------
    Borcard D, Legendre P, Drapeau P (1992). Partialling out the spatial component of ecological variation.
    Ecology, doi:10.2307/1940179.

    Examples
    --------
    >>> commonality_parts([0.0, 0.5, 0.4, 0.6]).round(3)
    array([0. , 0.2, 0.1, 0.3])
    """
    table = _check_table(r2)
    full = len(table) - 1
    # What is lost without S is the sum of the parts of the subsets of S: a Moebius inversion undoes that sum.
    parts: Floats = table[full] - table[full - np.arange(full + 1)]
    for j in range(_n_spaces(table)):
        with_j = (np.arange(full + 1) >> j) & 1 == 1
        parts[with_j] -= parts[~with_j]
    parts[0] = table[0]
    return parts


def shapley_values(r2: ArrayLike) -> Floats:
    """Return the gain of R2 by each space, averaged over all orders in which spaces can be added.

    Parameters
    ----------
    r2 : array of shape (2 ** n_spaces, n_channels) or (2 ** n_spaces,)
        R2 of every subset; see :func:`unique_parts` for the order.

    Returns
    -------
    values : ndarray of shape (n_spaces, n_channels) or (n_spaces,)
        They sum to ``R2(all) - R2(no space)``. Alike for spaces that gain the same everywhere.

    Raises
    ------
    InputError
        If the number of rows is not a power of two above 1, or a value is not finite.

    References
    ----------
    Lipovetsky S, Conklin M (2001). Analysis of regression in game theory approach. Applied Stochastic Models
    in Business and Industry, doi:10.1002/asmb.446.

    Examples
    --------
    >>> shapley_values([0.0, 0.5, 0.4, 0.6]).round(3)
    array([0.35, 0.25])
    """
    table = _check_table(r2)
    n_spaces = _n_spaces(table)
    values = np.zeros((n_spaces, *table.shape[1:]))
    for subset in range(len(table)):
        size = subset.bit_count()
        for j in range(n_spaces):
            if not subset >> j & 1:
                weight = factorial(size) * factorial(n_spaces - size - 1) / factorial(n_spaces)
                values[j] += weight * (table[subset | 1 << j] - table[subset])
    return values


def product_measure(Y: ArrayLike, parts: ArrayLike, *, center: bool = True) -> Floats:
    """Split the R2 of a sum of predictions into one share per prediction.

    ``share_j = sum_t (2 y p_j - p_j p) / sum_t y^2`` with p the sum of all p_j, about the mean of Y. Each p_j
    enters about its own mean; what the prediction's mean is off by belongs to no part and is shared equally.
    For ordinary least squares on its own data this is Pratt's measure ``b_j cov(x_j, y) / var(y)``.

    Parameters
    ----------
    Y : array of shape (n_samples, n_channels)
        Responses.
    parts : array of shape (n_parts, n_samples, n_channels)
        Predictions that sum to the joint prediction, in the unit of Y, its constant included anywhere.
    center : bool, default=True
        Without it, responses and predictions count from 0 and the shares sum to
        ``1 - sum (y - p)^2 / sum y^2``, which is an R2 only where Y has mean 0.

    Returns
    -------
    shares : ndarray of shape (n_parts, n_channels)
        They sum to the R2 of the joint prediction, at most 1. A share can be negative: of a part that only
        cancels another (suppression), or that predicts worse than nothing. 0 for a constant channel.

    Raises
    ------
    InputError
        If the shapes do not fit or a value is not finite.

    References
    ----------
    Dupre la Tour T et al. (2022). Feature-space selection with banded ridge regression. NeuroImage,
    doi:10.1016/j.neuroimage.2022.119728.

    Examples
    --------
    >>> y = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    >>> product_measure(y, [0.75 * y, 0.25 * y]).ravel()
    array([0.75, 0.25])
    """
    truth = check_array("Y", Y, ndim=2, dtype=np.float64, min_rows=2)
    pieces = check_array("parts", parts, ndim=3, dtype=np.float64)
    if pieces.shape[1:] != truth.shape:
        raise InputError(
            f"`parts` must have shape (n_parts, {truth.shape[0]}, {truth.shape[1]}) like `Y`, "
            f"got {pieces.shape}."
        )
    if center:
        explained, total = product_sums(truth, pieces)
    else:
        explained, total = _sums(truth, pieces), np.einsum("tc,tc->c", truth, truth)
    return np.where(total > 0, explained / np.where(total > 0, total, 1.0), 0.0)


def product_sums(Y: Floats, parts: Floats) -> tuple[Floats, Floats]:
    """Return numerators (n_parts, n_channels) and denominator (n_channels,) of :func:`product_measure`.

    Both add up over folds. A constant channel has 0 in both.
    """
    # Constants are told by equality: the computed mean of equal numbers is often not that number.
    varies = ~(Y == Y[0]).all(axis=0)
    centred = Y - Y.mean(axis=0)
    means = parts.mean(axis=1)
    offset = means.sum(axis=0) - Y.mean(axis=0)
    explained = _sums(centred, parts - means[:, None]) - len(Y) * offset**2 / len(parts)
    return np.where(varies, explained, 0.0), np.where(varies, np.einsum("tc,tc->c", centred, centred), 0.0)


def _sums(Y: Floats, parts: Floats) -> Floats:
    return np.asarray(np.einsum("jtc,tc->jc", parts, 2.0 * Y - parts.sum(axis=0)))


def _check_table(r2: ArrayLike) -> NDArray[Any]:
    table = check_array("r2", r2, ndim=(1, 2), dtype=np.float64)
    if len(table) < 2 or len(table) & (len(table) - 1):
        raise InputError(
            f"`r2` must have one row for each of the 2 ** n_spaces subsets, the empty one included, "
            f"got {len(table)} rows."
        )
    return table


def _n_spaces(table: NDArray[Any]) -> int:
    return len(table).bit_length() - 1
