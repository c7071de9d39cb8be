"""Weighted sums over the events near each sample time, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Rows = NDArray[np.intp]

# Weights of one block of sample times: 48 MiB with their indices, however long the recording is.
BLOCK_WEIGHTS = 2**22


def sum_windows(
    values: NDArray[np.floating[Any]],
    first: Rows,
    last: Rows,
    weigh: Callable[[Rows, Rows], NDArray[np.float64]],
) -> NDArray[np.floating[Any]]:
    """Return ``sum_j weigh(i, j) values[j]`` over ``first[i] <= j < last[i]``, (n_samples, n_units)."""
    n_samples = len(first)
    counts = np.maximum(last - first, 0)
    pointers = np.concatenate([[0], np.cumsum(counts)])
    sums = np.zeros((n_samples, values.shape[1]), values.dtype)
    start = 0
    while start < n_samples:
        # At least one sample time a block, however many events its window holds.
        stop = int(np.searchsorted(pointers, pointers[start] + BLOCK_WEIGHTS, side="right")) - 1
        stop = min(max(stop, start + 1), n_samples)
        indptr = pointers[start : stop + 1] - pointers[start]
        samples = np.repeat(np.arange(start, stop), counts[start:stop])
        events = np.arange(indptr[-1]) + np.repeat(first[start:stop] - indptr[:-1], counts[start:stop])
        weights = weigh(samples, events).astype(values.dtype)
        matrix = scipy.sparse.csr_array((weights, events, indptr), shape=(stop - start, len(values)))
        sums[start:stop] = matrix @ values
        start = stop
    return sums
