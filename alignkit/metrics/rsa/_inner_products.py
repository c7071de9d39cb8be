"""Inner products of patterns: float64, or the fast float32 product where the data are float32 and many."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...solvers._gemm import gemm_name, product
from ...solvers.algebra import multiply

Floats = NDArray[np.float64]

# From this many multiplications on, float32 data are multiplied as float32; smaller ones take no time.
FLOAT32_FROM = 2**30
# Errors of float32 inner products, relative to the patterns' squared lengths: 5e-7 seen at 10^4 channels.
FLOAT32_ERROR = 1e-6

# Squared lengths beyond these leave float32 too little room for products of their parts.
_ROOM = (1e-20, 1e30)

_LEAST_ROWS = 256
_BLOCKS = 8


def single_or_double(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 for float32 of any byte order, and float64 for all else."""
    single = values.dtype.kind == "f" and values.dtype.itemsize == 4
    return values.astype(np.float32 if single else np.float64, copy=False)


def working_precision(patterns: NDArray[Any]) -> NDArray[Any]:
    """Return patterns as float64, or untouched where float32 data make a large product."""
    n_patterns, n_channels = patterns.shape
    if patterns.dtype == np.float32 and n_patterns**2 * n_channels >= FLOAT32_FROM:
        return patterns
    return patterns.astype(np.float64, copy=False)


def inner_products(rows: NDArray[Any], *, device: str | None = None) -> Floats:
    """Return ``rows @ rows.T`` in float64; of float32 rows with the rounding of a float32 product."""
    if rows.dtype == np.float32 and device in (None, "cpu"):
        return _float32_products(rows)
    return multiply(rows, rows.T, device=device).astype(np.float64, copy=False)


def exceeds_float32(rows: NDArray[Any], squared_lengths: Floats) -> bool:
    """Return whether float32 rows are too large or too small for inner products in float32."""
    if rows.dtype != np.float32:
        return False
    longest = squared_lengths.max()
    return not _ROOM[0] < longest < _ROOM[1]


def _float32_products(rows: NDArray[np.float32]) -> Floats:
    if gemm_name() == "numpy":
        # Its BLAS knows that the product is symmetric.
        return np.asarray((rows @ rows.T).astype(np.float64))
    import torch

    with warnings.catch_warnings():
        # Torch warns of arrays that are read-only; nothing is written here.
        warnings.simplefilter("ignore", UserWarning)
        tensor = torch.from_numpy(np.ascontiguousarray(rows))
    n_rows = len(rows)
    found = np.empty((n_rows, n_rows))
    step = max(_LEAST_ROWS, -(-n_rows // _BLOCKS))
    # Only the blocks on and above the diagonal: nearly half the work.
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        block = product(tensor[start:stop], tensor[start:].T).numpy()
        found[start:stop, start:] = block
        found[stop:, start:stop] = block[:, stop - start :].T
    return found


def without_means(patterns: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
    """Return rows and what is left of their means, small enough to be taken out of inner products.

    Patterns whose means are no larger than their spread are not copied.
    """
    ones = np.ones(patterns.shape[1], dtype=patterns.dtype)
    # Squares that overflow in float32 are found, and computed anew, by who multiplies the rows.
    with np.errstate(over="ignore"):
        means = (patterns @ ones) / patterns.dtype.type(patterns.shape[1])
        squares = np.einsum("ij,ij->i", patterns, patterns)
        large = 2 * means**2 * patterns.shape[1] > squares
    if large.any():
        patterns = patterns - means[:, None]
        means = (patterns @ ones) / patterns.dtype.type(patterns.shape[1])
    return patterns, means.astype(np.float64)
