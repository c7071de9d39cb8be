"""Responses to spoken stories in HDF5: rows are volumes, columns are voxels; read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import read_array
from ._hdf5 import find_array, open_hdf5

TEST_STORY = "wheretheressmoke"
# Volumes cut off at the start of each run, and at its end.
N_CUT = 10
# A piece is in memory twice while its voxels are chosen.
_BLOCK_BYTES = 32 * 2**20
_DATA, _REPEATS = "data", "individual_repeats"


def response_shape(path: Path, *, repeats: bool = False) -> tuple[int, int, int]:
    """Return (n_repeats, n_volumes, n_voxels) of a story, without reading it.

    Raises
    ------
    InputError
        If the file is damaged, or has no single repeats where they are wanted.
    """
    with open_hdf5(path) as file:
        if not repeats:
            n_volumes, n_voxels = find_array(file, _DATA, ndim=2).shape
            return 1, int(n_volumes), int(n_voxels)
        n_repeats, n_volumes, n_voxels = find_array(file, _REPEATS, ndim=3).shape
        return int(n_repeats), int(n_volumes), int(n_voxels)


def read_responses(path: Path, out: NDArray[np.float32], columns: NDArray[np.intp], *, repeats: bool) -> None:
    """Fill `out` with a story's responses, about 64 MiB of the file at a time.

    Parameters
    ----------
    path : Path
        The story's file.
    out : ndarray of shape (n_repeats * n_volumes, n_columns)
        Repeat after repeat.
    columns : ndarray of int
        Which voxels.
    repeats : bool
        The single presentations, or what the owners give as the response.
    """
    n_volumes = response_shape(path, repeats=repeats)[1]
    with open_hdf5(path) as file:
        array = find_array(file, _REPEATS, ndim=3) if repeats else find_array(file, _DATA, ndim=2)
        for start, stop in _pieces(n_volumes, array.shape[-1]):
            if not repeats:
                out[start:stop] = array[start:stop][:, columns]
                continue
            for number in range(array.shape[0]):
                rows = slice(number * n_volumes + start, number * n_volumes + stop)
                out[rows] = array[number, start:stop][:, columns]


def repeat_reliability(path: Path) -> NDArray[np.float64]:
    """Return how well odd and even repeats of a story agree in each voxel.

    Pearson's r between their means, with the correction of Spearman and Brown for the whole number of
    repeats: 2 r / (1 + r); at most 1. Voxels without variance or with NaN have -1.

    Raises
    ------
    InputError
        If there are fewer than two repeats.
    """
    n_repeats, n_volumes, n_voxels = response_shape(path, repeats=True)
    if n_repeats < 2:
        raise InputError(f"{path} holds {n_repeats} repeat(s); reliability needs two.")
    found = np.full(n_voxels, -1.0)
    with open_hdf5(path) as file:
        array = find_array(file, _REPEATS, ndim=3)
        for start, stop in _pieces(n_voxels, n_repeats * n_volumes):
            block = array[:, :, start:stop]
            odd, even = block[::2].mean(axis=0), block[1::2].mean(axis=0)
            found[start:stop] = _stepped_up(odd, even)
    return found


def check_columns(path: Path, chosen: Sequence[int] | NDArray[np.generic], n_voxels: int) -> NDArray[np.intp]:
    """Return the voxels that a file of indices or a mask names, rising.

    Raises
    ------
    InputError
        If a mask has another length, or an index is no voxel or comes twice.
    """
    wanted = np.asarray(chosen)
    if wanted.dtype == bool:
        if wanted.shape != (n_voxels,):
            raise InputError(f"the mask {path} has shape {wanted.shape}, ({n_voxels},) is wanted.")
        wanted = np.flatnonzero(wanted)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu" or not wanted.size:
        raise InputError(
            f"{path} must hold a mask, or indices of voxels, got {wanted.dtype} of {wanted.shape}."
        )
    ordered = np.unique(wanted.astype(np.intp))
    if len(ordered) != len(wanted) or ordered[0] < 0 or ordered[-1] >= n_voxels:
        raise InputError(
            f"the indices in {path} must differ and lie in 0..{n_voxels - 1}, got {len(wanted)} from "
            f"{wanted.min()} to {wanted.max()}, {len(wanted) - len(ordered)} of them twice."
        )
    return ordered


def check_rows(
    path: Path, subject: str, story: str, shape: tuple[int, int, int], expected: Mapping[str, int]
) -> list[str]:
    """Compare a story's volumes with what ``respdict.json`` states, and return notes.

    Raises
    ------
    InputError
        If more than two volumes are missing or too many.
    """
    if story not in expected:
        return [f"{subject}: respdict.json does not name {story}; its length was not checked."]
    off = shape[1] - expected[story]
    # The published lengths and files differ by a volume or two in places; more is another file.
    if abs(off) > 2:
        raise InputError(
            f"{path} has {shape[1]} volumes, respdict.json says {expected[story] + 2 * N_CUT} of which "
            f"{2 * N_CUT} were cut off ({expected[story]}). Copy the file again."
        )
    return (
        [f"{subject}: {story} has {abs(off)} volume(s) {'more' if off > 0 else 'less'} than stated."]
        if off
        else []
    )


def choose_columns(
    repeated: Path, subject: str, n_voxels: int, voxels: Path | None, min_reliability: float | None
) -> tuple[NDArray[np.intp], list[str]]:
    """Return the voxels to keep, rising, and notes.

    Raises
    ------
    InputError
        If the choice does not fit, or leaves nothing.
    """
    columns, notes = np.arange(n_voxels), []
    if voxels is not None:
        columns = check_columns(voxels, read_array(voxels, ndims=(1,)), n_voxels)
        notes.append(f"{subject}: {len(columns)} of {n_voxels} voxels are those of {Path(voxels).name}.")
    if min_reliability is not None:
        reliable = repeat_reliability(repeated) >= min_reliability
        columns = columns[reliable[columns]]
        notes.append(
            f"{subject}: {len(columns)} voxels have a repeat reliability of at least {min_reliability:g} in "
            f"{TEST_STORY}; scores in that story are of voxels chosen by it."
        )
    if not len(columns):
        raise InputError(f"no voxel of {subject!r} is left; lower `min_reliability` ({min_reliability}).")
    return columns, notes


def without_nan(
    data: NDArray[np.float32], columns: NDArray[np.intp], subject: str
) -> tuple[NDArray[np.float32], NDArray[np.intp], list[str]]:
    """Leave out voxels that have no value somewhere; return data, voxels and notes."""
    good = np.isfinite(data.sum(axis=0, dtype=np.float64))
    if good.all():
        return data, columns, []
    if not good.any():
        raise InputError(f"every voxel of {subject!r} holds NaN; get the files again.")
    note = f"{subject}: {int((~good).sum())} voxels with NaN were left out."
    return np.ascontiguousarray(data[:, good]), columns[good], [note]


def _pieces(length: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BLOCK_BYTES // (8 * max(width, 1)))
    for start in range(0, length, step):
        yield start, min(start + step, length)


def _stepped_up(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    r = np.divide((a * b).sum(axis=0), spread, out=np.full(a.shape[1], -0.5), where=spread > 0)
    stepped = 2 * r / (1 + np.maximum(r, -0.999))
    return np.where(np.isfinite(stepped) & (spread > 0), np.maximum(stepped, -1.0), -1.0)
