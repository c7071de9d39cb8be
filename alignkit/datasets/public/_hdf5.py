"""HDF5 files of public sets: opened in one place, and never followed into other files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._arrays import readable, require_file


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[Any]:
    """Open a file for reading; whatever fails inside is told as a damaged file.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is no HDF5 file, or is damaged.
    """
    import h5py

    path = require_file(path)
    with readable(path, "HDF5"), h5py.File(path, "r") as file:
        yield file


def find_item(file: Any, name: str) -> Any:
    """Return a group or an array of an open file by its path, such as ``"metadata/key"``.

    Raises
    ------
    InputError
        If there is none (close matches listed), or it lies in another file.
    """
    import h5py

    item = file
    for part in name.split("/"):
        if not isinstance(item, h5py.Group) or part not in item:
            there = list(item) if isinstance(item, h5py.Group) else []
            raise InputError(f"{file.filename} has no {name!r}: {part!r}, {did_you_mean(part, there)}")
        if not isinstance(item.get(part, getlink=True), h5py.HardLink):
            raise InputError(f"{file.filename}: {name!r} is a link to another place, which is not followed.")
        item = item[part]
    if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
        raise InputError(f"{file.filename}: {name!r} lies in another file, which is not followed.")
    return item


def find_array(file: Any, name: str, *, ndim: int) -> Any:
    """Return an array of an open file, not yet read, refusing another number of dimensions."""
    import h5py

    item = find_item(file, name)
    if not isinstance(item, h5py.Dataset) or len(item.shape) != ndim:
        what = f"shape {item.shape}" if isinstance(item, h5py.Dataset) else "a group"
        raise InputError(f"{file.filename}: {name!r} should be an array of {ndim} dimensions, got {what}.")
    return item
