"""Recordings of voxels as NIfTI images, and images under a mask as recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.errors import InputError
from ...recordings.geometry import VolumeGeometry
from ...recordings.recording import Recording
from .._arrays import readable, require_file

if TYPE_CHECKING:
    import nibabel as nib

# Voxels that lie within this of each other are taken for the same place, in millimetres.
_SAME_PLACE_MM = 1e-2


def to_image(
    recording: Recording, values: ArrayLike | None = None, *, fill: float = np.nan
) -> nib.Nifti1Image:
    """Return the samples of a recording, or a value per channel, as a NIfTI image.

    Parameters
    ----------
    recording : Recording
        With a `VolumeGeometry`.
    values : array-like of shape (n_channels,) or (n_maps, n_channels), optional
        What to show, in any unit; by default the recording's data, a volume per sample.
    fill : float, default=nan
        What voxels outside the recording get.

    Returns
    -------
    image : nibabel.Nifti1Image
        float32, of three dimensions or, for several maps, four. nilearn takes it as it is.

    Raises
    ------
    InputError
        If the recording has no volume geometry, has a time axis, or the values have another shape.

    Examples
    --------
    >>> geometry = VolumeGeometry(np.eye(4), (2, 2, 2), np.array([[0, 0, 0], [1, 1, 1]]))
    >>> recording = Recording(
    ...     np.ones((3, 2), dtype=np.float32),
    ...     pd.DataFrame({"stimulus_id": ["a", "b", "c"]}),
    ...     pd.DataFrame({"name": ["v0", "v1"]}),
    ...     geometry=geometry,
    ... )
    >>> to_image(recording).shape, to_image(recording, [0.5, 0.2]).shape
    ((2, 2, 2, 3), (2, 2, 2))
    """
    if not isinstance(recording.geometry, VolumeGeometry):
        kind = "none" if recording.geometry is None else recording.geometry.kind
        raise InputError(
            f"an image needs the voxels of the channels; the geometry of {recording.subject!r} is {kind}."
        )
    if values is None:
        if recording.times_s is not None:
            raise InputError(
                f"the recording of {recording.subject!r} has a time axis, for which an image has no room; "
                "call `average_window` first, or give `values`."
            )
        values = np.asarray(recording.data[...])
    return recording.geometry.to_image(values, fill=fill)


def from_image(
    image: str | Path | nib.Nifti1Image,
    samples: Sequence[str] | pd.DataFrame,
    *,
    mask: str | Path | nib.Nifti1Image,
    subject: str = "subject",
    modality: str = "fmri",
    unit: str = "arbitrary",
    space: str = "native",
) -> Recording:
    """Return the voxels of a mask as a recording, a sample per volume.

    For volumes that are responses already (single-trial betas, contrasts). A time series, with its events and
    drifts, is for :func:`alignkit.datasets.read_bold`.

    Parameters
    ----------
    image : str, Path or nibabel image
        Of shape (x, y, z) or (x, y, z, n_samples).
    samples : sequence of str, or DataFrame
        The stimulus of each volume, or a table with `stimulus_id` and further columns.
    mask : str, Path or nibabel image
        Of zeros and one other value, on the same grid as the image: nothing is resampled.
    subject, modality, unit, space : str
        Facts.

    Returns
    -------
    recording : Recording
        Voxels of the mask that are finite in every volume; a note says how many are not.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If a file is damaged, the mask lies on another grid or is not binary, or volumes and samples differ in
        number.

    Examples
    --------
    >>> import nibabel as nib
    >>> betas = nib.Nifti1Image(np.ones((2, 2, 2, 3), dtype=np.float32), np.eye(4))
    >>> mask = nib.Nifti1Image(np.ones((2, 2, 2), dtype=np.uint8), np.eye(4))
    >>> from_image(betas, ["cat", "dog", "cat"], mask=mask)
    Recording(subject, fmri, arbitrary: 3 samples of 2 stimuli; 8 channels)
    """
    volumes, affine = _opened(image, "image", (3, 4))
    inside, mask_affine = _opened(mask, "mask", (3, 4))
    inside = inside[..., 0] if inside.ndim == 4 and inside.shape[3] == 1 else inside
    volumes = volumes if volumes.ndim == 4 else volumes[..., None]
    same = np.allclose(affine, mask_affine, rtol=1e-4, atol=_SAME_PLACE_MM)
    if inside.shape != volumes.shape[:3] or not same:
        raise InputError(
            f"the mask (shape {inside.shape}, first voxel at {_corner(mask_affine)} mm) lies on another grid "
            f"than the image (shape {volumes.shape[:3]}, first voxel at {_corner(affine)} mm). Bring it into "
            "the space of the image; where it is in that space, nilearn.image.resample_to_img with "
            "interpolation='nearest' does it."
        )
    voxels = _voxels(inside)
    table = samples if isinstance(samples, pd.DataFrame) else pd.DataFrame({"stimulus_id": list(samples)})
    if len(table) != volumes.shape[3]:
        raise InputError(f"the image has {volumes.shape[3]} volume(s) but `samples` names {len(table)}.")
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(volumes[tuple(voxels.T)].T, dtype=np.float32)
    fine: NDArray[np.bool_] = np.asarray(np.isfinite(data).all(axis=0))
    if not fine.any():
        raise InputError("every voxel of the mask is NaN or infinite in some volume of the image.")
    lost = f"{int((~fine).sum())} of {len(fine)} voxels of the mask were left out: not finite in a volume."
    geometry = VolumeGeometry(affine, inside.shape, voxels[fine], space)
    place = geometry.coordinates_mm
    channels = pd.DataFrame({"name": [f"x{x}y{y}z{z}" for x, y, z in geometry.voxels], "kind": "voxel"})
    return Recording(
        np.ascontiguousarray(data[:, fine]),
        table,
        channels.assign(x_mm=place[:, 0], y_mm=place[:, 1], z_mm=place[:, 2]),
        geometry=geometry,
        subject=subject,
        modality=modality,
        unit=unit,
        notes=() if fine.all() else (lost,),
    )


def _opened(
    source: str | Path | Any, what: str, ndims: tuple[int, ...]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if isinstance(source, str | Path):
        import nibabel as nib

        path = require_file(source)
        with readable(path, "a NIfTI image"):
            opened: Any = nib.load(path)
            values = np.asarray(opened.dataobj)
    else:
        opened, path = source, Path(what)
        values = np.asarray(opened.dataobj)
    if values.ndim not in ndims:
        raise InputError(f"the {what} {path.name} must have 3 or 4 dimensions, got shape {values.shape}.")
    return values, np.asarray(opened.affine, dtype=np.float64)


def _voxels(inside: NDArray[Any]) -> NDArray[np.intp]:
    levels = np.unique(inside[np.isfinite(inside)])
    if len(levels[levels != 0]) != 1:
        raise InputError(
            f"the mask has {len(levels[levels != 0])} values beside zero; a mask has zero and one other. "
            "Threshold it first."
        )
    return np.argwhere(np.isfinite(inside) & (inside != 0))


def _corner(affine: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in affine[:3, 3]) + ")"
