"""Which files of a folder are one subject's: series, events, confounds, mask and atlas, paired by run."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from ..._core.errors import InputError, MissingDataError
from ._atlases import is_name
from ._pairs import pair_by_run, pair_in_order, say_runs

BOLD = "sub-{subject}/**/func/*_bold.nii.gz"
EVENTS = "sub-{subject}/**/func/*_events.tsv"
CONFOUNDS = "sub-{subject}/**/func/*confounds*.tsv"
MASK = "sub-{subject}/**/func/*_mask.nii.gz"
ATLAS = "sub-{subject}/**/func/*_dseg.nii.gz"
ATLAS_LABELS = "sub-{subject}/**/func/*_dseg.tsv"

Patterns = str | list[str]
_SUBJECT = "{subject}"


@dataclass(frozen=True)
class Subject:
    """A subject: what ``{subject}`` stands for, and how the recording calls it."""

    label: str
    name: str


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
    notes: tuple[str, ...] = ()

    @property
    def all(self) -> list[Path]:
        single = (self.volume_labels, self.mask, self.atlas, self.atlas_labels)
        lists = (self.bold, self.events or [], self.confounds or [])
        return [*(path for each in lists for path in each), *(path for path in single if _is_path(path))]


@dataclass(frozen=True)
class Layout:
    """Where a subject's files are, relative to the folder."""

    bold: Patterns
    events: Patterns
    volume_labels: str | None
    confounds: Patterns | None
    mask: str
    atlas: str
    atlas_labels: str
    needs_events: bool

    @property
    def is_of_one(self) -> bool:
        """Tell whether the series are named, and not found by the subject's label."""
        return not isinstance(self.bold, str) or _SUBJECT not in self.bold

    def subjects(self, folder: Path, wanted: list[str] | None) -> list[Subject]:
        """Return the subjects that are wanted; files that are named need no ``sub-*`` folder."""
        for pattern in [self.bold] if isinstance(self.bold, str) else self.bold:
            _check_inside(folder, pattern)
        if not self.is_of_one or wanted is None:
            labels = find_subjects(folder, wanted)
            if self.is_of_one and len(labels) > 1:
                raise InputError(
                    f"`bold` is {self.bold!r}, without {_SUBJECT!r}: these are files of one subject. Name it "
                    f"in `subjects`; {folder} holds {', '.join(labels)}."
                )
            return [Subject(label, f"sub-{label}") for label in labels]
        if len(wanted) != 1:
            raise InputError(
                f"`bold` is {self.bold!r}, without {_SUBJECT!r}: these are files of one subject, but "
                f"`subjects` names {len(wanted)}."
            )
        if not folder.is_dir():
            raise MissingDataError(f"the folder {folder} does not exist; give the one that holds the files.")
        label = str(wanted[0]).removeprefix("sub-")
        if not label or any(sign in label for sign in "/\\"):
            raise InputError(f"`subjects` names {wanted[0]!r}; a name without slashes is wanted.")
        is_there = (folder / f"sub-{label}").is_dir()
        return [Subject(label, f"sub-{label}" if is_there else str(wanted[0]))]

    def find(self, folder: Path, subject: Subject) -> Files:
        """Return the files of one subject; every run has one of each."""
        place = _Place(folder, subject)
        series = place.several(self.bold)
        if not series:
            raise MissingDataError(f"no BOLD series of {subject.name} fits {self.bold!r} in {folder}.")
        tables, labels, confounds = None, None, None
        notes: list[str] = []
        if self.volume_labels is not None:
            labels = place.one(self.volume_labels)
        else:
            tables = place.several(self.events) or None
        if tables is not None or (labels is None and self.needs_events):
            series, tables = self._pair(place, series, tables or [], self.events, "events", notes)
        if self.confounds is not None:
            found = place.several(self.confounds)
            confounds = found
            if self.volume_labels is None or not len(series) == len(found) == 1:
                confounds = self._pair(place, series, found, self.confounds, "confounds", notes)[1]
        atlas = place.named(self.atlas, ATLAS)
        names_by_default = self.atlas_labels == ATLAS_LABELS
        names = place.one(self.atlas_labels, is_default=names_by_default)
        if not isinstance(atlas, Path) and names_by_default:
            names = None
        mask = place.named(self.mask, MASK)
        return Files(series, tables, labels, confounds, mask, atlas, names, tuple(notes))

    def _pair(
        self,
        place: _Place,
        series: list[Path],
        tables: list[Path],
        patterns: Patterns,
        what: str,
        notes: list[str],
    ) -> tuple[list[Path], list[Path]]:
        """Pair by session, task and run; lists, and files whose names do not say these, in their order."""
        if self.is_of_one and not tables:
            raise MissingDataError(
                f"no {what} of {place.subject.name} fit {patterns!r} in {place.folder}; name one for each of "
                f"{len(series)} BOLD files in `{what}`."
            )
        is_list = not isinstance(self.bold, str) and not isinstance(patterns, str)
        if self.is_of_one and (is_list or not say_runs(series, tables)):
            return pair_in_order(series, tables, what, notes, is_given=is_list)
        ordered, partners = pair_by_run(place.folder, place.subject.name, series, tables, what)
        if isinstance(self.bold, str):
            return ordered, partners
        # A list says in which order runs are read.
        of_series = dict(zip(ordered, partners, strict=True))
        return series, [of_series[path] for path in series]


@dataclass(frozen=True)
class _Place:
    """One subject's part of a folder."""

    folder: Path
    subject: Subject

    def several(self, patterns: Patterns) -> list[Path]:
        """Return all files that fit a pattern; or one for each of several, in their order."""
        if isinstance(patterns, str):
            return self._fitting(patterns)
        found = [self.one(pattern) for pattern in patterns]
        return [path for path in found if path is not None]

    def one(self, pattern: str, *, is_default: bool = False) -> Path | None:
        """Return the file that fits; None where nothing fits the default."""
        found = self._fitting(pattern)
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(self.folder)) for path in found[:3])
            raise InputError(
                f"{len(found)} files of {self.subject.name} fit {pattern!r} ({names}); narrow it to one."
            )
        if not found and not is_default:
            raise MissingDataError(f"no file of {self.subject.name} fits {pattern!r} in {self.folder}.")
        return found[0] if found else None

    def named(self, given: str, default: str) -> Path | str | None:
        """Return a file, or the name of an atlas or a mask."""
        return given if is_name(given) else self.one(given, is_default=given == default)

    def _fitting(self, pattern: str) -> list[Path]:
        _check_inside(self.folder, pattern)
        root = self.folder.resolve()
        found = sorted(
            path
            for path in self.folder.glob(pattern.replace(_SUBJECT, glob.escape(self.subject.label)))
            if path.is_file() and not path.name.startswith(".")
        )
        for path in found:
            if not path.resolve().is_relative_to(root):
                raise InputError(f"{path} is a link that leaves {self.folder}; copy the file into it.")
        return found


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


def _check_inside(folder: Path, pattern: str) -> None:
    parts = PurePosixPath(pattern).parts
    if PurePosixPath(pattern).is_absolute() or ".." in parts or not parts:
        raise InputError(f"the pattern {pattern!r} must stay inside {folder}: no '..' and no absolute path.")


def _is_path(given: Path | str | None) -> TypeGuard[Path]:
    return isinstance(given, Path)
