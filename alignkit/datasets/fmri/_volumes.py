"""BOLD series, masks and atlases: opened, checked, and on one grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file


@dataclass(frozen=True)
class Grid:
    """Size and affine of a volume."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def is_same(self, other: Grid) -> bool:
        """Tell whether voxels lie at the same places, to a hundredth of a millimetre."""
        return self.shape == other.shape and bool(
            np.allclose(self.affine, other.affine, rtol=1e-4, atol=1e-2)
        )

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape))
        steps = " x ".join(f"{s:.3g}" for s in np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))
        corner = ", ".join(f"{c:.4g}" for c in self.affine[:3, 3])
        return f"{size} voxels of {steps} mm, first voxel at ({corner}) mm"


def open_image(path: str | Path) -> Any:
    """Open an image whose voxels are read later."""
    import nibabel as nib

    path = require_file(path)
    if not path.stat().st_size:
        raise InputError(f"{path} is empty (0 bytes); copy it again, or leave it out.")
    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        tuple(image.shape), np.asarray(image.affine)
    return image


def open_series(path: str | Path) -> Any:
    """Open a 4-D image, refusing any other."""
    image = open_image(path)
    shape = tuple(image.shape)
    if len(shape) != 4:
        raise InputError(
            f"{path} has {len(shape)} dimensions (shape {shape}); a BOLD series is x, y, z, time. "
            "Give the single volumes of a run as a list of files."
        )
    if shape[3] < 2:
        raise InputError(f"{path} holds {shape[3]} volume(s); a series needs at least 2.")
    return image


def open_volumes(paths: Sequence[str | Path]) -> list[Any]:
    """Open the single volumes of one run, which must be in the order of the numbers in their names.

    Raises
    ------
    InputError
        If a file is no single volume, the order is another, or grids differ.
    """
    if len(paths) < 2:
        raise InputError(f"a run of single volumes names {len(paths)} file(s); a series needs at least 2.")
    images = [open_image(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if len(image.shape) != 3 and tuple(image.shape[3:]) != (1,):
            raise InputError(
                f"{path} has shape {tuple(image.shape)}; in a list of volumes each is x, y, z. Give a 4-D "
                "series as one path."
            )
    numbers = [re.findall(r"\d+", Path(path).name.split(".")[0])[-1:] for path in paths]
    counted = [int(number[0]) for number in numbers if number]
    if len(counted) == len(paths) and sorted(set(counted)) != counted:
        first = next(k for k in range(1, len(counted)) if counted[k] <= counted[k - 1])
        raise InputError(
            "the volumes of a run are not in the order of the numbers in their names: "
            f"{Path(paths[first]).name} comes after {Path(paths[first - 1]).name}. Sort them by number."
        )
    check_grids(paths, images)
    return images


def check_grids(paths: Sequence[str | Path], images: Sequence[Any]) -> Grid:
    """Return the grid of all images, or refuse those that differ."""
    grid = grid_of(images[0])
    for path, image in zip(paths[1:], images[1:], strict=True):
        if not grid_of(image).is_same(grid):
            raise InputError(
                f"{Path(path).name} lies on another grid ({grid_of(image)}) than {Path(paths[0]).name} "
                f"({grid}); all runs of a subject must be in one space. Resample them first."
            )
    return grid


def header_tr(path: Path, image: Any) -> tuple[float | None, str | None]:
    """Return the repetition time of a header in seconds, and what was assumed to read it."""
    zooms = image.header.get_zooms()
    if len(zooms) < 4:
        return None, None
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else "msec"
    tr_s = float(zooms[3]) * {"msec": 1e-3, "usec": 1e-6}.get(unit, 1.0)
    if unit == "unknown":
        return tr_s, f"The header of {path.name} names no unit of time; {tr_s:g} was read as seconds."
    return tr_s, None


def read_voxels(
    path: Path, images: Sequence[Any], mask: NDArray[np.bool_], *, fwhm_mm: float | None
) -> NDArray[np.float32]:
    """Read the voxels of a mask out of one 4-D image, or of a volume per image: (n_volumes, n_voxels).

    Smoothing takes in the voxels around the mask; voxels that are not finite stay so.
    """
    if len(images) == 1:
        with readable(path, "a NIfTI image"):
            values = np.asarray(images[0].dataobj, dtype=np.float32)
        if fwhm_mm is None:
            return values[mask].T
        volumes = (values[..., number] for number in range(values.shape[3]))
    else:
        volumes = (_values(image, mask.shape) for image in images)
    n_volumes = images[0].shape[3] if len(images) == 1 else len(images)
    found = np.empty((n_volumes, int(mask.sum())), dtype=np.float32)
    for number, volume in enumerate(volumes):
        if fwhm_mm is not None:
            volume = _smoothed(volume, images[0].affine, fwhm_mm)
        found[number] = volume[mask]
    return found


def _values(image: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    with readable(Path(image.get_filename()), "a NIfTI image"):
        return np.asarray(image.dataobj, dtype=np.float32).reshape(shape)


def _smoothed(volume: NDArray[np.float32], affine: Any, fwhm_mm: float) -> NDArray[np.float32]:
    import nibabel as nib
    from nilearn.image import smooth_img

    holes = ~np.isfinite(volume)
    filled = nib.Nifti1Image(np.where(holes, np.float32(0), volume), affine)  # type: ignore[no-untyped-call]
    smooth = np.array(smooth_img(filled, fwhm_mm).dataobj, dtype=np.float32)
    smooth[holes] = np.nan
    return smooth


def check_width(fwhm_mm: float | None, grid: Grid) -> None:
    """Refuse to smooth with what is no width, or wider than the volume."""
    if fwhm_mm is None:
        return
    if not fwhm_mm > 0:
        raise InputError(f"`smoothing_fwhm_mm` must be a width above 0 mm, got {fwhm_mm}.")
    steps = np.sqrt((grid.affine[:3, :3] ** 2).sum(axis=0))
    widest = float((steps * grid.shape).max())
    if fwhm_mm > widest:
        raise InputError(
            f"`smoothing_fwhm_mm` is {fwhm_mm:g}, wider than the volumes ({widest:g} mm): every voxel would "
            "be the mean of all. A width of a few voxels is wanted."
        )


def grid_of(image: Any) -> Grid:
    """Return the grid of an image's volumes."""
    x, y, z = (int(n) for n in image.shape[:3])
    return Grid((x, y, z), np.asarray(image.affine, dtype=np.float64))


def read_volume(path: str | Path, grid: Grid, *, what: str, resample: bool) -> tuple[NDArray[Any], bool]:
    """Read a mask or an atlas on the grid of the series; tell whether it had to be resampled.

    Raises
    ------
    InputError
        If it is no single volume, or lies on another grid and `resample` is False.
    """
    image = open_image(path)
    with readable(Path(path), "a NIfTI image"):
        values = np.asarray(image.dataobj)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        several = "; a probabilistic atlas has a volume per region" if what == "atlas" else ""
        raise InputError(f"the {what} {path} has shape {values.shape}; a single volume is wanted{several}.")
    return on_grid(values, grid_of(image), grid, what=f"{what} {path}", resample=resample)


def on_grid(
    values: NDArray[Any], own: Grid, grid: Grid, *, what: str, resample: bool
) -> tuple[NDArray[Any], bool]:
    """Return a volume on the grid of the series, resampled (nearest neighbour) only when asked to."""
    if own.is_same(grid):
        return values, False
    if not resample:
        raise InputError(
            f"the {what} lies on another grid ({own}) than the series ({grid}). Bring it into the "
            "space of the series; where it is in that space and only its voxels differ, set "
            "`resample_mask: true`."
        )
    import nibabel as nib
    from nilearn.image import resample_to_img

    target = nib.Nifti1Image(np.zeros(grid.shape, dtype=np.uint8), grid.affine)  # type: ignore[no-untyped-call]
    source = nib.Nifti1Image(values.astype(np.float32), own.affine)  # type: ignore[no-untyped-call]
    moved = resample_to_img(source, target, interpolation="nearest", force_resample=True, copy_header=True)
    return np.asarray(moved.dataobj), True


def as_mask(values: NDArray[Any], path: str | Path) -> NDArray[np.bool_]:
    """Return a binary mask, refusing volumes with more than two values."""
    levels = np.unique(values[np.isfinite(values)])
    if len(levels[levels != 0]) > 1:
        raise InputError(
            f"the mask {path} holds {len(levels)} different values; a mask has zero and one other. "
            "Threshold it, or give it as `atlas`."
        )
    mask = np.isfinite(values) & (values != 0)
    if not mask.any():
        raise InputError(f"the mask {path} holds no voxel.")
    return np.asarray(mask, dtype=np.bool_)


def as_atlas(values: NDArray[Any], path: str | Path) -> NDArray[np.int64]:
    """Return whole-numbered labels."""
    finite = np.nan_to_num(values.astype(np.float64))
    if (finite != np.round(finite)).any() or (finite < 0).any():
        raise InputError(f"the atlas {path} holds values that are no region numbers (0, 1, 2 and so on).")
    return finite.astype(np.int64)
