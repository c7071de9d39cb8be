"""Measures of continuous channels: power spectrum, line noise, values that stand still or at a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]
_WINDOW_S = 2.0
_LINE_HALF_WIDTH_HZ = 1.0
_BESIDE_HZ = (2.0, 5.0)
# So many equal values in a row, at a channel's own extreme, are an amplifier's limit.
_AT_LIMIT = 3


def power_spectrum(data: ArrayLike, *, sfreq_hz: float) -> tuple[Floats, Floats]:
    """Return the power spectral density of every channel, by Welch's method with windows of 2 s.

    Parameters
    ----------
    data : array-like of shape (n_channels, n_times)
        In any unit u.
    sfreq_hz : float
        Sampling rate.

    Returns
    -------
    frequencies_hz : ndarray of shape (n_frequencies,)
        From 0 to half the sampling rate.
    power : ndarray of shape (n_channels, n_frequencies)
        In u^2 / Hz.

    References
    ----------
    Welch (1967). The use of fast Fourier transform for the estimation of power spectra. IEEE Transactions on
    Audio and Electroacoustics 15:70-73. doi:10.1109/TAU.1967.1161901
    """
    from scipy.signal import welch

    values = check_array("data", data, ndim=2, dtype=np.float64)
    if not sfreq_hz > 0:
        raise InputError(f"`sfreq_hz` must be above 0, got {sfreq_hz}.")
    length = min(values.shape[1], round(_WINDOW_S * sfreq_hz))
    frequencies, power = welch(values, fs=sfreq_hz, nperseg=length, axis=1)
    return np.asarray(frequencies), np.asarray(power)


def line_noise_ratio(frequencies_hz: ArrayLike, power: ArrayLike, *, line_hz: float) -> Floats:
    """Return how much more power there is at the line frequency than beside it.

    Mean density within 1 Hz of `line_hz` over the mean density 2 to 5 Hz away on either side. Of a sine of
    amplitude a in white noise of standard deviation s, sampled at f, about ``1 + a^2 f / (10 s^2)``.

    Parameters
    ----------
    frequencies_hz : array-like of shape (n_frequencies,)
        Evenly spaced, from :func:`power_spectrum`.
    power : array-like of shape (n_channels, n_frequencies)
        Density.
    line_hz : float
        50 or 60.

    Returns
    -------
    ratio : ndarray of shape (n_channels,)
        1 without line noise; NaN where a channel has no power, or the spectrum ends within 1 Hz of the line.
        Where it ends within 5 Hz, the other side counts alone.
    """
    frequencies = check_array("frequencies_hz", frequencies_hz, ndim=1, dtype=np.float64)
    density = check_array("power", power, ndim=2, dtype=np.float64)
    if density.shape[1] != len(frequencies):
        raise InputError(f"`power` has {density.shape[1]} frequencies, `frequencies_hz` {len(frequencies)}.")
    away = np.abs(frequencies - line_hz)
    step = frequencies[1] - frequencies[0] if len(frequencies) > 1 else np.inf
    if frequencies[-1] < line_hz + _LINE_HALF_WIDTH_HZ or step > _LINE_HALF_WIDTH_HZ:
        return np.full(len(density), np.nan)
    at = density[:, away <= _LINE_HALF_WIDTH_HZ]
    beside = density[:, (away >= _BESIDE_HZ[0]) & (away <= _BESIDE_HZ[1])].mean(axis=1)
    has_power = beside > 0
    return np.where(has_power, at.mean(axis=1) / np.where(has_power, beside, 1.0), np.nan)


def flat_channels(data: ArrayLike) -> NDArray[np.bool_]:
    """Return which channels never change.

    Parameters
    ----------
    data : array-like of shape (n_channels, n_times)
        In any unit; NaN does not count as change.
    """
    values = check_array("data", data, ndim=2, finite=False)
    finite = np.isfinite(values)
    low = np.where(finite, values, np.inf).min(axis=1)
    high = np.where(finite, values, -np.inf).max(axis=1)
    return np.asarray(~(high > low), dtype=np.bool_)


def clipped_share(data: ArrayLike) -> Floats:
    """Return the share of samples that stand at a channel's own limit, three or more in a row.

    Parameters
    ----------
    data : array-like of shape (n_channels, n_times)
        In any unit, unfiltered.

    Returns
    -------
    share : ndarray of shape (n_channels,)
        In [0, 1]; 0 for a channel that never stands still at its least or largest value, NaN for a flat one.

    Examples
    --------
    >>> clipped_share([[0, 1, 2, 2, 2, 1, 0, 1], [0, 1, 2, 1, 2, 1, 0, 1]]).tolist()
    [0.375, 0.0]
    """
    values = check_array("data", data, ndim=2, finite=False)
    shares = np.empty(len(values))
    flat = flat_channels(values)
    for i, row in enumerate(values):
        if flat[i]:
            shares[i] = np.nan
            continue
        shares[i] = sum(_long_runs(row == limit) for limit in (np.nanmin(row), np.nanmax(row))) / len(row)
    return shares


def _long_runs(at_limit: NDArray[np.bool_]) -> int:
    """Return how many samples are part of a run of at least `_AT_LIMIT`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], at_limit.view(np.int8), [0]])))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _AT_LIMIT].sum())
