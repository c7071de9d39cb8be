"""Rasters of single units as the Neural Decoding Toolbox keeps them: a MATLAB file per unit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError, MissingDataError
from .._arrays import readable

_VARIABLES = ("raster_data", "raster_labels", "raster_site_info")
# A thousand trials of a minute in milliseconds are 60 MB; a member that claims more is no raster.
_LARGEST_BYTES = 2**30


@dataclass(frozen=True)
class RasterUnit:
    """One unit's trials.

    Attributes
    ----------
    name : str
        The file's stem, without ``_raster_data``.
    place : str
        Where it was read, for messages.
    data : ndarray of shape (n_trials, n_columns)
        Spikes in equal steps of time.
    labels : mapping of str to list of str
        Each of n_trials entries.
    site : mapping of str to str, int or float
        The scalars of ``raster_site_info``.
    """

    name: str
    place: str
    data: NDArray[Any]
    labels: Mapping[str, list[str]]
    site: Mapping[str, str | int | float]


def raster_units(path: Path) -> Iterator[RasterUnit]:
    """Read the units of a folder or a zip one after another, sorted by name; nothing is unpacked to disk.

    Raises
    ------
    MissingDataError
        If there is no such folder or zip.
    InputError
        If it holds no MATLAB file, a member's name leaves the archive, or a file is no raster.
    """
    if path.is_dir():
        files = sorted(file for file in path.glob("*.mat") if not file.name.startswith("."))
        if not files:
            raise InputError(f"{path} holds no MATLAB file (*.mat); give the folder with a file per unit.")
        for file in files:
            yield _unit(file.name, str(file), file, file.read_bytes())
        return
    if not path.is_file():
        raise MissingDataError(f"{path} does not exist; give a folder or a zip with a MATLAB file per unit.")
    with readable(path, "a zip of MATLAB rasters"), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if _is_raster(path, member)]
        if not members:
            raise InputError(f"{path} holds no MATLAB file (*.mat); give the zip with a file per unit.")
        for member in sorted(members, key=lambda member: member.filename):
            name = PurePosixPath(member.filename).name
            yield _unit(name, f"{path}: {member.filename}", path, archive.read(member))


def _is_raster(path: Path, member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    leaves = name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename
    if leaves:
        raise InputError(f"{path} holds {member.filename!r}, a name that leaves the archive; not read.")
    # macOS puts "__MACOSX/._name.mat" beside files; they are no MATLAB files.
    if member.is_dir() or name.suffix.lower() != ".mat" or name.name.startswith("."):
        return False
    if member.file_size > _LARGEST_BYTES:
        raise InputError(
            f"{path} holds {member.filename!r} of {member.file_size} bytes; no raster is so large."
        )
    return True


def _unit(file_name: str, place: str, path: Path, content: bytes) -> RasterUnit:
    from scipy.io import loadmat

    if content[:10] == b"MATLAB 7.3" or content[1:4] == b"HDF":
        raise InputError(f"{place} is a MATLAB 7.3 file; save it in MATLAB with '-v7', and it can be read.")
    with readable(Path(place), "a MATLAB file"):
        # scipy reads from open files too; its stubs do not say so.
        variables = loadmat(io.BytesIO(content), simplify_cells=True)  # type: ignore[arg-type]
    for name in _VARIABLES[:2]:
        if name not in variables:
            there = ", ".join(sorted(key for key in variables if not key.startswith("__"))) or "nothing"
            raise InputError(
                f"{place} is no raster of the Neural Decoding Toolbox: it has no {name!r}. It holds {there}."
            )
    labels = _labels(place, variables["raster_labels"])
    n_trials = len(next(iter(labels.values())))
    data = _checked(place, variables["raster_data"], n_trials)
    for label, texts in labels.items():
        if len(texts) != len(data):
            raise InputError(
                f"{place}: raster_labels.{label} has {len(texts)} entries, raster_data has {len(data)} "
                "trials."
            )
    site = variables.get("raster_site_info")
    site = site if isinstance(site, dict) else {}
    return RasterUnit(
        PurePosixPath(file_name).stem.removesuffix("_raster_data"),
        place,
        data,
        labels,
        {key: value for key, value in site.items() if isinstance(value, str | int | float)},
    )


def _checked(place: str, value: Any, n_trials: int) -> NDArray[Any]:
    data = np.asarray(value)
    # scipy takes axes of length 1 away: one trial, or one column.
    if data.ndim == 1 and n_trials in (1, len(data)):
        data = data.reshape(n_trials, -1)
    if data.dtype.kind not in "fiub" or data.ndim != 2:
        raise InputError(
            f"{place}: raster_data must be numbers of shape (n_trials, n_times), got {data.dtype} of shape "
            f"{data.shape}."
        )
    if data.dtype.kind == "f" and not (np.isfinite(data).all() and (data == np.rint(data)).all()):
        raise InputError(f"{place}: raster_data must hold whole numbers of spikes, without NaN.")
    if data.size and data.min() < 0:
        raise InputError(f"{place}: raster_data must hold numbers of spikes, got {data.min()}.")
    return data


def _labels(place: str, value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not value:
        raise InputError(f"{place}: raster_labels must be a struct with a field per kind of label.")
    return {
        str(name): [_text(entry) for entry in np.atleast_1d(np.asarray(entries, dtype=object)).ravel()]
        for name, entries in value.items()
    }


def _text(value: Any) -> str:
    """Return a label as text; MATLAB keeps whole numbers as doubles."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
