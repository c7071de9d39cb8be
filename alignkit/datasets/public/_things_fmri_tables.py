"""The tables of THINGS-fMRI: which trial showed what, and which row holds which voxel."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique
from ..._core.errors import InputError
from ...recordings.geometry import VolumeGeometry
from .._arrays import readable
from .._tables import read_table
from ..fmri._volumes import grid_of
from ._pandas_hdf import Frame

ID = "voxel_id"
PLACES = ("voxel_x", "voxel_y", "voxel_z")
MEASURES = ("nc_", "splithalf_", "prf-")


def read_trials(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return a row for each trial, in the order of the published columns, and notes.

    Raises
    ------
    InputError
        If a trial is neither of the training nor of the test part.
    """
    table = read_table(path, needs=["trial_type", "session", "run", "stimulus", "concept"], texts=["concept"])
    unknown = sorted(set(table["trial_type"]) - {"train", "test"})
    if unknown:
        raise InputError(f"{path}: a trial_type is {unknown[0]!r}, 'train' or 'test' is wanted.")
    samples = pd.DataFrame(
        {
            "stimulus_id": [PurePosixPath(str(file)).stem for file in table["stimulus"]],
            "session": table["session"],
            "run": table["run"],
            "trial": np.arange(len(table)),
            "concept": table["concept"],
            "split": table["trial_type"],
        }
    )
    notes = []
    if "trial_id" in table and (table["trial_id"].to_numpy() != np.arange(len(table))).any():
        notes.append(
            f"`trial_id` of {path.name} does not count its rows; trials are matched by row, as the set's "
            "owners do."
        )
    return samples, notes


def match_rows(path: Path, frame: Frame, voxels: pd.DataFrame, voxels_path: Path) -> NDArray[np.intp]:
    """Return the row of each voxel's responses, matched by `voxel_id`, which is no trial.

    Raises
    ------
    InputError
        If the responses have no such column, or not the voxels that are described.
    """
    if ID not in frame.columns:
        raise InputError(f"{path} has no column {ID!r}, so its rows cannot be matched to {voxels_path.name}.")
    ids = frame.read([ID])[:, 0]
    check_unique(f"{ID} of {path}", list(ids.tolist()))
    position = {int(value): row for row, value in enumerate(ids)}
    missing = [value for value in voxels[ID] if int(value) not in position]
    if missing or len(ids) != len(voxels):
        raise InputError(
            f"{path} has responses of {len(ids)} voxels and {voxels_path.name} describes {len(voxels)}; "
            f"{len(missing)} of these have no response. Get the files of one subject."
        )
    return np.array([position[int(value)] for value in voxels[ID]], dtype=np.intp)


def region_columns(voxels: pd.DataFrame) -> list[str]:
    """Return the columns that mark the voxels of a region with 1, the others with 0."""
    described = {ID, "subject_id", *PLACES}
    names = [str(c) for c in voxels if c not in described and not str(c).startswith(MEASURES)]
    return [name for name in names if set(pd.unique(voxels[name]).tolist()) <= {0, 1}]


def standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column at mean 0 and standard deviation 1; NaN for one that is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((values - values.mean(axis=0)) / values.std(axis=0), dtype=np.float64)


def voxel_geometry(
    root: Path, subject: str, channels: pd.DataFrame
) -> tuple[VolumeGeometry | None, list[Path]]:
    """Return where the voxels are, and what was read for it; None where there is no brain mask.

    Raises
    ------
    InputError
        If a voxel lies outside the mask's volume.
    """
    import nibabel as nib

    path = root / f"brainmasks/{subject}_space-T1w_brainmask.nii.gz"
    if not path.is_file() or not set(PLACES) <= set(channels):
        return None, []
    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        grid = grid_of(image)
    voxels = channels[list(PLACES)].to_numpy(dtype=np.intp)
    if (voxels < 0).any() or (voxels >= np.asarray(grid.shape)).any():
        raise InputError(f"voxels of {subject} lie outside the brain mask {path} ({grid}).")
    return VolumeGeometry(grid.affine, grid.shape, voxels, "T1w"), [path]
