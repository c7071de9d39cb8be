"""Distances of many small sets of channels at once, for searchlights and time courses."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.threads import fixed_threads
from ...solvers.algebra import multiply
from .crossvalidated import Weighting, cell_sums, read_design

BatchMethod = Literal["correlation", "cosine", "crossnobis", "euclidean", "mahalanobis", "squared-euclidean"]
Array = NDArray[Any]

# Numbers held for a batch of sets, next to the result: 2 MiB of float64, about what a core's cache holds.
BATCH_ELEMENTS = 2**18
# Parts of the squared lengths below which products of 4, or 8, bytes leave too few digits of a distance.
_CLOSE = {4: 1e-3, 8: 1e-7}
# Multiplications of one set from which on several threads are worth their start.
_SHARED_FROM = 2**26


class SetDistances:
    """The distances of one method, for any number of sets of channels at once.

    Parameters
    ----------
    n_rows : int
        Patterns, or trials for "crossnobis".
    method : str
        The distance; of "mahalanobis" the caller whitens the sets.
    conditions, runs : array of shape (n_rows,) or None
        Labels of the trials, for "crossnobis" only.
    weighting : str
        See `crossnobis`.
    device : str or None
        Where products are computed.

    Attributes
    ----------
    n_patterns : int
        Rows of each RDM.
    n_pairs : int
        Entries of each RDM.
    missing : ndarray of bool, shape (n_pairs,)
        Pairs that no set has a distance for: their conditions do not come in two runs.
    width : int
        Numbers per channel that :meth:`columns` makes.
    """

    def __init__(
        self,
        n_rows: int,
        method: BatchMethod,
        conditions: ArrayLike | None,
        runs: ArrayLike | None,
        weighting: Weighting,
        device: str | None,
    ) -> None:
        check_option("method", method, get_args(BatchMethod))
        check_option("weighting", weighting, get_args(Weighting))
        self.method, self.weighting, self.device = method, weighting, device
        self.design = None
        if method == "crossnobis":
            if conditions is None or runs is None:
                raise InputError(
                    "method 'crossnobis' needs `conditions` and `runs`, one label per row of `X`."
                )
            self.design = read_design(conditions, runs, n_rows)
            self.width = self.design.counts.size
        elif conditions is not None or runs is not None:
            raise InputError(
                f"method {method!r} takes no `conditions` and `runs`; only 'crossnobis' uses them. Average "
                "the trials of each condition first."
            )
        elif n_rows < 2:
            raise InputError(f"`X` needs at least 2 rows, got {n_rows}.")
        else:
            self.width = n_rows
        self.n_patterns = n_rows if self.design is None else self.design.counts.shape[1]
        first, second = np.triu_indices(self.n_patterns, k=1)
        self._first, self._second = first, second
        self._pair = first * self.n_patterns + second
        self.n_pairs = len(first)
        self.missing = np.zeros(self.n_pairs, dtype=bool)
        if self.design is not None:
            lonely = (self.design.counts > 0).sum(axis=0) < 2
            self.missing = lonely[first] | lonely[second]

    def columns(self, X: Array) -> Array:
        """Return what each channel contributes, ``X (n_rows, ...)`` to ``(..., width)``; it may be a view."""
        if self.design is None:
            if self.method not in ("correlation", "cosine"):
                # A shift of all patterns changes no distance, but would cancel in the products.
                X = X - X.mean(axis=0)
            return np.ascontiguousarray(np.moveaxis(X, 0, -1))
        counts = self.design.counts
        sums = cell_sums(X, self.design)
        if self.weighting == "equal":
            sums = sums / np.maximum(counts, 1).reshape(*counts.shape, *[1] * (X.ndim - 1)).astype(X.dtype)
            counts = np.minimum(counts, 1)
        if (counts == counts[0, 0]).all():
            sums = sums - sums.mean(axis=(0, 1))
        columns = np.moveaxis(sums, (0, 1), (-2, -1))
        return np.ascontiguousarray(columns).reshape(*columns.shape[:-2], self.width)

    def batch_size(self, n_channels: int) -> int:
        """Return how many sets of that many channels fit in the working memory."""
        elements = n_channels * self.width + 2 * self.n_patterns**2
        return max(1, BATCH_ELEMENTS // elements)

    def threads(self, n_channels: int) -> AbstractContextManager[None]:
        """Return the context to compute in: one thread for products too small to be shared out."""
        small = self.n_patterns**2 * n_channels < _SHARED_FROM
        return fixed_threads(1) if small else nullcontext()

    def __call__(self, sets: Array) -> Array:
        """Return the condensed RDMs of sets (n_channels, n_sets, width), which are overwritten.

        Channels come first, so that what is done to every channel is done to all sets at once.
        """
        if self.method == "crossnobis":
            return self._crossnobis(sets)
        if self.method in ("correlation", "cosine"):
            return self._angular(sets)
        products = self._products(sets)
        largest = np.einsum("bii->bi", products).max(axis=1, keepdims=True)
        squared = self._sharpened(self._contrast(products), sets, 2 * largest)
        squared /= len(sets)
        return np.sqrt(squared, out=squared) if self.method == "euclidean" else squared

    def _products(self, sets: Array) -> Array:
        return multiply(sets.transpose(1, 2, 0), sets.transpose(1, 0, 2), device=self.device)

    def _condense(self, square: Array) -> Array:
        return square.reshape(len(square), -1).take(self._pair, axis=1)

    def _contrast(self, products: Array) -> Array:
        """Return the squared differences of pairs from their inner products."""
        own = np.einsum("bii->bi", products)
        squared = self._condense(products)
        squared *= -2
        squared += own.take(self._first, axis=1)
        squared += own.take(self._second, axis=1)
        return squared

    def _angular(self, sets: Array) -> Array:
        sets = np.ascontiguousarray(sets)
        # A view: what is done to the rows is done to the sets.
        rows = sets.reshape(len(sets), -1)
        smallest: Any = 0.0
        if self.method == "correlation":
            means = np.full(len(rows), 1 / len(rows), dtype=rows.dtype) @ rows
            rows -= means
            # What varies by no more than the rounding of its own mean does not vary.
            smallest = (4 * np.finfo(rows.dtype).eps * means) ** 2 * len(rows)
        squares = np.einsum("ck,ck->k", rows, rows)
        scale = np.full_like(squares, np.nan)
        np.divide(1, np.sqrt(squares), out=scale, where=squares > smallest)
        rows *= scale
        distances = self._condense(self._products(sets))
        np.subtract(1, distances, out=distances)
        if self.method == "correlation" and len(sets) == 2:
            # Two channels correlate with 1 or -1: what is off that is rounding, and would order equal pairs.
            return np.rint(distances, out=distances)
        distances *= 2
        distances = self._sharpened(distances, sets, 2.0)
        distances /= 2
        return distances

    def _sharpened(self, squared: Array, sets: Array, lengths: Array | float) -> Array:
        """Return squared distances, those that cancelled in the products replaced by sums of differences."""
        close = np.flatnonzero((squared < _CLOSE[squared.dtype.itemsize] * lengths).ravel())
        step = max(1, BATCH_ELEMENTS // len(sets))
        for start in range(0, len(close), step):
            some = close[start : start + step]
            batch, pair = np.divmod(some, self.n_pairs)
            first, second = sets[:, batch, self._first[pair]], sets[:, batch, self._second[pair]]
            difference = np.subtract(first, second, dtype=np.float64)
            squared.ravel()[some] = np.einsum("ck,ck->k", difference, difference)
        return squared

    def _crossnobis(self, sets: Array) -> Array:
        assert self.design is not None
        counts = np.minimum(self.design.counts, 1) if self.weighting == "equal" else self.design.counts
        by_run = sets.reshape(*sets.shape[:2], len(counts), self.n_patterns)
        # All pairs of trials, less those of the same run.
        products = self._products(by_run.sum(axis=2))
        for run in range(len(counts)):
            products -= self._products(by_run[:, :, run])
        n_trials = counts.sum(axis=0)
        n_pairs = n_trials[:, None] * n_trials - counts.T @ counts
        products /= (len(sets) * np.where(n_pairs > 0, n_pairs, np.nan)).astype(sets.dtype)
        return self._contrast(products)
