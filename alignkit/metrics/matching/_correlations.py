"""Correlations between the units of two systems."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError
from ...solvers.algebra import multiply
from .._rounding import constant_along

Matrix = NDArray[np.float64]
Units = NDArray[np.intp]


def load_pair(X: ArrayLike, Y: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return two sets of responses to the same at least 3 stimuli, in float64."""
    first, second = load("X", X), load("Y", Y)
    check_same_samples("X", first, "Y", second)
    return first, second


def load(name: str, X: ArrayLike) -> Matrix:
    """Return responses in float64, with at least 3 rows and one unit that is not constant."""
    # Over two stimuli every correlation is 1 or -1.
    values = check_array(name, X, ndim=2, dtype=np.float64, min_rows=3)
    if not varying(values).any():
        raise InputError(
            f"`{name}` has {values.shape[1]} units and none of them varies over the {len(values)} stimuli: "
            "there is nothing to correlate."
        )
    return values


def as_list(name: str, systems: Iterable[ArrayLike]) -> list[ArrayLike]:
    """Return the arrays of several systems as a list, whatever holds them."""
    if not isinstance(systems, Iterable) or isinstance(systems, str):
        raise InputError(
            f"`{name}` must be a sequence of arrays (n_samples, n_units), one per system, got "
            f"{type(systems).__name__}."
        )
    return list(systems)


def varying(values: Matrix) -> NDArray[np.bool_]:
    """Return which units are not constant but for rounding."""
    return np.asarray(~constant_along(values, axis=0))


def unit_vectors(values: Matrix) -> Matrix:
    """Return units centred and of length 1; constant ones as zeros."""
    moves = varying(values)
    centred = (values - values.mean(axis=0)) * moves
    # The largest deviation first: squares of tiny responses would vanish.
    centred /= np.where(moves, np.abs(centred).max(axis=0), 1.0)
    lengths = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    return np.asarray(centred / np.where(lengths > 0, lengths, 1.0))


def correlations(X: Matrix, Y: Matrix, *, device: str | None = None) -> Matrix:
    """Return Pearson's r of every unit of X with every unit of Y; 0 where one is constant."""
    # Products of unit vectors leave [-1, 1] by no more than rounding.
    return np.asarray(multiply(unit_vectors(X).T, unit_vectors(Y), device=device).clip(-1, 1))
