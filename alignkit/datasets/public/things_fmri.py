"""THINGS-fMRI: three people's responses to thousands of pictures of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option, check_unique, did_you_mean
from ..._core.errors import InputError, UnknownNameError
from ..._core.progress import track
from ...recordings.geometry import VolumeGeometry
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._tables import read_table
from ._image_files import find_images
from ._lookup import PublicSet, find_set
from ._pandas_hdf import Frame, open_frame
from ._subjects import choose_subjects
from ._things_fmri_tables import (
    ID,
    MEASURES,
    PLACES,
    match_rows,
    read_trials,
    region_columns,
    standardized,
    voxel_geometry,
)

SUBJECTS = ("sub-01", "sub-02", "sub-03")
_ATLAS = "glasser-"
_BLOCK_BYTES = 64 * 2**20

THINGS_FMRI = PublicSet(
    folder="things_fmri",
    facts={
        "modality": "fmri",
        "subjects": "3",
        "stimuli": "8,740 photographs of 720 objects; 100 of them shown in every session",
        "size": "43 GB (single-trial responses as tables, zipped)",
        "shape": "9,840 trials x about 200,000 voxels a subject",
        "unit": "estimated response (regression weight)",
        "licence": "CC0 (responses); the pictures of THINGS have terms of their own",
        "citation": (
            "Hebart, Contier, Teichmann, Rockter, Zheng, Kidder, Corriveau, Vaziri-Pashkam, Baker 2023, "
            "THINGS-data, eLife 12:e82580, doi:10.7554/eLife.82580"
        ),
        "source": "doi.org/10.25452/figshare.plus.20492835 (betas_csv.zip); pictures: osf.io/jum2f",
        "summary": "Single-trial responses of three people to 8,740 pictures of 720 objects.",
    },
)


@DATASETS.register("things-fmri", **THINGS_FMRI.declared())
def load_things_fmri(
    *,
    roi: tuple[str, ...] | None = None,
    min_noise_ceiling: float | None = None,
    split: Literal["both", "train", "test"] = "both",
    zscore: Literal["none", "session"] = "none",
    stimuli: Path | None = None,
    subjects: tuple[int | str, ...] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the single-trial responses that are published as tables (``betas_csv``).

    A sample is one trial. Only rows of chosen voxels are kept; memory holds the result and about 128 MiB
    more. The whole brain of one subject is 8 GB: choose voxels with `roi` or `min_noise_ceiling`.

    Parameters
    ----------
    roi : tuple of str, optional
        Keep the voxels of these regions: columns of the set's table of voxels, such as ``"V1"``, ``"hV4"``,
        ``"lFFA"``, ``"LO1 (prf)"``, ``"glasser-V1"``. A channel's `roi` is the first of them that it lies
        in. By default all voxels, named by the regions in the table's order, without the Glasser atlas.
    min_noise_ceiling : float, optional
        Keep the voxels whose published `nc_testset` is at least this, in the unit of that column. It was
        estimated from the test pictures.
    split : {"both", "train", "test"}
        Which trials: 720 objects x 12 pictures once each, or 100 pictures in each of the 12 sessions.
    zscore : {"none", "session"}
        ``"session"`` scales each voxel to mean 0 and standard deviation 1 over all trials of a session, test
        pictures among them, which a note says.
    stimuli : Path, optional
        Folder of the THINGS pictures, with or without a folder for each object.
    subjects : tuple of str or int, optional
        Such as ``("sub-01",)`` or ``(1, 3)``; by default all whose files are there.
    path : Path, optional
        Where the set lies (the folder that holds ``betas_csv``, or that folder); by default it is looked up
        in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are declared for this set: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `stimulus_id` (``dog_12s``), `repetition`, `session`, `run`, `trial` (the published
        column, from 0), `concept` and `split`. `groups` is ``"concept"``: test pictures show objects that
        training pictures show too. Channels have `voxel_id`, the published ceilings and population receptive
        fields in their units, and a column for each region.

    Raises
    ------
    MissingDataError
        If the set, a subject, a table or a picture is not there.
    InputError
        If tables do not fit each other, or a file is damaged.

    References
    ----------
    Hebart et al. (2023), 10.7554/eLife.82580.
    """
    check_option("split", split, ("both", "train", "test"))
    check_option("zscore", zscore, ("none", "session"))
    root = find_set(THINGS_FMRI, path=path, verify=verify)
    folder = root / "betas_csv" if (root / "betas_csv").is_dir() else root
    chosen, notes = choose_subjects(
        subjects, SUBJECTS, is_there=lambda name: _file(folder, name).is_file(), where=str(folder)
    )
    wanted = _Wanted(folder, root, roi, min_noise_ceiling, split, zscore)
    recordings, files = [], []
    for subject in chosen:
        recording, read = wanted.recording(subject)
        recordings.append(recording)
        files += read
    study = Study.of(*recordings)
    ids = [name for recording in recordings for name in recording.stimulus_ids]
    samples = pd.concat([each.samples for each in recordings], ignore_index=True)
    return Dataset(
        name="things-fmri",
        study=study,
        stimuli=None if stimuli is None else find_images(stimuli, ids),
        labels=_labels(samples),
        groups="concept",
        files=tuple(files),
        notes=(
            *notes,
            *_overlap(samples),
            *(f"{each.subject}: {note}" for each in recordings for note in each.notes),
        ),
    )


def _file(folder: Path, subject: str) -> Path:
    return folder / f"{subject}_ResponseData.h5"


@dataclass(frozen=True)
class _Wanted:
    """What is read, the same for all subjects."""

    folder: Path
    root: Path
    roi: Sequence[str] | None
    min_noise_ceiling: float | None
    split: str
    zscore: str

    def recording(self, subject: str) -> tuple[Recording, list[Path]]:
        """Read one subject."""
        path = _file(self.folder, subject)
        voxels_path = self.folder / f"{subject}_VoxelMetadata.csv"
        trials_path = self.folder / f"{subject}_StimulusMetadata.csv"
        voxels = read_table(voxels_path, needs=[ID])
        check_unique(f"{ID} of {voxels_path}", list(voxels[ID]))
        samples, notes = read_trials(trials_path)
        with open_frame(path) as frame:
            rows = match_rows(path, frame, voxels, voxels_path)
            channels, kept = self._channels(voxels, voxels_path)
            data, fine = self._data(path, frame, samples, rows[kept])
        channels = channels[fine].reset_index(drop=True)
        table = samples.iloc[self._trials(samples)].reset_index(drop=True)
        table.insert(1, "repetition", table.groupby("stimulus_id").cumcount() + 1)
        geometry, read = voxel_geometry(self.root, subject, channels)
        recording = Recording(
            data[:, fine] if not fine.all() else data,
            table,
            channels,
            geometry=geometry,
            subject=subject,
            modality="fmri",
            unit="estimated response" if self.zscore == "none" else "z within session",
            notes=(*notes, *self._notes(fine, geometry)),
        )
        return recording, [path, voxels_path, trials_path, *read]

    def _channels(self, voxels: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, NDArray[np.intp]]:
        """Return the table of the chosen voxels, and which they are."""
        regions = region_columns(voxels)
        for name in self.roi or ():
            if name not in regions:
                raise UnknownNameError(f"`roi` names {name!r}, {did_you_mean(name, regions)}")
        shown = [name for name in regions if not name.startswith(_ATLAS)] if self.roi is None else self.roi
        inside: NDArray[np.bool_] = np.ones(len(voxels), dtype=bool)
        if self.roi is not None:
            inside = np.asarray(voxels[list(self.roi)].to_numpy().astype(bool).any(axis=1), dtype=np.bool_)
        if self.min_noise_ceiling is not None:
            if "nc_testset" not in voxels:
                raise InputError(f"{path} has no column 'nc_testset', so `min_noise_ceiling` says nothing.")
            inside &= voxels["nc_testset"].to_numpy(dtype=float) >= self.min_noise_ceiling
        kept = np.flatnonzero(inside)
        if not len(kept):
            raise InputError(
                f"no voxel of {path} lies in {', '.join(self.roi or ['the brain'])} with a noise ceiling of "
                f"at least {self.min_noise_ceiling}."
            )
        own = voxels.iloc[kept]
        first = np.full(len(own), "", dtype=object)
        for name in reversed(shown):
            first[own[name].to_numpy().astype(bool)] = name
        measures = [c for c in own if c in (ID, *PLACES) or str(c).startswith(MEASURES)]
        channels = pd.DataFrame({"name": [f"voxel-{i}" for i in own[ID]], "kind": "voxel", "roi": first})
        rest = own[measures].reset_index(drop=True)
        flags = own[list(shown)].astype(bool).reset_index(drop=True)
        return pd.concat([channels, rest, flags], axis=1), kept

    def _data(
        self, path: Path, frame: Frame, samples: pd.DataFrame, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return (n_kept_trials, n_voxels), and which voxels have finite responses that vary."""
        columns = [str(number) for number in range(len(samples))]
        if set(frame.columns) - {ID} != set(columns):
            raise InputError(
                f"{path} has {len(set(frame.columns) - {ID})} columns of trials, its StimulusMetadata has "
                f"{len(columns)} rows; column k should be the trial in row k (from 0)."
            )
        sessions = list(samples.groupby("session").indices.values()) if self.zscore == "session" else []
        keep = self._trials(samples)
        data = np.empty((len(keep), len(rows)), dtype=np.float32)
        fine = np.ones(len(rows), dtype=bool)
        step = max(1, _BLOCK_BYTES // (8 * len(columns)))
        for start in track(range(0, frame.n_rows, step), f"reading {path.name}"):
            place = np.flatnonzero((rows >= start) & (rows < start + step))
            if not len(place):
                continue
            first, last = int(rows[place].min()), int(rows[place].max())
            values = np.asarray(frame.read(columns, first, last + 1)[rows[place] - first].T, dtype=np.float64)
            finite = np.isfinite(values).all(axis=0)
            values[:, ~finite] = 0
            varies = np.ptp(values, axis=0) > 0
            for own in sessions:
                values[own] = standardized(values[own])
            fine[place] = finite & varies & np.isfinite(values).all(axis=0)
            data[:, place] = values[keep]
        if not fine.any():
            raise InputError(f"no chosen voxel of {path} has finite responses that vary.")
        return data, fine

    def _trials(self, samples: pd.DataFrame) -> NDArray[np.intp]:
        if self.split == "both":
            return np.arange(len(samples))
        return np.flatnonzero(samples["split"] == self.split)

    def _notes(self, fine: NDArray[np.bool_], geometry: VolumeGeometry | None) -> list[str]:
        notes = []
        if not fine.all():
            notes.append(
                f"{int((~fine).sum())} of {len(fine)} voxels were dropped: they are constant or not finite."
            )
        if self.zscore == "session":
            notes.append(
                "Responses were scaled within each session with the statistics of all its trials, those of "
                "test pictures among them."
            )
        if self.min_noise_ceiling is not None:
            notes.append("Voxels were chosen by a noise ceiling that comes from the test pictures.")
        if geometry is None:
            notes.append("No brain mask is there, so voxels have no place in a volume.")
        return notes


def _labels(samples: pd.DataFrame) -> pd.DataFrame:
    table = samples[["stimulus_id", "concept"]].drop_duplicates("stimulus_id")
    return table.reset_index(drop=True)


def _overlap(samples: pd.DataFrame) -> tuple[str, ...]:
    train, test = (set(samples["concept"][samples["split"] == name]) for name in ("train", "test"))
    common = train & test
    if not common:
        return ()
    return (
        f"{len(common)} of {len(test)} objects of the test pictures are objects of training pictures too: "
        "leave these out of the training part to ask for generalisation to new objects.",
    )
