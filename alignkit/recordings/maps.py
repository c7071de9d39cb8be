"""Values per channel written as files that viewers of their space open: NIfTI, GIfTI or MNE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._core.atomic import atomic_file
from .._core.errors import InputError
from ._map_values import as_maps
from .geometry import AnyGeometry, SensorGeometry, VolumeGeometry
from .surface_geometry import HEMISPHERES, SurfaceGeometry

if TYPE_CHECKING:
    import nibabel as nib

_ENDINGS = {
    "volume": (".nii.gz", ".nii"),
    "surface": (".func.gii", ".shape.gii", ".gii"),
    "sensors": ("-ave.fif", "_ave.fif", "-ave.fif.gz"),
}
_FORMATS = {"volume": "NIfTI", "surface": "GIfTI", "sensors": "MNE evoked"}
_COMMENT = 6


def write_maps(
    path: str | Path,
    geometry: AnyGeometry | None,
    values: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    unit: str = "",
    times_s: ArrayLike | None = None,
    fill: float = np.nan,
) -> tuple[Path, ...]:
    """Write scores, weights or any values per channel as maps in the space that the channels came from.

    Parameters
    ----------
    path : str or Path
        Where to write. The ending may be left out; it follows from the geometry. Folders are made, and a
        file that is there is replaced, whole or not at all.
    geometry : VolumeGeometry, SurfaceGeometry or SensorGeometry
        Such as ``recording.geometry``, of exactly the channels that the values are of.
    values : array-like of shape (n_maps, n_channels)
        One map may be (n_channels,). NaN where a channel has no value. Written as float32. With `times_s`,
        (n_maps, n_channels, n_times) or (n_channels, n_times), for sensors only.
    names : sequence of str, length n_maps, optional
        Such as layers or units. By default ``map 1`` and so on.
    unit : str, optional
        Of the values: ``"r"``, ``"r2"``, ``"weight per sd"``.
    times_s : array-like of shape (n_times,), optional
        Evenly spaced, in seconds.
    fill : float, default=nan
        What voxels and vertices outside the recording get.

    Returns
    -------
    files : tuple of Path
        What was written:

        - volume: one ``.nii.gz`` (or ``.nii``), of three dimensions for one map, of four for several. Names,
          unit and space stand in a header extension (comment, JSON).
        - surface: ``_hemi-L.func.gii`` and ``_hemi-R.func.gii``, those with channels; an array per map, with
          its name.
        - sensors: one ``-ave.fif``, an evoked response per map with its name as comment; see
          :meth:`SensorGeometry.to_evokeds` for what plots make of the unit.

    Raises
    ------
    InputError
        Without a geometry, for shapes that do not fit, another format's ending, or times of voxels.

    Notes
    -----
    Every map is as large as the whole volume. Of the weights of a wide layer, ``encoder.coef_`` of shape
    (n_units, n_channels), write the units or principal components that are wanted.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> geometry = VolumeGeometry(np.eye(4), (2, 2, 2), np.array([[0, 0, 0], [1, 0, 1]]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_maps(folder + "/scores", geometry, [0.1, 0.2], names=["layer 1"], unit="r")
    >>> [file.name for file in files]
    ['scores.nii.gz']
    """
    geometry = _check_geometry(geometry)
    path = Path(path)
    if path.is_dir() or not path.name:
        raise InputError(f"`path` is the folder {str(path)!r}. Add a file name, such as {'scores'!r}.")
    if isinstance(geometry, SensorGeometry):
        evokeds = geometry.to_evokeds(values, names=names, unit=unit, times_s=times_s)
        target = _with_ending(path, geometry.kind)
        with atomic_file(target) as temporary:
            import mne

            mne.write_evokeds(temporary, evokeds, overwrite=True, verbose="error")
        return (target,)
    if times_s is not None:
        raise InputError(
            f"`times_s` goes with sensors, and this geometry is a {geometry.kind}. Write a map per time, "
            "with `names` that say which."
        )
    if isinstance(geometry, SurfaceGeometry):
        return _write_surface(path, geometry, values, names, unit, fill)
    target = _with_ending(path, geometry.kind)
    image = _named_image(geometry, values, names, unit, fill)
    with atomic_file(target) as temporary:
        image.to_filename(temporary)
    return (target,)


def _check_geometry(geometry: object) -> AnyGeometry:
    if geometry is None:
        raise InputError(
            "`geometry` is None: the recording does not know where its channels are, so that their values "
            "have no map. Load it from NIfTI, or from FIF with a montage, or give the recording a "
            "VolumeGeometry, SurfaceGeometry or SensorGeometry; or keep the values as a table beside "
            "`recording.channels`."
        )
    if not isinstance(geometry, VolumeGeometry | SurfaceGeometry | SensorGeometry):
        raise InputError(
            "`geometry` must be a VolumeGeometry, SurfaceGeometry or SensorGeometry, got "
            f"{type(geometry).__name__}. Of a recording, give `recording.geometry`."
        )
    return geometry


def _write_surface(
    path: Path,
    geometry: SurfaceGeometry,
    values: ArrayLike,
    names: Sequence[str] | None,
    unit: str,
    fill: float,
) -> tuple[Path, ...]:
    stem, ending = _split(path, geometry.kind)
    targets = []
    # Both files appear, or none: a failure in one leaves the blocks of both.
    with ExitStack() as stack:
        for hemisphere in HEMISPHERES:
            if (geometry.hemispheres == hemisphere).any():
                image = geometry.to_gifti(values, hemisphere=hemisphere, names=names, unit=unit, fill=fill)
                target = path.with_name(f"{stem}_hemi-{hemisphere[0].upper()}{ending}")
                image.to_filename(stack.enter_context(atomic_file(target)))
                targets.append(target)
    return tuple(targets)


def _named_image(
    geometry: VolumeGeometry, values: ArrayLike, names: Sequence[str] | None, unit: str, fill: float
) -> nib.Nifti1Image:
    import nibabel as nib

    maps, labels = as_maps(values, names, geometry.n_channels)
    image = geometry.to_image(maps[0] if len(maps) == 1 else maps, fill=fill)
    header: Any = image.header
    header.set_xyzt_units("mm")
    if geometry.space.startswith("MNI"):
        image.set_sform(geometry.affine, code="mni")  # type: ignore[no-untyped-call]
    facts = {"maps": labels, "unit": unit, "space": geometry.space}
    content = json.dumps(facts, ensure_ascii=True).encode()
    header.extensions.append(nib.nifti1.Nifti1Extension(_COMMENT, content))
    header["descrip"] = (f"{len(maps)} map(s)" + (f", unit {unit}" if unit else "")).encode()[:79]
    return image


def _with_ending(path: Path, kind: str) -> Path:
    stem, ending = _split(path, kind)
    return path.with_name(stem + ending)


def _split(path: Path, kind: str) -> tuple[str, str]:
    """Return a file's name without its ending and the ending, the usual one where it has none."""
    for ending in _ENDINGS[kind]:
        if path.name.endswith(ending) and path.name != ending:
            return path.name.removesuffix(ending), ending
    for other in (".nii.gz", ".nii", ".gii", ".fif", ".fif.gz"):
        if path.name.endswith(other):
            raise InputError(
                f"`path` is {path.name!r}, but maps of a {kind} geometry are {_FORMATS[kind]} files. "
                f"End it with {_ENDINGS[kind][0]!r}, or leave the ending out."
            )
    return path.name, _ENDINGS[kind][0]
