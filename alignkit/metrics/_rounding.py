"""What numbers cannot tell: spreads that are rounding errors, and sizes whose squares leave float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError

# Of equal numbers, computed in different order.
ROUNDING = 8 * float(np.finfo(np.float64).eps)
# Fourth powers, summed, must stay inside of float64; no unit of measurement is so large or so small.
_LARGEST, _SMALLEST = 1e60, 1e-60


def constant_along(values: NDArray[np.float64], axis: int) -> NDArray[np.bool_]:
    """Return where values are the same along an axis but for the rounding of their size."""
    highest, lowest = values.max(axis=axis), values.min(axis=axis)
    return np.asarray(highest - lowest <= ROUNDING * np.maximum(np.abs(highest), np.abs(lowest)))


def equal_rows(values: NDArray[np.float64], deviations: NDArray[np.float64]) -> bool:
    """Return whether the rows of a matrix are the same but for rounding, given what each is off the mean."""
    # The first row is looked at alone: only where that is at the mean, the rest is worth a pass.
    bound = ROUNDING * np.abs(values[0])
    if (np.abs(deviations[0]) > bound).any():
        return False
    return bool((np.abs(deviations) <= bound).all())


def check_range(name: str, values: NDArray[Any]) -> None:
    """Refuse numbers so large or so small that their squares cannot be computed with; NaN is let pass."""
    if values.size == 0:
        return
    largest = max(float(values.max()), -float(values.min()))
    if np.isnan(largest):
        known = np.abs(values[~np.isnan(values)])
        largest = float(known.max(initial=0.0))
    check_size(name, largest)


def check_size(name: str, largest: float) -> None:
    """Refuse a largest magnitude, of data called `name`, as :func:`check_range` does."""
    if largest > _LARGEST or 0 < largest < _SMALLEST:
        raise InputError(
            f"`{name}` holds numbers of up to {largest:.3g}, whose powers leave the range of float64. Change "
            f"the unit: the largest must be from {_SMALLEST:g} to {_LARGEST:g}."
        )
