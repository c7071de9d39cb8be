"""Which voxels or vertices of the Natural Scenes Dataset become channels, and the regions they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError
from ...recordings.geometry import VolumeGeometry
from ...recordings.surface_geometry import SurfaceGeometry
from .._arrays import readable, require_file
from ..fmri._volumes import Grid, as_mask, grid_of
from ._mgh import read_mgh

_HEMISPHERES = ("lh", "rh")


@dataclass(frozen=True, eq=False)
class Chosen:
    """Where the channels are and what they are called.

    Attributes
    ----------
    geometry : VolumeGeometry or SurfaceGeometry
        One place for each channel.
    channels : DataFrame
        `name`, `kind`, `roi`, one column for each chosen mask, and in volumes `x_mm`, `y_mm`, `z_mm`.
    files : list of Path
        What was read.
    notes : tuple of str
        What a reader should know.
    """

    geometry: VolumeGeometry | SurfaceGeometry
    channels: pd.DataFrame
    files: list[Path]
    notes: tuple[str, ...]


def choose_voxels(root: Path, subject: str, roi: Sequence[str], mask: Path | None) -> Chosen:
    """Return the voxels that lie in any of the regions, in the user's mask, or else in the brain mask.

    Raises
    ------
    MissingDataError
        If there is no such mask.
    InputError
        If masks lie on different grids, or hold no voxel.
    """
    folder = root / f"nsddata/ppdata/{subject}/func1pt8mm"
    check_unique("roi", roi)
    paths = [_existing(folder / "roi", name, f"{name}.nii.gz", ".nii.gz") for name in roi]
    base = mask if mask is not None else None if roi else folder / "brainmask.nii.gz"
    grid: Grid | None = None
    volumes: list[NDArray[Any]] = []
    for path in [*paths, *([base] if base is not None else [])]:
        values, own = _read_volume(path)
        grid = grid or own
        if not own.is_same(grid):
            raise InputError(
                f"the mask {path} lies on another grid ({own}) than {paths[0] if paths else base} ({grid}); "
                f"all masks must be in the func1pt8mm space of {subject}."
            )
        volumes.append(values)
    assert grid is not None
    inside = _inside(volumes, paths, base)
    voxels = np.argwhere(inside)
    geometry = VolumeGeometry(grid.affine, grid.shape, voxels, "func1pt8mm")
    labels = root / f"nsddata/freesurfer/{subject}/label"
    names, files, notes = _named(roi, [values[inside] for values in volumes[: len(roi)]], labels)
    channels = pd.DataFrame({"name": [f"x{x}y{y}z{z}" for x, y, z in voxels], "kind": "voxel", **names})
    for axis, column in enumerate(("x_mm", "y_mm", "z_mm")):
        channels[column] = geometry.coordinates_mm[:, axis]
    read = [*paths, *([base] if base is not None else []), *files]
    return Chosen(geometry, channels, read, notes)


def choose_vertices(root: Path, roi: Sequence[str], folder: Path) -> Chosen:
    """Return the vertices of fsaverage that lie in any of the regions; all, where none is named.

    Raises
    ------
    MissingDataError
        If there is no such mask, or (for all vertices) no ``ncsnr`` to tell their number.
    InputError
        If masks have different meshes, or hold no vertex.
    """
    labels = root / "nsddata/freesurfer/fsaverage/label"
    check_unique("roi", roi)
    paths = [[_existing(labels, name, f"{side}.{name}.mgz", ".mgz") for side in _HEMISPHERES] for name in roi]
    if not roi:
        paths = [[require_file(folder / f"{side}.ncsnr.mgh") for side in _HEMISPHERES]]
    values = [[read_mgh(path) for path in pair] for pair in paths]
    sizes = [tuple(len(part) for part in pair) for pair in values]
    if len(set(sizes)) > 1:
        raise InputError(f"the masks of {', '.join(roi)} have meshes of {sizes} vertices; one is wanted.")
    joined = [np.concatenate(pair) for pair in values]
    inside = _inside(joined, [pair[0] for pair in paths], None) if roi else np.ones(sum(sizes[0]), dtype=bool)
    left = sizes[0][0]
    geometry = SurfaceGeometry.of_mask(inside[:left], inside[left:], space="fsaverage")
    names, files, notes = _named(roi, [part[inside] for part in joined[: len(roi)]], labels)
    places = zip(geometry.hemispheres, geometry.vertices, strict=True)
    channels = pd.DataFrame({"name": [f"{h}-{v}" for h, v in places], "kind": "vertex", **names})
    channels["hemisphere"] = geometry.hemispheres
    return Chosen(geometry, channels, [*(path for pair in paths for path in pair), *files], notes)


def region_names(path: Path) -> dict[int, str]:
    """Read a FreeSurfer colour table: a number and a name in each line; more in the line is left out."""
    with readable(path, "a table of region names"):
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {int(line[0]): line[1] for line in lines if not line[0].startswith("#")}


def _existing(folder: Path, name: str, file: str, suffix: str) -> Path:
    path = folder / file
    if "/" in name or "\\" in name or not path.is_file():
        there = sorted(
            {each.name.removesuffix(suffix) for each in folder.glob(f"*{suffix}")}
            if suffix == ".nii.gz"
            else {each.name.removesuffix(suffix)[3:] for each in folder.glob(f"lh.*{suffix}")}
        )
        raise MissingDataError(
            f"`roi` names {name!r} but {path} is not there: {name!r}, {did_you_mean(name, there)}"
        )
    return path


def _read_volume(path: Path) -> tuple[NDArray[Any], Grid]:
    import nibabel as nib

    path = require_file(path)
    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        values = np.asarray(image.dataobj)
        grid = grid_of(image)
    if values.ndim != 3:
        raise InputError(f"the mask {path} has shape {values.shape}; a single volume is wanted.")
    return values, grid


def _inside(volumes: list[NDArray[Any]], paths: list[Path], base: Path | None) -> NDArray[np.bool_]:
    inside = np.zeros(volumes[0].shape, dtype=bool)
    # Minus one marks what is no cortex, zero what is in no region.
    for values in volumes[: len(paths)]:
        inside |= np.isfinite(values) & (values > 0)
    if base is not None:
        own = as_mask(volumes[-1], base)
        inside = own & inside if paths else own
    if not inside.any():
        names = ", ".join(str(path) for path in [*paths, *([base] if base is not None else [])])
        raise InputError(f"no voxel lies in {names} (together).")
    return np.asarray(inside, dtype=np.bool_)


def _named(
    roi: Sequence[str], values: list[NDArray[Any]], labels: Path
) -> tuple[dict[str, NDArray[Any]], list[Path], tuple[str, ...]]:
    """Return a column of region names for each mask, and `roi` from the first that has one."""
    columns: dict[str, NDArray[Any]] = {}
    files: list[Path] = []
    notes: list[str] = []
    for name, numbers in zip(roi, values, strict=True):
        path = labels / f"{name}.mgz.ctab"
        names = region_names(path) if path.is_file() else {}
        files += [path] * path.is_file()
        present = [int(number) for number in np.unique(numbers) if number > 0]
        unnamed = [number for number in present if number not in names]
        if len(present) == 1 and unnamed:
            names = {present[0]: name}
        elif unnamed:
            notes.append(
                f"{path.name} has no name for the region(s) {', '.join(map(str, unnamed))} of {name!r}; they "
                "are called by their number."
            )
        text = {number: names.get(number, f"{name}-{number}") for number in present}
        columns[name] = np.array([text.get(int(n), "") if n > 0 else "" for n in numbers], dtype=object)
    if not columns:
        return {}, files, tuple(notes)
    first = np.full(len(values[0]), "", dtype=object)
    for column in reversed(columns.values()):
        first = np.where(column != "", column, first)
    overlap = sum((column != "").astype(int) for column in columns.values())
    if np.max(overlap) > 1:
        notes.append(
            f"{int((overlap > 1).sum())} channels lie in several of {', '.join(roi)}: `roi` is the region in "
            "the first of them, and each has a column of its own."
        )
    return {"roi": first, **columns}, files, tuple(notes)
