"""Which voxels become channels, and in which region they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.geometry import VolumeGeometry
from ._atlases import NamedImage, is_name, read_named_atlas, read_named_mask
from ._labels import check_named, region_names
from ._volumes import Grid, as_atlas, as_mask, grid_of, on_grid, read_volume


@dataclass(frozen=True)
class Voxels:
    """Voxels of the mask.

    Attributes
    ----------
    grid : Grid
        Where they are.
    mask : ndarray of bool
        The volume.
    roi : ndarray of str or None
        Region of each voxel of the mask; ``""`` for none.
    notes : tuple of str
        Where they come from.
    """

    grid: Grid
    mask: NDArray[np.bool_]
    roi: NDArray[Any] | None
    notes: tuple[str, ...] = ()

    def geometry(self, keep: NDArray[np.bool_], space: str) -> VolumeGeometry:
        """Return where the kept voxels are."""
        return VolumeGeometry(self.grid.affine, self.grid.shape, np.argwhere(self.mask)[keep], space)

    def channels(self, keep: NDArray[np.bool_]) -> pd.DataFrame:
        """Return the channel table of the kept voxels."""
        geometry = self.geometry(keep, "")
        names = [f"x{x}y{y}z{z}" for x, y, z in geometry.voxels]
        table = pd.DataFrame({"name": names, "kind": "voxel"})
        if self.roi is not None:
            table["roi"] = self.roi[keep]
        place = geometry.coordinates_mm
        for axis, column in enumerate(("x_mm", "y_mm", "z_mm")):
            table[column] = place[:, axis]
        return table


def select_voxels(
    grid: Grid,
    *,
    mask: str | Path | Sequence[str | Path] | None,
    atlas: str | Path | None,
    atlas_labels: str | Path | None,
    resample: bool,
    space: str,
) -> Voxels:
    """Read mask and atlas: the voxels of the mask, or else of the atlas, or else all."""
    notes: list[str] = []
    inside = np.ones(grid.shape, dtype=bool)
    roi = None
    if atlas is None and atlas_labels is not None:
        raise InputError(f"`atlas_labels` ({atlas_labels}) names regions, but no `atlas` is given.")
    masks = [mask] if isinstance(mask, str | Path) else list(mask or ())
    for each in masks:
        part, said = _mask(each, grid, resample=resample, space=space)
        inside &= part
        notes += said
    if not inside.any():
        raise InputError(
            f"the {len(masks)} masks have no voxel in common, such as {masks[0]} and {masks[-1]}."
        )
    if len(masks) > 1:
        notes.append(f"Channels are the voxels that {len(masks)} masks have in common.")
    if atlas is not None:
        numbers, names, said = _atlas(atlas, atlas_labels, grid, resample=resample, space=space)
        notes += said
        if not masks:
            inside = numbers > 0
        present = [int(number) for number in np.unique(numbers[inside]) if number != 0]
        if not present:
            raise InputError(f"the atlas {atlas} has no region inside the mask.")
        named = {number: f"region-{number}" for number in present} if names is None else names
        check_named(atlas_labels or atlas, present, named)
        roi = np.array([named.get(int(number), "") for number in numbers[inside]], dtype=object)
    if not masks and atlas is None:
        notes.append("No mask was given: every voxel that varies is a channel.")
    return Voxels(grid, inside, roi, tuple(notes))


def _mask(mask: str | Path, grid: Grid, *, resample: bool, space: str) -> tuple[NDArray[np.bool_], list[str]]:
    if is_name(mask):
        found = read_named_mask(str(mask))
        values, note = _named_on_grid(str(mask), found, grid, what="mask", resample=resample, space=space)
        return as_mask(values, mask), [note]
    values, moved = read_volume(mask, grid, what="mask", resample=resample)
    return as_mask(values, mask), [_moved("mask", mask)] * moved


def _atlas(
    atlas: str | Path, labels: str | Path | None, grid: Grid, *, resample: bool, space: str
) -> tuple[NDArray[np.int64], dict[int, str] | None, list[str]]:
    """Return region numbers, their names where there are any, and notes."""
    if is_name(atlas):
        if labels is not None:
            raise InputError(f"the atlas {atlas!r} brings its names along; leave `atlas_labels` out.")
        found = read_named_atlas(str(atlas))
        values, note = _named_on_grid(str(atlas), found, grid, what="atlas", resample=resample, space=space)
        return as_atlas(values, atlas), found.names, [note]
    values, moved = read_volume(atlas, grid, what="atlas", resample=resample)
    names = None if labels is None else region_names(labels)
    return as_atlas(values, atlas), names, [_moved("atlas", atlas)] * moved


def _named_on_grid(
    name: str, found: NamedImage, grid: Grid, *, what: str, resample: bool, space: str
) -> tuple[NDArray[Any], str]:
    if not space.startswith("MNI"):
        raise InputError(
            f"the {what} {name!r} is in MNI space ({found.template}) but the series is in {space!r}. Give "
            "the name of its space as `space` where it is MNI, such as 'MNI152NLin2009cAsym'."
        )
    values = np.asarray(found.image.dataobj)
    values, moved = on_grid(values, grid_of(found.image), grid, what=f"{what} {name!r}", resample=resample)
    how = ", resampled to the grid of the series" if moved else ""
    return values, f"The {what} {name!r} was made in {found.template}{how}; the series is in {space}."


def _moved(what: str, path: str | Path) -> str:
    return f"The {what} {Path(path).name} was resampled to the grid of the series."
