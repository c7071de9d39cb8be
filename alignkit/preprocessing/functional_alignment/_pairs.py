"""Checks of a source and a target, in the words that scikit-learn's tools know."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from ..._core.errors import InputError

Floats = NDArray[np.float64]


def check_pair(estimator: Any, X: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return source and target as float64 of two dimensions; set the number of source channels.

    Raises
    ------
    InputError
        If numbers of samples differ, there are fewer than 2, NaN, or no numbers.
    """
    try:
        source, target = validate_data(
            estimator, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    target = np.asarray(target, dtype=np.float64)
    return source, target.reshape(len(target), -1)


def check_source(estimator: Any, X: ArrayLike) -> Floats:
    """Return new responses of the source as float64.

    Raises
    ------
    InputError
        For another number of channels, or NaN.
    """
    try:
        source: Floats = validate_data(estimator, X, dtype=np.float64, reset=False)
    except ValueError as error:
        raise InputError(str(error)) from error
    return source
