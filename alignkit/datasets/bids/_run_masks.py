"""Masks and atlases for BIDS runs: the derivative's brain masks, files in the right space, or names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..._core.errors import InputError, MissingDataError
from ..fmri._atlases import is_name
from ..fmri._volumes import as_mask, grid_of, open_series, read_volume
from .entities import parse_name
from .index import BidsIndex
from .possibilities import Form, Run
from .sidecars import mask_of

# What names a mask without a file.
BRAIN, NO_MASK = "brain", "none"


def run_mask(
    index: BidsIndex,
    runs: Sequence[Run],
    mask: Path | str | None,
    scratch: Path,
    notes: list[str],
    beside: list[Path],
) -> Path | str | None:
    """Return the mask that was named, or what the brain masks of all runs share."""
    if mask == NO_MASK:
        return None
    if isinstance(mask, Path):
        _check_space("mask", mask, runs)
        beside.append(mask)
        return mask
    if mask is not None and mask != BRAIN:
        return mask
    found = [mask_of(index, run.file) for run in runs]
    lost = [str(run) for run, path in zip(runs, found, strict=True) if path is None]
    if len(lost) == len(runs) and mask is None:
        notes += _unused(index, runs)
        return None
    if lost:
        raise MissingDataError(
            f"{len(lost)} of {len(runs)} runs have no brain mask (desc-brain_mask of their space): "
            f"{', '.join(lost[:5])}. Add them, or set `mask` to a file or to 'none'."
        )
    masks = [path for path in found if path is not None]
    beside += masks
    return _shared(masks, runs, scratch, notes)


def run_atlas(atlas: Path, runs: Sequence[Run], form: Form) -> Path | str | tuple[Path, Path]:
    """Return a file, the name of one of nilearn's atlases, or the files of two hemispheres.

    Raises
    ------
    MissingDataError
        If the file of the right hemisphere is not beside that of the left.
    InputError
        If the atlas is of another space, or does not name its hemisphere.
    """
    if not atlas.exists() and is_name(atlas.name):
        return atlas.name
    _check_space("atlas", atlas, runs)
    if form != "surface":
        return atlas
    for left, right in (("hemi-L", "hemi-R"), ("lh.", "rh.")):
        if left in atlas.name:
            other = atlas.with_name(atlas.name.replace(left, right, 1))
            if not other.is_file():
                raise MissingDataError(f"the atlas {atlas.name} needs {other.name} beside it.")
            return atlas, other
    raise InputError(
        f"the atlas {atlas.name} is for surfaces, so give the file of the left hemisphere, with hemi-L or "
        "lh. in its name."
    )


def _unused(index: BidsIndex, runs: Sequence[Run]) -> list[str]:
    """Return a note that names masks and atlases beside the series that nobody asked for."""
    file, table = runs[0].file, index.table
    is_one = table["suffix"].isin(["mask", "dseg"]) & table["extension"].isin([".nii", ".nii.gz"])
    is_one &= (table["pipeline"] == file.pipeline) & (table["datatype"] == file.datatype)
    is_one &= table["sub"] == file.get("sub")
    names = [other.name for other in index.files(np.flatnonzero(is_one.to_numpy(dtype=bool)))]
    if not names:
        return []
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [f"No mask was used, though there is {shown}: give a file as `mask`, region numbers as `atlas`."]


def _shared(masks: Sequence[Path], runs: Sequence[Run], scratch: Path, notes: list[str]) -> Path:
    """Return a mask of the voxels that all masks have."""
    import nibabel as nib

    if len(set(masks)) == 1:
        return masks[0]
    grid = grid_of(open_series(runs[0].file.path))
    volumes = [as_mask(read_volume(path, grid, what="mask", resample=False)[0], path) for path in masks]
    inside = np.logical_and.reduce(volumes)
    if not inside.any():
        raise InputError(f"the brain masks of {len(masks)} runs share no voxel; check them, or set `mask`.")
    # Named after the runs, so that a message of the reader says what it is.
    path = scratch / f"{len(masks)}-runs_desc-brain_mask.nii.gz"
    image = nib.Nifti1Image(inside.astype(np.uint8), grid.affine)  # type: ignore[no-untyped-call]
    nib.save(image, path)
    most = max(int(volume.sum()) for volume in volumes)
    notes.append(
        f"The mask is what the brain masks of {len(masks)} runs share: {int(inside.sum())} voxels, of at "
        f"most {most} in one run."
    )
    return path


def _check_space(what: str, path: Path, runs: Sequence[Run]) -> None:
    """Refuse a file whose name gives another space than the series': grids may agree by chance."""
    space, wanted = parse_name(path.name).entities.get("space", ""), runs[0].file.get("space")
    if space and wanted and space != wanted:
        raise InputError(
            f"the {what} {path.name} is in the space {space!r}, the series are in {wanted!r}. Give one in "
            "their space, or choose the series with `space`."
        )
