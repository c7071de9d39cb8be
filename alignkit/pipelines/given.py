"""From the files that a person points at to the dataset that reads them."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core.errors import InputError, MissingDataError

VOLUMES = (".nii", ".nii.gz")
EPOCHS = ("-epo.fif", "_epo.fif", "-epo.fif.gz", "_epo.fif.gz")
SENSORS = (
    ".fif", ".fif.gz", ".edf", ".bdf", ".gdf", ".vhdr", ".set", ".ds", ".snirf", ".con", ".sqd", ".cnt",
)  # fmt: skip
_SUBJECT = "subject"
_VOLUME_FILES = ("mask", "atlas", "atlas_labels")


@dataclass(frozen=True)
class Given:
    """A recording as the command line names it.

    Attributes
    ----------
    recording : tuple of Path
        A matrix, a BIDS folder, runs of fMRI (NIfTI) or of M/EEG, one NWB file, or one Brain-Score assembly.
    stimuli : Path or None
        Folder of images.
    samples, channels : Path or None
        Tables that go with a matrix.
    events : tuple of Path
        A table per run.
    subject : str or None
        The one that is meant.
    variable : str or None
        Of a matrix file that holds several arrays.
    transpose : bool
        Whether a matrix file holds channels x samples.
    options : mapping
        Further options of the dataset, such as ``{"delay_s": 4}``.
    dataset : str or None
        Name of a data set that alignkit knows, instead of files.
    """

    recording: tuple[Path, ...] = ()
    stimuli: Path | None = None
    samples: Path | None = None
    channels: Path | None = None
    events: tuple[Path, ...] = ()
    subject: str | None = None
    variable: str | None = None
    transpose: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str | None = None

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.dataset or self.recording[0].name

    def component(self) -> dict[str, Any]:
        """Return the `dataset` of a configuration: a kind and its options.

        Raises
        ------
        MissingDataError
            If a path is not there.
        InputError
            If an option does not go with such files, or files of different kinds are named.
        """
        if self.dataset is not None:
            return _named(self, self.dataset)
        for path in (*self.recording, *self.events):
            if not path.exists():
                raise MissingDataError(f"{path} does not exist; check the name and where it lies.")
        for name in ("kind", "recording", "folder"):
            if name in self.options:
                raise InputError(f"--set {name}=... would name other data than `--recording`; leave it out.")
        kind = _kind_of(self.recording)
        made = _MAKERS[kind](self)
        if self.stimuli is not None:
            made["stimuli"] = str(self.stimuli.resolve())
        # What a maker wrote of an option, such as a path below the folder, stands.
        return {"kind": kind, **{**self.options, **made}}


def _kind_of(paths: Sequence[Path]) -> str:
    if not paths:
        raise InputError(
            "no recording is named; give `--recording`, or `--dataset` (names: `alignkit list datasets`)."
        )
    kinds = list(dict.fromkeys(_kind_of_one(path) for path in paths))
    if len(kinds) > 1:
        raise InputError(
            f"the recordings are of different kinds ({', '.join(kinds)}); give runs of one kind."
        )
    if len(paths) > 1 and kinds[0] not in ("nifti", "meeg"):
        raise InputError(f"several runs of {paths[0].name} cannot be joined; give one recording.")
    return kinds[0]


def _kind_of_one(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(VOLUMES):
        return "nifti"
    if name.endswith(EPOCHS):
        return "fif"
    if name.endswith(SENSORS):
        return "meeg"
    if name.endswith(".nwb"):
        return "nwb"
    if name.endswith(".nc"):
        return "brainscore"
    if path.is_dir() and not name.endswith(".zarr"):
        described = (path / "dataset_description.json").is_file()
        if described or any(path.glob("sub-*")):
            return "bids"
        raise InputError(
            f"{path} is a folder, but no BIDS data set (no dataset_description.json and no sub-*); name a "
            "file."
        )
    return "matrix"


def _named(given: Given, dataset: str) -> dict[str, Any]:
    what = f"the data set {dataset!r}, which has its own"
    _refuse(given, what, recording=given.recording, events=given.events, transpose=given.transpose)
    _refuse(given, what, samples=given.samples, channels=given.channels, variable=given.variable)
    made: dict[str, Any] = {"kind": dataset, **given.options}
    if given.subject is not None:
        made["subjects"] = [given.subject]
    return made if given.stimuli is None else {**made, "stimuli": str(given.stimuli.resolve())}


def _matrix(given: Given) -> dict[str, Any]:
    _refuse(given, "a matrix", events=given.events)
    made: dict[str, Any] = {"recording": str(given.recording[0].resolve()), "transpose": given.transpose}
    for name, value in (("samples", given.samples), ("channels", given.channels)):
        if value is not None:
            made[name] = str(value.resolve())
    if given.variable is not None:
        made["variable"] = given.variable
    if given.subject is not None:
        made["subject"] = given.subject
    return made


def _bids(given: Given) -> dict[str, Any]:
    _refuse_table(given, "a BIDS folder")
    _refuse(given, "a BIDS folder (it has its own)", events=given.events)
    made: dict[str, Any] = {"folder": str(given.recording[0].resolve())}
    return made if given.subject is None else {**made, "subjects": [given.subject]}


def _nifti(given: Given) -> dict[str, Any]:
    _refuse_table(given, "NIfTI runs")
    if len(given.events) != len(given.recording):
        raise InputError(
            f"{len(given.recording)} NIfTI run(s) need as many `--events` tables, got {len(given.events)}."
        )
    named = {name: Path(str(given.options[name])) for name in _VOLUME_FILES if name in given.options}
    files = {name: path for name, path in named.items() if path.is_file()}
    folder, recording, events = _below_one_folder(given, *files.values())
    made = {"folder": folder, "bold": recording, "events": events, "subjects": [given.subject or _SUBJECT]}
    below = {name: _pattern(path.resolve(), Path(folder)) for name, path in files.items()}
    return {**made, **below}


def _meeg(given: Given) -> dict[str, Any]:
    _refuse_table(given, "M/EEG runs")
    folder, recording, events = _below_one_folder(given)
    made: dict[str, Any] = {"folder": folder, "pattern": recording, "subjects": [given.subject or _SUBJECT]}
    return {**made, "events": events} if events else made


def _fif(given: Given) -> dict[str, Any]:
    _refuse_table(given, "MNE epochs")
    _refuse(given, "MNE epochs (their metadata name the stimuli)", events=given.events)
    folder, recording, _ = _below_one_folder(given)
    return {"folder": folder, "pattern": recording[0], "subjects": [given.subject or _SUBJECT]}


def _nwb(given: Given) -> dict[str, Any]:
    _refuse_table(given, "an NWB file")
    _refuse(given, "an NWB file (it has its own)", events=given.events)
    made: dict[str, Any] = {"path": str(given.recording[0].resolve())}
    return made if given.subject is None else {**made, "subjects": [given.subject]}


def _brainscore(given: Given) -> dict[str, Any]:
    _refuse_table(given, "an assembly")
    _refuse(given, "an assembly (it has its own)", events=given.events)
    made: dict[str, Any] = {"assembly": str(given.recording[0].resolve())}
    return made if given.subject is None else {**made, "subjects": [given.subject]}


_MAKERS = {
    "matrix": _matrix,
    "bids": _bids,
    "nifti": _nifti,
    "meeg": _meeg,
    "fif": _fif,
    "nwb": _nwb,
    "brainscore": _brainscore,
}


def _below_one_folder(given: Given, *others: Path) -> tuple[str, list[str], list[str]]:
    """Return the deepest folder that holds all files, and their paths below it as patterns."""
    runs = [path.resolve() for path in given.recording]
    tables = [path.resolve() for path in given.events]
    folder = Path(os.path.commonpath([path.parent for path in (*runs, *tables)]))
    while not all(path.resolve().is_relative_to(folder) for path in others):
        folder = folder.parent
    return str(folder), [_pattern(path, folder) for path in runs], [_pattern(path, folder) for path in tables]


def _pattern(path: Path, folder: Path) -> str:
    return glob.escape(path.relative_to(folder).as_posix())


def _refuse_table(given: Given, what: str) -> None:
    _refuse(given, what, samples=given.samples, channels=given.channels, variable=given.variable)
    if given.transpose:
        raise InputError(f"`--transpose` does not go with {what}; it turns a matrix.")


def _refuse(given: Given, what: str, **options: Any) -> None:
    for name, value in options.items():
        if value:
            raise InputError(f"`--{name}` does not go with {what} ({given.name}); leave it out.")
