"""Stimuli and the pairs they form, in the order of the upper triangle (row by row)."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError

Floats = NDArray[np.float64]


def check_n_pairs(name: str, n_pairs: int, n_stimuli: int) -> None:
    """Refuse vectors whose length is not the number of pairs of `n_stimuli`."""
    wanted = n_stimuli * (n_stimuli - 1) // 2
    if n_pairs != wanted:
        raise InputError(
            f"`{name}` must have {wanted} pairs for {n_stimuli} stimuli, got {n_pairs}. "
            "Give the upper triangle without its diagonal, and the number of stimuli behind it."
        )


def stimuli_of_pairs(name: str, n_pairs: int) -> int:
    """Return the number of stimuli whose pairs are `n_pairs`."""
    n_stimuli = (1 + isqrt(1 + 8 * n_pairs)) // 2
    if n_stimuli * (n_stimuli - 1) // 2 != n_pairs:
        raise InputError(
            f"`{name}` has {n_pairs} pairs, which no whole number of stimuli forms "
            f"({n_stimuli} stimuli form {n_stimuli * (n_stimuli - 1) // 2}). "
            "Give the upper triangle without its diagonal."
        )
    return n_stimuli


def pair_weights(stimulus_weights: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """Return the product of both stimuli's weights for every pair of different stimuli."""
    return np.asarray(stimulus_weights.take(rows) * stimulus_weights.take(columns), dtype=np.float64)
