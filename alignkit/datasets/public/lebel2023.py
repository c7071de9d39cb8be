"""fMRI of people who listened to spoken stories, voxel by voxel, with every word's time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..._core.checks import check_option, check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError
from ..._core.progress import track
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._arrays import readable, require_file
from .._dataset import DATASETS, Dataset
from ._download import Download
from ._lebel_responses import (
    N_CUT,
    TEST_STORY,
    check_rows,
    choose_columns,
    read_responses,
    response_shape,
    without_nan,
)
from ._lookup import PublicSet, find_set
from ._story_words import Story, read_story, story_tracks
from ._subjects import choose_subjects

_SUBJECTS = tuple(f"UTS{number:02d}" for number in range(1, 10))
# The sound starts 10 s into a run.
_LEAD_IN_S = 10.0
# Between stories on the common clock: longer than any response to the words before.
_PAUSE_S = 60.0
_OPEN = "https://s3.amazonaws.com/openneuro.org/ds003020/derivative/preprocessed_data/"
_MD5 = {
    "UTS01/souls.hf5": "e7ecedfcc2e378f760447a49fc3940dd",
    "UTS03/souls.hf5": "2f23bd6838d171ec7c5745a62fb07435",
    "UTS03/becomingindian.hf5": "c905809627b7291b5d031083dc36d56f",
    "UTS03/wheretheressmoke.hf5": "3fba56c02c3b7eb2bb48613901b91a5a",
}

LEBEL2023 = PublicSet(
    folder="ds003020",
    facts={
        "modality": "fmri",
        "subjects": "9 listeners (UTS01 to UTS03 heard 84 stories, UTS09 54, the others 26 or 27)",
        "stimuli": "84 spoken stories of 5 to 15 minutes, each word with its time; sound files in the set",
        "size": "about 150 GB of preprocessed responses (UTS03, one story: 0.3 GB)",
        "shape": "some 300 volumes per story (repetition time 2 s) x 80,000 to 96,000 voxels",
        "unit": "z (detrended by the owners)",
        "licence": "CC0",
        "citation": "LeBel et al. 2023, Scientific Data 10:555, doi:10.1038/s41597-023-02437-z",
        "source": "openneuro.org/datasets/ds003020",
        "summary": "Preprocessed fMRI of 9 people listening to up to 84 stories, with timed words.",
    },
    downloads=tuple(
        Download(f"derivative/preprocessed_data/{name}", _OPEN + name, digest, "md5")
        for name, digest in _MD5.items()
    ),
)


@dataclass(frozen=True)
class _Timing:
    """Where each story lies on the common clock."""

    starts_s: Mapping[str, float]
    tr_s: float

    def samples(self, story: str, run: int, n_volumes: int, n_repeats: int) -> pd.DataFrame:
        volume = np.arange(n_volumes) + N_CUT
        within = volume * self.tr_s - _LEAD_IN_S
        table = pd.DataFrame(
            {
                "stimulus_id": [f"{story}-tr-{number:04d}" for number in volume],
                "repetition": 1,
                "run": run,
                "story": story,
                "onset_s": self.starts_s[story] + within,
                "story_s": within,
                "duration_s": self.tr_s,
            }
        )
        parts = [table.assign(repetition=number + 1) for number in range(n_repeats)]
        return pd.concat(parts, ignore_index=True)


@DATASETS.register("lebel2023", **LEBEL2023.declared())
def load_lebel2023(
    *,
    subjects: list[str] | None = None,
    stories: list[str] | None = None,
    repeats: Literal["average", "single"] = "average",
    voxels: Path | None = None,
    min_reliability: float | None = None,
    tr_s: float = 2.0,
    path: Path | None = None,
    verify: bool = False,
    download: bool = False,
) -> Dataset:
    """Read the preprocessed responses of whole stories, and the words with their times.

    A story is a run, so folds leave whole stories out. All stories lie on one clock, in alphabetical order,
    with a minute's pause in between; the words of `tracks` are on it too. Within a story, row k of a response
    is the volume that starts 2 * (k + 10) - 10 s after the start of the sound: a run begins 10 s before the
    sound, and 10 volumes were cut off at either end.

    A story is read some 64 MiB at a time, and only its wanted voxels are kept, in 32 bits: all stories and
    voxels of UTS03 come to 10 GB, one story to 0.1 GB. Use `stories`, `voxels` or `min_reliability`.

    Parameters
    ----------
    subjects : list of str, optional
        Such as ``["UTS03"]`` (or ``["3"]``); by default all whose files are there.
    stories : list of str, optional
        By default all that every chosen subject heard; a note counts the others.
    repeats : {"average", "single"}
        Of `wheretheressmoke`, which subjects heard several times: the owners' mean, or every presentation on
        its own (`repetition` 1, 2, ..., the same `run`), for noise ceilings. The other stories have one
        presentation. The continuous pipeline takes the average.
    voxels : Path, optional
        A npy file with a mask of one subject's voxels, or their indices from 0.
    min_reliability : float, optional
        Keep voxels whose odd and even repeats of `wheretheressmoke` agree at least so well (r of their means,
        stepped up by Spearman-Brown). No model takes part in this, but the story does: a note says so.
    tr_s : float, default=2.0
        Repetition time in seconds. The owners' code takes 2.0; the scanner's was 2.0045 (1.4 s more after
        ten minutes).
    path : Path, optional
        Where the set lies (the folder that holds ``derivative``); by default it is looked up in
        ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the responses whose MD5 is known here with it.
    download : bool, default=False
        Get those responses of the chosen subjects and stories; TextGrids come from the source.

    Returns
    -------
    dataset : Dataset
        A sample is a volume; samples have `onset_s` (the common clock), `story_s` (from the start of the
        sound), `story` and `run`. `tracks` are ``word-rate``, ``word-length`` and ``phone-rate``, with words
        and phones as labels.

    Raises
    ------
    MissingDataError
        If the set, a subject, a story or its TextGrid is not there.
    InputError
        If a file is damaged, stories have different voxels, rows do not fit ``respdict.json``, or an option
        does not fit.

    References
    ----------
    LeBel A, et al. (2023). A natural language fMRI dataset for voxelwise encoding models. Scientific Data
    10:555. https://doi.org/10.1038/s41597-023-02437-z
    """
    check_option("repeats", repeats, ("average", "single"))
    if not tr_s > 0:
        raise InputError(f"`tr_s` must be above 0 s, got {tr_s}.")
    only = [each.file for each in LEBEL2023.downloads if _is_wanted(each.file, subjects, stories)]
    root = find_set(LEBEL2023, path=path, verify=verify, download=download, only=only)
    derived = _derivative(root)
    chosen, notes = choose_subjects(
        subjects,
        _SUBJECTS,
        is_there=lambda name: bool(_stories_of(derived, name)),
        where=str(derived / "preprocessed_data"),
    )
    heard, left_out = _chosen_stories(derived, chosen, stories)
    grids = {story: read_story(derived / "TextGrids" / f"{story}.TextGrid") for story in heard}
    timing = _Timing(_starts(derived, chosen, heard, grids, tr_s), tr_s)
    expected = _expected_rows(derived)
    recordings = [
        _recording(derived, subject, heard, timing, expected, repeats, voxels, min_reliability)
        for subject in track(chosen, "reading lebel2023")
    ]
    responses = [_file(derived, subject, story) for subject in chosen for story in heard]
    return Dataset(
        name="lebel2023",
        study=Study.of(*recordings),
        tracks=story_tracks(grids, timing.starts_s),
        files=(*responses, *(derived / "TextGrids" / f"{story}.TextGrid" for story in heard)),
        notes=(
            *notes,
            *left_out,
            f"Volumes are taken to be {tr_s:g} s apart, the sound to start {_LEAD_IN_S:g} s into each run.",
            *(note for recording in recordings for note in recording.notes),
        ),
    )


def _is_wanted(file: str, subjects: Sequence[str] | None, stories: Sequence[str] | None) -> bool:
    subject, story = Path(file).parent.name, Path(file).stem
    numbers = None if subjects is None else {str(one).removeprefix("UTS").zfill(2) for one in subjects}
    of_subject = numbers is None or subject.removeprefix("UTS") in numbers
    return of_subject and (stories is None or story in stories)


def _derivative(root: Path) -> Path:
    """Return the folder of derivatives, which this set names in the singular (older copies: the plural)."""
    for name in ("derivative", "derivatives"):
        if (root / name / "preprocessed_data").is_dir():
            return root / name
    raise MissingDataError(
        f"{root} holds no folder derivative/preprocessed_data; is it the folder of ds003020? It comes from "
        f"{LEBEL2023.facts['source']}."
    )


def _file(derived: Path, subject: str, story: str) -> Path:
    return derived / "preprocessed_data" / subject / f"{story}.hf5"


def _stories_of(derived: Path, subject: str) -> list[str]:
    found = (derived / "preprocessed_data" / subject).glob("*.hf5")
    return sorted(path.stem for path in found if not path.name.startswith("."))


def _chosen_stories(
    derived: Path, subjects: Sequence[str], wanted: Sequence[str] | None
) -> tuple[list[str], tuple[str, ...]]:
    of_each = {subject: _stories_of(derived, subject) for subject in subjects}
    any_heard = sorted(set().union(*of_each.values()))
    if wanted is None:
        shared = [story for story in any_heard if all(story in own for own in of_each.values())]
        if not shared:
            raise InputError(f"{', '.join(subjects)} have no story in common; choose fewer `subjects`.")
        n_left = len(any_heard) - len(shared)
        note = f"{n_left} stories that not all of {', '.join(subjects)} have were left out."
        return shared, (note,) if n_left else ()
    if not wanted:
        raise InputError("`stories` is empty; name some, or leave it out to read all.")
    check_unique("stories", list(wanted))
    for story in wanted:
        for subject, own in of_each.items():
            if story not in own:
                raise UnknownNameError(
                    f"there is no response of {subject!r} to the story {story!r}, {did_you_mean(story, own)}"
                )
    return sorted(wanted), ()


def _starts(
    derived: Path, subjects: Sequence[str], heard: Sequence[str], grids: Mapping[str, Story], tr_s: float
) -> dict[str, float]:
    """Return when each story's sound starts on the common clock."""
    starts, clock_s = {}, _LEAD_IN_S
    for story in heard:
        n_volumes = max(response_shape(_file(derived, subject, story))[1] for subject in subjects)
        lasts_s = max((n_volumes + 2 * N_CUT) * tr_s, grids[story].words[-1].offset_s)
        starts[story] = clock_s
        clock_s += float(np.ceil(lasts_s + _PAUSE_S))
    return starts


def _expected_rows(derived: Path) -> dict[str, int]:
    path = require_file(derived / "respdict.json")
    with readable(path, "JSON"):
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(story): int(n_volumes) - 2 * N_CUT for story, n_volumes in content.items()}


def _recording(
    derived: Path,
    subject: str,
    heard: Sequence[str],
    timing: _Timing,
    expected: Mapping[str, int],
    repeats: str,
    voxels: Path | None,
    min_reliability: float | None,
) -> Recording:
    single = {story: repeats == "single" and story == TEST_STORY for story in heard}
    shapes = {s: response_shape(_file(derived, subject, s), repeats=single[s]) for s in heard}
    notes = [
        note
        for s in heard
        for note in check_rows(_file(derived, subject, s), subject, s, shapes[s], expected)
    ]
    n_voxels = {shape[2] for shape in shapes.values()}
    if len(n_voxels) > 1:
        several = ", ".join(f"{story} {shape[2]}" for story, shape in shapes.items())
        raise InputError(f"the stories of {subject!r} have different numbers of voxels ({several}).")
    columns, chosen_notes = choose_columns(
        _file(derived, subject, TEST_STORY), subject, n_voxels.pop(), voxels, min_reliability
    )
    rows = [shapes[story][0] * shapes[story][1] for story in heard]
    data = np.empty((sum(rows), len(columns)), dtype=np.float32)
    tables, start = [], 0
    for run, (story, n_rows) in enumerate(zip(heard, rows, strict=True), start=1):
        file = _file(derived, subject, story)
        read_responses(file, data[start : start + n_rows], columns, repeats=single[story])
        tables.append(timing.samples(story, run, shapes[story][1], shapes[story][0]))
        start += n_rows
    data, columns, lost = without_nan(data, columns, subject)
    names = [f"voxel{number:06d}" for number in columns]
    return Recording(
        data,
        pd.concat(tables, ignore_index=True),
        pd.DataFrame({"name": names, "kind": "voxel", "unit": "z"}),
        subject=subject,
        modality="fmri",
        unit="z",
        notes=(*notes, *chosen_notes, *lost),
    )
