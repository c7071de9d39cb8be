"""Where channels are: enough to put a value per channel back into the space it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json
from ._map_values import as_maps
from .surface_geometry import SurfaceGeometry

if TYPE_CHECKING:
    import mne
    import nibabel as nib


class Geometry(Protocol):
    """What a recording needs of its space."""

    kind: str
    n_channels: int

    def select(self, index: NDArray[np.intp]) -> Geometry:
        """Keep some channels."""
        ...

    def save(self, folder: Path) -> None:
        """Write to a folder."""
        ...


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """Voxels of a volume.

    Attributes
    ----------
    affine : ndarray of shape (4, 4)
        Voxel indices to millimetres.
    shape : tuple of 3 int
        The volume's size in voxels.
    voxels : ndarray of shape (n_channels, 3)
        Index of each channel's voxel.
    space : str
        Name of the space, such as ``"MNI152NLin2009cAsym"`` or ``"native"``.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    voxels: NDArray[np.intp]
    space: str = "native"
    kind: str = "volume"

    def __post_init__(self) -> None:
        if self.voxels.ndim != 2 or self.voxels.shape[1] != 3:
            raise InputError(f"`voxels` must have shape (n_channels, 3), got {self.voxels.shape}.")
        if (self.voxels < 0).any() or (self.voxels >= np.asarray(self.shape)).any():
            raise InputError(f"`voxels` holds indices outside the volume of shape {self.shape}.")

    @property
    def n_channels(self) -> int:
        """Number of voxels."""
        return len(self.voxels)

    @property
    def digest(self) -> str:
        """Digest of the affine, the size, the voxels and the name of the space."""
        arrays = [digest_array(self.affine), digest_array(np.asarray(self.voxels, dtype=np.int64))]
        return digest_json([*arrays, list(map(int, self.shape)), self.space])

    @property
    def coordinates_mm(self) -> NDArray[np.float64]:
        """Voxel centres in millimetres, shape (n_channels, 3)."""
        return np.asarray(self.voxels @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def select(self, index: NDArray[np.intp]) -> VolumeGeometry:
        """Keep some voxels."""
        return VolumeGeometry(self.affine, self.shape, self.voxels[index], self.space)

    def to_image(self, values: ArrayLike, *, fill: float = np.nan) -> nib.Nifti1Image:
        """Return a NIfTI image with a value per channel, and `fill` elsewhere.

        Parameters
        ----------
        values : array-like of shape (n_channels,) or (n_maps, n_channels)
            In any unit. Several maps make an image of four dimensions.
        fill : float, default=nan
            What voxels outside the recording get.

        Returns
        -------
        image : nibabel.Nifti1Image
            float32, of shape `shape` or (*shape, n_maps).

        Raises
        ------
        InputError
            For another number of channels.
        """
        import nibabel as nib

        maps, _ = as_maps(values, None, self.n_channels)
        volume = np.full((*self.shape, len(maps)), fill, dtype=np.float32)
        volume[tuple(self.voxels.T)] = maps.T
        volume = volume[..., 0] if np.ndim(values) == 1 else volume
        return nib.Nifti1Image(volume, self.affine)  # type: ignore[no-untyped-call]

    def save(self, folder: Path) -> None:
        """Write to a folder, as plain arrays."""
        np.savez(folder / "geometry.npz", affine=self.affine, shape=self.shape, voxels=self.voxels)

    @classmethod
    def load(cls, folder: Path, space: str) -> VolumeGeometry:
        """Read what :meth:`save` wrote."""
        with np.load(folder / "geometry.npz", allow_pickle=False) as file:
            x, y, z = (int(n) for n in file["shape"])
            return cls(file["affine"], (x, y, z), file["voxels"], space)


@dataclass(frozen=True, eq=False)
class SensorGeometry:
    """Sensors on or around the head, kept as an MNE ``Info``.

    Attributes
    ----------
    info : mne.Info
        One entry per channel, in the recording's order.
    """

    info: mne.Info
    space: str = "head"
    kind: str = "sensors"

    @property
    def n_channels(self) -> int:
        """Number of sensors."""
        return len(self.info["ch_names"])

    @property
    def digest(self) -> str:
        """Digest of the sensors' names, kinds and places."""
        places = digest_array(np.array([channel["loc"] for channel in self.info["chs"]], dtype=np.float64))
        kinds = [int(channel["kind"]) for channel in self.info["chs"]]
        return digest_json([list(self.info["ch_names"]), kinds, places, self.space])

    def select(self, index: NDArray[np.intp]) -> SensorGeometry:
        """Keep some sensors."""
        import mne

        return SensorGeometry(mne.pick_info(self.info, np.asarray(index, dtype=int), copy=True))

    def to_evokeds(
        self,
        values: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        unit: str = "",
        times_s: ArrayLike | None = None,
    ) -> list[mne.EvokedArray]:
        """Return an MNE ``Evoked`` per map, with the map's name as its comment.

        Parameters
        ----------
        values : array-like of shape (n_maps, n_channels[, n_times])
            One map may come without its first axis; with `times_s` the last axis is time.
        names : sequence of str, optional
            A name per map. By default ``map 1`` and so on.
        unit : str, optional
            Of the values, for the description.
        times_s : array-like of shape (n_times,), optional
            Evenly spaced, in seconds. Without them a map has the one time 0.

        Returns
        -------
        evokeds : list of mne.EvokedArray
            The values as they are. MNE takes EEG to be in volts and shows microvolts: plot with
            ``plot_topomap(scalings=1, units="r")``. Projectors are left out, since MNE would apply them to
            the maps.

        Raises
        ------
        InputError
            For shapes that do not fit, or times that are not evenly spaced.
        """
        import mne

        times = None if times_s is None else np.asarray(times_s, dtype=np.float64)
        maps, labels = as_maps(values, names, self.n_channels, n_times=None if times is None else times.size)
        first, rate = (0.0, float(self.info["sfreq"])) if times is None else _rate(times, self.info["sfreq"])
        facts = {
            "sfreq": rate,
            "lowpass": min(float(self.info["lowpass"] or rate / 2), rate / 2),
            "projs": [],
            "description": "values per sensor" + (f", unit {unit}" if unit else ""),
        }
        info = mne.Info({**self.info.copy(), **facts})
        data = maps.astype(np.float64).reshape(len(maps), self.n_channels, -1)
        return [
            mne.EvokedArray(each, info.copy(), tmin=first, comment=label, verbose="error")
            for each, label in zip(data, labels, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write to a folder, as a FIF file."""
        import mne

        mne.io.write_info(folder / "geometry-info.fif", self.info)

    @classmethod
    def load(cls, folder: Path) -> SensorGeometry:
        """Read what :meth:`save` wrote."""
        import mne

        return cls(mne.io.read_info(folder / "geometry-info.fif", verbose="error"))


AnyGeometry = VolumeGeometry | SurfaceGeometry | SensorGeometry


def load_geometry(folder: Path, facts: dict[str, Any] | None) -> AnyGeometry | None:
    """Read the geometry that a container's facts name."""
    if facts is None:
        return None
    if facts["kind"] == "volume":
        return VolumeGeometry.load(folder, facts["space"])
    if facts["kind"] == "surface":
        return SurfaceGeometry.load(folder, facts["space"])
    return SensorGeometry.load(folder)


def _rate(times_s: NDArray[np.float64], otherwise: float) -> tuple[float, float]:
    """Return the first time and the sampling rate in hertz."""
    if times_s.ndim != 1 or not times_s.size:
        raise InputError(f"`times_s` must have shape (n_times,), got {times_s.shape}.")
    if times_s.size == 1:
        return float(times_s[0]), float(otherwise)
    steps = np.diff(times_s)
    step = float(steps.mean())
    if step <= 0 or np.abs(steps - step).max() > 1e-3 * step:
        raise InputError(
            f"`times_s` must be evenly spaced and rise, got steps of {steps.min():g} to {steps.max():g} s. "
            "Write the times as maps of their own, with `names` that say which."
        )
    return float(times_s[0]), 1.0 / step
