"""One run's volumes, read a few at a time: NIfTI, GIfTI and CIFTI alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file
from ..fmri._volumes import Grid, grid_of, header_tr

# Values that are held at once; whole runs below the second number are kept for another look.
_AT_ONCE, _KEPT = 16_000_000, 60_000_000


@dataclass
class VolumeSeries:
    """One run.

    Attributes
    ----------
    path : Path
        Its file, or that of the left hemisphere.
    images : sequence
        Opened images, one or a hemisphere each.
    n_volumes, n_points : int
        Its size.
    grid : Grid or None
        Of a volume; None for surfaces and grayordinates.
    header_tr_s : float or None
        What the header says.
    header : str
        Digest of the header.
    """

    path: Path
    images: Sequence[Any]
    n_volumes: int
    n_points: int
    grid: Grid | None
    header_tr_s: float | None
    header: str
    _kept: list[NDArray[np.float32]] | None = None

    def chunks(self) -> Iterator[NDArray[np.float32]]:
        """Give the volumes in time order, (n, n_points) at a time.

        Raises
        ------
        InputError
            If the file is cut short or damaged.
        """
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[NDArray[np.float32]] | None = [] if self.n_volumes * self.n_points <= _KEPT else None
        step = max(1, _AT_ONCE // max(1, self.n_points))
        for start in range(0, self.n_volumes, step):
            stop = min(self.n_volumes, start + step)
            with readable(self.path, "an fMRI series"), np.errstate(all="ignore"):
                part = self._read(start, stop)
            if kept is not None:
                kept.append(part)
            yield part
        self._kept = kept

    def _read(self, start: int, stop: int) -> NDArray[np.float32]:
        first = self.images[0]
        if self.grid is not None:
            block = np.asarray(first.dataobj[..., start:stop], dtype=np.float32)
            return np.ascontiguousarray(block.reshape(-1, stop - start).T)
        if hasattr(first, "darrays"):
            sides = [np.stack([each.data for each in image.darrays[start:stop]]) for image in self.images]
            return np.concatenate(sides, axis=1).astype(np.float32)
        return np.asarray(first.dataobj[start:stop], dtype=np.float32)


def open_volume_series(paths: Sequence[Path]) -> VolumeSeries:
    """Open a run without reading it.

    Parameters
    ----------
    paths : sequence of Path
        One file, or the surfaces of two hemispheres.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If one cannot be read, or is no series.
    """
    import nibabel as nib

    images: list[Any] = []
    for path in map(require_file, paths):
        with readable(path, "an fMRI series"):
            # Left open: a packed file that is opened anew for every part is unpacked anew as well.
            is_volume = path.name.endswith((".nii", ".nii.gz")) and ".dtseries." not in path.name
            images.append(nib.load(path, keep_file_open=True) if is_volume else nib.load(path))
    path, first = Path(paths[0]), images[0]
    if hasattr(first, "darrays"):
        return _surface(path, images)
    shape = tuple(int(n) for n in first.shape)
    if len(shape) == 2:
        axis = first.header.get_axis(0)
        tr_s = float(getattr(axis, "step", 0.0)) or None
        return VolumeSeries(
            path, images, shape[0], shape[1], None, tr_s, _digest(first.nifti_header.binaryblock)
        )
    if len(shape) != 4 or shape[3] < 4:
        raise InputError(f"{path} has shape {shape}; a series is x, y, z, time with at least 4 volumes.")
    tr_s, _ = header_tr(path, first)
    block = first.header.binaryblock if hasattr(first.header, "binaryblock") else b""
    n_points = int(np.prod(shape[:3]))
    return VolumeSeries(path, images, shape[3], n_points, grid_of(first), tr_s, _digest(block))


def _surface(path: Path, images: Sequence[Any]) -> VolumeSeries:
    sizes = [len(image.darrays) for image in images]
    if min(sizes) < 4 or len(set(sizes)) > 1:
        raise InputError(f"{path} and its other side hold {sizes} maps; a series has as many on both, and 4.")
    step = images[0].darrays[0].meta.get("TimeStep")
    n_points = sum(len(image.darrays[0].data) for image in images)
    # FreeSurfer and fMRIPrep write milliseconds as seconds and the other way round: a sidecar decides.
    tr_s = float(step) if step is not None and float(step) < 60 else None
    return VolumeSeries(path, images, sizes[0], n_points, None, tr_s, "")


def _digest(block: bytes) -> str:
    return hashlib.sha256(block).hexdigest()
