"""From a continuous M/EEG file to a recording: cleaned, cut around events or kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...preprocessing.meeg.cleaning import Cleaning, clean_raw
from ...preprocessing.meeg.epoching import epochs_of_raw
from ...preprocessing.meeg.events import annotation_events, event_table, stim_channel_events
from ...preprocessing.meeg.sensors import place_sensors
from ...recordings.recording import Recording
from .._tables import read_table
from ._times import rate_of, same_times
from .epochs import recording_of_epochs, recording_of_raw
from .raw import open_raw_with_notes

if TYPE_CHECKING:
    import mne

_NOT_AVAILABLE = ("", "n/a", "N/A", "nan", "None")


class _Sensors(TypedDict):
    """What recordings of runs take over from the call."""

    subject: str
    picks: str | Sequence[str]
    montage: str | None


def read_meeg(
    path: str | Path | mne.io.BaseRaw | Sequence[str | Path | mne.io.BaseRaw],
    *,
    subject: str,
    events: str | Path | pd.DataFrame | Sequence[str | Path | pd.DataFrame] | None = None,
    event_column: str | None = None,
    event_names: Sequence[str] | None = None,
    stimulus_column: str | None = None,
    epochs: bool = True,
    tmin_s: float = -0.2,
    tmax_s: float = 0.8,
    cleaning: Cleaning | None = None,
    picks: str | Sequence[str] = "data",
    montage: str | None = None,
) -> Recording:
    """Read one subject's continuous recording, or several runs of it.

    Parameters
    ----------
    path : str, Path, mne.io.BaseRaw or sequence of them
        See :func:`alignkit.datasets.open_raw`. Several are runs: each is cleaned by itself, and the samples
        get a column `run` that counts from 1.
    subject : str
        Name of the subject.
    events : str, Path, DataFrame or sequence of them, optional
        Per run, a table with `onset` (or `onset_s`) in seconds from the run's first sample, and a column that
        names the events. By default the file's annotations, or else its stimulus channel; a note says which.
    event_column : str, optional
        Column that names the events; by default the first of `stimulus_id`, `trial_type`, `event` and
        `description` that is there. Events without a name are left out, with a note.
    event_names : sequence of str, optional
        The events to keep; by default all.
    stimulus_column : str, optional
        Column that names the stimulus, where the event does not.
    epochs : bool, default=True
        Cut around events; otherwise every time point is a sample, for stories and films.
    tmin_s, tmax_s : float
        Of the epochs, in seconds from onset; both included.
    cleaning : Cleaning, optional
        Filters, bad channels, reference, sampling rate, clamping, baseline and rejection; by default none.
    picks : str or sequence of str, default="data"
        Channel types or names. Bad channels are left out, unless they are named.
    montage : str, optional
        For sensors without positions: a standard montage of MNE, a file of positions, or ``"none"`` to do
        without, and so without maps.

    Returns
    -------
    recording : Recording
        data (n_epochs, n_channels, n_times), or (n_samples, n_channels), in V, T, T/m or M.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If a file is damaged or in another unit, events do not fit, runs differ in channels or sampling rate,
        or nothing is left.

    Examples
    --------
    >>> recording = read_meeg(
    ...     "sub-01_eeg.vhdr",
    ...     subject="sub-01",
    ...     events="sub-01_events.tsv",
    ...     cleaning=Cleaning(high_pass_hz=0.1, low_pass_hz=40.0, reference="average"),
    ... )  # doctest: +SKIP
    """
    runs = list(path) if isinstance(path, Sequence) and not isinstance(path, str) else [path]
    tables = _tables(events, len(runs))
    if not epochs and events is not None:
        raise InputError("`events` are for epochs; leave them out, or set `epochs` to true.")
    cleaning = cleaning or Cleaning()
    sensors: _Sensors = {"subject": subject, "picks": picks, "montage": montage}
    recordings = []
    for number, (run, table) in enumerate(zip(runs, tables, strict=True), start=1):
        raw, where, notes = _opened(run, montage, "the recording" if len(runs) == 1 else f"run {number}")
        wanted = _events(raw, table, event_column, event_names, where) if epochs else None
        cleaned, more = clean_raw(raw, cleaning, where=where)
        notes = (*notes, *more)
        if wanted is None:
            notes = (*notes, *_bad_stretches(cleaned, where))
            run_name = number if len(runs) > 1 else None
            recordings.append(recording_of_raw(cleaned, **sensors, run=run_name, notes=notes, where=where))
            continue
        found, said = wanted
        made = epochs_of_raw(
            cleaned,
            found,
            tmin_s=tmin_s,
            tmax_s=tmax_s,
            baseline_s=cleaning.baseline_s,
            reject=cleaning.reject,
            event_column="event",
            where=where,
        )
        notes = (*notes, *said)
        recordings.append(
            recording_of_epochs(made, **sensors, stimulus_column=stimulus_column, notes=notes, where=where)
        )
    return join_runs(recordings, names=[_name(run) for run in runs])


def join_runs(recordings: Sequence[Recording], *, names: Sequence[str]) -> Recording:
    """Put runs of one subject one after the other; `run` counts from 1 and repetitions go on counting.

    Raises
    ------
    InputError
        If runs differ in channels, unit, times or sampling rate.
    """
    if len(recordings) == 1:
        return recordings[0]
    first = recordings[0]
    for name, other in zip(names[1:], recordings[1:], strict=True):
        if list(other.channels["name"]) != list(first.channels["name"]):
            differing = sorted(set(other.channels["name"]) ^ set(first.channels["name"]))
            raise InputError(
                f"{name} has other channels than {names[0]} ({', '.join(differing[:5]) or 'another order'}). "
                "Set `picks` to the channels of all runs, or interpolate bad channels."
            )
        if other.unit != first.unit:
            raise InputError(
                f"{names[0]} is in {first.unit}, {name} in {other.unit}; bring them to one unit."
            )
        if not same_times(first, other):
            raise InputError(
                f"{name} is sampled at {rate_of(other):g} Hz, {names[0]} at {rate_of(first):g} Hz; set "
                "`resample_hz` to bring all runs to one rate."
            )
    samples = pd.concat(
        [recording.samples.assign(run=run) for run, recording in enumerate(recordings, start=1)],
        ignore_index=True,
    )
    if first.times_s is not None:
        samples["repetition"] = samples.groupby("stimulus_id", sort=False).cumcount() + 1
    return replace(
        first,
        data=np.concatenate([recording.data for recording in recordings]),
        samples=samples,
        notes=_joined_notes(recordings),
    )


def _joined_notes(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Return every note, those that not all runs share with the number of the run."""
    shared = set(recordings[0].notes).intersection(*(recording.notes for recording in recordings[1:]))
    notes = []
    for run, recording in enumerate(recordings, start=1):
        for note in recording.notes:
            is_plain = note in shared or note.startswith(f"run {run}: ")
            notes.append(note if is_plain else f"run {run}: {note}")
    return tuple(dict.fromkeys(notes))


def _tables(
    events: str | Path | pd.DataFrame | Sequence[str | Path | pd.DataFrame] | None, n_runs: int
) -> list[pd.DataFrame | None]:
    if events is None:
        return [None] * n_runs
    given = [events] if isinstance(events, str | Path | pd.DataFrame) else list(events)
    if len(given) != n_runs:
        raise InputError(f"there are {n_runs} runs but {len(given)} tables of events; give one per run.")
    return [
        table.copy() if isinstance(table, pd.DataFrame) else read_table(table, texts=("event", "description"))
        for table in given
    ]


def _opened(
    run: str | Path | mne.io.BaseRaw, montage: str | None, name: str
) -> tuple[mne.io.BaseRaw, str, tuple[str, ...]]:
    if isinstance(run, str | Path):
        raw, notes = open_raw_with_notes(run, montage=montage)
        return raw, str(run), notes
    raw = run.copy()
    place_sensors(raw, montage, where=name)
    description = raw.info["description"]
    return raw, name, (f"{name}: {description}.",) if description else ()


def _events(
    raw: mne.io.BaseRaw,
    table: pd.DataFrame | None,
    event_column: str | None,
    event_names: Sequence[str] | None,
    where: str,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the events that are wanted, named in the column `event`, and notes."""
    notes = []
    if table is None:
        table = annotation_events(raw)
        source = "annotations"
        if not len(table) and "stim" not in raw.get_channel_types():
            raise InputError(f"{where} has no annotations and no stimulus channel; give `events`.")
        if not len(table):
            table, source = stim_channel_events(raw, where=where), "stimulus channel"
        notes.append(f"{where}: the events are those of its {source}.")
        event_column = event_column or "description"
    else:
        table, unnamed = _named(table, event_column)
        if unnamed:
            notes.append(f"{where}: {unnamed} events without a name were left out.")
    found = event_table(table, event_column=event_column, where=where)
    if event_names is None:
        return found, tuple(notes)
    known = set(found["event"])
    for name in event_names:
        if name not in known:
            raise InputError(f"`event_names` holds {name!r}, {did_you_mean(name, known)}")
    kept = found["event"].isin(list(event_names))
    if not kept.all():
        notes.append(f"{where}: {int((~kept).sum())} events of other names were left out.")
    return found[kept].reset_index(drop=True), tuple(notes)


def _named(table: pd.DataFrame, event_column: str | None) -> tuple[pd.DataFrame, int]:
    names = [event_column] if event_column else ["stimulus_id", "trial_type", "event", "description"]
    column = next((name for name in names if name in table), None)
    if column is None:
        return table, 0
    unnamed = table[column].isna() | table[column].astype(str).str.strip().isin(_NOT_AVAILABLE)
    return table[~unnamed], int(unnamed.sum())


def _bad_stretches(raw: mne.io.BaseRaw, where: str) -> tuple[str, ...]:
    bad = [each for each in raw.annotations if str(each["description"]).upper().startswith("BAD")]
    if not bad:
        return ()
    seconds = sum(float(each["duration"]) for each in bad)
    return (
        f"{where}: {len(bad)} stretches annotated bad ({seconds:g} s) are kept in a continuous recording.",
    )


def _name(run: str | Path | mne.io.BaseRaw) -> str:
    return str(run) if isinstance(run, str | Path) else "a recording"
