"""Which files of a folder are one subject's: series, events, confounds, mask and atlas, paired by run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from ..._core.errors import InputError, MissingDataError
from ._atlases import is_name

BOLD = "sub-{subject}/**/func/*_bold.nii.gz"
EVENTS = "sub-{subject}/**/func/*_events.tsv"
CONFOUNDS = "sub-{subject}/**/func/*confounds*.tsv"
MASK = "sub-{subject}/**/func/*_mask.nii.gz"
ATLAS = "sub-{subject}/**/func/*_dseg.nii.gz"
ATLAS_LABELS = "sub-{subject}/**/func/*_dseg.tsv"

RunKey = tuple[str, str, int]


@dataclass(frozen=True)
class Files:
    """One subject's files; mask and atlas may be names."""

    bold: list[Path]
    events: list[Path] | None
    volume_labels: Path | None
    confounds: list[Path] | None
    mask: Path | str | None
    atlas: Path | str | None
    atlas_labels: Path | None

    @property
    def all(self) -> list[Path]:
        single = (self.volume_labels, self.mask, self.atlas, self.atlas_labels)
        lists = (self.bold, self.events or [], self.confounds or [])
        return [*(path for each in lists for path in each), *(path for path in single if _is_path(path))]


@dataclass(frozen=True)
class Patterns:
    """Where a subject's files are, relative to the folder."""

    bold: str
    events: str
    volume_labels: str | None
    confounds: str | None
    mask: str
    atlas: str
    atlas_labels: str
    needs_events: bool

    def find(self, folder: Path, subject: str) -> Files:
        """Return the files of one subject; every run has one of each."""
        series = _find(folder, self.bold, subject)
        if not series:
            raise MissingDataError(f"no BOLD series of sub-{subject} fits {self.bold!r} in {folder}.")
        tables, labels, confounds = None, None, None
        if self.volume_labels is not None:
            labels = _one(folder, self.volume_labels, subject, is_default=False)
        else:
            tables = _find(folder, self.events, subject) or None
        if tables is not None or (labels is None and self.needs_events):
            series, tables = _pair(folder, subject, series, tables or [], "events")
        if self.confounds is not None:
            confounds = self._confounds(folder, subject, series)
        atlas = self._named(folder, self.atlas, subject, ATLAS)
        names_by_default = self.atlas_labels == ATLAS_LABELS
        names = _one(folder, self.atlas_labels, subject, is_default=names_by_default)
        if not isinstance(atlas, Path) and names_by_default:
            names = None
        mask = self._named(folder, self.mask, subject, MASK)
        return Files(series, tables, labels, confounds, mask, atlas, names)

    def _named(self, folder: Path, given: str, subject: str, default: str) -> Path | str | None:
        if is_name(given):
            return given
        return _one(folder, given, subject, is_default=given == default)

    def _confounds(self, folder: Path, subject: str, series: list[Path]) -> list[Path]:
        tables = _find(folder, str(self.confounds), subject)
        if self.volume_labels is not None and len(series) == len(tables) == 1:
            return tables
        return _pair(folder, subject, series, tables, "confounds")[1]


def find_subjects(folder: Path, wanted: list[str] | None) -> list[str]:
    """Return the labels of the subjects that are wanted, by default of all that are there."""
    if not folder.is_dir():
        raise MissingDataError(f"the folder {folder} does not exist; give the one that holds sub-* folders.")
    there = sorted(path.name.removeprefix("sub-") for path in folder.glob("sub-*") if path.is_dir())
    if not there:
        raise MissingDataError(f"{folder} holds no sub-* folder; a BIDS layout has one for each subject.")
    if wanted is None:
        return there
    names = [str(name).removeprefix("sub-") for name in wanted]
    missing = [name for name in names if name not in there]
    if missing or not names:
        raise MissingDataError(
            f"subject(s) {', '.join(missing) or '(none)'} are not in {folder}; there are {', '.join(there)}."
        )
    return names


def _find(folder: Path, pattern: str, subject: str) -> list[Path]:
    parts = PurePosixPath(pattern).parts
    if PurePosixPath(pattern).is_absolute() or ".." in parts or not parts:
        raise InputError(f"the pattern {pattern!r} must stay inside {folder}: no '..' and no absolute path.")
    root = folder.resolve()
    found = sorted(
        path
        for path in folder.glob(pattern.replace("{subject}", subject))
        if path.is_file() and not path.name.startswith(".")
    )
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise InputError(f"{path} is a link that leaves {folder}; copy the file into it.")
    return found


def _one(folder: Path, pattern: str, subject: str, *, is_default: bool) -> Path | None:
    found = _find(folder, pattern, subject)
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:3])
        raise InputError(f"{len(found)} files of sub-{subject} fit {pattern!r} ({names}); narrow it to one.")
    if not found and not is_default:
        raise MissingDataError(f"no file of sub-{subject} fits {pattern!r} in {folder}.")
    return found[0] if found else None


def entities(path: Path) -> dict[str, str]:
    """Return the key-value pairs of a BIDS file name."""
    pairs = re.findall(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9+]+)", path.name.split(".")[0])
    return dict(pairs)


def _by_run(folder: Path, paths: Sequence[Path]) -> dict[RunKey, Path]:
    found: dict[RunKey, Path] = {}
    for path in paths:
        found_in = entities(path)
        run = found_in.get("run", "1")
        key = (found_in.get("ses", ""), found_in.get("task", ""), int(run) if run.isdigit() else 1)
        if key in found:
            raise InputError(
                f"{found[key].relative_to(folder)} and {path.relative_to(folder)} are both run {key[2]} of "
                "one session and task; narrow the pattern (by space-, desc-, echo-, acq-) to one file for "
                "each run."
            )
        found[key] = path
    return dict(sorted(found.items()))


def _pair(
    folder: Path, subject: str, series: list[Path], tables: list[Path], what: str
) -> tuple[list[Path], list[Path]]:
    by_series, by_table = _by_run(folder, series), _by_run(folder, tables)
    for these, others, missing in ((by_series, by_table, what), (by_table, by_series, "BOLD series")):
        alone = [path for key, path in these.items() if key not in others]
        if alone:
            raise MissingDataError(
                f"{len(alone)} of {len(these)} files of sub-{subject} have no {missing} of the same session, "
                f"task and run: {', '.join(path.name for path in alone[:3])}. Add them, or narrow the "
                "patterns."
            )
    return list(by_series.values()), [by_table[key] for key in by_series]


def _is_path(given: Path | str | None) -> TypeGuard[Path]:
    return isinstance(given, Path)
