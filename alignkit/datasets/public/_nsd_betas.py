"""Single-trial responses of the Natural Scenes Dataset, read for the wanted voxels only.

The published HDF5 files have the axes (trials, z, y, x), the NIfTI files (x, y, z, trials); both hold 300
times the per cent signal change as int16. Surface files (MGH) hold per cent as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.geometry import VolumeGeometry
from ...recordings.surface_geometry import SurfaceGeometry
from .._arrays import readable
from ._hdf5 import find_array, open_hdf5
from ._mgh import open_mgh, read_mgh

Space = Literal["func1pt8mm", "fsaverage"]
_PER_CENT = 300.0
_BLOCK_BYTES = 64 * 2**20
_SESSION = re.compile(r"betas_session(\d+)\.(hdf5|nii\.gz|nii|mgh)$")
_HEMISPHERES = {"left": "lh", "right": "rh"}


def session_files(folder: Path, space: Space) -> dict[int, list[Path]]:
    """Return the files of each session: one volume (HDF5 before NIfTI), or one of each hemisphere."""
    found: dict[int, list[Path]] = {}
    pattern = "lh.betas_session*.mgh" if space == "fsaverage" else "betas_session*"
    for path in sorted(folder.glob(pattern)):
        match = _SESSION.search(path.name)
        if match is None:
            continue
        session = int(match.group(1))
        if space == "fsaverage":
            right = path.with_name(path.name.replace("lh.", "rh.", 1))
            if right.is_file():
                found[session] = [path, right]
        elif session not in found:
            # "hdf5" sorts before "nii": of two copies the one that is read in parts comes first.
            found[session] = [path]
    return dict(sorted(found.items()))


def read_volume_session(path: Path, geometry: VolumeGeometry) -> NDArray[np.float32]:
    """Return one session's per cent signal change, (n_trials, n_voxels).

    Memory: the result and at most 64 MiB more.

    Raises
    ------
    InputError
        If the file is damaged, lies on another grid than the voxels, or holds no int16.
    """
    if path.suffix == ".hdf5":
        with open_hdf5(path) as file:
            betas = find_array(file, "betas", ndim=4)
            _check_int16(path, betas.dtype)
            _check_size(path, tuple(betas.shape[:0:-1]), geometry.shape)
            values = _read_hdf5(betas, geometry)
    else:
        values = _read_nifti(path, geometry)
    return np.asarray(values / np.float32(_PER_CENT), dtype=np.float32)


def read_surface_session(paths: list[Path], geometry: SurfaceGeometry) -> NDArray[np.float32]:
    """Return one session's per cent signal change, (n_trials, n_vertices), left hemisphere first.

    Raises
    ------
    InputError
        If a file is damaged, has another mesh, or the hemispheres differ in trials.
    """
    parts = []
    for path, hemisphere, size in zip(paths, ("left", "right"), geometry.n_vertices, strict=True):
        vertices = geometry.vertices[geometry.hemispheres == hemisphere]
        with open_mgh(path) as (data, shape):
            if len(shape) != 4 or shape[:3] != (size, 1, 1):
                raise InputError(
                    f"{path} has shape {shape}, a mesh of {size} vertices times trials is wanted."
                )
            part = np.empty((shape[3], len(vertices)), dtype=np.float32)
            step = max(1, _BLOCK_BYTES // (4 * size))
            for start in range(0, shape[3], step):
                block = np.asarray(data[:, 0, 0, start : start + step])
                part[start : start + step] = block[vertices].T
        parts.append(part)
    if len(parts[0]) != len(parts[1]):
        raise InputError(f"{paths[0]} has {len(parts[0])} trials but {paths[1].name} has {len(parts[1])}.")
    return np.concatenate(parts, axis=1)


def read_map(folder: Path, space: Space, geometry: Any, name: str) -> NDArray[np.float64] | None:
    """Return a published map, such as ``ncsnr``, at the voxels or vertices; None where it is not there."""
    import nibabel as nib

    if space == "func1pt8mm":
        path = folder / f"{name}.nii.gz"
        if not path.is_file():
            return None
        with readable(path, "a NIfTI image"):
            image: Any = nib.load(path)
            _check_size(path, tuple(image.shape), geometry.shape)
            volume = np.asarray(image.dataobj, dtype=np.float64)
        return np.asarray(volume[tuple(geometry.voxels.T)])
    values = np.full(geometry.n_channels, np.nan)
    for hemisphere, short in _HEMISPHERES.items():
        path = folder / f"{short}.{name}.mgh"
        if not path.is_file():
            return None
        here = geometry.hemispheres == hemisphere
        values[here] = read_mgh(path)[geometry.vertices[here]]
    return values


def _read_hdf5(betas: Any, geometry: VolumeGeometry) -> NDArray[np.int16]:
    n_trials = betas.shape[0]
    voxels = geometry.voxels
    values = np.empty((n_trials, len(voxels)), dtype=np.int16)
    if betas.chunks is not None and tuple(betas.chunks[1:]) == (1, 1, 1):
        # Published chunks hold one voxel's trials: neighbours along x are read together, and nothing else.
        for columns in _neighbours(voxels):
            x, y, z = voxels[columns[0]]
            values[:, columns] = betas[:, z, y, x : x + len(columns)]
        return values
    inside = tuple(voxels[:, axis] for axis in (2, 1, 0))
    step = max(1, _BLOCK_BYTES // (2 * int(np.prod(betas.shape[1:]))))
    for start in range(0, n_trials, step):
        values[start : start + step] = betas[start : start + step][:, *inside]
    return values


def _neighbours(voxels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the columns of voxels that follow each other along x, (y, z) being the same."""
    order = np.lexsort((voxels[:, 0], voxels[:, 1], voxels[:, 2]))
    placed = voxels[order]
    follows = (np.diff(placed[:, 0]) == 1) & (np.diff(placed[:, 1:], axis=0) == 0).all(axis=1)
    return np.split(order, np.flatnonzero(~follows) + 1)


def _read_nifti(path: Path, geometry: VolumeGeometry) -> NDArray[np.int16]:
    import nibabel as nib

    with readable(path, "a NIfTI image"):
        # A gzip stream is read once from front to back when it stays open.
        image: Any = nib.load(path, keep_file_open=True)
        _check_int16(path, image.get_data_dtype())
        if image.ndim != 4 or (image.dataobj.slope, image.dataobj.inter) != (1.0, 0.0):
            raise InputError(f"{path} is no published file of responses: four dimensions without scaling.")
        # As in the HDF5 files, which name no affine, voxels are matched by their index.
        _check_size(path, tuple(image.shape[:3]), geometry.shape)
        n_trials = image.shape[3]
        values = np.empty((n_trials, geometry.n_channels), dtype=np.int16)
        step = max(1, _BLOCK_BYTES // (2 * int(np.prod(image.shape[:3]))))
        for start in range(0, n_trials, step):
            block = np.asarray(image.dataobj[..., start : start + step])
            values[start : start + step] = block[tuple(geometry.voxels.T)].T
    return values


def _check_int16(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.kind != "i" or dtype.itemsize != 2:
        raise InputError(
            f"{path} holds {dtype}, the published files hold int16 (300 times per cent signal change). A "
            "repackaged file may be in another unit: get the published one."
        )


def _check_size(path: Path, size: tuple[int, ...], wanted: tuple[int, int, int]) -> None:
    if size != tuple(wanted):
        raise InputError(
            f"{path} has the grid {' x '.join(map(str, size))} (x, y, z), the mask has "
            f"{' x '.join(map(str, wanted))}. Both must be of one subject and one space."
        )
