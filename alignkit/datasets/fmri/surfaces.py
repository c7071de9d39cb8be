"""From BOLD series on the cortical surface to a recording with a channel per vertex."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.signals import Detrend, Standardize
from ...recordings.recording import Recording
from ...recordings.surface_geometry import SurfaceGeometry
from ._atlases import read_destrieux_surface
from ._confounds import ConfoundColumns
from ._pairs import entities
from ._runs import Average, RunOptions, SeriesFile, check_files, check_unlike, read_recording
from ._surface_files import label_names, open_surface_series, read_labels, read_vertices
from ._usable import Usable
from .single_trials import SingleTrialOptions

Pair = tuple[str | Path | None, str | Path | None]
# 163842 vertices are fsaverage as well as fsLR-164k, so that their number names no mesh.
_MESHES = {2562: "fsaverage4", 10242: "fsaverage5", 40962: "fsaverage6", 32492: "fsLR-32k"}


def read_surface_bold(
    bold: Sequence[Pair],
    *,
    mask: Pair | None = None,
    events: Sequence[str | Path] | None = None,
    volume_labels: str | Path | None = None,
    confounds: Sequence[str | Path] | None = None,
    confound_columns: ConfoundColumns = "none",
    atlas: Pair | str | None = None,
    tr_s: float | None = None,
    start_time_s: float | None = None,
    drop_volumes: int = 0,
    delay_s: float = 5.0,
    average: Average = "event",
    glm: SingleTrialOptions | None = None,
    duration_s: float | None = None,
    detrend: Detrend = "linear",
    high_pass_hz: float | None = None,
    standardize: Standardize = "percent",
    rest: str = "rest",
    id_column: str | None = None,
    space: str | None = None,
    subject: str = "subject",
) -> Recording:
    """Read one subject's fMRI runs on the cortical surface, as :func:`read_bold` reads volumes.

    Parameters
    ----------
    bold : sequence of (left, right)
        Two files per run, one per hemisphere: GIfTI (``.func.gii``) or FreeSurfer's ``.mgh`` or ``.mgz``. One
        of the two may be None, in all runs alike.
    mask : (left, right), optional
        Values per vertex (``.shape.gii``, ``.mgz`` and so on); channels are where they are not 0. By default
        the vertices of the atlas, or all that vary in every run, which leaves the medial wall out.
    events, volume_labels, confounds, confound_columns
        See :func:`read_bold`.
    atlas : (left, right) or str, optional
        Labels per vertex, ``.label.gii`` or FreeSurfer's ``.annot``; or ``"destrieux-surface"`` (fsaverage5),
        where nilearn's files are on this computer. Gives channels a `roi`.
    tr_s : float, optional
        Repetition time in seconds; by default from the sidecar of the left file, from an mgh header, or from
        the ``TimeStep`` of GIfTI, whose unit is told by its size and noted.
    start_time_s, drop_volumes, delay_s, average, glm, duration_s, detrend, high_pass_hz, standardize, rest
        See :func:`read_bold`. There is no smoothing here: it needs the mesh; smooth before with FreeSurfer or
        Connectome Workbench.
    space : str, optional
        Name of the mesh; by default the ``space-`` entity of the first file, or else by its size (fsaverage4
        to 6, fsLR-32k), or else ``"native"``.
    id_column, subject
        See :func:`read_bold`.

    Returns
    -------
    recording : Recording
        Left vertices before right ones; channels have `hemisphere` and `vertex` (from 0). `geometry` is a
        :class:`SurfaceGeometry`; ``alignkit.recordings.write_maps`` puts values back as GIfTI.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        As :func:`read_bold`, and where hemispheres or runs have different numbers of volumes or vertices.
    """
    options = RunOptions(
        subject,
        events=events,
        volume_labels=volume_labels,
        confounds=confounds,
        confound_columns=confound_columns,
        tr_s=tr_s,
        start_time_s=start_time_s,
        drop_volumes=drop_volumes,
        delay_s=delay_s,
        average=average,
        glm=glm,
        duration_s=duration_s,
        detrend=detrend,
        high_pass_hz=high_pass_hz,
        standardize=standardize,
        rest=rest,
        id_column=id_column,
    )
    files, sizes = _open(bold, options)
    vertices = _select(sizes, mask=mask, atlas=atlas)
    usable = Usable(int(vertices.inside.sum()), what="vertices", why="; those of the medial wall are")
    chosen = [
        SeriesFile(file.path, file.n_volumes, vertices.reader(file.read), file.header_tr_s, file.header_note)
        for file in files
    ]
    name, note = _space(files[0].path, sizes, space)
    return read_recording(
        chosen, options, usable, vertices, locate=lambda keep: vertices.geometry(keep, name), notes=note
    )


@dataclass(frozen=True)
class _Vertices:
    """Vertices that are read: `inside` is of both meshes one after the other, `roi` of those inside."""

    sizes: tuple[int, int]
    inside: NDArray[np.bool_]
    roi: NDArray[Any] | None
    notes: tuple[str, ...]

    def reader(self, read: Callable[[], NDArray[np.float32]]) -> Callable[[], NDArray[np.float32]]:
        """Return what reads the vertices inside only."""
        return lambda: read()[:, self.inside]

    def geometry(self, keep: NDArray[np.bool_], space: str) -> SurfaceGeometry:
        """Return where the kept vertices are."""
        mask = np.zeros(len(self.inside), dtype=bool)
        mask[np.flatnonzero(self.inside)[keep]] = True
        return SurfaceGeometry.of_mask(mask[: self.sizes[0]], mask[self.sizes[0] :], space=space)

    def channels(self, keep: NDArray[np.bool_]) -> pd.DataFrame:
        """Return the channel table of the kept vertices."""
        geometry = self.geometry(keep, "")
        pairs = zip(geometry.hemispheres, geometry.vertices, strict=True)
        table = pd.DataFrame({"name": [f"{side}-{vertex}" for side, vertex in pairs], "kind": "vertex"})
        if self.roi is not None:
            table["roi"] = self.roi[keep]
        table["hemisphere"] = [str(side) for side in geometry.hemispheres]
        table["vertex"] = geometry.vertices
        return table


def _open(bold: Sequence[Pair], options: RunOptions) -> tuple[list[SeriesFile], tuple[int, int]]:
    """Open both hemispheres of every run as one series, left vertices first."""
    if isinstance(bold, str | Path) or any(isinstance(run, str | Path) or len(run) != 2 for run in bold):
        raise InputError("`bold` is a sequence of (left, right), the two files of each run.")
    firsts = [Path(left or right or "") for left, right in bold]
    check_files(firsts, options)
    check_unlike("bold", [path for run in bold for path in run if path is not None])
    files: list[SeriesFile] = []
    all_sizes: list[tuple[int, int]] = []
    for run in bold:
        opened = [None if path is None else open_surface_series(path) for path in run]
        parts = [part[0] for part in opened if part is not None]
        if not parts:
            raise InputError("a run of `bold` is (None, None); one hemisphere at least is wanted.")
        if len({part.n_volumes for part in parts}) > 1:
            lengths = " and ".join(f"{part.n_volumes} ({part.path.name})" for part in parts)
            raise InputError(f"the hemispheres of a run have {lengths} volumes; they must be of one run.")
        first = parts[0]
        files.append(
            SeriesFile(first.path, first.n_volumes, _joined(parts), first.header_tr_s, first.header_note)
        )
        left, right = (0 if part is None else part[1] for part in opened)
        all_sizes.append((left, right))
    if len(set(all_sizes)) > 1:
        other = next(k for k, sizes in enumerate(all_sizes) if sizes != all_sizes[0])
        raise InputError(
            f"{files[other].path.name} is on meshes of {all_sizes[other]} vertices (left, right) but "
            f"{files[0].path.name} on {all_sizes[0]}; all runs of a subject must be on one mesh."
        )
    return files, all_sizes[0]


def _joined(parts: list[SeriesFile]) -> Callable[[], NDArray[np.float32]]:
    return lambda: np.concatenate([part.read() for part in parts], axis=1)


def _select(sizes: tuple[int, int], *, mask: Pair | None, atlas: Pair | str | None) -> _Vertices:
    notes: list[str] = []
    inside = np.ones(sum(sizes), dtype=bool)
    if mask is not None:
        parts = [
            np.zeros(size, np.float32) if path is None else read_vertices(path, size, what="mask")
            for path, size in zip(mask, sizes, strict=True)
        ]
        values = np.concatenate(parts)
        inside = np.isfinite(values) & (values != 0)
        if not inside.any():
            raise InputError(f"the mask {mask[0] or mask[1]} holds no vertex.")
    roi = None if atlas is None else _regions(atlas, sizes)
    if roi is not None:
        if mask is None:
            inside = roi != ""
        roi = roi[inside]
        if not (roi != "").any():
            raise InputError(f"the atlas {atlas} has no region inside the mask.")
    if mask is None and atlas is None:
        notes.append("No mask was given: every vertex that varies is a channel.")
    return _Vertices(sizes, inside, roi, tuple(notes))


def _regions(atlas: Pair | str, sizes: tuple[int, int]) -> NDArray[Any]:
    if atlas == "destrieux-surface":
        (left, right), names = read_destrieux_surface()
        for size, numbers in zip(sizes, (left, right), strict=True):
            if size not in (0, len(numbers)):
                raise InputError(
                    f"the atlas {atlas!r} has {len(numbers)} vertices per hemisphere (fsaverage5) but the "
                    f"series has {size}."
                )
        there = [numbers for size, numbers in zip(sizes, (left, right), strict=True) if size]
        return np.concatenate([label_names(atlas, numbers, names) for numbers in there])
    if isinstance(atlas, str | Path) or len(atlas) != 2:
        raise InputError(
            f"`atlas` is {str(atlas)!r}; on surfaces it is (left, right), two files of labels, or "
            "'destrieux-surface'."
        )
    return np.concatenate(
        [
            np.full(size, "", dtype=object) if path is None or not size else read_labels(path, size)
            for path, size in zip(atlas, sizes, strict=True)
        ]
    )


def _space(path: Path, sizes: tuple[int, int], space: str | None) -> tuple[str, list[str]]:
    if space is not None:
        return space, []
    named = entities(path).get("space")
    if named is not None:
        return named, []
    size = max(sizes)
    if size in _MESHES and min(sizes) in (0, size):
        return _MESHES[size], [f"The mesh was taken to be {_MESHES[size]}, by its {size} vertices."]
    return "native", []
