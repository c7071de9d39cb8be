"""Responses that a first-level model has estimated already: an image per stimulus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._arrays import readable
from .._dataset import DATASETS, Dataset
from .._stimuli import add_labels, match_stimuli
from .._tables import label_table, read_table
from ._volumes import check_grids, open_image
from ._voxels import select_voxels


def read_betas(
    images: Sequence[str | Path],
    stimulus_ids: Sequence[str],
    *,
    samples: pd.DataFrame | None = None,
    mask: str | Path | Sequence[str | Path] | None = None,
    atlas: str | Path | None = None,
    atlas_labels: str | Path | None = None,
    resample_mask: bool = False,
    unit: str = "beta",
    space: str = "native",
    subject: str = "subject",
) -> Recording:
    """Read one subject's response images: betas, contrasts or t maps, one volume per stimulus.

    Parameters
    ----------
    images : sequence of paths
        3-D NIfTI files, one per sample, or 4-D files whose volumes are samples; all on one grid.
    stimulus_ids : sequence of str
        The stimulus of every volume, in the order of the files and of the volumes in them. An id that comes
        again is a repetition.
    samples : DataFrame, optional
        A row per volume with further columns, such as `run` and `session`.
    mask, atlas, atlas_labels, resample_mask, space, subject
        See :func:`alignkit.datasets.read_bold`.
    unit : str, default="beta"
        Of the values, which stay as they are.

    Returns
    -------
    recording : Recording
        Samples have `stimulus_id`, `repetition`, and the columns of `samples`. Voxels that are not finite in
        an image, or the same in all, are dropped with a note.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If volumes and ids differ in number, images differ in grid, or no voxel is left.
    """
    if isinstance(images, str | Path):
        raise InputError("`images` is a sequence of paths; got a single path.")
    paths = [Path(path) for path in images]
    if not paths:
        raise InputError("`images` names no file.")
    opened = [open_image(path) for path in paths]
    grid = check_grids(paths, opened)
    for path, image in zip(paths, opened, strict=True):
        if len(image.shape) not in (3, 4):
            raise InputError(
                f"{path} has shape {tuple(image.shape)}; volumes are x, y, z or x, y, z, sample."
            )
    counts = [int(image.shape[3]) if len(image.shape) == 4 else 1 for image in opened]
    table = _table(stimulus_ids, samples, n_volumes=sum(counts))
    voxels = select_voxels(
        grid, mask=mask, atlas=atlas, atlas_labels=atlas_labels, resample=resample_mask, space=space
    )
    values = np.empty((sum(counts), int(voxels.mask.sum())), dtype=np.float32)
    first = 0
    for path, image, count in zip(paths, opened, counts, strict=True):
        with readable(path, "a NIfTI image"):
            volumes = np.asarray(image.dataobj, dtype=np.float32).reshape(*grid.shape, count)
        values[first : first + count] = volumes[voxels.mask].T
        first += count
    keep, notes = _usable(values)
    return Recording(
        values[:, keep],
        table,
        voxels.channels(keep),
        geometry=voxels.geometry(keep, space),
        subject=subject,
        modality="fmri",
        unit=unit,
        notes=(*voxels.notes, *notes),
    )


@DATASETS.register(
    "betas",
    modality="fmri",
    subjects="1 or more",
    stimuli="your own",
    shape="images x voxels",
    unit="as in the images",
    licence="your own",
    citation="Friston et al. 1994, Human Brain Mapping 2:189, doi:10.1002/hbm.460020402",
    source="your own files: images that a first-level model wrote, and a table that says of which stimulus",
    sha256={},
    summary="Response images (betas, contrasts, t maps), one per stimulus, named in a table.",
)
def load_betas(
    *,
    table: Path,
    mask: Path | None = None,
    atlas: str | None = None,
    atlas_labels: Path | None = None,
    resample_mask: bool = False,
    stimuli: Path | None = None,
    unit: str = "beta",
    space: str = "native",
) -> Dataset:
    """Read response images that a table lists.

    Parameters
    ----------
    table : Path
        A csv or tsv with a row per image: `file` (relative to the table), `stimulus_id`, and where there are
        several subjects `subject`. A 4-D file has a row for each of its volumes. Other columns, such as
        `run`, go to the samples.
    mask, atlas, atlas_labels, resample_mask, space
        See :func:`alignkit.datasets.read_bold`; the same for all subjects. ``{subject}`` in `atlas` or in the
        name of `mask` stands for a subject.
    stimuli : Path, optional
        Folder of images, named by stimulus id.
    unit : str, default="beta"
        Of the values.

    Returns
    -------
    dataset : Dataset
        A recording per subject.

    Raises
    ------
    MissingDataError
        If the table or an image is not there.
    InputError
        If an image lies outside the table's folder, or :func:`read_betas` refuses the images.
    """
    rows = read_table(table, needs=["file", "stimulus_id"], texts=("file",))
    place = Path(table).parent
    if "subject" not in rows:
        rows["subject"] = "subject"
    recordings: list[Recording] = []
    files: list[Path] = [Path(table)]
    for subject, part in rows.groupby("subject", sort=False):
        images = _files(place, list(part["file"]))
        name = str(subject)
        files += images
        recordings.append(
            read_betas(
                images,
                part["stimulus_id"].to_list(),
                samples=part.drop(columns=["file", "stimulus_id", "subject"]),
                mask=None if mask is None else Path(str(mask).replace("{subject}", name)),
                atlas=None if atlas is None else atlas.replace("{subject}", name),
                atlas_labels=atlas_labels,
                resample_mask=resample_mask,
                unit=unit,
                space=space,
                subject=name,
            )
        )
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    categories = label_table(samples)
    pictures, notes = (None, ()) if stimuli is None else match_stimuli(stimuli, list(samples["stimulus_id"]))
    return Dataset(
        name="betas",
        study=Study.of(*recordings),
        stimuli=None if pictures is None else add_labels(pictures, categories),
        labels=categories,
        files=tuple(dict.fromkeys(files)),
        notes=(*notes, *(f"{each.subject}: {note}" for each in recordings for note in each.notes)),
    )


def _files(place: Path, listed: Sequence[str]) -> list[Path]:
    """Return each file once; a 4-D file is listed for each of its volumes, in their order."""
    files = [file for k, file in enumerate(listed) if not k or listed[k - 1] != file]
    again = [file for file in files if files.count(file) > 1]
    if again:
        raise InputError(
            f"the rows of {again[0]!r} do not stand together; a file of several volumes has a row for each, "
            "in their order."
        )
    for file in files:
        if not (place / file).resolve().is_relative_to(place.resolve()):
            raise InputError(
                f"the image {file!r} lies outside {place}, the folder of its table; copy it there."
            )
    return [place / file for file in files]


def _table(stimulus_ids: Sequence[str], samples: pd.DataFrame | None, *, n_volumes: int) -> pd.DataFrame:
    table = pd.DataFrame({"stimulus_id": [str(name) for name in stimulus_ids]})
    rows = pd.DataFrame(index=range(n_volumes)) if samples is None else samples
    for name, length in (("stimulus_ids", len(table)), ("samples", len(rows))):
        if length != n_volumes:
            raise InputError(
                f"`images` hold {n_volumes} volumes but `{name}` has {length}; one for each volume."
            )
    for column in rows.columns:
        if column not in ("stimulus_id", "repetition"):
            table[str(column)] = rows[column].to_numpy()
    table["repetition"] = table.groupby("stimulus_id").cumcount() + 1
    return table


def _usable(values: NDArray[np.float32]) -> tuple[NDArray[np.bool_], list[str]]:
    keep = np.asarray(np.isfinite(values).all(axis=0), dtype=np.bool_)
    if len(values) > 1:
        keep[keep] = np.ptp(values[:, keep], axis=0) > 0
    if not keep.any():
        raise InputError(
            f"none of the {values.shape[1]} voxels is finite in every image and differs between them; check "
            "the mask and the images."
        )
    n_dropped = int((~keep).sum())
    note = (
        f"{n_dropped} of {values.shape[1]} voxels were dropped: they are not finite in an image, or the same "
        "in all."
    )
    return keep, [note] * bool(n_dropped)
