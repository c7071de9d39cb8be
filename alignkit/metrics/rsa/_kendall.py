"""Kendall's concordance counts by exact integer arithmetic, many pairs of vectors at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Elements of one batch; a batch is sorted and counted as one array.
_BATCH_ELEMENTS = 2**16

# Groups of this many bits are compared value by value: 64 * 63 / 2 byte comparisons beat 6 more levels.
_DIRECT_BITS = 6


def concordance(
    A: NDArray[np.float64], B: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
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
    O(m log m) per pair of rows: sort by the first vector, ties by the second; then the discordant pairs
    are the inversions of the second.
    """
    (ranks_a, order_a), (ranks_b, _) = _dense_ranks(A), _dense_ranks(B)
    tied_a, tied_b = _tied_pairs(ranks_a), _tied_pairs(ranks_b)
    difference = np.empty((len(A), len(B)), dtype=np.int64)
    for first, second in _batches(tied_a > 0, tied_b > 0, A.shape[1]):
        x, y = ranks_a[first], ranks_b[second]
        if tied_a[first[0]] == 0 and tied_b[second[0]] == 0:
            # Nothing to sort: the second vector in the order of the first is a permutation already.
            sequence, tied_both = np.take_along_axis(y, order_a[first], axis=1), np.zeros(1, dtype=np.int64)
        else:
            sequence, tied_both = _sequence(x, y)
        total = A.shape[1] * (A.shape[1] - 1) // 2
        comparable = total - tied_a[first] - tied_b[second] + tied_both
        difference[first, second] = comparable - 2 * count_inversions(sequence)
    return difference, tied_a, tied_b


def count_inversions(permutations: NDArray[np.integer]) -> NDArray[np.int64]:
    """Count, in each row, the pairs that stand in the wrong order; rows are permutations of 0..m-1.

    Splits by the highest bit: a pair inverted there is a 1 before a 0. Zeros and ones then go apart, each in
    their order, and the next bit is treated within these halves. As values 0..2^k - 1 fill every half
    completely, all halves of all rows have one length and a level is a handful of whole-array operations.
    """
    n_rows, m = permutations.shape
    n_bits = int(m - 1).bit_length()
    direct_bits = min(n_bits, _DIRECT_BITS)
    width = 1 << n_bits
    filled = np.empty((n_rows, width), dtype=np.int32)
    filled[:, :m] = permutations
    # The filling is in order already and adds no inversion.
    filled[:, m:] = np.arange(m, width)
    values: NDArray[np.int32] = filled.ravel()
    inversions = np.zeros(n_rows, dtype=np.int64)
    row_start = np.arange(n_rows, dtype=np.int64) * width
    for bit in range(n_bits - 1, direct_bits - 1, -1):
        half = 1 << bit
        n_groups = width >> (bit + 1)
        ones = (values & half).astype(bool)
        zeros_at = np.flatnonzero(~ones)
        # Position within the group, less the zeros before it, is the number of ones before it.
        group_starts = n_groups * row_start + 2 * half * (n_groups * (n_groups - 1) // 2)
        zeros_before = n_groups * (half * (half - 1) // 2)
        inversions += zeros_at.reshape(n_rows, -1).sum(axis=1) - half * group_starts - zeros_before
        low = values[zeros_at].reshape(-1, half)
        high = values[np.flatnonzero(ones)].reshape(-1, half)
        values = np.concatenate([low, high], axis=1).ravel()
    inversions += _inversions_in_groups(values, 1 << direct_bits).reshape(n_rows, -1).sum(axis=1)
    return inversions


def _inversions_in_groups(values: NDArray[np.int32], width: int) -> NDArray[np.int64]:
    """Count the inversions of each run of `width` values, which differ in their low bits alone."""
    # One value per byte, position first: a comparison is one pass over contiguous bytes.
    by_position = np.ascontiguousarray((values & (width - 1)).astype(np.uint8).reshape(-1, width).T)
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
    ranks_a: NDArray[np.int64], ranks_b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a permutation whose inversions are the discordant pairs, and the pairs tied in both."""
    m = ranks_a.shape[1]
    keys = ranks_a * m + ranks_b
    order = np.argsort(keys, axis=1)
    tied_both = _tied_pairs_sorted(np.take_along_axis(keys, order, axis=1))
    second = np.take_along_axis(ranks_b, order, axis=1)
    # Ties in the second keep the order of the first, so that they count as no inversion.
    return np.argsort(second * m + np.arange(m), axis=1), tied_both


def _dense_ranks(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return ranks from 0 without gaps, equal for ties, and the order that sorts the values."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    steps = np.zeros(values.shape, dtype=np.int64)
    steps[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ranks = np.empty(values.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.cumsum(steps, axis=1), axis=1)
    return ranks, order


def _tied_pairs(ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array(
        [(counts * (counts - 1) // 2).sum() for counts in map(np.bincount, ranks)], dtype=np.int64
    )


def _tied_pairs_sorted(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    tied = np.zeros(len(ordered), dtype=np.int64)
    for row, keys in enumerate(ordered):
        edges = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        if len(edges) + 1 < len(keys):
            lengths = np.diff(np.concatenate([[0], edges, [len(keys)]]))
            tied[row] = (lengths * (lengths - 1) // 2).sum()
    return tied
