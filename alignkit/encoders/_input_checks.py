"""What encoders may be given: numbers that are there, and whose powers double precision can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas.api.types import is_numeric_dtype
from scipy.sparse import issparse

from .._core.errors import InputError

# Eigenvalues are squares of features, and some solvers square those: beyond, float64 over- or underflows.
LARGEST, SMALLEST = 1e75, 1e-75
UNITS_AT_ONCE = 256  # of a float64 copy


def check_kind(name: str, value: Any, *, numeric: bool = False, advice: str = "") -> None:
    """Refuse masked values; where `numeric`, also strings and objects, which scikit-learn would convert."""
    if n_masked := int(np.ma.getmaskarray(value).sum()) if isinstance(value, np.ma.MaskedArray) else 0:
        raise InputError(
            f"`{name}` is a masked array with {n_masked} value(s) masked, which would be "
            f"used as if they were not. Fill or drop them{advice}."
        )
    if not numeric or value is None or issparse(value):
        return
    columns = getattr(value, "dtypes", None)
    if columns is not None:
        dtypes = [columns] if np.ndim(columns) == 0 else list(columns)
        wrong = [dtype for dtype in dtypes if not is_numeric_dtype(dtype)]
    else:
        dtype = np.asarray(value).dtype
        wrong = [] if dtype.kind in "biufc" else [dtype]
    if wrong:
        raise InputError(
            # The first words are those that scikit-learn's tools look for.
            f"Unknown label type: `{name}` must hold numbers (bool, int or float), got dtype {wrong[0]}. "
            "Convert it first, such as by `astype(float)`, if its values are numbers."
        )


def explained(error: ValueError, X: Any, Y: Any, advice: str) -> str:
    """Return the message of scikit-learn's check; for NaN how many there are, and what to do."""
    if "contains NaN" not in str(error):
        return str(error)
    for name, value, what, more in (("X", X, "units", ""), ("Y", Y, "channels", advice)):
        missing = np.zeros((0, 0), bool) if value is None else np.isnan(np.asarray(value, np.float64))
        if missing.any():
            rows = missing.reshape(len(missing), -1).any(axis=1)
            return (
                f"Input {name} contains NaN: {int(missing.sum())} value(s) in {int(rows.sum())} of "
                f"{len(missing)} samples. Fill them, or drop those samples or {what}{more}."
            )
    return str(error)


def check_range(name: str, values: NDArray[Any], *, each: bool, least: bool) -> None:
    """Refuse values whose powers float64 cannot hold.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    values : ndarray of shape (n_samples, ...)
        NaN are left aside.
    each : bool
        No column may vary too little, rather than not all of them.
    least : bool
        Ask how much they vary at all; single samples to predict from do not.
    """
    if values.dtype == np.float32:
        return
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    largest = float(np.fmax.reduce(np.fmax(-low, high), axis=None))
    if largest > LARGEST:
        raise InputError(
            f"`{name}` has values up to {largest:.3g}, whose powers overflow; at most {LARGEST:g} is "
            "computed with. Rescale it."
        )
    spread = np.ravel(high - low)
    spread = spread[spread > 0]
    if least and spread.size and (spread.min() if each else spread.max()) < SMALLEST:
        found = f"a channel that varies by {spread.min():.3g}" if each else f"a spread of {spread.max():.3g}"
        raise InputError(
            f"`{name}` has {found}, whose powers underflow; at least {SMALLEST:g} is computed with. "
            "Rescale it."
        )


def check_penalties(alphas: ArrayLike) -> None:
    """Refuse what is no list of numbers; the solvers ask whether they are positive."""
    grid = np.asarray(alphas)
    if grid.ndim == 0:
        raise InputError(f"`alphas` must be a list of penalties, got {alphas!r}. Write [{alphas!r}].")
    if grid.size == 0:
        raise InputError(
            "`alphas` is empty. Give at least one penalty, such as [1.0], or None for the default."
        )
    if grid.dtype.kind == "f" and not np.isfinite(grid).all():
        wrong = int((~np.isfinite(grid)).sum())
        raise InputError(
            f"`alphas` holds {wrong} NaN or infinite value(s), got {grid.tolist()}. "
            "Give positive, finite penalties."
        )


def count_rounded(features: NDArray[Any], weightless: NDArray[np.bool_]) -> int:
    """Return how many units without a weight vary, but so little that z-scoring took them for constants."""
    count = 0
    columns = np.flatnonzero(weightless)
    for start in range(0, len(columns), UNITS_AT_ONCE):
        values = features[:, columns[start : start + UNITS_AT_ONCE]].astype(np.float64)
        near = 10 * np.finfo(features.dtype).eps * np.abs(values.mean(axis=0))
        count += int(((values != values[:1]).any(axis=0) & (values.std(axis=0) <= near)).sum())
    return count
