"""One NWB 2 session through pynwb: its tables of intervals, its sorted units, its fluorescence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from .._arrays import readable
from ._calcium import Traces
from ._nwb_tables import label_text

_UNKNOWN_PLACES = ("", "unknown", "none", "n/a", "nan")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a session with pynwb.

    Raises
    ------
    MissingDataError
        If pynwb is not installed.
    InputError
        If the file cannot be read.
    """
    try:
        import pynwb
    except ImportError as error:
        raise MissingDataError('reading NWB 2 needs pynwb; pip install "alignkit[nwb]"') from error
    with readable(path, "NWB"), warnings.catch_warnings():
        # Of hdmf, on versions of cached schemas: nothing a reader of the data can act on.
        warnings.simplefilter("ignore")
        with pynwb.NWBHDF5IO(str(path), mode="r", load_namespaces=True) as file:
            yield file.read()


def interval_tables(session: Any) -> dict[str, pd.DataFrame]:
    """Return the tables of trials, epochs and presentations, with their plain columns."""
    tables = {} if session.intervals is None else dict(session.intervals.items())
    for name in ("trials", "epochs", "invalid_times"):
        if getattr(session, name, None) is not None:
            tables.setdefault(name, getattr(session, name))
    return {name: plain_columns(table) for name, table in tables.items()}


def plain_columns(table: Any) -> pd.DataFrame:
    """Return the columns of a table that hold one number or text per row."""
    columns = {}
    for name in table.colnames:
        column = table[name]
        # Ragged columns are read through their index, references through their table.
        if type(column).__name__ in ("VectorIndex", "DynamicTableRegion"):
            continue
        values = np.asarray(column.data[:])
        if values.ndim == 1 and (values.dtype.kind in "fiubUS" or _is_text(values)):
            columns[str(name)] = values.astype(str) if values.dtype.kind in "US" else values
            if values.dtype.kind == "O":
                columns[str(name)] = np.array([label_text(value) for value in values], dtype=object)
    return pd.DataFrame(columns)


def _is_text(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "O" and all(isinstance(value, str | bytes) for value in values)


def unit_table(session: Any) -> pd.DataFrame:
    """Return a row per sorted unit: `name`, `roi` where electrodes say it, and the plain columns."""
    units = session.units
    names = [f"unit{label_text(i)}" for i in units.id[:]]
    table = pd.DataFrame({"name": names})
    for column, values in plain_columns(units).items():
        table[str(column) if str(column) not in ("name", "unit", "kind") else f"unit_{column}"] = values
    places = _places(units)
    if places is not None and "roi" not in table:
        table["roi"] = places
    return table


def _places(units: Any) -> list[str] | None:
    """Return the location of each unit's electrode, where all are known."""
    if "electrodes" in units.colnames:
        found = [list(units["electrodes"][row]["location"])[:1] for row in range(len(units))]
        places = [str(each[0]) if each else "" for each in found]
    elif "electrode_group" in units.colnames:
        places = [str(group.location) for group in units["electrode_group"][:]]
    else:
        return None
    return None if any(place.strip().lower() in _UNKNOWN_PLACES for place in places) else places


def spike_times(session: Any, rows: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Return the spike times of some units, in seconds."""
    column = session.units["spike_times"]
    return [np.asarray(column[int(row)], dtype=np.float64) for row in rows]


def observed(session: Any, rows: NDArray[np.intp]) -> list[NDArray[np.float64]] | None:
    """Return the (start, stop) intervals during which each unit was observed; None where not told."""
    if "obs_intervals" not in session.units.colnames:
        return None
    column = session.units["obs_intervals"]
    intervals = [np.asarray(column[int(row)], dtype=np.float64).reshape(-1, 2) for row in rows]
    return intervals if all(len(each) for each in intervals) else None


def fluorescence(session: Any, wanted: str | None, place: str) -> Traces:
    """Return the traces of a session: the only dF/F, or the series that is wanted.

    Raises
    ------
    InputError
        If there is none, several would do, or there is no such.
    """
    series = fluorescence_series(session)
    by_name = {name: each for name, each in series.items() if wanted is None or wanted in (name, each.name)}
    if wanted is not None and not by_name:
        raise InputError(f"{place}: `series` is {wanted!r}, {did_you_mean(wanted, list(series))}")
    if wanted is None:
        ratios = {name: each for name, each in by_name.items() if "DfOverF" in name}
        by_name = ratios or by_name
    if len(by_name) != 1 or (wanted is None and not ratios):
        shown = "; ".join(f"{n} ({' x '.join(map(str, s.data.shape))}, {s.unit})" for n, s in series.items())
        raise InputError(
            f"{place} has {'several' if len(by_name) > 1 else 'no'} series of dF/F; choose one with "
            "`series`: "
            f"{shown or 'none'}."
        )
    name, chosen = next(iter(by_name.items()))
    values = np.asarray(chosen.data[:])
    values = values[:, None] if values.ndim == 1 else values
    if chosen.conversion != 1.0 or chosen.offset != 0.0:
        values = values * chosen.conversion + chosen.offset
    if chosen.timestamps is not None:
        times = np.asarray(chosen.timestamps[:], dtype=np.float64)
    else:
        times = chosen.starting_time + np.arange(len(values)) / chosen.rate
    table = chosen.rois.table
    names = [f"roi{label_text(i)}" for i in np.asarray(table.id[:])[np.asarray(chosen.rois.data[:])]]
    if len(names) != values.shape[1]:
        raise InputError(f"{place}: {name} has {values.shape[1]} traces, but names {len(names)} cells.")
    return Traces(values, times, names, "dF/F" if "DfOverF" in name else str(chosen.unit))


def fluorescence_series(session: Any) -> dict[str, Any]:
    """Return the series of a session's cells, by the path that leads to them."""
    found = {}
    for module in session.processing.values():
        for interface in module.data_interfaces.values():
            inside = getattr(interface, "roi_response_series", {interface.name: interface})
            for name, each in inside.items():
                if type(each).__name__ == "RoiResponseSeries":
                    found["/".join(dict.fromkeys((module.name, interface.name, name)))] = each
    return found
