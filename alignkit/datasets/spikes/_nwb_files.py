"""NWB files on disk: whose they are, of which version, and whether they are whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from .._arrays import readable, require_file


@dataclass(frozen=True)
class NWBFile:
    """One session.

    Attributes
    ----------
    path : Path
        The file.
    subject : str
        Name of the subject; with the session's where several files are of one subject.
    session : str
        Name of the session.
    version : str
        Of the format, such as ``"2.7.0"`` or ``"NWB-1.0.6"``.
    identifier : str or None
        The file's own, which no other file has.
    """

    path: Path
    subject: str
    session: str
    version: str
    identifier: str | None = None


def find_nwb_files(path: Path, subjects: Sequence[str] | None) -> tuple[list[NWBFile], tuple[str, ...]]:
    """Return the files of a folder, or the one file, without reading their data.

    Raises
    ------
    MissingDataError
        If there is no such file or folder, no file in it, or none of a named subject.
    InputError
        If a file is no NWB file, or two have one identifier.
    """
    paths = sorted(path.rglob("*.nwb")) if path.is_dir() else [require_file(path)]
    if not paths:
        raise MissingDataError(f"{path} holds no file *.nwb.")
    found = [_peek(each) for each in paths]
    files, notes = _apart(found)
    if subjects is None:
        _check_identifiers(found)
        return files, notes
    by_owner = [(file, owner.subject) for file, owner in zip(files, found, strict=True)]
    for subject in subjects:
        if not any(subject in (file.subject, owner) for file, owner in by_owner):
            known = did_you_mean(subject, [file.subject for file in files])
            raise MissingDataError(f"{path} holds no session of {subject!r}, {known}")
    chosen = [file for file, owner in by_owner if file.subject in subjects or owner in subjects]
    _check_identifiers(chosen)
    return chosen, notes


def _check_identifiers(files: Sequence[NWBFile]) -> None:
    """Refuse a session that is there twice: its trials would stand as those of two subjects."""
    first: dict[str, NWBFile] = {}
    for file in files:
        if file.identifier is None:
            continue
        other = first.setdefault(file.identifier, file)
        if other is not file:
            raise InputError(
                f"{other.path} and {file.path} have one identifier ({file.identifier!r}), which NWB gives to "
                "one file only: is one a copy? Keep one of them, or read them one by one."
            )


def _apart(files: list[NWBFile]) -> tuple[list[NWBFile], tuple[str, ...]]:
    """Give the sessions of one subject names of their own: their units are other ones."""
    counts = Counter(file.subject for file in files)
    if max(counts.values()) == 1:
        return files, ()
    named: list[NWBFile] = []
    notes: list[str] = []
    for file in files:
        several = counts[file.subject] > 1
        name = f"{file.subject}_{file.session}" if several else file.subject
        if name in [other.subject for other in named]:
            name = f"{file.subject}_{file.path.stem}"
        named.append(NWBFile(file.path, name, file.session, file.version, file.identifier))
    for subject, count in counts.items():
        if count > 1:
            names = [new.subject for new, old in zip(named, files, strict=True) if old.subject == subject]
            notes.append(
                f"{subject} has {count} sessions with units of their own; each stands as a subject: "
                f"{', '.join(names)}."
            )
    return named, tuple(notes)


def _peek(path: Path) -> NWBFile:
    import h5py

    with readable(path, "NWB (HDF5)"), h5py.File(path, "r") as file:
        version = _string(file.attrs.get("nwb_version")) or _string(_read(file, "nwb_version"))
        if version is None:
            raise InputError(f"{path} is an HDF5 file, but no NWB file: it has no nwb_version.")
        _refuse_links(path, file)
        subject = _string(_read(file, "general/subject/subject_id")) or path.stem
        identifier = _string(_read(file, "identifier"))
        session = _string(_read(file, "general/session_id")) or identifier
    return NWBFile(path, subject, (session or path.stem).strip(), version, identifier)


def _refuse_links(path: Path, file: Any) -> None:
    import h5py

    # h5py loses errors that are raised while it visits.
    found: list[tuple[str, str]] = []

    def collect(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            found.append((name, link.filename))

    file.visititems_links(collect)
    if found:
        name, other = found[0]
        raise InputError(
            f"{path}: {name!r} points into another file ({other}), which is not followed. Write a copy of "
            "the "
            "file that holds its own data."
        )


def _read(file: Any, name: str) -> Any:
    item = file.get(name)
    return None if item is None or not hasattr(item, "shape") else item[()]


def _string(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode()
    return str(value).strip() or None if isinstance(value, str) else None
