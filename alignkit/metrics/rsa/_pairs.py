"""The pairs of stimuli behind condensed RDMs, and which of them two RDMs share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError
from .._rounding import check_range

logger = logging.getLogger(__name__)
Matrix = NDArray[np.float64]


def load_both(a: ArrayLike, b: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return both as (n_rdms, n_pairs), after checking that they hold the same pairs."""
    first, second = load_rdms("a", a), load_rdms("b", b)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"`a` and `b` must hold the same pairs of stimuli, got {first.shape[1]} and {second.shape[1]} "
            "pairs. Select the shared stimuli before the RDMs are computed."
        )
    return first, second


def load_rdms(name: str, rdms: ArrayLike) -> Matrix:
    """Return RDMs as (n_rdms, n_pairs) with NaN, but without infinite values."""
    values = np.atleast_2d(check_array(name, rdms, ndim=(1, 2), dtype=np.float64, finite=False))
    if np.isinf(values).any():
        raise InputError(
            f"`{name}` holds {np.isinf(values).sum()} infinite dissimilarities. Use NaN for missing."
        )
    check_range(name, values)
    return values


def count_stimuli(n_pairs: int) -> int:
    """Return how many stimuli have so many pairs, or say that no number has."""
    n_stimuli = (1 + int(np.sqrt(1 + 8 * n_pairs))) // 2
    if n_stimuli * (n_stimuli - 1) // 2 != n_pairs:
        raise InputError(
            f"{n_pairs} pairs are not the pairs of any number of stimuli (3, 6, 10, ... are). Give condensed "
            "RDMs of all stimuli, with NaN for pairs without a value."
        )
    return n_stimuli


def shared_masks(
    first: Matrix, second: Matrix, others: NDArray[np.bool_] | None = None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield (rows of a, rows of b, pairs finite in all of these), at least 3 of them."""
    groups: list[dict[bytes, list[int]]] = []
    for values in (first, second):
        rows_of: dict[bytes, list[int]] = {}
        for row, mask in enumerate(~np.isnan(values)):
            rows_of.setdefault(mask.tobytes(), []).append(row)
        groups.append(rows_of)
    for mask_a, rows_a in groups[0].items():
        for mask_b, rows_b in groups[1].items():
            kept = np.frombuffer(mask_a, dtype=bool) & np.frombuffer(mask_b, dtype=bool)
            if others is not None:
                kept &= others
            n_kept = int(np.count_nonzero(kept))
            if n_kept < 3:
                raise InputError(
                    f"at least 3 pairs must have a value in both RDMs, got {n_kept} for row {rows_a[0]} of "
                    f"`a` and row {rows_b[0]} of `b`."
                )
            if n_kept < len(kept):
                logger.info("%d of %d pairs have no value and are left out", len(kept) - n_kept, len(kept))
            yield np.array(rows_a), np.array(rows_b), kept


def check_test_pairs(n_pairs: int, n_stimuli: int) -> None:
    """Refuse test stimuli with too few pairs to correlate."""
    if n_pairs < 3:
        raise InputError(
            f"a test part of {n_stimuli} stimuli has {n_pairs} pair(s) with a value, of at least 3 needed. "
            "Use a smaller `cv`, or drop the stimuli whose pairs are missing."
        )
