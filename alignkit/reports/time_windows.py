"""Results in one window after another: when a model is told from nothing, and where it peaks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..recordings.scores import closeness

ALPHA = 0.05


def told_from_nothing(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the windows whose corrected p is below .05, in order of time."""
    return rows[rows["p_corrected"] < ALPHA].sort_values("time_s", kind="stable")


def peak_of(rows: pd.DataFrame) -> pd.Series | None:
    """Return the window of the best value; None where there is no value at all."""
    values = closeness(rows).to_numpy(dtype=np.float64)
    return rows.iloc[int(np.nanargmax(values))] if np.isfinite(values).any() else None


def stretches(times_s: pd.Series, chosen_s: pd.Series) -> list[tuple[float, float]]:
    """Return the first and last time of every stretch of neighbouring windows, in seconds.

    Parameters
    ----------
    times_s : Series of float
        Times of all windows.
    chosen_s : Series of float
        Those of some of them.
    """
    times = np.unique(times_s.to_numpy(dtype=np.float64))
    position = np.searchsorted(times, np.unique(chosen_s.to_numpy(dtype=np.float64)))
    if not len(position):
        return []
    runs = np.split(position, np.flatnonzero(np.diff(position) > 1) + 1)
    return [(float(times[run[0]]), float(times[run[-1]])) for run in runs]


def stretches_text(times_s: pd.Series, chosen_s: pd.Series) -> str:
    """Return stretches of windows in words, such as ``"80 to 140 ms, 300 ms"``."""
    parts = [
        milliseconds(start) if start == stop else f"{1000 * start:.0f} to {milliseconds(stop)}"
        for start, stop in stretches(times_s, chosen_s)
    ]
    return ", ".join(parts)


def milliseconds(time_s: float) -> str:
    """Return a time in whole milliseconds."""
    return f"{1000 * time_s:.0f} ms"
