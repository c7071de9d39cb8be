"""Regional fMRI of listeners who heard the first chapter of Alice's Adventures in Wonderland."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_files
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ._alice_tracks import published_tracks, read_matrix_of, word_tracks
from ._lookup import PublicSet, find_set
from ._textgrid import read_words

ROIS = ("LATL", "RATL", "LPTL", "LIPL", "LPreM", "LIFG")
SUBJECTS = tuple(
    f"s{number}"
    for number in (
        18, 22, 23, 24, 26, 28, 30, 31, 35, 36, 37, 38, 39, 40,
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53,
    )
)  # fmt: skip
_LEFT_OUT = "s33"
_N_VOLUMES = 362
_N_DROPPED = 10
_TR_S = 2.0
# As SPM writes them: translations, then rotations.
_MOTION = (
    "motion_x_mm",
    "motion_y_mm",
    "motion_z_mm",
    "motion_pitch_rad",
    "motion_roll_rad",
    "motion_yaw_rad",
)
_DATA = "alice_data_shared"
_WORDS = "alice_stim_shared/DownTheRabbitHoleFinal_exp120_pad_1.TextGrid"
_REGRESSORS = "sept18-generic-predictors-under-hrf-with-logfrqhal.txt"
# One digest of the time courses of all of SUBJECTS, by radius.
_TIMECOURSES = {
    6: "191d2fa6c5de7093bc9d5e3ba2870461d3d799471c09745bb7f5a8c605bd2272",
    10: "167acf9cb04bd97531cc565bd948018487f731bc967f6f06c67827ead30a0f32",
}

ALICE = PublicSet(
    folder="alice_fmri",
    sha256={
        _WORDS: "f42484c61db089132eaa0ed633468f04709669b89bbfbc712282c1478e2bd6b3",
        f"{_DATA}/{_REGRESSORS}": "0b3edb01e8531aed8091b13e4f46cfdf630e0ec21b8758b54076de5c56f028e4",
    },
    facts={
        "modality": "fmri",
        "subjects": "27 listeners (a 28th has constant time courses)",
        "stimuli": "a story of 12 minutes: 2127 words with their times; the sound is not included",
        "size": "4 MB",
        "shape": "362 volumes (repetition time 2 s) x 6 regions",
        "unit": "scanner units, not detrended",
        "licence": "CC BY 4.0",
        "citation": (
            "Brennan, Stabler, Van Wagenen, Luh, Hale 2016, Brain and Language 157-158:81, "
            "doi:10.1016/j.bandl.2016.04.008"
        ),
        "source": (
            "github.com/daandouwe/Thesis at ec54039b6ac5ad7bf8c81b91768108e5be5c1ce0 "
            "(brain-data/syntax-in-rnng); data by Jonathan Brennan"
        ),
        "summary": "Time courses of six language regions while 27 people listened to a story.",
    },
)


@DATASETS.register("alice", **ALICE.declared())
def load_alice(
    *,
    radius_mm: Literal[6, 10] = 6,
    subjects: tuple[str, ...] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the time courses as they were published, and the words of the story with their times.

    Nothing is filtered: time courses drift, and are detrended in the analysis. The first 10 volumes are not
    part of the set; the volume in row k was recorded (k + 10) * 2 s after the start of the sound, which is
    the clock of the words too.

    Parameters
    ----------
    radius_mm : {6, 10}, default=6
        Radius of the regions, in millimetres.
    subjects : tuple of str, optional
        Which listeners, such as ``("s18", "s22")``; by default all of them but ``s33``, whose time courses
        are constant.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the words, the regressors and the time courses of all listeners with the published files'
        SHA-256.

    Returns
    -------
    dataset : Dataset
        A sample is one volume, a channel one region. The samples have `onset_s` and `duration_s` on the
        clock of the words, `run` (one), and the listener's head motion (`motion_x_mm` ...
        `motion_yaw_rad`). `tracks` are, per word, ``word-rate``, ``word-length`` (letters and seconds) and
        ``log-frequency``, whose labels are the words; and as published, convolved and one row per volume,
        ``sound-power`` and ``published-regressors``.

    Raises
    ------
    MissingDataError
        If the set, or a listener's file, is not there.
    InputError
        If a listener is unknown, a file has another shape, holds NaN, or a time course is constant.
    """
    if radius_mm not in _TIMECOURSES:
        raise InputError(f"`radius_mm` must be 6 or 10 (the published regions), got {radius_mm!r}.")
    chosen = _chosen(subjects)
    root = find_set(ALICE, path=path, verify=verify)
    data = root / _DATA
    if verify:
        _verify(data, radius_mm)
    onset_s = np.arange(_N_DROPPED, _N_DROPPED + _N_VOLUMES, dtype=np.float64) * _TR_S
    recordings, files = [], [root / _WORDS]
    for subject in chosen:
        recording, read = _recording(data, subject, radius_mm, onset_s)
        recordings.append(recording)
        files += read
    published, read = published_tracks(data, _REGRESSORS, chosen, onset_s, _TR_S)
    return Dataset(
        name="alice",
        study=Study.of(*recordings),
        tracks=(*word_tracks(read_words(root / _WORDS)), *published),
        files=(*files, *read),
        notes=_notes(chosen),
    )


def _notes(chosen: Sequence[str]) -> tuple[str, ...]:
    left_out = (
        f"Listener {_LEFT_OUT} is left out: the published time courses are constant.",
        "The published exclusions of single regions of some listeners are not applied.",
    )
    part = f"{len(chosen)} of the {len(SUBJECTS)} usable listeners were chosen."
    return left_out if set(chosen) == set(SUBJECTS) else (part, *left_out)


def _chosen(subjects: tuple[str, ...] | None) -> tuple[str, ...]:
    if subjects is None:
        return SUBJECTS
    chosen = tuple(subjects)
    if not chosen:
        raise InputError(f"`subjects` is empty; name some of {', '.join(SUBJECTS)}, or leave it out.")
    check_unique("subjects", chosen)
    for subject in chosen:
        if subject not in (*SUBJECTS, _LEFT_OUT):
            raise InputError(f"a listener of `subjects` is {subject!r}, {did_you_mean(subject, SUBJECTS)}")
    return chosen


def _verify(data: Path, radius_mm: int) -> None:
    paths = [_timecourses(data, subject, radius_mm) for subject in SUBJECTS]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise MissingDataError(
            f"{paths[0].parent} is not whole: {', '.join(missing)} missing. It comes from "
            f"{ALICE.facts['source']}."
        )
    actual = digest_files(paths)
    if actual != _TIMECOURSES[radius_mm]:
        raise InputError(
            f"the time courses in {paths[0].parent} differ from the published ones (digest {actual[:12]}..., "
            f"declared {_TIMECOURSES[radius_mm][:12]}...); get them again from {ALICE.facts['source']}."
        )


def _timecourses(data: Path, subject: str, radius_mm: int) -> Path:
    return data / f"{radius_mm}mm" / f"{subject}-timecourses.txt"


def _recording(
    data: Path, subject: str, radius_mm: int, onset_s: NDArray[np.float64]
) -> tuple[Recording, list[Path]]:
    path = _timecourses(data, subject, radius_mm)
    if not path.is_file():
        raise MissingDataError(
            f"{path} does not exist, so listener {subject!r} has no time courses. Get the file from "
            f"{ALICE.facts['source']}, or name the listeners that are there with `subjects`."
        )
    values = read_matrix_of(path, n_rows=_N_VOLUMES, n_columns=len(ROIS))
    constant = [roi for roi, column in zip(ROIS, values.T, strict=True) if np.ptp(column) == 0]
    if constant:
        raise InputError(
            f"the time courses of {subject!r} are constant in {', '.join(constant)} ({path}); leave the "
            "listener out with `subjects`."
        )
    motion_path = _motion_file(data, subject)
    motion = read_matrix_of(motion_path, n_rows=_N_DROPPED + _N_VOLUMES, n_columns=len(_MOTION))[_N_DROPPED:]
    samples = pd.DataFrame(
        {
            "stimulus_id": [f"tr-{volume + _N_DROPPED:04d}" for volume in range(_N_VOLUMES)],
            "run": 1,
            "onset_s": onset_s,
            "duration_s": _TR_S,
            **dict(zip(_MOTION, motion.T, strict=True)),
        }
    )
    channels = pd.DataFrame({"name": ROIS, "kind": "region", "roi": ROIS, "unit": "scanner units"})
    recording = Recording(
        values.astype(np.float32), samples, channels, subject=subject, modality="fmri", unit="scanner units"
    )
    return recording, [path, motion_path]


def _motion_file(data: Path, subject: str) -> Path:
    found = sorted(data.glob(f"{subject}-rp_*.txt"))
    if len(found) != 1:
        raise MissingDataError(
            f"{data} should hold one file {subject}-rp_*.txt with the head motion of {subject!r}, it holds "
            f"{len(found)}. Get it from {ALICE.facts['source']}."
        )
    return found[0]
