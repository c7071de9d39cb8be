"""From a path to what it holds: a BIDS folder, a public set, a folder of recordings, or one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..._core.errors import InputError, MissingDataError
from .._zarr_stores import is_zarr
from ..bids.describe import describe_bids
from ..bids.index import scan_bids
from ._array_facts import ARRAYS, inspect_arrays, inspect_table
from ._beside import events_beside
from ._exchange_facts import inspect_assembly, inspect_nwb, inspect_rsatoolbox, is_rsatoolbox
from ._file_lines import pattern_of, subject_of
from ._nifti_facts import SURFACES, VOLUMES, inspect_surface, inspect_volume, volumes_dataset
from ._public_sets import KnownSet, known_set
from ._run_lists import epochs_below, recordings_below
from ._sensor_facts import SENSORS, inspect_sensors
from .inspection import Inspection

_TABLES = (".csv", ".tsv", ".parquet")
_SHOWN = 12
_FOLDER_FORMATS = (".ds", ".mff")


def describe_path(path: str | Path) -> Inspection:
    """Say what lies at a path, and how it would be read.

    Parameters
    ----------
    path : str or Path
        A BIDS folder, the folder of a public set, a folder of recordings, or one file.

    Returns
    -------
    inspection : Inspection
        From names and headers; of arrays and events, what it takes to tell them apart.

    Raises
    ------
    MissingDataError
        If there is nothing at that path.
    InputError
        If a folder holds no data, or a file cannot be read or is of no known kind.
    """
    path = Path(path)
    if not path.exists():
        raise MissingDataError(f"{path} does not exist; check the name and where it lies.")
    if path.is_dir() and not is_zarr(path) and not path.name.lower().endswith(_FOLDER_FORMATS):
        return _folder(path)
    lower = path.name.lower()
    if lower.endswith(SURFACES):
        return inspect_surface(path)
    if lower.endswith(VOLUMES):
        return inspect_volume(path)
    if lower.endswith(SENSORS):
        return inspect_sensors(path)
    if lower.endswith(".nwb"):
        return inspect_nwb(path)
    if lower.endswith(".nc"):
        return inspect_assembly(path)
    if lower.endswith(_TABLES):
        return inspect_table(path)
    if lower.endswith((".h5", ".hdf5")) and is_rsatoolbox(path):
        return inspect_rsatoolbox(path)
    if path.is_dir() or lower.endswith(ARRAYS):
        return inspect_arrays(path)
    known = ", ".join((*VOLUMES, *SENSORS, ".nwb", ".nc", *ARRAYS))
    raise InputError(
        f"{path} is of no kind that alignkit reads ({known}); name a recording, or a folder of them."
    )


def is_bids(folder: Path) -> bool:
    """Tell whether a folder is a BIDS data set, by its description or its subjects."""
    has_subjects = any(each.is_dir() for each in folder.glob("sub-*"))
    return (folder / "dataset_description.json").is_file() or has_subjects


def _folder(folder: Path) -> Inspection:
    known = known_set(folder)
    if known is not None and not (known.missing and is_bids(folder)):
        return _public(folder, known)
    if is_bids(folder):
        summary = describe_bids(scan_bids(folder))
        if not summary.choices and (epochs := epochs_below(folder)):
            return _folder_of_epochs(folder, epochs)
        readable = [choice for choice in summary.choices if choice.dataset is not None]
        dataset = dict(readable[0].dataset or {}) if len(readable) == 1 else None
        return Inspection(
            summary.folder,
            "BIDS folder",
            dataset=dataset,
            details={"bids": summary.to_json()},
            text=summary.to_text(),
        )
    files, notes = recordings_below(folder)
    if files and (epochs := epochs_below(folder)) == files:
        return _folder_of_epochs(folder, epochs)
    if not files:
        raise InputError(
            f"{folder} is a folder without data: no dataset_description.json, no sub-*, no public set and no "
            "recording below it. Name the folder that holds them, or a file."
        )
    counts = Counter(path.name.partition(".")[2].lower() for path in files)
    facts = [("recordings", ", ".join(f"{n} .{ending}" for ending, n in counts.most_common()))]
    facts += [("first", str(files[0].relative_to(folder)))]
    dataset, remark = _one_subject(files)
    details = {"files": [str(path) for path in files]}
    return Inspection(
        str(folder.resolve()),
        "folder of recordings",
        tuple(facts),
        (),
        dataset,
        remark,
        details,
        tuple(notes),
    )


def _folder_of_epochs(folder: Path, files: Sequence[Path]) -> Inspection:
    """Describe a folder of epochs of subjects, with one of its files for what they hold."""
    first = inspect_sensors(files[0])
    subjects = list(dict.fromkeys(subject_of(path) for path in files))
    more = f" and {len(subjects) - _SHOWN} more" if len(subjects) > _SHOWN else ""
    facts = [
        ("found", f"{len(files)} *_epo.fif: `kind: fif`"),
        ("subjects", f"{len(subjects)}: {', '.join(subjects[:_SHOWN])}{more}"),
        ("first", str(files[0].relative_to(folder))),
        *((f"{name} of the first", value) for name, value in first.facts),
    ]
    pattern = pattern_of(folder, files)
    dataset: dict[str, Any] | None = None
    remark = "Several files are of one subject: name one with `pattern` (kind: fif)."
    if pattern is not None:
        remark = first.remark
        dataset = {"kind": "fif", "folder": str(folder.resolve()), "pattern": pattern}
        if first.dataset is not None and "montage" in first.dataset:
            dataset["montage"] = first.dataset["montage"]
    details = {"files": [str(path) for path in files], "subjects": subjects}
    return Inspection(
        str(folder.resolve()), "folder of epochs (FIF)", tuple(facts), first.tables, dataset, remark, details
    )


def _one_subject(files: Sequence[Path]) -> tuple[dict[str, Any] | None, str]:
    """Return what reads the fMRI runs of one subject that have one name, each with its events."""
    series: dict[str, list[Path]] = {}
    for path in files:
        if path.name.lower().endswith(VOLUMES) and events_beside(path) is not None:
            series.setdefault(path.name, []).append(path)
    if not series or len({subject_of(path) for path in files}) > 1:
        return (
            None,
            "No data set by its layout: inspect one file, or arrange the runs as BIDS (sub-<label>/...).",
        )
    name, *others = sorted(series, key=lambda each: -len(series[each]))
    tables = [events for path in series[name] if (events := events_beside(path)) is not None]
    example = (others or [files[0].name])[0]
    left = f"; {len(files) - len(tables)} other files, such as {example}, are not among them"
    remark = (
        f"The {len(tables)} fMRI runs {name} with their events{left if len(files) > len(tables) else ''}."
    )
    return volumes_dataset(series[name], tables), remark


def _public(folder: Path, known: KnownSet) -> Inspection:
    facts = known.public.facts
    shown = [
        (name, str(facts[name]))
        for name in ("summary", "modality", "subjects", "stimuli", "shape", "unit", "licence", "citation")
        if name in facts
    ]
    where = str(folder.resolve())
    details = {"public_set": known.kind}
    if known.missing:
        remark = f"Missing: {', '.join(known.missing)}; it comes from {facts['source']}."
        return Inspection(where, f"public set {known.kind}", tuple(shown), (), None, remark, details)
    needed = known.needs_options
    if needed:
        options = ", ".join(f"`{name}`" for name in needed)
        remark = f"Missing: {options}, which the dataset kind {known.kind!r} asks for."
        return Inspection(where, f"public set {known.kind}", tuple(shown), (), None, remark, details)
    return Inspection(where, f"public set {known.kind}", tuple(shown), (), known.dataset(folder), "", details)
