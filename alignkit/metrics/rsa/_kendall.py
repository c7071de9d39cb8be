"""Kendall's concordance counts by exact integer arithmetic, many pairs of vectors at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

# Elements of one batch; a batch is sorted and counted as one array.
_BATCH_ELEMENTS = 2**16

# Groups of up to this many values are compared value by value: byte comparisons beat 6 more levels.
_DIRECT_BITS = 6


class _Ranks(NamedTuple):
    """Dense ranks of rows, the order that sorts each row, and its number of tied pairs."""

    values: NDArray[np.int32]
    order: NDArray[np.intp]
    tied: Integers


def concordance(A: NDArray[np.float64], B: NDArray[np.float64]) -> tuple[Integers, Integers, Integers]:
    """Count concordant less discordant pairs of entries for every row of A with every row of B.

    Parameters
    ----------
    A : array of shape (n_a, m)
        Without NaN.
    B : array of shape (n_b, m)
        Without NaN.

    Returns
    -------
    difference : ndarray of shape (n_a, n_b)
        Concordant minus discordant pairs.
    tied_a : ndarray of shape (n_a,)
        Pairs of entries that are tied in a row of A.
    tied_b : ndarray of shape (n_b,)
        The same for B.

    Notes
    -----
    O(m log m) per pair of rows: sort by one vector; then the discordant pairs are the inversions of the
    other. Each row is sorted once, and a pair of rows with ties once or twice more.
    """
    a, b = _dense_ranks(A), _dense_ranks(B)
    m = A.shape[1]
    total = m * (m - 1) // 2
    difference = np.empty((len(A), len(B)), dtype=np.int64)
    for first, second in _batches(a.tied > 0, b.tied > 0, m):
        sequence, tied_both = _sequence(a, b, first, second)
        comparable = total - a.tied[first] - b.tied[second] + tied_both
        difference[first, second] = comparable - 2 * count_inversions(sequence)
    return difference, a.tied, b.tied


def count_inversions(permutations: NDArray[np.integer]) -> Integers:
    """Count, in each row, the pairs that stand in the wrong order; rows are permutations of 0..m-1.

    Splits by the highest bit: a pair inverted there is a 1 before a 0. Zeros and ones then go apart, each in
    their order, and the next bit is treated within these halves. As the values, filled up to a multiple of
    2^k, fill every half completely, all halves of all rows have one length and a level is a handful of
    whole-array operations.
    """
    n_rows, m = permutations.shape
    n_levels = max(0, int(m - 1).bit_length() - _DIRECT_BITS)
    group = -(-m >> n_levels)
    width = group << n_levels
    filled = np.empty((n_rows, width), dtype=np.int32)
    filled[:, :m] = permutations
    # The filling is in order already and adds no inversion.
    filled[:, m:] = np.arange(m, width)
    # The bits above the lowest say in which group of `group` values a value is.
    values: NDArray[np.int32] = filled.ravel()
    values += (values // np.int32(group)) * np.int32((1 << _DIRECT_BITS) - group)
    inversions = np.zeros(n_rows, dtype=np.int64)
    row_start = np.arange(n_rows, dtype=np.int64) * width
    for level in range(n_levels - 1, -1, -1):
        half = group << level
        n_groups = width // (2 * half)
        ones = (values & np.int32(1 << (_DIRECT_BITS + level))).astype(bool)
        zeros_at = np.flatnonzero(~ones)
        # Position within the group, less the zeros before it, is the number of ones before it.
        group_starts = n_groups * row_start + 2 * half * (n_groups * (n_groups - 1) // 2)
        zeros_before = n_groups * (half * (half - 1) // 2)
        inversions += zeros_at.reshape(n_rows, -1).sum(axis=1) - half * group_starts - zeros_before
        low = values.take(zeros_at).reshape(-1, half)
        high = values.take(np.flatnonzero(ones)).reshape(-1, half)
        values = np.concatenate([low, high], axis=1).ravel()
    inversions += _inversions_in_groups(values, group).reshape(n_rows, -1).sum(axis=1)
    return inversions


def _inversions_in_groups(values: NDArray[np.int32], width: int) -> Integers:
    """Count the inversions of each run of `width` values, which differ in their low bits alone."""
    # One value per byte, position first: a comparison is one pass over contiguous bytes.
    low = (values & ((1 << _DIRECT_BITS) - 1)).astype(np.uint8)
    by_position = np.ascontiguousarray(low.reshape(-1, width).T)
    inversions = np.zeros(by_position.shape[1], dtype=np.int64)
    for lag in range(1, width):
        wrong = by_position[:-lag] > by_position[lag:]
        inversions += wrong.view(np.uint8).sum(axis=0, dtype=np.uint8)
    return inversions


def _batches(
    ties_a: NDArray[np.bool_], ties_b: NDArray[np.bool_], m: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield (rows of A, rows of B) of equal length, all with ties or all without on either side."""
    step = max(1, _BATCH_ELEMENTS // m)
    for tied_a in (False, True):
        for tied_b in (False, True):
            rows = np.ix_(np.flatnonzero(ties_a == tied_a), np.flatnonzero(ties_b == tied_b))
            first, second = (index.ravel() for index in np.broadcast_arrays(*rows))
            for start in range(0, len(first), step):
                yield first[start : start + step], second[start : start + step]


def _sequence(
    a: _Ranks, b: _Ranks, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[NDArray[np.integer], Integers]:
    """Return permutations whose inversions are the discordant pairs, and the pairs tied in both."""
    m = a.values.shape[1]
    nothing = np.zeros(len(first), dtype=np.int64)
    if a.tied[first[0]] == 0:
        sequence = _taken(b.values, second, a.order, first)
        return (sequence if b.tied[second[0]] == 0 else _without_ties(sequence)), nothing
    if b.tied[second[0]] == 0:
        return _without_ties(_taken(a.values, first, b.order, second)), nothing
    bits = int(m).bit_length()
    keys = np.sort((a.values[first].astype(np.int64) << bits) | b.values[second], axis=1)
    tied_both = np.array([_tied_pairs(row[1:] != row[:-1]) for row in keys], dtype=np.int64)
    return _without_ties(keys & ((1 << bits) - 1)), tied_both


def _taken(
    values: NDArray[np.int32], rows: NDArray[np.intp], order: NDArray[np.intp], order_rows: NDArray[np.intp]
) -> NDArray[np.int32]:
    return np.stack([values[row].take(order[o]) for row, o in zip(rows, order_rows, strict=True)])


def _without_ties(sequences: NDArray[np.integer]) -> Integers:
    """Return permutations with the inversions of `sequences`, in which equal values make none."""
    m = sequences.shape[1]
    bits = int(m).bit_length()
    # Sorting (value, position) gives the positions in stable order: the inverse has as many inversions.
    keys = sequences.astype(np.int64)
    keys <<= bits
    keys |= np.arange(m)
    keys.sort(axis=1)
    keys &= (1 << bits) - 1
    return keys


def _dense_ranks(values: NDArray[np.float64]) -> _Ranks:
    """Return ranks from 0 without gaps, equal for ties, the order that sorts, and the tied pairs."""
    order = np.argsort(values, axis=1)
    ranks = np.empty(values.shape, dtype=np.int32)
    tied = np.zeros(len(values), dtype=np.int64)
    positions = np.arange(values.shape[1], dtype=np.int32)
    for row, (given, sorting) in enumerate(zip(values, order, strict=True)):
        ordered = given.take(sorting)
        steps = ordered[1:] != ordered[:-1]
        tied[row] = 0 if steps.all() else _tied_pairs(steps)
        in_order = np.concatenate([[0], np.cumsum(steps)]) if tied[row] else positions
        # One dimension at a time: a scatter into a row of a matrix takes three times as long.
        ranks[row][sorting] = in_order
    return _Ranks(ranks, order, tied)


def _tied_pairs(steps: NDArray[np.bool_]) -> int:
    """Count the tied pairs of a sorted vector from where its value changes."""
    edges = np.concatenate([[0], np.flatnonzero(steps) + 1, [len(steps) + 1]])
    lengths = np.diff(edges)
    return int((lengths * (lengths - 1) // 2).sum())
