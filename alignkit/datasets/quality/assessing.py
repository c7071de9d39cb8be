"""From a path to a report on the quality of its data, a run or subject at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...recordings.recording import Recording
from .._dataset import DATASETS, Dataset
from .._tables import TABLE_SUFFIXES, read_table
from ..bids.index import scan_bids
from ..matrix import read_matrix
from ..spikes._nwb_files import find_nwb_files
from ._array_facts import samples_beside
from ._file_lines import subject_of
from ._public_sets import KnownSet, known_set
from ._run_lists import RunLists, bids_runs, epochs_below, file_runs, is_series, recordings_below
from .describing import describe_path, is_bids
from .inspection import Inspection
from .repetitions import check_values, rdms_quality, recording_quality
from .report import Check, Findings, QualityReport, joined
from .run_by_run import READABLE
from .sensor_amplitude import check_amplitude
from .sensor_runs import sensor_quality
from .spike_sessions import session_quality
from .volume_runs import volume_quality

_FILES_OF_RUNS = (".nii", ".nii.gz", ".fif", ".fif.gz", ".edf", ".bdf", ".vhdr", ".set", ".nwb")
# Beginnings of what a description calls a file.
_RUNS = ("continuous", "NIfTI series", "GIfTI", "CIFTI", "NWB")
_AS_LOADED = ("epochs", "evoked", "NIfTI volume", "rsatoolbox", "Brain-Score", "netCDF", "dissimilarity")


def assess_quality(path: str | Path, *, subject: str | None = None) -> QualityReport:
    """Look at the data of a path and say whether they can be trusted.

    Parameters
    ----------
    path : str or Path
        A BIDS folder, the folder of a public set, a folder of recordings, or one file.
    subject : str, optional
        Of a folder, the one that is looked at, with or without ``sub-``.

    Returns
    -------
    report : QualityReport
        A run that cannot be read is a failed check in it, and the rest goes on.

    Raises
    ------
    MissingDataError
        If there is nothing at that path.
    InputError
        If it holds no data, or no such subject.
    """
    path = Path(path)
    if not path.exists():
        raise MissingDataError(f"{path} does not exist; check the name and where it lies.")
    title = path.resolve().name
    known = known_set(path) if path.is_dir() else None
    if known is not None and not known.missing:
        found, facts = _public(path, known, subject)
        return _report(title, path, facts, found)
    if path.is_dir() and is_bids(path):
        runs = bids_runs(scan_bids(path), subject)
        if not len(runs) and (epochs := epochs_below(path)):
            return _report(title, path, *_of_epochs(epochs, subject))
        return _report(title, path, _facts(runs), _of_runs(runs))
    if path.is_dir() and path.suffix.lower() not in (".ds", ".mff", ".zarr"):
        files, notes = recordings_below(path)
        if not files:
            describe_path(path)
        if files and epochs_below(path) == files:
            return _report(title, path, *_of_epochs(files, subject))
        runs = file_runs(files)
        return _report(title, path, _facts(runs), _of_runs(runs) + Findings(notes=tuple(notes)))
    return _report(title, path, (), _file(path))


def _report(title: str, path: Path, facts: Sequence[tuple[str, str]], found: Findings) -> QualityReport:
    if not found.checks:
        raise InputError(
            f"{path} holds nothing whose quality can be checked; `alignkit inspect {path}` says what it is."
        )
    notes = tuple(dict.fromkeys(found.notes))
    return QualityReport(
        title, str(path.resolve()), tuple(facts), found.checks, found.tables, found.figures, notes
    )


def _of_epochs(paths: Sequence[Path], subject: str | None) -> tuple[list[tuple[str, str]], Findings]:
    """Look at files of epochs, one after the other."""
    known = list(dict.fromkeys(subject_of(path) for path in paths))
    if subject is not None and (label := subject.removeprefix("sub-")) not in known:
        raise InputError(f"there is no subject {subject!r}; there are {', '.join(known)}.")
    chosen = [path for path in paths if subject is None or subject_of(path) == label]
    parts = [_file(path) for path in track(chosen, "looking at epochs")]
    subjects = {subject_of(path) for path in chosen}
    return [("subjects", str(len(subjects))), ("files of epochs", str(len(chosen)))], joined(parts)


def _facts(runs: RunLists) -> list[tuple[str, str]]:
    subjects = {run.subject for run in runs.volumes} | {run.subject for run in runs.sensors}
    counts = (
        ("fMRI runs", len(runs.volumes)),
        ("runs of sensors", len(runs.sensors)),
        ("sessions", len(runs.sessions)),
    )
    named = [("subjects", str(len(subjects)))] if subjects else []
    return [*named, *((name, str(count)) for name, count in counts if count)]


def _of_runs(runs: RunLists) -> Findings:
    parts = [Findings(notes=tuple(runs.notes))]
    if runs.volumes:
        parts.append(volume_quality(runs.volumes))
    if runs.sensors:
        parts.append(sensor_quality(runs.sensors))
    for session in runs.sessions:
        try:
            parts.append(session_quality(find_nwb_files(session, None)[0]))
        except InputError as error:
            parts.append(Findings((Check(READABLE, session.name, "fail", str(error)),)))
    return joined(parts)


def _file(path: Path) -> Findings:
    """Look at one file: as a run where it is one, otherwise as responses."""
    try:
        described = describe_path(path)
        if described.kind.startswith(_RUNS):
            return _of_runs(file_runs([path]))
        if described.kind.startswith(_AS_LOADED):
            return _loaded(described)
        return _matrix(path, described)
    except InputError as error:
        return Findings((Check(READABLE, path.name, "fail", str(error)),))


def _loaded(described: Inspection) -> Findings:
    """Load what the description says, and look at its recordings."""
    if described.dataset is None:
        name = Path(described.path).name
        return Findings((Check(READABLE, name, "warn", f"It is {described.kind}. {described.remark}"),))
    options = {name: value for name, value in described.dataset.items() if name != "kind"}
    options = {
        n: Path(v) if n in ("folder", "assembly", "files", "rdms", "path") else v for n, v in options.items()
    }
    try:
        _register()
        dataset = DATASETS[str(described.dataset["kind"])](**options)
    except InputError as error:
        return Findings((Check(READABLE, Path(described.path).name, "fail", str(error)),))
    return _dataset(dataset)


def _dataset(dataset: Dataset) -> Findings:
    parts = []
    if dataset.study is not None:
        for name in dataset.study.subjects:
            recording = dataset.study[name]
            said = f"{recording.n_samples} samples, {recording.n_channels} channels, unit {recording.unit}."
            parts.append(
                Findings((Check(READABLE, recording.subject, "pass", said), *_amplitude(recording)))
                + recording_quality(recording)
            )
    if dataset.rdms is not None:
        parts.append(rdms_quality(dataset.rdms))
    return joined(parts) + Findings(notes=dataset.notes)


def _amplitude(recording: Recording) -> list[Check]:
    """Check the values of sensors whose unit is known, such as those of epochs."""
    channels = recording.channels
    if not {"kind", "unit"} <= set(channels):
        return []
    is_sensor = channels["unit"].isin(("V", "T", "T/m")).to_numpy()
    data = np.asarray(recording.data[...], dtype=np.float64)[:, is_sensor]
    if not data.size:
        return []
    rest = (0, *range(2, data.ndim))
    kinds = [str(kind) for kind in channels["kind"][is_sensor]]
    return check_amplitude(kinds, data.std(axis=rest), np.abs(data).max(axis=rest), recording.subject)[0]


def _public(path: Path, known: KnownSet, subject: str | None) -> tuple[Findings, list[tuple[str, str]]]:
    """Look at a public set as its loader gives it, and at the runs among its files."""
    facts = [(name, str(known.public.facts[name])) for name in ("modality", "subjects", "shape")]
    if known.needs_options:
        raise InputError(
            f"{path} is the public set {known.kind!r}, whose loader asks for "
            f"{', '.join(known.needs_options)}; look at one of its files."
        )
    options = {"path": path}
    if subject is not None:
        import inspect

        if "subjects" not in inspect.signature(known.load).parameters:
            raise InputError(f"the public set {known.kind!r} is read as a whole; leave `--subject` out.")
        options["subjects"] = [subject]  # type: ignore[assignment]
    try:
        dataset = known.load(**options)
    except InputError as error:
        return Findings((Check(READABLE, known.kind, "fail", str(error)),)), facts
    files = [each for each in dataset.files if each.name.lower().endswith(_FILES_OF_RUNS)]
    series = [
        each for each in files if not each.name.lower().endswith((".nii", ".nii.gz")) or is_series(each)
    ]
    runs = file_runs([each for each in series if "epo" not in each.name.lower()])
    # What was shown when is the loader's to know.
    runs.volumes = [replace(run, is_rest=True) for run in runs.volumes if "mask" not in run.name]
    return _dataset(dataset) + _of_runs(runs), facts


def _matrix(path: Path, described: Inspection) -> Findings:
    """Look at a matrix as it lies in its file, NaN and all, and at its repeats where rows have names."""
    if described.kind in ("table", "table of events", "table of spikes"):
        return Findings(
            (Check(READABLE, path.name, "warn", f"It is a {described.kind}. {described.remark}"),)
        )
    values = read_matrix(path)
    names = [f"c{i}" for i in range(values.shape[1])]
    found = Findings(
        (
            Check(READABLE, path.name, "pass", f"{' x '.join(map(str, values.shape))} {values.dtype}."),
            *check_values(values, names, path.name),
        )
    )
    ids = _ids(path, len(values))
    if ids is None or values.ndim != 2 or not np.isfinite(values).all():
        why = "rows have no names" if ids is None else "it has a time axis or holds NaN"
        return found + Findings(notes=(f"How well responses repeat was not measured: {why}.",))
    repeats = recording_quality(Recording.from_arrays(values, ids, subject=path.name))
    return found + Findings(repeats.checks[2:], repeats.tables, repeats.figures, repeats.notes)


def _ids(path: Path, n_rows: int) -> list[str] | None:
    from .._arrays import read_names

    if path.suffix.lower() in TABLE_SUFFIXES:
        table: pd.DataFrame = read_table(path)
        return [str(value) for value in table["stimulus_id"]] if "stimulus_id" in table else None
    ids = read_names(path, ("stimulus_id", "stimulus_ids"))
    if ids is not None and len(ids) == n_rows:
        return ids
    samples = samples_beside(path, n_rows)
    return None if samples is None else [str(value) for value in read_table(samples)["stimulus_id"]]


def _register() -> None:
    """Import the readers whose kinds a description may name."""
    from ..bids import bids
    from ..exchange import brainscore_dataset, rsatoolbox_dataset
    from ..meeg import fif, meeg

    _ = bids, brainscore_dataset, rsatoolbox_dataset, fif, meeg
