"""Spike times and a table of what was shown when, as any laboratory can write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_finite, check_unique
from ..._core.errors import InputError
from ...recordings.recording import Recording
from .._arrays import ARRAY_SUFFIXES, read_array, read_names, require_file
from .._assembly import dataset_of
from .._dataset import DATASETS, Dataset
from .._tables import read_table
from ._trials import Window, count_trials, ordered_trials

_UNIT, _TIME = "unit", "time_s"


def read_spikes(
    spikes: str | Path,
    events: str | Path,
    *,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    units: str | Path | None = None,
    recorded_s: tuple[float, float] | None = None,
    subject: str = "subject",
) -> Recording:
    """Count spikes around the onset of every stimulus.

    Parameters
    ----------
    spikes : str or Path
        A row per spike with `unit` and `time_s`: a table (csv, tsv, parquet), or two vectors of those names
        in a npz, mat or HDF5 file. In any order.
    events : str or Path
        A table with `stimulus_id` and `onset_s`, a row per presentation; other columns are kept.
    start_s, stop_s, bin_s : float
        Window and bins in seconds from onset; see
        :func:`alignkit.preprocessing.spike_counts.bin_spikes` for the rule.
    units : str or Path, optional
        A table with a row per unit: `unit`, and what is known of it (`roi`, `kind`, positions). Sets the
        order of the units; units without a spike are known by it alone.
    recorded_s : tuple of 2 float, optional
        When the recording began and ended. Where given, windows that leave it are refused; otherwise those
        wholly before the first or after the last spike of all units, and those that end later than the last
        spike by more than a tenth of the spikes' span (and 1 s).
    subject : str
        Name of the subject.

    Returns
    -------
    recording : Recording
        data (n_samples, n_units[, n_bins]) in spikes, samples in order of onset.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If columns are missing, times are no numbers, trials lie outside the recording, units are unknown,
        or a spike stands there twice.
    """
    window = Window(start_s, stop_s, bin_s)
    names, times = _read_spike_times(Path(spikes))
    table = read_table(events, needs=("stimulus_id", "onset_s"))
    samples, notes = ordered_trials(table, str(events))
    channels = _channels(names, Path(spikes), units)
    codes = pd.Index(channels["name"]).get_indexer(names)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(channels)))[:-1]
    data = count_trials(
        np.split(times[order], ends),
        samples["onset_s"].to_numpy(dtype=np.float64),
        str(events),
        window,
        recorded_s=recorded_s,
    )
    return Recording(
        data,
        samples,
        channels,
        times_s=window.times_s,
        subject=subject,
        modality="spikes",
        unit="spikes",
        notes=notes,
    )


@DATASETS.register(
    "spikes",
    modality="spikes",
    subjects="one",
    stimuli="your own",
    shape="presentations x units (x bins)",
    unit="spikes",
    licence="your own",
    citation="your own",
    source="your own files: a table of spikes (unit, time_s) and a table of events (stimulus_id, onset_s)",
    sha256={},
    summary="Spike times and stimulus onsets in tables or arrays, counted in bins.",
)
def load_spikes(
    *,
    spikes: Path,
    events: Path,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    units: Path | None = None,
    recorded_s: tuple[float, float] | None = None,
    subject: str = "subject",
    stimuli: Path | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read spike times and what was shown.

    Parameters
    ----------
    spikes, events : Path
        See :func:`read_spikes`.
    start_s, stop_s, bin_s, units, recorded_s, subject
        See :func:`read_spikes`.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    conditions : str, optional
        Column of the samples that carries the condition, where it is not the stimulus.

    Returns
    -------
    dataset : Dataset
        One subject. `labels` are the columns of the events that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        See :func:`read_spikes`.
    """
    recording = read_spikes(
        spikes,
        events,
        start_s=start_s,
        stop_s=stop_s,
        bin_s=bin_s,
        units=units,
        recorded_s=recorded_s,
        subject=subject,
    )
    files = (spikes, events, *(() if units is None else (units,)))
    return dataset_of("spikes", [recording], files=files, stimuli=stimuli, conditions=conditions)


def _read_spike_times(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Return the unit and the time of every spike."""
    if require_file(path).suffix.lower() not in ARRAY_SUFFIXES:
        table = read_table(path, needs=(_UNIT, _TIME), texts=(_UNIT,))
        if not pd.api.types.is_numeric_dtype(table[_TIME]):
            raise InputError(f"{path}: `{_TIME}` must hold numbers, got {table[_TIME].iloc[0]!r}.")
        names, times = list(table[_UNIT]), table[_TIME].to_numpy(dtype=np.float64)
    else:
        times = _vector(path, _TIME)
        named = read_names(path, [_UNIT])
        is_number = named is None or all(map(_is_number, named))
        names = _whole(path, _vector(path, _UNIT)) if is_number else list(named or ())
    if len(names) != len(times):
        raise InputError(f"{path} names the unit of {len(names)} spikes, but has {len(times)} times.")
    check_finite(f"{path}: {_TIME}", times)
    twice = pd.DataFrame({_UNIT: pd.factorize(np.array(names, dtype=object))[0], _TIME: times}).duplicated()
    if twice.any():
        row = int(twice.to_numpy().argmax())
        raise InputError(
            f"{path}: {int(twice.sum())} of {len(times)} spikes stand there twice, such as that of unit "
            f"{names[row]} at {times[row]:g} s; each would be counted again. Drop the copies."
        )
    return names, times


def _vector(path: Path, variable: str) -> NDArray[np.float64]:
    array = read_array(path, variable=variable, ndims=(1, 2))
    # MATLAB keeps a vector as a matrix of one row or column.
    if array.ndim == 2 and 1 not in array.shape:
        raise InputError(f"{path}: {variable} must be a vector with an entry per spike, got {array.shape}.")
    return array.ravel().astype(np.float64)


def _whole(path: Path, units: NDArray[np.float64]) -> list[str]:
    if not (np.isfinite(units).all() and (units == np.rint(units)).all()):
        raise InputError(f"{path}: {_UNIT} must hold whole numbers or names.")
    return [str(int(unit)) for unit in units]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _channels(names: list[str], spikes: Path, units: str | Path | None) -> pd.DataFrame:
    seen = list(dict.fromkeys(names))
    if units is None:
        # Numbers in order of size, names in that of the alphabet.
        ordered = sorted(
            seen, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)
        )
        return pd.DataFrame({"name": ordered, "kind": "neuron", "unit": "spikes"})
    table = read_table(units, needs=(_UNIT,), texts=(_UNIT,)).rename(columns={_UNIT: "name"})
    check_unique(f"{_UNIT} of {units}", list(table["name"]))
    unknown = sorted(set(seen) - set(table["name"]))
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(seen)} units of {spikes} are not in {units}: {', '.join(unknown[:5])}. "
            "Add "
            "them to the table, or take out their spikes."
        )
    return table.assign(kind=table["kind"] if "kind" in table else "neuron", unit="spikes")
