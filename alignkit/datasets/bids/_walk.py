"""Walking a BIDS tree: every name once, no content, nothing outside."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from .entities import DATATYPES, ENTITIES, RAW, is_folder_format, parse_name

_PASSED_OVER = frozenset(("code", "models", "sourcedata", "stimuli"))
_DERIVATIVES = ("derivatives", "derivative")
_DESCRIPTION = "dataset_description.json"
_JUNK = frozenset(("__MACOSX", "@eaDir"))
_ANNEX_SIZE = re.compile(r"-s(\d+)[^/]*--[^/]*$")
# A fetched image or recording is never as small as git-annex's pointer to one.
_POINTER_BYTES = 400
_POINTED = (".nii", ".gz", ".gii", ".fif", ".edf", ".bdf", ".set", ".fdt", ".eeg", ".nwb", ".h5", ".mgz")


@dataclass(frozen=True)
class Tree:
    """What a walk found.

    Attributes
    ----------
    root : Path
        The tree, without links.
    table : DataFrame
        A row per file.
    roots : dict of str to str
        The folder of each pipeline, relative to `root`.
    folders : dict of str to int
        Modification time of every folder that was looked into, in nanoseconds.
    notes : tuple of str
        What was left out.
    started_ns : int
        When the walk began.
    links : tuple of str
        Links that were not followed, relative to `root`.
    """

    root: Path
    table: pd.DataFrame
    roots: dict[str, str]
    folders: dict[str, int]
    notes: tuple[str, ...]
    started_ns: int
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Place:
    """A folder, and what its files have from it."""

    path: str
    relative: str
    pipeline: str
    is_root: bool = False
    is_derived: bool = False
    datatype: str = ""
    sub: str = ""
    ses: str = ""

    def below(self, name: str) -> _Place:
        """Return the place of a folder inside this one."""
        relative = f"{self.relative}/{name}" if self.relative else name
        is_label = name[:4] in ("sub-", "ses-")
        # The folder of all derivatives is the root of those that have no folder of their own.
        opens_derivatives = not self.relative and name in _DERIVATIVES
        is_one_of_them = self.relative in _DERIVATIVES and not is_label
        return _Place(
            f"{self.path}/{name}",
            relative,
            name if opens_derivatives or is_one_of_them else self.pipeline,
            is_root=opens_derivatives or is_one_of_them,
            is_derived=self.is_derived or opens_derivatives,
            datatype=name if name in DATATYPES else self.datatype,
            sub=name[4:] if name.startswith("sub-") else self.sub,
            ses=name[4:] if name.startswith("ses-") else self.ses,
        )


@dataclass
class _Found:
    """Rows so far."""

    paths: list[str] = field(default_factory=list)
    places: list[_Place] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    fetched: list[bool] = field(default_factory=list)
    folders: dict[str, int] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    example: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    def leave_out(self, why: str, relative: str) -> None:
        self.left_out[why] += 1
        self.example.setdefault(why, relative)

    def add(self, place: _Place, name: str, size: int, *, is_fetched: bool) -> None:
        self.paths.append(f"{place.relative}/{name}" if place.relative else name)
        self.places.append(place)
        self.names.append(name)
        self.sizes.append(size)
        self.fetched.append(is_fetched)


def walk(root: Path) -> Tree:
    """Look through `root`, which must be free of links."""
    started = time.time_ns()
    found = _Found()
    top = _Place(str(root), "", _own_name(root), is_root=True)
    found.roots[top.pipeline] = "."
    pending = [top]
    while pending:
        pending.extend(reversed(_look_into(pending.pop(), str(root), found)))
    notes = (f"{count} {why} (such as {found.example[why]})." for why, count in found.left_out.items())
    used = {place.pipeline for place in found.places} | {top.pipeline}
    roots = {name: relative for name, relative in found.roots.items() if name in used}
    return Tree(
        root, _table(found), roots, found.folders, tuple(sorted(notes)), started, tuple(sorted(found.links))
    )


def _own_name(root: Path) -> str:
    """Return ``"raw"``, or the folder's name where its description says that it is a derivative."""
    try:
        described = json.loads((root / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return RAW
    is_derivative = isinstance(described, dict) and described.get("DatasetType") == "derivative"
    return root.name if is_derivative else RAW


def _look_into(place: _Place, root: str, found: _Found) -> list[_Place]:
    """Take in the files of a folder; return its folders."""
    try:
        found.folders[place.relative] = os.stat(place.path).st_mtime_ns  # noqa: PTH116
        with os.scandir(place.path) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except PermissionError:
        found.leave_out("folder(s) may not be read", place.relative)
        return []
    names = {entry.name for entry in entries}
    place = _with_pipeline(place, names, found)
    folders = []
    for entry in entries:
        name = entry.name
        if name.startswith(".") or name in _JUNK:
            continue
        if not name.isascii() and not _is_text(name):
            found.leave_out("name(s) that are no UTF-8 text", repr(name))
        elif entry.is_symlink():
            _add_link(entry, place, root, found)
        elif entry.is_dir(follow_symlinks=False):
            if is_folder_format(name):
                found.add(place, name, _folder_bytes(entry.path), is_fetched=True)
            elif not (place.is_root and name in _PASSED_OVER):
                folders.append(place.below(name))
        elif entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
            pointed = _pointed_size(entry) if size < _POINTER_BYTES and name.endswith(_POINTED) else None
            found.add(place, name, size if pointed is None else pointed, is_fetched=pointed is None)
    return folders


def _with_pipeline(place: _Place, names: set[str], found: _Found) -> _Place:
    """Return the place as the root of a derivative where it is one, however deep it lies."""
    if place.is_derived and (place.is_root or _DESCRIPTION in names):
        name = place.relative.partition("/")[2] or place.relative
        found.roots[name] = place.relative
        return replace(place, pipeline=name, is_root=True)
    return place


def _add_link(entry: os.DirEntry[str], place: _Place, root: str, found: _Found) -> None:
    relative = f"{place.relative}/{entry.name}" if place.relative else entry.name
    target = os.readlink(entry.path)  # noqa: PTH115
    aim = os.path.normpath(os.path.join(place.path, target))  # noqa: PTH118
    if not aim.startswith(root + os.sep):
        found.leave_out("link(s) that leave the folder were not followed", relative)
        found.links.append(relative)
        return
    try:
        is_folder = entry.is_dir()
        size = entry.stat().st_size
    except OSError:
        promised = _ANNEX_SIZE.search(target)
        found.add(place, entry.name, int(promised[1]) if promised else 0, is_fetched=False)
        return
    if is_folder:
        found.leave_out("link(s) to folders were not followed", relative)
        found.links.append(relative)
    else:
        found.add(place, entry.name, size, is_fetched=True)


def _pointed_size(entry: os.DirEntry[str]) -> int | None:
    """Return the size that an unlocked git-annex file will have; None for a file that is itself."""
    with open(entry.path, "rb") as file:  # noqa: PTH123
        head = file.read(_POINTER_BYTES)
    if not head.startswith(b"/annex/objects/"):
        return None
    promised = _ANNEX_SIZE.search(head.decode("utf-8", "replace").strip())
    return int(promised[1]) if promised else 0


def _folder_bytes(path: str) -> int:
    return sum(file.stat(follow_symlinks=False).st_size for file in _files_below(path))


def _files_below(path: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as scan:
        for entry in scan:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _table(found: _Found) -> pd.DataFrame:
    parsed = [parse_name(name) for name in found.names]
    for place, each in zip(found.places, parsed, strict=True):
        if place.sub:
            each.entities.setdefault("sub", place.sub)
        if place.ses:
            each.entities.setdefault("ses", place.ses)
    seen: set[str] = set()
    for each in parsed:
        seen.update(each.entities)
    entities = [*ENTITIES, *sorted(seen - set(ENTITIES))]
    columns: dict[str, list[str]] = {
        "pipeline": [place.pipeline for place in found.places],
        "datatype": [place.datatype for place in found.places],
        "suffix": [each.suffix for each in parsed],
        "extension": [each.extension for each in parsed],
    }
    for name in entities:
        columns[name] = [each.entities.get(name, "") for each in parsed]
    return pd.DataFrame(
        {
            "path": pd.Series(found.paths, dtype="str"),
            **{name: pd.Categorical(values) for name, values in columns.items()},
            "size_bytes": pd.Series(found.sizes, dtype="int64"),
            "is_fetched": pd.Series(found.fetched, dtype=bool),
        }
    )
