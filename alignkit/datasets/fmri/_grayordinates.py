"""Grayordinates: which of a CIFTI file's vertices and voxels become channels, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.surface_geometry import SurfaceGeometry
from .._arrays import readable, require_file
from ._runs import SeriesFile
from ._surface_files import label_names

_CORTEX = {"CIFTI_STRUCTURE_CORTEX_LEFT": "left", "CIFTI_STRUCTURE_CORTEX_RIGHT": "right"}


@dataclass(frozen=True)
class Places:
    """Grayordinates that are read: `inside` is of all the file has, `roi` of those inside."""

    models: Any
    inside: NDArray[np.bool_]
    roi: NDArray[Any] | None
    notes: tuple[str, ...] = ()

    def kept(self, keep: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the numbers of the kept grayordinates."""
        return np.flatnonzero(self.inside)[keep]

    def channels(self, keep: NDArray[np.bool_]) -> pd.DataFrame:
        """Return the channel table of the kept grayordinates."""
        rows = self.kept(keep)
        models = self.models[rows]
        is_surface = models.surface_mask
        table = pd.DataFrame(
            {"name": grayordinate_names(models), "kind": np.where(is_surface, "vertex", "voxel")}
        )
        if self.roi is not None:
            table["roi"] = self.roi[keep]
        table["structure"] = [_short(name) for name in models.name]
        table["vertex"] = np.asarray(models.vertex, dtype=np.int64)
        if not is_surface.all():
            place = models.voxel @ models.affine[:3, :3].T + models.affine[:3, 3]
            place = np.where(is_surface[:, None], np.nan, place)
            for axis, column in enumerate(("x_mm", "y_mm", "z_mm")):
                table[column] = place[:, axis]
        return table

    def geometry(self, keep: NDArray[np.bool_], space: str | None) -> SurfaceGeometry:
        """Return where the kept vertices are."""
        models = self.models[self.kept(keep)]
        sizes = [int(self.models.nvertices.get(name, 0)) for name in _CORTEX]
        space = space or ("fsLR-32k" if set(sizes) <= {0, 32492} else "native")
        hemispheres = np.array([_CORTEX[name] for name in models.name])
        vertices = np.asarray(models.vertex, dtype=np.intp)
        return SurfaceGeometry(vertices, hemispheres, (sizes[0], sizes[1]), space)


def open_cifti(path: Path) -> Any:
    import nibabel as nib

    path = require_file(path)
    with readable(path, "a CIFTI file"):
        image: Any = nib.load(path)
        is_cifti = isinstance(image, nib.Cifti2Image)
        shape = tuple(image.shape)
    if not is_cifti:
        raise InputError(f"{path} is no CIFTI file but an image of shape {shape}; read it with `read_bold`.")
    return image


def open_cifti_series(path: Path) -> Any:
    from nibabel.cifti2.cifti2_axes import SeriesAxis

    image = open_cifti(path)
    axis = image.header.get_axis(0)
    if not isinstance(axis, SeriesAxis):
        raise InputError(
            f"{path} is no series: its rows are {_kind(axis)}. A series ends with .dtseries.nii."
        )
    brain_models(path, image)
    if image.shape[0] < 2:
        raise InputError(f"{path} holds {image.shape[0]} volume(s); a series needs at least 2.")
    return image


def brain_models(path: Path, image: Any) -> Any:
    from nibabel.cifti2.cifti2_axes import BrainModelAxis

    axis = image.header.get_axis(1)
    if not isinstance(axis, BrainModelAxis):
        raise InputError(f"{path} has {_kind(axis)} for columns, not grayordinates; a dense file is wanted.")
    return axis


def common_models(paths: list[Path], images: list[Any]) -> Any:
    models = images[0].header.get_axis(1)
    for path, image in zip(paths[1:], images[1:], strict=True):
        other = image.header.get_axis(1)
        if other != models:
            raise InputError(
                f"{path.name} has other grayordinates ({len(other)}) than {paths[0].name} ({len(models)}); "
                "all runs of a subject must be in one space."
            )
    return models


def cifti_series(path: Path, image: Any, inside: NDArray[np.bool_]) -> SeriesFile:
    axis = image.header.get_axis(0)
    tr_s = float(axis.step) if axis.unit == "SECOND" else None
    return SeriesFile(path, int(image.shape[0]), partial(_read, path, image, inside), tr_s)


def _read(path: Path, image: Any, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    with readable(path, "a CIFTI file"):
        return np.asarray(image.dataobj, dtype=np.float32)[:, inside]


def select_grayordinates(models: Any, structures: str, atlas: str | Path | None) -> Places:
    inside = np.ones(len(models), dtype=bool)
    if structures == "cortex":
        inside = np.isin(np.asarray(models.name, dtype=str), list(_CORTEX))
        if not inside.any():
            raise InputError("the series have no cortical vertices; set `structures` to 'all'.")
    if atlas is None:
        return Places(models, inside, None)
    regions = _regions(Path(atlas))
    roi = np.array([regions.get(name, "") for name in grayordinate_names(models)], dtype=object)
    inside &= roi != ""
    if not inside.any():
        raise InputError(f"the atlas {atlas} has no region inside the series.")
    return Places(models, inside, roi[inside])


def _regions(path: Path) -> dict[str, str]:
    """Return the region of every grayordinate of a dlabel file, by its name."""
    from nibabel.cifti2.cifti2_axes import LabelAxis

    image = open_cifti(path)
    axis = image.header.get_axis(0)
    if not isinstance(axis, LabelAxis):
        raise InputError(f"the atlas {path} holds no labels; a CIFTI atlas ends with .dlabel.nii.")
    with readable(path, "CIFTI labels"):
        numbers = np.asarray(image.dataobj[0]).astype(np.int64)
    names = {int(key): str(label[0]) for key, label in axis.label[0].items()}
    regions = label_names(path, numbers, names)
    return dict(zip(grayordinate_names(brain_models(path, image)), regions, strict=True))


def grayordinate_names(models: Any) -> list[str]:
    """Return a name per grayordinate that is the same in every file of its space."""
    short = {name: _short(name) for name in set(models.name)}
    return [
        f"{short[name]}-{vertex}" if vertex >= 0 else f"{short[name]}-x{voxel[0]}y{voxel[1]}z{voxel[2]}"
        for name, vertex, voxel in zip(models.name, models.vertex, models.voxel, strict=True)
    ]


def _short(name: str) -> str:
    return str(name).removeprefix("CIFTI_STRUCTURE_").lower()


def _kind(axis: Any) -> str:
    return type(axis).__name__.removesuffix("Axis").lower().removesuffix("s") + "s"
