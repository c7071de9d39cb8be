"""Which voxels become channels, and why others do not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.geometry import VolumeGeometry
from ._volumes import Grid, Scaling, as_atlas, as_mask, clean_run, read_volume, region_names


@dataclass
class Voxels:
    """Voxels of the mask, and which of them every run so far could use.

    Attributes
    ----------
    grid : Grid
        Where they are.
    mask : ndarray of bool
        The volume.
    roi : ndarray of str or None
        Region of each voxel of the mask; ``""`` for none.
    notes : list of str
        What happened to the others.
    """

    grid: Grid
    mask: NDArray[np.bool_]
    roi: NDArray[Any] | None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._varies = np.ones(int(self.mask.sum()), dtype=bool)
        self._has_level = np.ones_like(self._varies)

    def clean(self, series: NDArray[np.float64], scaling: Scaling) -> NDArray[np.float64]:
        """Clean one run, and remember the voxels that it cannot use; theirs are NaN."""
        varies = np.asarray(np.isfinite(series).all(axis=0), dtype=np.bool_)
        varies[varies] = np.ptp(series[:, varies], axis=0) > 0
        fine = varies.copy()
        if scaling.standardize == "percent":
            part = series[:, varies]
            # Percent of a mean that noise alone could make would be noise blown up.
            fine[varies] = part.mean(axis=0) > part.std(axis=0)
            self._has_level &= fine | ~varies
        cleaned = np.full_like(series, np.nan)
        if fine.any():
            cleaned[:, fine] = clean_run(series[:, fine], scaling)
            varies[fine] = np.isfinite(cleaned[:, fine]).all(axis=0)
        self._varies &= varies
        return cleaned

    def keep(self) -> NDArray[np.bool_]:
        """Return which voxels of the mask every run can use, and note how many it cannot.

        Raises
        ------
        InputError
            If none is left, or percent signal change has no meaning.
        """
        n_voxels = len(self._varies)
        centred = self._varies & ~self._has_level
        if centred.sum() > 0.5 * n_voxels:
            raise InputError(
                f"{int(centred.sum())} of {n_voxels} voxels have a mean below their standard deviation in a "
                "run, so percent signal change means nothing; the series seem to be centred already. Set "
                "`standardize` to 'zscore' or 'none'."
            )
        keep = self._varies & self._has_level
        if not keep.any():
            raise InputError(
                f"none of the {n_voxels} voxels varies in every run; check the mask and the series."
            )
        for bad, why in (
            (~self._varies, "they are constant, nothing but drift, or not finite in a run"),
            (centred, "their mean is below their standard deviation in a run"),
        ):
            if bad.any():
                self.notes.append(f"{int(bad.sum())} of {n_voxels} voxels were dropped: {why}.")
        return np.asarray(keep, dtype=np.bool_)

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
    mask: str | Path | None,
    atlas: str | Path | None,
    atlas_labels: str | Path | None,
    resample: bool,
) -> Voxels:
    """Read mask and atlas: the voxels of the mask, or else of the atlas, or else all."""
    notes: list[str] = []
    inside = np.ones(grid.shape, dtype=bool)
    roi = None
    if atlas is None and atlas_labels is not None:
        raise InputError(f"`atlas_labels` ({atlas_labels}) names regions, but no `atlas` is given.")
    if mask is not None:
        values, moved = read_volume(mask, grid, what="mask", resample=resample)
        inside = as_mask(values, mask)
        notes += [f"The mask {Path(mask).name} was resampled to the grid of the series."] * moved
    if atlas is not None:
        values, moved = read_volume(atlas, grid, what="atlas", resample=resample)
        numbers = as_atlas(values, atlas)
        if mask is None:
            inside = numbers > 0
        names = region_names(atlas_labels, np.unique(numbers[inside]))
        if not names:
            raise InputError(f"the atlas {atlas} has no region inside the mask.")
        roi = np.array([names.get(int(number), "") for number in numbers[inside]], dtype=object)
        notes += [f"The atlas {Path(atlas).name} was resampled to the grid of the series."] * moved
    if mask is None and atlas is None:
        notes.append("No mask was given: every voxel that varies is a channel.")
    return Voxels(grid, inside, roi, notes)
