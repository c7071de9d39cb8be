"""One subject's MEG, EEG or intracranial runs of a BIDS tree: read, cleaned, cut and joined."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...preprocessing.meeg.cleaning import Cleaning, clean_raw
from ...preprocessing.meeg.epoching import epochs_of_raw
from ...preprocessing.meeg.sensors import place_sensors
from ...recordings.recording import Recording
from .._arrays import readable
from .._tables import read_table
from ..meeg._file_checks import check_whole
from ..meeg.epochs import recording_of_epochs, recording_of_raw
from ..meeg.raw import settle_headers
from .index import BidsIndex
from .possibilities import Run, label_runs, run_numbers
from .sidecars import channels_of, metadata

if TYPE_CHECKING:
    import mne

# Sensors that moved less than this between runs, relative to the head, are noted by nobody.
_MOVED_MM = 5.0
_LONGEST_NOTE = 300
_STATUSES = ("good", "bad", "n/a", "")
_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9, "pV": 1e-12, "kV": 1e3}


@dataclass(frozen=True)
class Cut:
    """How runs become epochs.

    Attributes
    ----------
    cleaning : Cleaning
        Before and after the cut.
    window_s : tuple of float or None
        Begin and end of the epochs, in seconds from onset; None keeps every time point.
    picks : str or sequence of str
        Channel types or names.
    montage : str or None
        Where sensors are, if the data set does not say.
    """

    cleaning: Cleaning
    window_s: tuple[float, float] | None
    picks: str | Sequence[str] = "data"
    montage: str | None = None


def read_sensors(
    index: BidsIndex, runs: Sequence[Run], events: Sequence[pd.DataFrame | None], *, subject: str, cut: Cut
) -> Recording:
    """Read one subject's runs and join their epochs.

    Parameters
    ----------
    index : BidsIndex
        The tree.
    runs : sequence of Run
        In the order in which they are joined.
    events : sequence of DataFrame or None
        Of each run; None where every time point is kept.
    subject : str
        The recording's subject.
    cut : Cut
        What to do.

    Raises
    ------
    MissingDataError
        If mne-bids is not installed.
    InputError
        If a file cannot be read, an event lies outside its run, or runs differ in channels or sampling rate.
    """
    parts: list[Recording] = []
    channels: list[list[str]] = []
    rates: list[float] = []
    notes: list[str] = []
    plan = list(zip(runs, run_numbers(runs), events, strict=True))
    for run, number, table in track(plan, f"reading the runs of {subject}"):
        raw, said = open_run(index, run)
        place_sensors(raw, cut.montage, where=str(run))
        cleaned, done = clean_raw(raw, cut.cleaning, where=str(run))
        notes += [*said, *done]
        rates.append(float(cleaned.info["sfreq"]))
        channels.append(_channels(cleaned, cut.picks))
        _check_alike(runs, rates, channels)
        part = _cut(cleaned, table, run, number, subject, cut)
        parts.append(replace(part, notes=tuple(note.replace(subject, str(run), 1) for note in part.notes)))
    return _joined(parts, runs, notes)


def _cut(
    raw: mne.io.BaseRaw, table: pd.DataFrame | None, run: Run, number: int, subject: str, cut: Cut
) -> Recording:
    where = str(run)
    if cut.window_s is None or table is None:
        return recording_of_raw(
            raw, subject=subject, picks=cut.picks, montage=cut.montage, run=number, where=where
        )
    epochs = epochs_of_raw(
        raw,
        table,
        tmin_s=cut.window_s[0],
        tmax_s=cut.window_s[1],
        baseline_s=cut.cleaning.baseline_s,
        reject=cut.cleaning.reject,
        event_column="stimulus_id",
        where=where,
    )
    return recording_of_epochs(epochs, subject=subject, picks=cut.picks, montage=cut.montage, where=where)


def open_run(index: BidsIndex, run: Run) -> tuple[mne.io.BaseRaw, list[str]]:
    """Open one run with what BIDS says of its channels, bad ones, units and positions.

    Returns
    -------
    raw : mne.io.BaseRaw
        Not loaded.
    notes : list of str
        What mne-bids warns of, and sidecars that are missing.

    Raises
    ------
    MissingDataError
        If mne-bids is not installed.
    InputError
        If the file cannot be read, its sampling rate is not the sidecar's, or a channel's status is unknown.
    """
    try:
        import mne_bids
    except ImportError as error:
        raise MissingDataError(
            'reading MEG, EEG and intracranial BIDS data needs mne-bids; pip install "alignkit[bids]"'
        ) from error
    file = run.file
    # That a BrainVision file has no markers is of no concern: BIDS has the events in a table.
    whole = check_whole(file.path) if file.path.is_file() else []
    notes = [note for note in whole if "no marker" not in note]
    path = mne_bids.get_bids_path_from_fname(file.path, check=False, verbose="error")
    path.update(root=file.root, datatype=file.datatype)
    with warnings.catch_warnings(record=True) as caught, readable(file.path, f"{file.datatype} of BIDS"):
        warnings.simplefilter("always")
        raw = mne_bids.read_raw_bids(path, verbose="warning")
    said = dict.fromkeys(
        " ".join(str(each.message).split())[:_LONGEST_NOTE]
        for each in caught
        if not issubclass(each.category, (DeprecationWarning, FutureWarning))
    )
    notes += [f"{run}: {message}" for message in said]
    settle_headers(raw, file.path)
    described = channels_of(index, file)
    if described is None:
        notes.append(f"{run} has no channels.tsv: types and bad channels are those of the recording's file.")
    else:
        notes += _check_channels(raw, described, run)
    rate = metadata(index, file).get("SamplingFrequency")
    if isinstance(rate, int | float) and abs(float(rate) - float(raw.info["sfreq"])) > 1e-3 * float(rate):
        raise InputError(
            f"{file.relative} has {raw.info['sfreq']:g} samples per second but {rate:g} in its sidecar "
            "(SamplingFrequency); correct the one that is wrong."
        )
    frame = _frame(raw)
    if frame != "head":
        notes.append(f"{run}: positions are {frame} coordinates, not those of the head.")
    if raw.info.get("maxshield"):
        notes.append(f"{run} was recorded with active shielding and not processed by MaxFilter.")
    return raw, notes


def _check_channels(raw: mne.io.BaseRaw, path: Path, run: Run) -> list[str]:
    """Refuse a status that is none of BIDS; return a note on units that are not those of the file."""
    table = read_table(path, texts=("name", "status", "units"))
    if "name" not in table:
        return []
    if "status" in table:
        odd = table[~table["status"].str.casefold().isin(_STATUSES)]
        if len(odd):
            found = ", ".join(
                f"{name} {said!r}" for name, said in zip(odd["name"], odd["status"], strict=True)
            )
            raise InputError(
                f"{path} gives {len(odd)} channels a status that is none of good, bad and n/a "
                f"({found[:200]}); correct it."
            )
    if "units" not in table:
        return []
    # A FIF file is in SI units; other readers of MNE keep what the header says.
    of_file = getattr(raw, "_orig_units", None) or (
        dict.fromkeys(raw.ch_names, "V") if run.file.path.suffix == ".fif" else {}
    )
    differing = []
    for name, unit in zip(table["name"], table["units"], strict=True):
        said, kept = _volts(unit), _volts(str(of_file.get(name, "")))
        if said is not None and kept is not None and said != kept:
            differing.append(f"{name} {unit}, in the file {of_file[name]}")
    if not differing:
        return []
    return [
        f"{run}: channels.tsv gives {len(differing)} channels another unit than the recording's file, which "
        f"counts: {'; '.join(differing[:5])}."
    ]


def _volts(unit: str) -> float | None:
    """Return how many volts a unit is; None where it is no voltage."""
    plain = unit.strip().replace("\u00b5", "u").replace("\u03bc", "u")
    return _VOLTS.get(plain)


def _frame(raw: mne.io.BaseRaw) -> str:
    """Return the coordinate frame of electrodes."""
    montage = raw.get_montage()
    frame = None if montage is None else montage.get_positions()["coord_frame"]
    return "head" if frame is None or frame == "unknown" else str(frame)


def _channels(raw: mne.io.BaseRaw, picks: str | Sequence[str]) -> list[str]:
    """Return the channels that must be in every run."""
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    if not isinstance(picks, str) and set(picks) <= set(raw.ch_names):
        return list(picks)
    return [name for name in raw.ch_names if kinds[name] not in ("stim", "misc", "syst")]


def _check_alike(runs: Sequence[Run], rates: Sequence[float], channels: Sequence[list[str]]) -> None:
    """Refuse a run whose sampling rate or channels are not those of the first."""
    last = len(rates) - 1
    if abs(rates[last] - rates[0]) > 1e-6 * rates[0]:
        raise InputError(
            f"the runs have different sampling rates: {runs[0]} {rates[0]:g} Hz, {runs[last]} "
            f"{rates[last]:g} Hz. "
            "Set `resample_hz` to bring all to one, or choose runs of one rate."
        )
    here, first = set(channels[last]), set(channels[0])
    if here != first:
        differing = sorted(here ^ first)
        raise InputError(
            f"{runs[last]} has other channels than {runs[0]}: {len(differing)} are in one of them only "
            f"({', '.join(differing[:8])}). Name the channels that all runs have as `picks`, or choose "
            "other runs."
        )


def _joined(parts: Sequence[Recording], runs: Sequence[Run], notes: Sequence[str]) -> Recording:
    first = parts[0]
    names = [list(part.channels["name"]) for part in parts]
    shared = [name for name in names[0] if all(name in set(others) for others in names)]
    lost = sorted({name for each in names for name in each} - set(shared))
    if not shared:
        raise InputError(f"no channel of {first.subject} is good in every run; see the channels.tsv files.")
    own_notes = list(notes)
    if lost:
        own_notes.append(
            f"{len(lost)} channels that are bad in some run were left out of all: {', '.join(lost)}."
        )
    kept = [
        part.select(channels=[each.index(name) for name in shared])
        for part, each in zip(parts, names, strict=True)
    ]
    moved = _moved_mm(kept)
    if moved > _MOVED_MM:
        own_notes.append(
            f"Sensors lie up to {moved:.0f} mm apart between runs, relative to the head; their places are "
            "those of the first run."
        )
    codes = np.repeat(np.arange(len(kept)), [part.n_samples for part in kept])
    samples = pd.concat([part.samples for part in kept], ignore_index=True)
    for column in samples.columns:
        if pd.api.types.is_object_dtype(samples[column]) or pd.api.types.is_string_dtype(samples[column]):
            samples[column] = samples[column].map(lambda value: "" if pd.isna(value) else str(value))
    if "duration_s" in samples and samples["duration_s"].isna().all():
        samples = samples.drop(columns="duration_s")
    samples["repetition"] = samples.groupby("stimulus_id", sort=False).cumcount() + 1
    return replace(
        kept[0],
        data=np.concatenate([np.asarray(part.data) for part in kept]),
        samples=label_runs(samples, codes, runs),
        notes=tuple(dict.fromkeys([*own_notes, *(note for part in parts for note in part.notes)])),
    )


def _moved_mm(parts: Sequence[Recording]) -> float:
    """Return how far a channel's place moves between runs."""
    columns = ["x_mm", "y_mm", "z_mm"]
    places = [part.channels[columns].to_numpy(dtype=np.float64) for part in parts]
    steps = [np.linalg.norm(place - places[0], axis=1) for place in places[1:]]
    return max((float(np.nanmax(step)) for step in steps if np.isfinite(step).any()), default=0.0)
