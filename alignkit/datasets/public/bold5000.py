"""BOLD5000: four people's fMRI of almost five thousand pictures from three collections."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..._core.checks import check_option
from ..._core.errors import InputError, MissingDataError
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._arrays import readable
from .._dataset import DATASETS, Dataset
from ..fmri._volumes import grid_of
from ..fmri.bold import read_bold
from ._bold5000_betas import (
    read_region_tables,
    read_volumes,
    session_pattern,
    table_pattern,
    with_repetitions,
)
from ._bold5000_files import REGIONS, SUBJECTS, describe_pictures, find_regions, has_files, region_volume
from ._image_files import find_images
from ._lookup import PublicSet, find_set
from ._subjects import choose_subjects

_TASK = "task-5000scenes"
_REPEATED = "rep_"
# Columns of the events that say what other columns say, or count what file names count.
_LEFT_OUT = ("Subj", "Sess", "Run", "ImgName", "ImgType", "stim_file")

BOLD5000 = PublicSet(
    folder="bold5000",
    facts={
        "modality": "fmri",
        "subjects": "4 (one of them came to 9 of 15 sessions)",
        "stimuli": "4,916 pictures of scenes, COCO and ImageNet; 113 of them shown four times",
        "size": "tens of GB (54 sessions)",
        "shape": "5,254 trials (3,108 of CSI4) x voxels",
        "unit": "percent signal change",
        "licence": "CC0 (OpenNeuro ds001499); the pictures have terms of their own (bold5000.org)",
        "citation": (
            "Chang, Pyles, Marcus, Gupta, Tarr, Aminoff 2019, BOLD5000, a public fMRI dataset while viewing "
            "5000 visual images, Scientific Data 6:49, doi:10.1038/s41597-019-0052-3"
        ),
        "source": (
            "OpenNeuro ds001499 (raw data; masks in derivatives/spm); bold5000.org (pictures); second "
            "release of responses: Figshare article 14456124"
        ),
        "summary": "Responses of four people to 4,916 pictures, 113 of them repeated.",
    },
)


@DATASETS.register("bold5000", **BOLD5000.declared())
def load_bold5000(
    *,
    form: Literal["betas", "regions", "bids"] = "betas",
    roi: tuple[str, ...] = REGIONS,
    sessions: tuple[int, ...] | None = None,
    zscore: Literal["none", "session"] = "none",
    bold: Literal["raw", "fmriprep"] = "fmriprep",
    confounds: Literal["none", "motion6", "motion24", "motion24+wm+csf"] = "none",
    delay_s: float = 4.0,
    duration_s: float = 4.0,
    stimuli: Path | None = None,
    subjects: tuple[int | str, ...] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read single-trial responses, with the picture of each trial.

    Parameters
    ----------
    form : {"betas", "regions", "bids"}
        ``"betas"``: volumes of the second release, one file for each session (fitted response shape,
        GLMdenoise, ridge). ``"regions"``: the same responses as tables of the five regions
        (``..._allses_LHEarlyVis.npy``). ``"bids"``: the series of OpenNeuro ds001499, averaged within a
        window after each picture.
    roi : tuple of str, default=("EarlyVis", "LOC", "OPA", "PPA", "RSC")
        Regions, of both hemispheres; a voxel of several belongs to the first. Empty for the whole brain
        (``"betas"``: the brain mask; ``"bids"``: every voxel that varies).
    sessions : tuple of int, optional
        Which sessions, from 1; by default all whose files are there. Not for ``"regions"``.
    zscore : {"none", "session"}
        ``"session"`` scales each channel to mean 0 and standard deviation 1 over all trials of a session,
        repeated pictures among them, which a note says.
    bold, confounds : str
        For ``"bids"``: the raw series, or fMRIPrep's in the space of the T1w image
        (``derivatives/fmriprep``, with the names of its first version); and what is regressed out of these,
        see :func:`alignkit.datasets.read_bold`.
    delay_s, duration_s : float, default=4.0
        For ``"bids"``: the window, in seconds after the picture's onset. Pictures came every 10 s for 1 s;
        with volumes of 2 s the third and the fourth are averaged.
    stimuli : Path, optional
        Folder of the pictures (``BOLD5000_Stimuli``), searched with its subfolders.
    subjects : tuple of str or int, optional
        Such as ``("CSI1",)`` or ``(1, 2)``; by default all whose files are there.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are declared for this set: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `stimulus_id` (the picture's file without suffix and without the mark ``rep_``),
        `repetition`, `session`, `image_type` (``scenes``, ``coco``, ``imagenet``) and `is_repeated`: the
        repeated pictures are the usual test part. `labels` are the types.

    Raises
    ------
    MissingDataError
        If the set, a subject, a session, a mask or a picture is not there.
    InputError
        If files do not fit each other, are damaged, or a mask lies on another grid.

    Notes
    -----
    The layout of the raw data was read in public listings. That of the second release (names of files, axes
    x, y, z, trials, and the unit) is known from public loaders and was not checked against the files
    themselves; files are looked for in the folder and up to four folders below it.

    References
    ----------
    Chang et al. (2019), 10.1038/s41597-019-0052-3.
    """
    check_option("form", form, ("betas", "regions", "bids"))
    check_option("zscore", zscore, ("none", "session"))
    check_option("bold", bold, ("raw", "fmriprep"))
    if form == "regions" and (sessions is not None or zscore == "session" or not roi):
        raise InputError(
            "the tables of regions name no session: leave `sessions` and `zscore` out, name `roi`."
        )
    root = find_set(BOLD5000, path=path, verify=verify)
    chosen, notes = choose_subjects(
        subjects, SUBJECTS, is_there=lambda name: _is_there(root, name, form), where=str(root)
    )
    recordings, files = [], []
    for subject in chosen:
        if form == "betas":
            recording, read = read_volumes(root, subject, sessions, roi)
        elif form == "regions":
            recording, read = read_region_tables(root, subject, roi)
        else:
            recording, read = _read_bids(root, subject, sessions, roi, bold, confounds, (delay_s, duration_s))
        recordings.append(_standardized(recording) if zscore == "session" else recording)
        files += read
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    if form != "bids":
        notes = (*notes, "The layout of the second release was not checked against its own description.")
    return Dataset(
        name="bold5000",
        study=Study.of(*recordings),
        stimuli=None if stimuli is None else find_images(stimuli, list(samples["stimulus_id"])),
        labels=samples[["stimulus_id", "image_type"]].drop_duplicates("stimulus_id").reset_index(drop=True),
        files=tuple(dict.fromkeys(files)),
        notes=(*notes, *(f"{each.subject}: {note}" for each in recordings for note in each.notes)),
    )


def _is_there(root: Path, subject: str, form: str) -> bool:
    if form == "bids":
        return (root / f"sub-{subject}").is_dir()
    return has_files(root, session_pattern(subject) if form == "betas" else table_pattern(subject))


def _read_bids(
    root: Path,
    subject: str,
    sessions: Sequence[int] | None,
    roi: Sequence[str],
    bold: str,
    confounds: Any,
    window: tuple[float, float],
) -> tuple[Recording, list[Path]]:
    events = _events(root, subject, sessions)
    series = [_series(root, path, bold) for path in events]
    tables = [_confounds(path) for path in series] if confounds != "none" else None
    if tables is not None and bold == "raw":
        raise InputError("`confounds` come from fMRIPrep; set `bold` to 'fmriprep', or leave them out.")
    with tempfile.TemporaryDirectory() as folder:
        atlas, labels, read, notes = _atlas(Path(folder), root, subject, roi, series[0])
        recording = read_bold(
            series,
            events=events,
            atlas=atlas,
            atlas_labels=labels,
            confounds=tables,
            confound_columns=confounds,
            delay_s=window[0],
            duration_s=window[1],
            id_column="ImgName",
            space="T1w" if bold == "fmriprep" else "native",
            subject=subject,
        )
    described = describe_pictures(recording.stimulus_ids)
    if "ImgType" in recording.samples:
        described["image_type"] = [
            str(each).removeprefix(_REPEATED).lower() for each in recording.samples["ImgType"]
        ]
    rest = recording.samples.drop(columns=["stimulus_id", *_LEFT_OUT], errors="ignore")
    samples = with_repetitions(pd.concat([described, rest], axis=1))
    recording = replace(recording, samples=samples, notes=(*recording.notes, *notes))
    return recording, [*series, *events, *(tables or []), *read]


def _events(root: Path, subject: str, sessions: Sequence[int] | None) -> list[Path]:
    """Return the events of the chosen sessions' runs, in order."""
    folder = root / f"sub-{subject}"
    there = sorted(folder.glob(f"ses-*/func/sub-{subject}_ses-*_{_TASK}_run-*_events.tsv"))
    by_session: dict[int, list[Path]] = {}
    for path in there:
        label = path.name.split("_ses-")[1].split("_")[0]
        if label.isdigit():
            by_session.setdefault(int(label), []).append(path)
    chosen = sorted(by_session) if sessions is None else sorted(set(sessions))
    absent = [session for session in chosen if session not in by_session]
    if absent or not chosen:
        raise MissingDataError(
            f"session {', '.join(map(str, absent)) or '(any)'} of {subject} has no {_TASK} events in "
            f"{folder}; there are {', '.join(map(str, by_session)) or 'none'}."
        )
    return [path for session in chosen for path in by_session[session]]


def _series(root: Path, events: Path, bold: str) -> Path:
    raw = events.with_name(events.name.replace("_events.tsv", "_bold.nii.gz"))
    if bold == "raw":
        return raw
    name = raw.name.replace("_bold.nii.gz", "_bold_space-T1w_preproc.nii.gz")
    return root / "derivatives/fmriprep" / raw.parent.relative_to(root) / name


def _confounds(series: Path) -> Path:
    return series.with_name(series.name.split("_bold_")[0] + "_bold_confounds.tsv")


def _atlas(
    folder: Path, root: Path, subject: str, roi: Sequence[str], series: Path
) -> tuple[Path | None, Path | None, list[Path], tuple[str, ...]]:
    """Write the regions as one volume of numbers with their names, for the time of reading."""
    import nibabel as nib

    if not roi:
        return None, None, [], ()
    regions, notes = find_regions(root, subject, roi)
    if not series.is_file():
        raise MissingDataError(f"{series} does not exist; `bold` chooses between 'raw' and 'fmriprep'.")
    with readable(series, "a NIfTI image"):
        image: Any = nib.load(series)
        grid = grid_of(image)
    numbers, named = region_volume(regions, grid)
    volume = nib.Nifti1Image(numbers.astype(np.int16), grid.affine)  # type: ignore[no-untyped-call]
    nib.save(volume, folder / "regions.nii.gz")
    lines = ["index\tname", *(f"{number}\t{region.name}" for number, region in named.items())]
    (folder / "regions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = [region.path for region in regions]
    return folder / "regions.nii.gz", folder / "regions.tsv", read, notes


def _standardized(recording: Recording) -> Recording:
    data = np.array(recording.data, dtype=np.float32)
    fine = np.ones(recording.n_channels, dtype=bool)
    for rows in recording.samples.groupby("session").indices.values():
        part = data[rows].astype(np.float64)
        deviation = part.std(axis=0)
        fine &= deviation > 0
        data[rows] = (part - part.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    note = (
        "Responses were scaled within each session with the statistics of all its trials, those of repeated "
        "pictures among them."
    )
    scaled = replace(recording, data=data, unit="z within session", notes=(*recording.notes, note))
    if fine.all():
        return scaled
    dropped = f"{int((~fine).sum())} of {len(fine)} voxels were dropped: constant in a session."
    return replace(scaled.select(channels=fine), notes=(*scaled.notes, dropped))
