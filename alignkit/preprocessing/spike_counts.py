"""Spikes counted in bins around events, with a rule that no rounding of times can bend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError

TICKS_PER_SECOND = 1_000_000_000
_LONGEST_S = 1e9  # In ticks it still fits into 64 bits, and microseconds in place of seconds do not pass.
_LEAST_SPREAD = 0.2

Ticks = NDArray[np.int64]


def bin_spikes(
    spike_times_s: Sequence[ArrayLike],
    onsets_s: ArrayLike,
    *,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    recorded_s: tuple[float, float] | None = None,
) -> NDArray[np.int32]:
    """Count each unit's spikes in bins that follow one another around every onset.

    Bin k of an event at time t holds the spikes of the half-open interval
    ``[t + start + k bin, t + start + (k + 1) bin)``: a spike on an edge belongs to the bin on its right, and
    every spike of the window is in one bin. Spikes, onsets and edges are rounded to whole nanoseconds
    before they are compared, and edge k is computed as k times the bin, never by adding up: a spike written
    as ``0.1 * 3`` (0.30000000000000004) and an edge written as 0.3 are the same time.

    Parameters
    ----------
    spike_times_s : sequence of array-like of shape (n_spikes,)
        One per unit, in seconds, on the clock of the onsets. In any order; a unit may have no spike. Times
        that were stored as float32 are as exact as float32 is: 60 microseconds after a quarter of an hour.
    onsets_s : array-like of shape (n_samples,)
        In seconds, in any order. Windows may overlap: a spike counts in each.
    start_s, stop_s : float
        The window, in seconds from onset; may begin before it.
    bin_s : float, optional
        Width of a bin, in seconds; the window must hold a whole number of them. By default one bin, the
        window.
    recorded_s : tuple of 2 float, optional
        When the recording began and ended, in seconds. Where given, windows that leave it are refused: their
        missing spikes would pass for silence.

    Returns
    -------
    counts : ndarray of shape (n_samples, n_units, n_bins)
        Numbers of spikes. Summed over bins, the number in the window.

    Raises
    ------
    InputError
        If there is no unit or no onset, times are NaN or infinite, the window does not hold a whole number of
        bins, or a window leaves the recording.

    Notes
    -----
    Two binary searches per unit and edge: O(n_spikes log n_spikes + n_samples n_bins log n_spikes).

    Examples
    --------
    >>> counts = bin_spikes([[0.1 * 3, 0.35, 0.4], []], [0.0], start_s=0.2, stop_s=0.4, bin_s=0.1)
    >>> counts[0].tolist()
    [[0, 2], [0, 0]]
    """
    onsets = _ticks("onsets_s", onsets_s)
    if not onsets.size:
        raise InputError("`onsets_s` is empty; at least one event is needed.")
    if not len(spike_times_s):
        raise InputError("`spike_times_s` holds no unit; at least one is needed.")
    edges = onsets[:, None] + bin_edges(start_s=start_s, stop_s=stop_s, bin_s=bin_s)
    if recorded_s is not None:
        check_windows(onsets_s, start_s=start_s, stop_s=stop_s, recorded_s=recorded_s)
    counts = np.empty((len(onsets), len(spike_times_s), edges.shape[1] - 1), dtype=np.int32)
    for unit, times in enumerate(spike_times_s):
        spikes = np.sort(_ticks(f"spike_times_s[{unit}]", times))
        counts[:, unit] = np.diff(np.searchsorted(spikes, edges, side="left"), axis=1)
    return counts


def bin_edges(*, start_s: float, stop_s: float, bin_s: float | None = None) -> Ticks:
    """Return the edges of the bins of a window, in whole nanoseconds from onset.

    Parameters
    ----------
    start_s, stop_s, bin_s : float
        As in :func:`bin_spikes`.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
        Rising int64; the last one is the end of the window.

    Raises
    ------
    InputError
        If the window is empty, or does not hold a whole number of bins.

    Examples
    --------
    >>> bin_edges(start_s=-0.1, stop_s=0.2, bin_s=0.1).tolist()
    [-100000000, 0, 100000000, 200000000]
    """
    if not (np.isfinite([start_s, stop_s]).all() and max(abs(start_s), abs(stop_s)) <= _LONGEST_S):
        raise InputError(f"`start_s` and `stop_s` must be times in seconds, got {start_s} and {stop_s}.")
    width = stop_s - start_s
    if not round(width * TICKS_PER_SECOND) > 0:
        raise InputError(f"`stop_s` must lie after `start_s`, got {start_s:g} to {stop_s:g} s.")
    if bin_s is None:
        bin_s = width
    if not (np.isfinite(bin_s) and round(bin_s * TICKS_PER_SECOND) > 0):
        raise InputError(f"`bin_s` must be at least a nanosecond, got {bin_s}.")
    n_bins = round(width / bin_s)
    # A nanosecond per bin: a bin of 0.0333 s is not a thirtieth of a second.
    if n_bins < 1 or abs(n_bins * bin_s - width) * TICKS_PER_SECOND > max(1.0, 0.5 * n_bins):
        below, above = max(int(width // bin_s), 1), int(width // bin_s) + 1
        raise InputError(
            f"`bin_s` must go into the window a whole number of times, got {bin_s:g} s in {start_s:g} to "
            f"{stop_s:g} s ({width / bin_s:.6g} times). Set `stop_s` to {start_s + below * bin_s:g} or "
            f"{start_s + above * bin_s:g}."
        )
    start = round(start_s * TICKS_PER_SECOND)
    later = np.rint(np.arange(n_bins + 1) * (width / n_bins) * TICKS_PER_SECOND)
    edges: Ticks = start + later.astype(np.int64)
    edges[-1] = round(stop_s * TICKS_PER_SECOND)
    return edges


def bin_centres(*, start_s: float, stop_s: float, bin_s: float | None = None) -> NDArray[np.float64]:
    """Return the middle of every bin of a window, in seconds from onset: the `times_s` of binned counts.

    Parameters
    ----------
    start_s, stop_s, bin_s : float
        As in :func:`bin_spikes`.

    Returns
    -------
    times_s : ndarray of shape (n_bins,)

    Examples
    --------
    >>> bin_centres(start_s=0.0, stop_s=0.3, bin_s=0.1).tolist()
    [0.05, 0.15, 0.25]
    """
    edges = bin_edges(start_s=start_s, stop_s=stop_s, bin_s=bin_s)
    middles: NDArray[np.float64] = (edges[:-1] + edges[1:]) / (2 * TICKS_PER_SECOND)
    return middles


def check_windows(
    onsets_s: ArrayLike, *, start_s: float, stop_s: float, recorded_s: tuple[float, float]
) -> None:
    """Refuse windows that begin before a recording or end after it, by more than a nanosecond.

    Parameters
    ----------
    onsets_s : array-like of shape (n_samples,)
        In seconds.
    start_s, stop_s : float
        The window, in seconds from onset.
    recorded_s : tuple of 2 float
        When the recording began and ended, in seconds.

    Raises
    ------
    InputError
        Saying how many windows do, which one is first, and whether the onsets look like milliseconds.
    """
    first, last = _span(recorded_s)
    onsets = _ticks("onsets_s", onsets_s)
    edges = bin_edges(start_s=start_s, stop_s=stop_s)
    outside = (onsets + edges[0] < first - 1) | (onsets + edges[-1] > last + 1)
    if not outside.any():
        return
    hint = (
        " Divided by 1000 they would lie inside: are the onsets in milliseconds?"
        if look_like_milliseconds(onsets_s, recorded_s=recorded_s)
        else " Drop these events, or make the window shorter."
    )
    row = int(outside.argmax())
    raise InputError(
        f"{int(outside.sum())} of {len(onsets)} windows leave the recording, which goes from "
        f"{recorded_s[0]:g} to {recorded_s[1]:g} s. The first is that of event {row} at "
        f"{onsets[row] / TICKS_PER_SECOND:g} s: {start_s:g} to {stop_s:g} s from its onset.{hint}"
    )


def look_like_milliseconds(onsets_s: ArrayLike, *, recorded_s: tuple[float, float]) -> bool:
    """Tell whether onsets that do not fit a recording would, if they were milliseconds.

    Most of them lie beyond the recording by more than its length, most of them inside it when divided by
    1000, and divided they spread over more than a fifth of it: a few late events would all be near its begin.

    Parameters
    ----------
    onsets_s : array-like of shape (n_samples,)
        As they were given.
    recorded_s : tuple of 2 float
        When the recording began and ended, in seconds.

    Examples
    --------
    >>> look_like_milliseconds([500.0, 4000.0, 9000.0], recorded_s=(0.0, 10.0))
    True
    >>> look_like_milliseconds([30.0, 31.0, 32.0], recorded_s=(0.0, 10.0))
    False
    """
    onsets = np.asarray(onsets_s, dtype=np.float64)
    first, last = recorded_s
    length, divided = last - first, onsets / 1000
    is_far = onsets > last + length
    fits = (divided >= first) & (divided <= last)
    is_wide = np.ptp(divided) > _LEAST_SPREAD * length
    return bool(is_far.mean() > 0.5 and fits.mean() > 0.5 and is_wide)


def _span(recorded_s: tuple[float, float]) -> tuple[int, int]:
    first, last = _ticks("recorded_s", recorded_s).tolist()
    if not last > first:
        raise InputError(
            f"`recorded_s` must be when the recording began and ended, in seconds, got {recorded_s}."
        )
    return first, last


def _ticks(name: str, times_s: ArrayLike) -> Ticks:
    """Return times in whole nanoseconds."""
    times = check_array(name, times_s, ndim=1, dtype=np.float64, min_rows=0)
    if times.size and np.abs(times).max() > _LONGEST_S:
        raise InputError(
            f"`{name}` holds times up to {np.abs(times).max():g} s, more than {_LONGEST_S:g}; times are in "
            "seconds, from a clock that starts near 0."
        )
    ticks: Ticks = np.rint(times * TICKS_PER_SECOND).astype(np.int64)
    return ticks
