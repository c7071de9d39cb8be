"""What all recordings of spikes and calcium ask of their trials: ids, onsets in order, repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.spike_counts import bin_centres, bin_spikes, look_like_milliseconds

Floats = NDArray[np.float64]
# How long after the last spike a window may end: a share of the spikes' span, and at least so many seconds.
_SLACK, _LEAST_SLACK_S = 0.1, 1.0


@dataclass(frozen=True)
class Window:
    """The part of a trial that is read, in seconds from onset; cut into bins, or whole."""

    start_s: float
    stop_s: float
    bin_s: float | None = None

    @property
    def times_s(self) -> Floats | None:
        """The middles of the bins; None where the window is one number."""
        if self.bin_s is None:
            return None
        return bin_centres(start_s=self.start_s, stop_s=self.stop_s, bin_s=self.bin_s)


def ordered_trials(table: pd.DataFrame, place: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the trials sorted by onset, with their repetitions, and a note where they were not.

    Parameters
    ----------
    table : DataFrame
        `stimulus_id`, `onset_s` in seconds, and any other columns; a `repetition` of its own stays.
    place : str
        Where it was read, for messages.

    Raises
    ------
    InputError
        If an onset is no number, or a trial stands there twice.
    """
    onsets = table["onset_s"]
    if not pd.api.types.is_numeric_dtype(onsets):
        raise InputError(f"{place}: onsets must be numbers (seconds), got {onsets.iloc[0]!r}.")
    values = onsets.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).argmax())
        raise InputError(f"{place}: trial {row} has no onset ({values[row]}). Drop it, or fill it in.")
    twice = table.duplicated(["stimulus_id", "onset_s"])
    if twice.any():
        row = int(twice.to_numpy().argmax())
        raise InputError(
            f"{place}: {int(twice.sum())} trials stand there twice, such as "
            f"{table['stimulus_id'].iloc[row]!r} "
            f"at {values[row]:g} s. Drop the copies."
        )
    notes: tuple[str, ...] = ()
    if (np.diff(values) < 0).any():
        table = table.iloc[np.argsort(values, kind="stable")]
        notes = (f"The trials of {place} were not in order of time; they were sorted by onset.",)
    table = table.reset_index(drop=True)
    if "repetition" not in table:
        table["repetition"] = table.groupby("stimulus_id", sort=False).cumcount() + 1
    return table, notes


def count_trials(
    spikes: Sequence[Floats],
    onsets_s: Floats,
    place: str,
    window: Window,
    *,
    recorded_s: tuple[float, float] | None,
) -> NDArray[np.float32]:
    """Return the spikes of every trial, unit and bin, (n_samples, n_units[, n_bins]).

    Without a known span of the recording, trials wholly before the first or after the last spike of all
    units are refused: times of two clocks or units look like that. So are windows that end long after the
    last spike: nobody can tell their silence from a recording that was over.

    Raises
    ------
    InputError
        If trials lie outside the recording, or no unit fires in any.
    """
    if recorded_s is None:
        fired = [np.asarray(times)[[np.argmin(times), np.argmax(times)]] for times in spikes if len(times)]
        if not fired:
            raise InputError(f"{place}: no unit has a spike.")
        first, last = float(np.min(fired)), float(np.max(fired))
        _check_silence(onsets_s, place, window, (first, last))
    counts = bin_spikes(
        spikes,
        onsets_s,
        start_s=window.start_s,
        stop_s=window.stop_s,
        bin_s=window.bin_s,
        recorded_s=recorded_s,
    ).astype(np.float32)
    if not counts.any():
        raise InputError(
            f"{place}: no unit fires in any of {len(onsets_s)} windows. Check that spikes and onsets are in "
            "seconds on one clock, and the window."
        )
    return counts if window.bin_s is not None else counts[:, :, 0]


def _check_silence(onsets_s: Floats, place: str, window: Window, fired_s: tuple[float, float]) -> None:
    first, last = fired_s
    start_s, stop_s = window.start_s, window.stop_s
    silent = (onsets_s + stop_s <= first) | (onsets_s + start_s > last)
    if not silent.any():
        _check_ends(onsets_s, place, stop_s, fired_s)
        return
    row = int(silent.argmax())
    hint = (
        "Divided by 1000 they would lie inside: are the onsets in milliseconds?"
        if look_like_milliseconds(onsets_s, recorded_s=fired_s)
        else "If the recording went on in silence, give its beginning and end as `recorded_s`."
    )
    raise InputError(
        f"{place}: {int(silent.sum())} of {len(onsets_s)} trials lie outside the spikes of all units, which "
        "go "
        f"from {first:g} to {last:g} s; the first is at {onsets_s[row]:g} s. {hint}"
    )


def _check_ends(onsets_s: Floats, place: str, stop_s: float, fired_s: tuple[float, float]) -> None:
    first, last = fired_s
    slack = max(_SLACK * (last - first), _LEAST_SLACK_S)
    late = onsets_s + stop_s > last + slack
    if late.any():
        row = int(late.argmax())
        raise InputError(
            f"{place}: {int(late.sum())} of {len(onsets_s)} windows end long after the last spike of all "
            f"units ({last:g} s); the first ends at {onsets_s[row] + stop_s:g} s. Make `stop_s` (now "
            f"{stop_s:g} s) shorter, or give the beginning and end of the recording as `recorded_s`."
        )
