"""Where simulated voxels lie: the back of the MNI template's brain on a coarse grid, and regions in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from .responses import Region

SPACE = "MNI152NLin2009aSym"
VOXEL_MM = 4
# The field of view: the back of the brain, as a partial-coverage protocol for vision takes it.
_FIELD_OF_VIEW_MM = np.array([[-64.0, 64.0], [-110.0, -58.0], [-24.0, 20.0]])
_REACH_MM = 30.0


@dataclass(frozen=True, eq=False)
class BrainGrid:
    """Voxels of the field of view.

    Attributes
    ----------
    affine : ndarray of shape (4, 4)
        Voxel indices to MNI millimetres.
    mask : ndarray of bool, shape (n_x, n_y, n_z)
        Voxels inside the brain.
    """

    affine: NDArray[np.float64]
    mask: NDArray[np.bool_]

    @property
    def coordinates_mm(self) -> NDArray[np.float64]:
        """Centres of the voxels inside the brain, shape (n_voxels, 3)."""
        return np.asarray(np.argwhere(self.mask) @ self.affine[:3, :3].T + self.affine[:3, 3])


@cache
def occipital_grid() -> BrainGrid:
    """Return the back of the MNI152 template's brain (it ships with nilearn) on a 4 mm grid."""
    from nilearn.datasets import load_mni152_brain_mask

    template = load_mni152_brain_mask(resolution=VOXEL_MM)
    affine = np.asarray(template.affine, dtype=np.float64)
    mask = np.asarray(template.dataobj) > 0
    corners = (_FIELD_OF_VIEW_MM - affine[:3, 3:]) / np.diag(affine)[:3, None]
    low, high = np.ceil(corners[:, 0]).astype(int), np.floor(corners[:, 1]).astype(int) + 1
    cut = affine.copy()
    cut[:3, 3] += np.diag(affine)[:3] * low
    x, y, z = (slice(a, b) for a, b in zip(low, high, strict=True))
    return BrainGrid(cut, np.ascontiguousarray(mask[x, y, z]))


def place_regions(grid: BrainGrid, regions: Sequence[Region]) -> NDArray[np.intp]:
    """Give every region the free voxels nearest to its two centres, half of them in each hemisphere.

    Parameters
    ----------
    grid : BrainGrid
        The field of view.
    regions : sequence of Region
        Earlier ones choose first.

    Returns
    -------
    labels : ndarray of shape (n_voxels,)
        0 outside every region, else the region's position in `regions` plus 1.

    Raises
    ------
    InputError
        If a region does not fit within 30 mm of its centre.
    """
    coordinates = grid.coordinates_mm
    labels = np.zeros(len(coordinates), dtype=np.intp)
    for number, region in enumerate(regions, start=1):
        counts = (region.n_voxels - region.n_voxels // 2, region.n_voxels // 2)
        for side, count in zip((1.0, -1.0), counts, strict=True):
            centre = np.array(region.centre_mm) * [side, 1.0, 1.0]
            distance = np.linalg.norm(coordinates - centre, axis=1)
            # The midline belongs to the right half, so that the halves never compete.
            same_side = (coordinates[:, 0] >= 0) == (centre[0] >= 0)
            free = np.flatnonzero((labels == 0) & same_side & (distance < _REACH_MM))
            if len(free) < count:
                raise InputError(
                    f"region {region.name!r} wants {count} voxels near {centre.tolist()} mm, but {len(free)} "
                    f"of {VOXEL_MM} mm are free there; lower `n_voxels` or move `centre_mm`."
                )
            labels[free[np.argsort(distance[free], kind="stable")[:count]]] = number
    return labels
