"""Files and folders that are there whole or not at all.

What is written goes to a temporary neighbour first, is flushed to the disk, and is then renamed. A
process killed in between leaves only a neighbour whose name starts with ``.tmp-<process id>-``.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DiskFullError

TEMPORARY_PREFIX = ".tmp-"
WORKING_PREFIX = ".unfinished-"


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on any failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The temporary name keeps every suffix: writers such as nibabel choose the format by it.
    handle, name = tempfile.mkstemp(prefix=_prefix(), suffix="-" + path.name, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o666 & ~_umask())
    try:
        with explain_full_disk(path):
            yield temporary
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder; on success it replaces `path`, on any failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(), suffix="-" + path.name, dir=path.parent))
    temporary.chmod(0o777 & ~_umask())
    try:
        with explain_full_disk(path):
            yield temporary
            _take_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def kept_folder(path: str | Path) -> Iterator[Path]:
    """Yield a working folder that survives failures; on success it replaces `path`.

    What a killed process wrote there is found by the next one, whose task it is to go on with it.
    """
    path = Path(path)
    working = path.parent / f"{WORKING_PREFIX}{path.name}"
    working.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(path):
        yield working
        _take_place(working, path)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all (UTF-8)."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(folder: str | Path) -> int:
    """Remove what killed processes left in `folder`; return how many entries went."""
    removed = 0
    for entry in Path(folder).glob(TEMPORARY_PREFIX + "*"):
        owner = entry.name.removeprefix(TEMPORARY_PREFIX).split("-")[0]
        if owner.isdigit() and _is_running(int(owner)):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
        removed += 1
    return removed


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn "no space left" into an error that says where, and that nothing was lost."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f"no space left to write {path}. Nothing half-written was kept; free some space (or set "
            "ALIGNKIT_CACHE and --out to another disk) and run the same command again: it goes on from there."
        ) from error


def _take_place(folder: Path, path: Path) -> None:
    for entry in [*folder.rglob("*"), folder]:
        _flush(entry)
    _replace_folder(folder, path)
    _flush(path.parent)


def _replace_folder(temporary: Path, path: Path) -> None:
    # A folder cannot be renamed over one that holds files: the old one steps aside first.
    if path.exists():
        aside = Path(tempfile.mkdtemp(prefix=_prefix(), suffix="-old", dir=path.parent))
        path.replace(aside / "old")
        temporary.replace(path)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        temporary.replace(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prefix() -> str:
    return f"{TEMPORARY_PREFIX}{os.getpid()}-"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
