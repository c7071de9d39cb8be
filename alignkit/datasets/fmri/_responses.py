"""From cleaned runs to samples: the mean of an event's volumes, or every volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ._events import join_blocks

# Onsets are written with few decimals: a thousandth of a repetition time is rounding.
_SLACK = 1e-3


@dataclass(frozen=True)
class RunData:
    """One run's series, and what was shown in it.

    Attributes
    ----------
    run : int or str
        Its number, unique in the recording.
    session : str or None
        Where file names give one.
    source : Path
        The file of the events, or else of the series, for messages.
    series : ndarray of shape (n_volumes, n_channels)
        Cleaned, or as it was scanned.
    first_volume : int
        How many volumes at the run's begin were dropped.
    tr_s : float
        Time between volumes in seconds.
    start_s : float
        When the first volume of `series` was taken, from the run's begin.
    events : DataFrame or None
        `stimulus_id`, `onset_s` from the run's begin, `duration_s`, and labels.
    confounds : ndarray of shape (n_volumes, n_confounds) or None
        What was, or is to be, regressed out.
    """

    run: int | str
    session: str | None
    source: Path
    series: NDArray[np.float32]
    first_volume: int
    tr_s: float
    start_s: float
    events: pd.DataFrame | None
    confounds: NDArray[np.float64] | None = None

    @property
    def ends_s(self) -> float:
        """When the run ends, in seconds from its begin."""
        return (self.first_volume + len(self.series)) * self.tr_s


@dataclass(frozen=True)
class Responses:
    """A row per sample: values, and what it is a response to.

    `facts` are columns of the channel table, each of shape (n_channels,).
    """

    values: NDArray[np.float32]
    samples: pd.DataFrame
    notes: tuple[str, ...] = ()
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def described(self, channels: pd.DataFrame, keep: NDArray[np.bool_]) -> pd.DataFrame:
        """Return the table of the kept channels with what is known of each."""
        return channels.assign(**{name: values[keep] for name, values in self.facts.items()})


Respond = Callable[[Iterable[RunData]], Responses]


def window_means(
    runs: Iterable[RunData], *, delay_s: float, duration_s: float | None, join: bool
) -> Responses:
    """Return the mean of the volumes that respond to each event, or with `join` to each block of events."""
    values: list[NDArray[np.float32]] = []
    tables: list[pd.DataFrame] = []
    notes: list[str] = []
    for run in runs:
        table = events_of(run)
        table = join_blocks(table, gap_s=run.tr_s) if join else table.copy()
        spans, n_cut = windows(run, table, delay_s=delay_s, duration_s=duration_s)
        means = np.empty((len(spans), run.series.shape[1]), dtype=np.float32)
        for row, (first, stop) in enumerate(spans):
            means[row] = run.series[first:stop].mean(axis=0, dtype=np.float64)
        values.append(means)
        tables.append(named(table, run))
        if n_cut:
            end = "begin or end" if run.first_volume else "end"
            notes.append(
                f"The response to {n_cut} event(s) of run {run.run} is cut short by the run's {end}."
            )
    return Responses(np.concatenate(values), joined(tables), tuple(notes))


def every_volume(runs: Iterable[RunData]) -> Responses:
    """Return every volume as a sample, with the name of what was on.

    A stimulus is on in the volumes that are taken within [onset, onset + duration), and at least in the
    nearest one; names of several at a time are joined by `` + ``.
    """
    values: list[NDArray[np.float32]] = []
    tables: list[pd.DataFrame] = []
    for run in runs:
        n_volumes = len(run.series)
        numbers = run.first_volume + 1 + np.arange(n_volumes)
        table = pd.DataFrame(
            {
                "stimulus_id": [f"run-{run.run} volume {number}" for number in numbers],
                "onset_s": run.start_s + run.tr_s * np.arange(n_volumes),
                "duration_s": run.tr_s,
                "volume": numbers,
            }
        )
        if run.events is not None:
            table["event"] = _what_is_on(run)
        values.append(run.series)
        tables.append(named(table, run))
    return Responses(np.concatenate(values), joined(tables))


def windows(
    run: RunData, table: pd.DataFrame, *, delay_s: float, duration_s: float | None
) -> tuple[list[tuple[int, int]], int]:
    """Return the first and one past the last volume of each event's response, and how many were cut short.

    A response is the volumes that are taken within [onset + delay, onset + delay + duration); an event too
    short to hold one gets the volume that is taken nearest to onset + delay.

    Raises
    ------
    InputError
        If an event, or its whole response, lies outside the run, or lasts longer than it.
    """
    n_volumes = len(run.series)
    found: list[tuple[int, int]] = []
    n_cut = 0
    outside: list[int] = []
    onsets = table["onset_s"].to_numpy(dtype=np.float64)
    for row, (onset, duration) in enumerate(zip(onsets, table["duration_s"], strict=True)):
        lasts = duration if duration_s is None else duration_s
        if lasts > run.ends_s * (1 + _SLACK):
            _refuse_long(run, table.iloc[row], lasts, is_given=duration_s is not None)
        start = (onset + delay_s - run.start_s) / run.tr_s
        first = ceil(start - _SLACK)
        stop = ceil(start + lasts / run.tr_s - _SLACK)
        if stop <= first:
            first = floor(start + 0.5)
            stop = first + 1
        if onset < 0 or onset >= run.ends_s or first >= n_volumes or stop <= 0:
            outside.append(row)
        n_cut += stop > n_volumes or first < 0
        found.append((max(first, 0), min(stop, n_volumes)))
    if outside:
        _refuse_outside(run, table, outside, delay_s)
    return found, n_cut


def _refuse_long(run: RunData, event: pd.Series, lasts: float, *, is_given: bool) -> None:
    whose = (
        "`duration_s`" if is_given else f"the duration of {event['stimulus_id']!r} at {event['onset_s']:g} s"
    )
    raise InputError(
        f"{whose} is {lasts:g} s, longer than run {run.run} ({run.source.name}), which lasts "
        f"{run.ends_s:g} s. Durations are wanted in seconds; check them, and the repetition time."
    )


def _refuse_outside(run: RunData, table: pd.DataFrame, outside: list[int], delay_s: float) -> None:
    name, onset = table["stimulus_id"].iloc[outside[0]], table["onset_s"].iloc[outside[0]]
    n_volumes = run.first_volume + len(run.series)
    length = f"the run of {run.ends_s:g} s ({n_volumes} volumes"
    length += f", the first {run.first_volume} of them dropped)" if run.first_volume else ")"
    counted = f", counting delay_s = {delay_s:g}" if delay_s else ""
    if 2 * len(outside) <= len(table):
        others = f" ({len(outside)} of {len(table)} events do)" if len(outside) > 1 else ""
        raise InputError(
            f"the event {name!r} at {onset:g} s of run {run.run} ({run.source.name}) lies outside "
            f"{length}{counted}{others}. Check the repetition time and the events, or "
            "remove the event."
        )
    onsets = table["onset_s"].to_numpy(dtype=np.float64)
    latest, earliest = onsets.max() + delay_s, onsets.min()
    if latest - earliest < run.ends_s:
        hint = f"They would fit if {earliest:g} s were taken off: onsets count from the run's first volume. "
    elif latest / 1000 < run.ends_s < latest / 20:
        hint = "They would fit if they were milliseconds: onsets are wanted in seconds. "
    else:
        hint = f"They would fit with a repetition time above {latest / n_volumes:.3g} s. "
    raise InputError(
        f"{len(outside)} of {len(table)} events of run {run.run} ({run.source.name}) lie outside {length}, "
        f"the first of them {name!r} at {onset:g} s{counted}. {hint}Check that the "
        f"events are of this run, and its repetition time of {run.tr_s:g} s."
    )


def _what_is_on(run: RunData) -> list[str]:
    table = events_of(run)
    # What was on during dropped volumes is no error here: all volumes are named, then the first dropped.
    n_volumes = run.first_volume + len(run.series)
    begin_s = run.start_s - run.first_volume * run.tr_s
    whole = replace(run, series=np.empty((n_volumes, 0), np.float32), first_volume=0, start_s=begin_s)
    spans, _ = windows(whole, table, delay_s=0.0, duration_s=None)
    names: list[list[str]] = [[] for _ in range(n_volumes)]
    for name, (first, stop) in zip(table["stimulus_id"], spans, strict=True):
        for volume in range(first, stop):
            names[volume].append(str(name))
    return [" + ".join(dict.fromkeys(here)) for here in names[run.first_volume :]]


def events_of(run: RunData) -> pd.DataFrame:
    """Return what was shown in a run, a table without a row where nothing was."""
    nothing = {"stimulus_id": [], "onset_s": np.zeros(0), "duration_s": np.zeros(0)}
    return pd.DataFrame(nothing) if run.events is None else run.events


def named(table: pd.DataFrame, run: RunData) -> pd.DataFrame:
    """Put run and session into a run's samples."""
    table.insert(1, "run", run.run)
    if run.session is not None:
        table.insert(1, "session", run.session)
    return table


def joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the samples of all runs, and count how often each stimulus was shown."""
    samples = pd.concat(tables, ignore_index=True)
    for column in samples.columns:
        # A column that is a number in one run and text in another is text.
        if pd.api.types.is_object_dtype(samples[column]) or pd.api.types.is_string_dtype(samples[column]):
            samples[column] = samples[column].map(lambda value: "" if pd.isna(value) else str(value))
    samples["repetition"] = samples.groupby("stimulus_id").cumcount() + 1
    return samples
