"""Sums over the lagged design of a receptive field, without the design.

Row t of the design holds x(t - lag) for every lag, lag-major. A ridge regression needs no more of it than
its Gram matrix and its products with the responses. The Gram matrix of a stretch of rows [a, b) is almost
Toeplitz: stepping both lags by one shifts the sum by a row,

    G[l + 1, m + 1] = G[l, m] + x(a - 1 - l) x(a - 1 - m)' - x(b - 1 - l) x(b - 1 - m)',

so that its first block row is all that has to be summed over time. The sums are float64, and those of
disjoint sets of rows add up: a fold is the whole less its test part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Stretch = tuple[int, int, int, int]  # first row, end, and where their segment starts and ends

# Elements of one block of lagged rows: 16 MiB, so that memory does not grow with the recording.
BLOCK_ELEMENTS = 2**21


@dataclass(frozen=True)
class Sums:
    """Sums over rows of a lagged design D with P columns and of the responses Y."""

    gram: Floats  # (P, P) = D'D
    cross: Floats  # (P, n_channels) = D'Y
    x_sum: Floats  # (P,)
    y_sum: Floats  # (n_channels,)
    y_power: Floats  # (n_channels,)
    n: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.gram + other.gram,
            self.cross + other.cross,
            self.x_sum + other.x_sum,
            self.y_sum + other.y_sum,
            self.y_power + other.y_power,
            self.n + other.n,
        )

    def __sub__(self, other: Sums) -> Sums:
        return Sums(
            self.gram - other.gram,
            self.cross - other.cross,
            self.x_sum - other.x_sum,
            self.y_sum - other.y_sum,
            self.y_power - other.y_power,
            self.n - other.n,
        )

    def about(self, x_mean: Floats, y_mean: Floats) -> Sums:
        """Return the sums of the same rows after means, such as a training part's, were subtracted."""
        gram = self.gram - np.outer(self.x_sum, x_mean) - np.outer(x_mean, self.x_sum)
        cross = self.cross - np.outer(self.x_sum, y_mean) - np.outer(x_mean, self.y_sum)
        return Sums(
            gram + self.n * np.outer(x_mean, x_mean),
            cross + self.n * np.outer(x_mean, y_mean),
            self.x_sum - self.n * x_mean,
            self.y_sum - self.n * y_mean,
            self.y_power - 2 * y_mean * self.y_sum + self.n * y_mean**2,
            self.n,
        )


@dataclass(frozen=True)
class Lags:
    """Consecutive lags, in samples, and what is outside a segment."""

    first: int
    last: int
    masked: bool  # whether rows that look outside their segment are left out

    @property
    def count(self) -> int:
        """Number of lags."""
        return self.last - self.first + 1

    def stretches(self, rows: NDArray[np.intp], segments: list[slice]) -> list[Stretch]:
        """Return the sorted `rows` as contiguous stretches, each within a segment."""
        found = []
        for segment in segments:
            start, stop = segment.start, segment.stop
            inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
            if self.masked:
                low, high = start + max(self.last, 0), stop + min(self.first, 0)
                inside = inside[(inside >= low) & (inside < high)]
            if inside.size:
                cuts = np.flatnonzero(np.diff(inside) > 1) + 1
                found += [(int(part[0]), int(part[-1]) + 1, start, stop) for part in np.split(inside, cuts)]
        return found

    def window(self, X: NDArray[Any], stretch: Stretch, outside: NDArray[Any]) -> NDArray[Any]:
        """Return all that the lagged rows of a stretch hold, (n_rows + n_lags - 1, n_features)."""
        first, end, start, stop = stretch
        low, high = first - self.last, end - self.first
        before, after = max(start - low, 0), max(high - stop, 0)
        if not before and not after:
            return X[low:high]
        window = np.empty((high - low, X.shape[1]), X.dtype)
        window[:] = outside
        inside = slice(max(low, start), min(high, stop))
        # A stretch at the edge of a short segment can look past it altogether.
        if inside.start < inside.stop:
            window[inside.start - low : inside.stop - low] = X[inside]
        return window

    def blocks(self, window: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield blocks of rows of the lagged design, (n_block, n_lags * n_features), lag-major."""
        n_rows, n_features = len(window) - self.count + 1, window.shape[1]
        step = max(1, BLOCK_ELEMENTS // (self.count * n_features))
        for start in range(0, n_rows, step):
            stop = min(start + step, n_rows)
            block = np.empty((stop - start, self.count, n_features), window.dtype)
            for lag in range(self.count):
                shift = self.count - 1 - lag
                block[:, lag] = window[start + shift : stop + shift]
            yield slice(start, stop), block.reshape(stop - start, -1)


def lagged_sums(
    X: Floats, Y: NDArray[np.floating[Any]], lags: Lags, stretches: list[Stretch], outside: Floats
) -> Sums:
    """Return the sums over stretches of rows.

    Parameters
    ----------
    X : array of shape (n_times, n_features)
        Features, float64.
    Y : array of shape (n_times, n_channels)
        Responses; the products with them are in their precision, added up in float64.
    lags : Lags
        The lags.
    stretches : list of tuple
        Of `Lags.stretches`.
    outside : array of shape (n_features,)
        What the features are outside a segment.

    Returns
    -------
    sums : Sums
        Zeros for no stretches.
    """
    n_features, n_lags, n_channels = X.shape[1], lags.count, Y.shape[1]
    size = n_features * n_lags
    row, cross, x_sum = np.zeros((n_features, size)), np.zeros((size, n_channels)), np.zeros(size)
    y_sum, y_power = np.zeros(n_channels), np.zeros(n_channels)
    heads = np.zeros((len(stretches), size - n_features))
    tails = np.zeros_like(heads)
    for number, stretch in enumerate(stretches):
        window = lags.window(X, stretch, outside)
        for rows, lagged in lags.blocks(window):
            responses = Y[stretch[0] + rows.start : stretch[0] + rows.stop]
            row += lagged[:, :n_features].T @ lagged
            x_sum += lagged.sum(axis=0)
            cross += lagged.astype(Y.dtype, copy=False).T @ responses
            y_sum += responses.sum(axis=0, dtype=np.float64)
            y_power += np.einsum("ij,ij->j", responses, responses, dtype=np.float64)
        # What enters the sums at the start, and leaves them at the end, as the lag steps by one.
        n_rows = stretch[1] - stretch[0]
        heads[number] = window[: n_lags - 1][::-1].ravel()
        tails[number] = window[n_rows : n_rows + n_lags - 1][::-1].ravel()
    gram = _complete(row, heads.T @ heads - tails.T @ tails, n_lags)
    n = sum(stop - start for start, stop, _, _ in stretches)
    return Sums(gram, cross, x_sum, y_sum, y_power, n)


def _complete(row: Floats, change: Floats, n_lags: int) -> Floats:
    """Return the Gram matrix of which `row` is the first block row."""
    n_features = len(row)
    gram = np.zeros((n_lags, n_features, n_lags, n_features))
    gram[0] = row.reshape(n_features, n_lags, n_features)
    steps = change.reshape(n_lags - 1, n_features, n_lags - 1, n_features)
    for lag in range(1, n_lags):
        gram[lag, :, lag:] = gram[lag - 1, :, lag - 1 : -1] + steps[lag - 1, :, lag - 1 :]
    full = gram.reshape(n_lags * n_features, -1)
    # The blocks below the diagonal mirror those above it.
    upper = np.triu(full)
    return np.asarray(upper + np.triu(full, 1).T)
