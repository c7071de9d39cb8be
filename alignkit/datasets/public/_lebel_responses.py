"""Responses to spoken stories in HDF5: rows are volumes, columns are voxels; read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ._hdf5 import find_array, open_hdf5

_BLOCK_BYTES = 64 * 2**20
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
