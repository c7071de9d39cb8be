"""What stands beside a BIDS file and belongs to it: metadata, events, channels, confounds, brain mask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from ..._core.errors import InputError, MissingDataError
from .._arrays import readable
from .._tables import read_table
from .entities import RAW, BidsFile
from .index import BidsIndex

# What tells apart the pictures of one run; its confounds and events do not have them.
_OF_PICTURES = ("space", "res", "den", "hemi", "desc", "echo", "part", "split", "label")


@dataclass(frozen=True)
class Description:
    """The facts of a ``dataset_description.json``.

    Attributes
    ----------
    name : str
        Of the data set.
    is_derivative : bool
        Whether it was made from another.
    made_by : str
        Name and version of the program, for derivatives.
    licence : str
        As it stands there.
    bids_version : str
        As it stands there.
    """

    name: str = ""
    is_derivative: bool = False
    made_by: str = ""
    licence: str = ""
    bids_version: str = ""


def describe_pipeline(index: BidsIndex, pipeline: str = RAW) -> Description | None:
    """Return what the ``dataset_description.json`` of a pipeline says; None where there is none.

    Raises
    ------
    InputError
        If it is no JSON, or there is no such pipeline.
    """
    if pipeline not in index.roots:
        raise InputError(f"{index.folder} has no pipeline {pipeline!r}; it has {', '.join(index.roots)}.")
    path = index.roots[pipeline] / "dataset_description.json"
    if not path.is_file():
        return None
    facts = read_json(path)
    makers = facts.get("GeneratedBy") or facts.get("PipelineDescription") or []
    makers = [makers] if isinstance(makers, dict) else makers
    first = makers[0] if isinstance(makers, list) and makers and isinstance(makers[0], dict) else {}
    made_by = " ".join(str(first[key]) for key in ("Name", "Version") if first.get(key))
    kind = facts.get("DatasetType")
    return Description(
        name=str(facts.get("Name", "")),
        is_derivative=kind == "derivative" or (kind is None and pipeline != RAW),
        made_by=made_by,
        licence=str(facts.get("License", "")),
        bids_version=str(facts.get("BIDSVersion", "")),
    )


def read_participants(index: BidsIndex) -> pd.DataFrame | None:
    """Return ``participants.tsv`` with the column `participant_id` as text; None where there is none."""
    path = index.folder / "participants.tsv"
    return read_table(path, needs=["participant_id"], texts=["participant_id"]) if path.is_file() else None


def metadata(index: BidsIndex, file: BidsFile, *, pipeline: str | None = None) -> dict[str, Any]:
    """Return a file's metadata by the inheritance principle.

    Every JSON from the data set's root down to the file's folder counts whose suffix is the file's and whose
    entities the file has too; what is said nearer to the file, and then in the longer name, wins.

    Parameters
    ----------
    index : BidsIndex
        The tree.
    file : BidsFile
        One of its files.
    pipeline : str, optional
        Whose JSON files count; by default those of the file's own data set. ``"raw"`` gives what is said of
        the recording that a derivative was made from.

    Returns
    -------
    facts : dict
        Empty where there is no JSON.

    Raises
    ------
    InputError
        If two JSON files of one folder apply equally, or one cannot be read.
    """
    facts: dict[str, Any] = {}
    of = file.pipeline if pipeline is None else pipeline
    for sidecar in _applicable(index, file, pipeline=of, suffix=file.suffix, extension=".json"):
        facts.update(read_json(sidecar.path))
    return facts


def has_metadata(index: BidsIndex, file: BidsFile, *, pipeline: str | None = None) -> bool:
    """Tell whether any JSON belongs to the file; see :func:`metadata`."""
    of = file.pipeline if pipeline is None else pipeline
    return any(True for _ in _applicable(index, file, pipeline=of, suffix=file.suffix, extension=".json"))


def events_of(index: BidsIndex, file: BidsFile) -> Path | None:
    """Return the events table of a run, of the raw data where a derivative has none of its own.

    Raises
    ------
    InputError
        If two tables apply equally.
    """
    return _table_of(index, file, "events", (file.pipeline, RAW))


def channels_of(index: BidsIndex, file: BidsFile) -> Path | None:
    """Return the channels table of a run; see :func:`events_of`."""
    return _table_of(index, file, "channels", (file.pipeline,))


def confounds_of(index: BidsIndex, file: BidsFile) -> Path | None:
    """Return the confounds table of a preprocessed run, by the new or an old name of fMRIPrep.

    Raises
    ------
    InputError
        If there are two.
    """
    wanted = _without(file.entities, _OF_PICTURES) | {"desc": "confounds"}
    found = [
        other
        for suffix in ("timeseries", "regressors")
        for other in _beside(index, file, suffix, ".tsv")
        if _same(_without(other.entities, ("echo",)), wanted)
    ]
    return _only(found, file, "confounds tables")


def mask_of(index: BidsIndex, file: BidsFile) -> Path | None:
    """Return the brain mask of a preprocessed run, in the same space and resolution.

    Raises
    ------
    InputError
        If there are two.
    """
    wanted = _without(file.entities, ("hemi", "echo", "part", "desc")) | {"desc": "brain"}
    found = [
        other
        for extension in (".nii.gz", ".nii")
        for other in _beside(index, file, "mask", extension)
        if _same(_without(other.entities, ("echo", "part")), wanted)
    ]
    return _only(found, file, "brain masks")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        If it is no JSON, or no object.
    MissingDataError
        If git-annex has not fetched it.
    """
    if path.is_symlink() and not path.exists():
        raise MissingDataError(f"{path} is not fetched; run `datalad get` on it first.")
    content = _json_of(path, path.stat().st_mtime_ns)
    return dict(content)


@lru_cache(maxsize=4096)
def _json_of(path: Path, _mtime_ns: int) -> Mapping[str, Any]:
    with readable(path, "JSON"):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, an object of names and values is wanted.")
    return content


def _table_of(index: BidsIndex, file: BidsFile, suffix: str, pipelines: tuple[str, ...]) -> Path | None:
    for pipeline in dict.fromkeys(pipelines):
        found = list(_applicable(index, file, pipeline=pipeline, suffix=suffix, extension=".tsv"))
        if found:
            return found[-1].path
    return None


def _applicable(
    index: BidsIndex, file: BidsFile, *, pipeline: str, suffix: str, extension: str
) -> Iterator[BidsFile]:
    """Give the sidecars that apply to a file, the general ones first."""
    groups = _groups(index)
    for folder in _chain(_folder_of(file)):
        applicable = [
            other
            for other in groups.get((pipeline, folder, suffix, extension), [])
            if other is not file and _is_within(other, file)
        ]
        applicable.sort(key=lambda other: len(other.entities))
        for one, other in zip(applicable, applicable[1:], strict=False):
            if len(one.entities) == len(other.entities):
                raise InputError(
                    f"{one.relative} and {other.relative} apply equally to {file.relative}; which one "
                    "wins is not said. Merge them, or rename one."
                )
        yield from applicable


@lru_cache(maxsize=65536)
def _chain(folder: str) -> tuple[str, ...]:
    """Return the folders from the root to one, relative to the root."""
    if folder == ".":
        return (".",)
    parts = folder.split("/")
    return (".", *("/".join(parts[: count + 1]) for count in range(len(parts))))


def _folder_of(file: BidsFile) -> str:
    """Return a file's folder relative to the root, which is ``"."``."""
    return file.relative.rpartition("/")[0] or "."


def _is_within(sidecar: BidsFile, file: BidsFile) -> bool:
    """Tell whether the file has every entity of the sidecar."""
    has = file.entities
    for name, value in sidecar.entities.items():
        other = has.get(name, "")
        if other != value and not _is_value(name, value, other):
            return False
    return True


def _is_value(name: str, one: str, other: str) -> bool:
    """Tell whether two values of an entity are one; runs are numbers, whatever their zeros."""
    if name == "run" and one.isdecimal() and other.isdecimal():
        return int(one) == int(other)
    return one == other


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return one.keys() == other.keys() and all(_is_value(name, one[name], other[name]) for name in one)


def _without(entities: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in entities.items() if name not in names}


def _beside(index: BidsIndex, file: BidsFile, suffix: str, extension: str) -> list[BidsFile]:
    return _groups(index).get((file.pipeline, _folder_of(file), suffix, extension), [])


def _only(found: list[BidsFile], file: BidsFile, what: str) -> Path | None:
    if len(found) > 1:
        names = " and ".join(other.name for other in found)
        raise InputError(f"{file.relative} has {len(found)} {what}: {names}. Remove or rename all but one.")
    return found[0].path if found else None


_Groups = dict[tuple[str, str, str, str], list[BidsFile]]
_known: WeakKeyDictionary[BidsIndex, _Groups] = WeakKeyDictionary()


def _groups(index: BidsIndex) -> _Groups:
    """Return the tables and sidecars of an index by pipeline, folder, suffix and extension."""
    if index not in _known:
        is_one = index.table["extension"].isin([".json", ".tsv"]) | (index.table["suffix"] == "mask")
        made: _Groups = {}
        for file in index.files(np.flatnonzero(is_one.to_numpy())):
            made.setdefault((file.pipeline, _folder_of(file), file.suffix, file.extension), []).append(file)
        _known[index] = made
    return _known[index]
