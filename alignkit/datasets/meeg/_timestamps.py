"""How even the timestamps of a recording are, and what to make of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError

# A step longer than this many samples is a gap.
_GAP = 1.5


class EvenTimes(NamedTuple):
    """A grid of times.

    `rate` in hertz; `times` where the data must be interpolated, else None; `onsets`: time of each row from
    the first sample on that grid, in seconds; `gaps` with onset and duration; `note` says how even they were.
    """

    rate: float
    times: NDArray[np.float64] | None
    onsets: NDArray[np.float64]
    gaps: tuple[tuple[float, float], ...]
    note: str


def even_times(
    times: NDArray[np.float64] | None, n_rows: int, *, sfreq_hz: float | None, how: str, where: str
) -> EvenTimes:
    """Return the even grid of a recording's rows.

    Raises
    ------
    InputError
        If the rate is not above 0, or timestamps fall, have gaps, or run at another rate than `sfreq_hz`.
    """
    if sfreq_hz is not None and not sfreq_hz > 0:
        raise InputError(f"`sfreq_hz` must be above 0, got {sfreq_hz:g}.")
    if times is None:
        rate = float(sfreq_hz or 1.0)
        return EvenTimes(rate, None, np.arange(n_rows) / rate, (), f"no timestamps; {rate:g} Hz was given")
    if n_rows < 2 or not times[-1] > times[0]:
        raise InputError(f"the timestamps of {where} do not rise from the first row to the last.")
    seen = (n_rows - 1) / float(times[-1] - times[0])
    rate = seen if sfreq_hz is None else sfreq_hz
    steps = np.diff(times) * rate
    falls, gaps = np.flatnonzero(steps <= 0), np.flatnonzero(steps > _GAP)
    line = np.linspace(times[0], times[-1], n_rows)
    jitter = float(np.abs(times - line).max())
    note = (
        f"timestamps run at {seen:.6g} Hz, up to {1000 * jitter:.3g} ms off an even grid, with {len(gaps)} "
        f"gaps of more than {_GAP:g} samples and {len(falls)} steps that do not rise"
    )
    if how == "nominal":
        return EvenTimes(rate, None, np.arange(n_rows) / rate, (), f"{note}; taken as even at {rate:g} Hz")
    remedy = "Set `timestamps` to 'nominal' if the device samples evenly and stamps packets"
    if falls.size:
        row = int(falls[0]) + 1
        raise InputError(
            f"the timestamps of {where} do not rise at {len(falls)} rows, the first data row {row + 1} "
            f"({times[row]:.6f} s after {times[row - 1]:.6f} s). {remedy}."
        )
    if how == "resample":
        return _resampled(times, rate, gaps, note)
    if gaps.size:
        row = int(gaps[0]) + 1
        raise InputError(
            f"the timestamps of {where} have {len(gaps)} gaps of more than {_GAP:g} samples at {rate:g} Hz, "
            f"the first of {1000 * (times[row] - times[row - 1]):.4g} ms before data row {row + 1}. "
            f"{remedy}, or 'resample' to interpolate."
        )
    if abs(seen / rate - 1) > 0.01:
        raise InputError(f"`sfreq_hz` is {rate:g}, but the timestamps of {where} run at {seen:.6g} Hz.")
    return EvenTimes(rate, None, np.arange(n_rows) / rate, (), note)


def _resampled(times: NDArray[np.float64], rate: float, gaps: NDArray[np.intp], note: str) -> EvenTimes:
    n_even = int(np.floor((times[-1] - times[0]) * rate + 1e-6)) + 1
    grid = times[0] + np.arange(n_even) / rate
    missing = tuple((float(times[i] - times[0]), float(times[i + 1] - times[i])) for i in gaps)
    return EvenTimes(rate, grid, times - times[0], missing, f"{note}; interpolated at {rate:g} Hz")
