"""From a session's tables, units and traces to responses per trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.spike_counts import check_windows
from ._allen_nwb1 import read_allen
from ._calcium import Traces, average_trials, without_missing
from ._nwb_files import NWBFile
from ._nwb_session import (
    fluorescence,
    fluorescence_series,
    interval_tables,
    observed,
    opened,
    spike_times,
    unit_table,
)
from ._nwb_tables import choose_intervals, matching_rows, trials_of
from ._trials import Floats, Window, count_trials, ordered_trials


@dataclass(frozen=True)
class Choice:
    """What is to be read of a session; see :func:`alignkit.datasets.spikes.nwb.read_nwb`."""

    signal: str | None
    intervals: str | None
    stimulus_column: str | list[str] | None
    trials: str | None
    units: str | None
    series: str | None
    drop_unobserved: bool
    recorded_s: tuple[float, float] | None


@dataclass(frozen=True)
class Responses:
    """What was read; the arrays and tables of a recording."""

    data: NDArray[np.float32]
    samples: pd.DataFrame
    channels: pd.DataFrame
    modality: str
    notes: tuple[str, ...]


def read_session(file: NWBFile, choice: Choice, window: Window) -> Responses:
    """Return a session's responses, whatever the version of its file.

    Raises
    ------
    InputError
        If a choice has to be made, or what was asked for is not there.
    """
    if file.version.removeprefix("NWB-").startswith(("0.", "1.")):
        return _version_1(file, choice, window)
    with opened(file.path) as session:
        place = str(file.path)
        signal = _signal(session, choice.signal, place)
        samples, notes = _trials(interval_tables(session), choice, place)
        if signal == "spikes":
            return _counted(session, samples, place, choice, window, notes)
        if choice.units is not None:
            raise InputError(f"{place}: `units` goes with sorted units, not with fluorescence.")
        return _averaged(fluorescence(session, choice.series, place), samples, place, window, notes)


def _version_1(file: NWBFile, choice: Choice, window: Window) -> Responses:
    place = str(file.path)
    if choice.signal == "spikes" or choice.units is not None:
        raise InputError(f"{place} is an NWB 1 file: it has fluorescence, no sorted units.")
    traces, table, name = read_allen(file.path, choice.intervals)
    samples, notes = ordered_trials(
        trials_of(table, choice.stimulus_column, choice.trials, f"{place}, {name}"), f"{place}, {name}"
    )
    return _averaged(traces, samples, place, window, notes)


def _signal(session: Any, wanted: str | None, place: str) -> str:
    has_units = session.units is not None and "spike_times" in session.units.colnames
    there = {"spikes": has_units, "fluorescence": bool(fluorescence_series(session))}
    if wanted is not None and not there[wanted]:
        what = "sorted units with spike times" if wanted == "spikes" else "fluorescence of cells"
        raise InputError(f"{place} has no {what}.")
    found = [name for name, is_there in there.items() if is_there]
    if not found:
        raise InputError(f"{place} has neither sorted units with spike times nor fluorescence of cells.")
    if wanted is None and len(found) > 1:
        raise InputError(
            f"{place} has sorted units and fluorescence; choose with `signal`: {', '.join(found)}."
        )
    return wanted or found[0]


def _trials(
    tables: Mapping[str, pd.DataFrame], choice: Choice, place: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    name = choose_intervals(tables, choice.intervals, place)
    where = f"{place}, {name}"
    return ordered_trials(trials_of(tables[name], choice.stimulus_column, choice.trials, where), where)


def _counted(
    session: Any, samples: pd.DataFrame, place: str, choice: Choice, window: Window, notes: tuple[str, ...]
) -> Responses:
    table = unit_table(session)
    keep = np.ones(len(table), dtype=bool)
    if choice.units is not None:
        keep = matching_rows(table, choice.units, f"{place}: `units`")
        notes = (*notes, f"{int(keep.sum())} of {len(table)} units of {place} meet {choice.units!r}.")
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise InputError(
            f"{place}: no unit of {len(table)} is left" + (f" by {choice.units!r}." if len(table) else ".")
        )
    intervals = observed(session, rows)
    more: tuple[str, ...] = ()
    recorded_s = choice.recorded_s
    if intervals is not None:
        samples, more = _while_observed(intervals, samples, place, choice, window)
        recorded_s = recorded_s or _span(intervals)
    data = count_trials(
        spike_times(session, rows),
        samples["onset_s"].to_numpy(),
        place,
        window,
        recorded_s=recorded_s,
    )
    channels = table.iloc[rows].assign(kind="neuron", unit="spikes")
    return Responses(data, samples, channels, "spikes", (*notes, *more))


def _averaged(
    traces: Traces, samples: pd.DataFrame, place: str, window: Window, notes: tuple[str, ...]
) -> Responses:
    traces, more = without_missing(traces, place)
    data = average_trials(traces, samples["onset_s"].to_numpy(), place, window)
    channels = pd.DataFrame({"name": traces.names, "kind": "cell", "unit": traces.unit})
    return Responses(data, samples, channels, "calcium", (*notes, *more))


def _span(intervals: list[Floats]) -> tuple[float, float]:
    return float(min(each.min() for each in intervals)), float(max(each.max() for each in intervals))


def _while_observed(
    intervals: list[Floats], samples: pd.DataFrame, place: str, choice: Choice, window: Window
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the trials during which all units were observed."""
    onsets = samples["onset_s"].to_numpy(dtype=np.float64)
    seen = np.ones(len(onsets), dtype=bool)
    for each in intervals:
        seen &= _inside(onsets, each, window)
    if seen.all():
        return samples, ()
    if not seen.any():
        # Says more about times of another unit.
        check_windows(onsets, start_s=window.start_s, stop_s=window.stop_s, recorded_s=_span(intervals))
    lost = f"{int((~seen).sum())} of {len(seen)} trials of {place}"
    if not choice.drop_unobserved or not seen.any():
        raise InputError(
            f"{lost} lie outside the times during which all units were observed (obs_intervals); the first "
            "is at "
            f"{onsets[~seen][0]:g} s. Leave them out with `unobserved='drop'`, or units with `units`."
        )
    left = samples[seen].reset_index(drop=True)
    left["repetition"] = left.groupby("stimulus_id", sort=False).cumcount() + 1
    return left, (f"{lost} lie outside the times during which all units were observed and were left out.",)


def _inside(onsets: Floats, intervals: Floats, window: Window) -> NDArray[np.bool_]:
    first, last = onsets[:, None] + window.start_s, onsets[:, None] + window.stop_s
    within: NDArray[np.bool_] = (first >= intervals[:, 0] - 1e-9) & (last <= intervals[:, 1] + 1e-9)
    return np.asarray(within.any(axis=1))
