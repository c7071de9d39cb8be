"""BOLD series, masks and atlases: checked, on one grid, and cleaned run by run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file
from .._tables import read_table

Detrend = Literal["linear", "none"]
Standardize = Literal["percent", "zscore", "none"]


@dataclass(frozen=True)
class Scaling:
    """What is taken out of every run, and in which unit the rest is given."""

    tr_s: float
    detrend: Detrend
    high_pass_hz: float | None
    standardize: Standardize


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


def open_series(path: str | Path) -> Any:
    """Open a 4-D image, refusing any other."""
    import nibabel as nib

    path = require_file(path)
    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        shape = tuple(image.shape)
    if len(shape) != 4:
        raise InputError(
            f"{path} has {len(shape)} dimensions (shape {shape}); a BOLD series is x, y, z, time. "
            "Join single volumes with nilearn.image.concat_imgs."
        )
    if shape[3] < 2:
        raise InputError(f"{path} holds {shape[3]} volume(s); a series needs at least 2.")
    return image


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
    import nibabel as nib

    path = require_file(path)
    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        values = np.asarray(image.dataobj)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise InputError(f"the {what} {path} has shape {values.shape}; a single volume is wanted.")
    own = grid_of(image)
    if own.is_same(grid):
        return values, False
    if not resample:
        raise InputError(
            f"the {what} {path} lies on another grid ({own}) than the series ({grid}). Bring it into the "
            "space of the series; where it is in that space and only its voxels differ, set "
            "`resample_mask: true`."
        )
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


def region_names(path: str | Path | None, present: NDArray[np.int64]) -> dict[int, str]:
    """Return the name of each region number, from a table (index, name) or JSON; 0 is no region."""
    wanted = [int(number) for number in present if number != 0]
    if path is None:
        return {number: f"region-{number}" for number in wanted}
    path = require_file(path)
    if path.suffix.lower() == ".json":
        names = _json_names(path)
    else:
        table = read_table(path, needs=["index", "name"])
        with readable(path, "region numbers"):
            names = {int(i): str(n) for i, n in zip(table["index"], table["name"], strict=True)}
        if len(names) != len(table):
            raise InputError(f"{path} lists a region number twice.")
    unknown = [number for number in wanted if number not in names]
    if unknown:
        raise InputError(f"{path} has no name for the region number(s) {', '.join(map(str, unknown[:10]))}.")
    return {number: names[number] for number in wanted}


def repetition_time(path: Path, image: Any) -> tuple[float, str | None]:
    """Return the repetition time from header and sidecar, in seconds, and a note where it was assumed."""
    zoom = float(image.header.get_zooms()[3])
    unit = image.header.get_xyzt_units()[1]
    tr_s = zoom * {"msec": 1e-3, "usec": 1e-6}.get(unit, 1.0)
    note = None
    if unit == "unknown":
        note = f"The header of {path.name} names no unit of time; {tr_s:g} was read as seconds."
    sidecar = path.parent / (path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    if sidecar.is_file():
        with readable(sidecar, "JSON"):
            said = json.loads(sidecar.read_text(encoding="utf-8")).get("RepetitionTime")
        if said is not None and abs(float(said) - tr_s) > 1e-3 * tr_s:
            raise InputError(
                f"{path.name} has a repetition time of {tr_s:g} s in its header but {said} s in "
                f"{sidecar.name}; say which is right with `tr_s`."
            )
        note = None if said is not None else note
    if not np.isfinite(tr_s) or not 0.05 <= tr_s <= 60:
        raise InputError(f"the header of {path} gives a repetition time of {tr_s:g} s; give it as `tr_s`.")
    return tr_s, note


def clean_run(series: NDArray[np.float64], scaling: Scaling) -> NDArray[np.float64]:
    """Remove drift from one run and scale it.

    Parameters
    ----------
    series : ndarray of shape (n_volumes, n_voxels)
        Finite, no column constant; for ``"percent"``, with positive means.
    scaling : Scaling
        What to remove, and the unit of the result.

    Returns
    -------
    cleaned : ndarray of shape (n_volumes, n_voxels)
        Percent of the run's mean, standard deviations from it, or (``"none"``) the input's own unit. NaN for
        voxels that are nothing but drift.
    """
    mean = series.mean(axis=0)
    cleaned = series - mean
    if scaling.detrend == "linear" or scaling.high_pass_hz is not None:
        from nilearn.signal import clean

        cleaned = clean(
            cleaned,
            detrend=scaling.detrend == "linear",
            standardize=None,
            filter="cosine" if scaling.high_pass_hz is not None else False,
            high_pass=scaling.high_pass_hz,
            t_r=scaling.tr_s,
        )
        cleaned = cleaned - cleaned.mean(axis=0)
    # What is left of pure drift is the rounding of single precision.
    cleaned[:, np.ptp(cleaned, axis=0) <= 1e-6 * np.abs(series).max(axis=0)] = np.nan
    if scaling.standardize == "percent":
        return np.asarray(100 * cleaned / mean, dtype=np.float64)
    if scaling.standardize == "zscore":
        return np.asarray(cleaned / cleaned.std(axis=0, ddof=1), dtype=np.float64)
    return np.asarray(cleaned + mean, dtype=np.float64)


def _json_names(path: Path) -> dict[int, str]:
    with readable(path, "region names"):
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        if all(str(key).lstrip("-").isdigit() for key in content):
            return {int(key): str(value) for key, value in content.items()}
        return {int(value): str(key) for key, value in content.items()}
