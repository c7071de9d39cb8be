"""Where channels are: enough to put a value per channel back into the space it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json

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
        values : array-like of shape (n_channels,)
            In any unit.
        fill : float, default=nan
            What voxels outside the recording get.
        """
        import nibabel as nib

        values = np.asarray(values, dtype=np.float32)
        if values.shape != (self.n_channels,):
            raise InputError(f"`values` must have shape ({self.n_channels},), got {values.shape}.")
        volume = np.full(self.shape, fill, dtype=np.float32)
        volume[tuple(self.voxels.T)] = values
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

    def save(self, folder: Path) -> None:
        """Write to a folder, as a FIF file."""
        import mne

        mne.io.write_info(folder / "geometry-info.fif", self.info)

    @classmethod
    def load(cls, folder: Path) -> SensorGeometry:
        """Read what :meth:`save` wrote."""
        import mne

        return cls(mne.io.read_info(folder / "geometry-info.fif", verbose="error"))


def load_geometry(folder: Path, facts: dict[str, Any] | None) -> VolumeGeometry | SensorGeometry | None:
    """Read the geometry that a container's facts name."""
    if facts is None:
        return None
    if facts["kind"] == "volume":
        return VolumeGeometry.load(folder, facts["space"])
    return SensorGeometry.load(folder)
