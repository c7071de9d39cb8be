"""Whether the files that were chosen can be trusted: fetched, inside the folder, well placed, no copies."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..._core.errors import InputError, MissingDataError
from .entities import BidsFile
from .possibilities import Run

_CHUNK = 1 << 20
_PEEK = 1 << 16
# Where the numbers of a recording are, when its main file is a header.
_BINARY = {".vhdr": ".eeg", ".set": ".fdt"}
_SHOWN = 5


def check_run_files(folder: Path, runs: Sequence[Run]) -> None:
    """Refuse files that are not fetched, lie elsewhere than their name says, or are copies of another.

    Raises
    ------
    MissingDataError
        If git-annex has not fetched a file.
    InputError
        If a link leaves its data set, a folder and a name disagree, one subject has two labels, or two runs
        have the same bytes; and if a file is empty.
    """
    files = [file for run in runs for file in run.files]
    lost = [file for file in files if not file.is_fetched]
    if lost:
        shown = " ".join(str(file.path) for file in lost[:_SHOWN])
        more = f" (and {len(lost) - _SHOWN} more)" if len(lost) > _SHOWN else ""
        size = sum(file.size_bytes for file in lost) / 1e6
        raise MissingDataError(
            f"{len(lost)} of {len(files)} files are not fetched ({size:.0f} MB): only their names are in "
            f"{folder}. Run `datalad get {shown}`{more}, or choose fewer runs."
        )
    for file in files:
        _check_place(file)
        if file.path.is_file() and not file.path.stat().st_size:
            raise InputError(f"{file.relative} is empty (0 bytes); copy it again, or leave its run out.")
    _check_labels(runs)
    _check_copies(files)


def _check_place(file: BidsFile) -> None:
    if not file.path.resolve().is_relative_to(file.root.resolve()):
        raise InputError(f"{file.path} is a link that leaves {file.root}; copy the file into it.")
    for entity in ("sub", "ses"):
        for part in PurePosixPath(file.relative).parts[:-1]:
            if part.startswith(f"{entity}-") and part != f"{entity}-{file.get(entity)}":
                raise InputError(
                    f"{file.relative} lies in {part} but is named "
                    f"{entity}-{file.get(entity) or '(none)'}; rename "
                    "the file or move it."
                )


def _check_labels(runs: Iterable[Run]) -> None:
    seen: dict[str, str] = {}
    for run in runs:
        plain = run.subject.casefold().lstrip("0") or "0"
        other = seen.setdefault(plain, run.subject)
        if other != run.subject:
            raise InputError(
                f"sub-{other} and sub-{run.subject} seem to be one subject under two labels; name the right "
                "one in `subjects`, or rename the other."
            )


def _check_copies(files: Sequence[BidsFile]) -> None:
    """Refuse two files with the same bytes; those of unlike size are never opened."""
    groups: dict[tuple[object, ...], list[BidsFile]] = {}
    for file in files:
        groups.setdefault(_quick_key(_numbers_of(file.path)), []).append(file)
    for alike in groups.values():
        if len(alike) < 2:
            continue
        seen: dict[str, BidsFile] = {}
        for file in alike:
            other = seen.setdefault(_digest(_numbers_of(file.path)), file)
            if other is not file:
                raise InputError(
                    f"{other.relative} and {file.relative} hold the same data, byte for byte: one is a copy "
                    "of the other, and scores across them would be too good. Get the right file, or leave "
                    "one out with `subjects`, `sessions` or `runs`."
                )


def _numbers_of(path: Path) -> Path:
    """Return the file that holds a recording's numbers."""
    if path.is_dir():
        inside = [each for each in path.rglob("*") if each.is_file()]
        return max(inside, key=lambda each: (each.stat().st_size, each.name), default=path)
    beside = path.with_suffix(_BINARY.get(path.suffix, path.suffix))
    return beside if beside.is_file() else path


def _quick_key(path: Path) -> tuple[object, ...]:
    """Return what unlike files hardly share, from a few kilobytes of each."""
    if not path.is_file():
        return (str(path),)
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.suffix == ".gz" and size > 18:
            # The last bytes are the checksum and length of what is packed, whatever the packer wrote first.
            file.seek(-8, 2)
            return ("gz", file.read(8))
        file.seek(max(size // 2 - _PEEK // 2, 0))
        middle = file.read(_PEEK)
        file.seek(max(size - _PEEK, 0))
        return (size, hashlib.sha256(middle + file.read(_PEEK)).hexdigest())


def _digest(path: Path) -> str:
    """Return the digest of a file's content; of a packed one, of what is packed."""
    if not path.is_file():
        return str(path)
    hasher = hashlib.sha256()
    unpack = zlib.decompressobj(wbits=31) if path.suffix == ".gz" else None
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                hasher.update(chunk if unpack is None else unpack.decompress(chunk))
        except zlib.error:
            # Damaged: its reader will say so; here it is like no other file.
            return str(path)
    return hasher.hexdigest()
