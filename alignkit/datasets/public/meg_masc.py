"""MEG of people who listened to stories and word lists, with every word's and phoneme's time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..._core.checks import check_option, check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError
from ..._core.progress import track
from ...preprocessing.meeg.cleaning import Cleaning
from ...recordings.recording import Recording
from ...recordings.study import Study
from ...recordings.tracks import Track
from .._dataset import DATASETS, Dataset
from ..meeg.continuous import join_runs, read_meeg
from ._lookup import PublicSet, find_set
from ._spoken_events import read_spoken_events, select_spoken
from ._story_words import Story, story_tracks
from ._subjects import choose_subjects
from ._textgrid import Interval

_SUBJECTS = tuple(f"sub-{number:02d}" for number in range(1, 28))
_RAW = re.compile(r"(sub-\w+?)_ses-(\w+?)_task-(\w+?)_meg\.(con|sqd|fif)")
# On the common clock of a continuous recording: longer than any response to what came before.
_PAUSE_S = 60.0

MEG_MASC = PublicSet(
    folder="meg_masc",
    facts={
        "modality": "meg",
        "subjects": "27 (21 came twice and heard the same)",
        "stimuli": "4 stories (two hours in all) with lists of their words mixed in; sound files in the set",
        "size": "about 100 GB",
        "shape": "words or phonemes x 208 sensors x times, or every time point",
        "unit": "T",
        "licence": "CC0 (as remembered; see osf.io/ag3kj)",
        "citation": "Gwilliams et al. 2023, Scientific Data 10:862, doi:10.1038/s41597-023-02752-5",
        "source": "osf.io/ag3kj, osf.io/h2tzn and osf.io/u5327 (put the parts into one folder)",
        "summary": "MEG of 27 people listening to four stories, with the times of words and phonemes.",
    },
)


@dataclass(frozen=True)
class _Run:
    """One recording: a session of a subject with one story."""

    session: str
    task: str
    path: Path
    events: Path


@DATASETS.register("meg-masc", **MEG_MASC.declared())
def load_meg_masc(
    *,
    view: Literal["words", "phonemes", "continuous"] = "words",
    subjects: list[str] | None = None,
    sessions: list[str] | None = None,
    tasks: list[str] | None = None,
    conditions: list[str] | None = None,
    tmin_s: float = -0.2,
    tmax_s: float = 0.8,
    high_pass_hz: float | None = 0.5,
    low_pass_hz: float | None = 30.0,
    resample_hz: float | None = 100.0,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the recordings run by run, cut around words or phonemes, or whole with tracks.

    A run (a quarter of an hour, 208 sensors at 1000 Hz) is in memory in 64 bits while it is read (1.5 GB),
    one after the other; what is cut from it is kept in 32 bits.

    Parameters
    ----------
    view : {"words", "phonemes", "continuous"}
        A sample is a word, a phoneme, or a time point. Time points need one subject and one session, since
        every recording has a clock of its own; they come with the tracks ``word-rate``, ``word-length`` and
        ``phone-rate``.
    subjects : list of str, optional
        Such as ``["sub-01"]`` or ``["1"]``; by default all that are there.
    sessions : list of str, optional
        ``"0"``, ``"1"``; by default all (of time points: ``"0"``). The sessions are alike: a word heard again
        is a repetition of its stimulus.
    tasks : list of str, optional
        ``"0"`` to ``"3"``, a story each; by default all.
    conditions : list of str, optional
        By default ``["sentence"]``: the lists of words (``"word_list"``) and of pseudo-words are left out,
        and a note counts them.
    tmin_s, tmax_s : float
        Of the epochs, in seconds from onset. Epochs of neighbouring words overlap.
    high_pass_hz, low_pass_hz, resample_hz : float, optional
        Cleaning of the recording, in hertz; None leaves it out.
    path : Path, optional
        Where the set lies (the folder that holds ``sub-01``); by default it is looked up in
        ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are published, so there is nothing to compare: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples of epochs have `text`, `condition`, `story`, `segment` (the sound file), `sequence`,
        `session`; the id is the place in the sound. `groups` is ``"segment"``: folds keep what overlaps in
        time on one side.

    Raises
    ------
    MissingDataError
        If the set, or a subject's runs, are not there.
    InputError
        If a file is damaged, an event's description is no dictionary, or an option does not fit.

    References
    ----------
    Gwilliams L, et al. (2023). Introducing MEG-MASC, a high-quality magneto-encephalography dataset for
    evaluating natural speech processing. Scientific Data 10:862. https://doi.org/10.1038/s41597-023-02752-5
    """
    check_option("view", view, ("words", "phonemes", "continuous"))
    if verify:
        raise InputError("no digests of `meg-masc` are published, so it cannot be verified.")
    root = find_set(MEG_MASC, path=path)
    runs = _runs(root)
    chosen, notes = choose_subjects(subjects, _SUBJECTS, is_there=lambda name: name in runs, where=str(root))
    wanted = ["sentence"] if conditions is None else conditions
    if not wanted:
        raise InputError("`conditions` is empty; name some, or leave it out for sentences.")
    cleaning = Cleaning(high_pass_hz=high_pass_hz, low_pass_hz=low_pass_hz, resample_hz=resample_hz)
    if view == "continuous":
        return _continuous(runs, chosen, sessions, tasks, wanted, cleaning, notes)
    used = {name: _selected(runs[name], name, sessions, tasks) for name in chosen}
    recordings = [
        _epochs(name, used[name], view.removesuffix("s"), wanted, (tmin_s, tmax_s), cleaning)
        for name in track(chosen, "reading meg-masc")
    ]
    files = _files(run for each in used.values() for run in each)
    return Dataset(
        name="meg-masc",
        study=Study.of(*recordings),
        groups="segment",
        files=files,
        notes=(
            *notes,
            *_sensor_note(files),
            *dict.fromkeys(note for recording in recordings for note in recording.notes),
        ),
    )


def _runs(root: Path) -> dict[str, list[_Run]]:
    """Return the runs of each subject that have events, in order."""
    found: dict[str, list[_Run]] = {}
    for path in sorted(root.glob("sub-*/ses-*/meg/*_meg.*")):
        match = _RAW.fullmatch(path.name)
        if match is None:
            continue
        subject, session, task, _ = match.groups()
        events = path.with_name(f"{subject}_ses-{session}_task-{task}_events.tsv")
        if not events.is_file():
            raise MissingDataError(
                f"{path} has no {events.name} beside it. Get it from {MEG_MASC.facts['source']}."
            )
        found.setdefault(subject, []).append(_Run(session, task, path, events))
    return found


def _selected(
    runs: Sequence[_Run], subject: str, sessions: Sequence[str] | None, tasks: Sequence[str] | None
) -> list[_Run]:
    kept = list(runs)
    for name, wanted in (("session", sessions), ("task", tasks)):
        if wanted is None:
            continue
        if not wanted:
            raise InputError(f"`{name}s` is empty; name some, or leave it out to read all.")
        check_unique(f"{name}s", list(wanted))
        known = sorted({getattr(run, name) for run in runs})
        for one in map(str, wanted):
            if one not in known:
                raise UnknownNameError(f"{subject} has no {name} {one!r}, {did_you_mean(one, known)}")
        kept = [run for run in kept if getattr(run, name) in set(map(str, wanted))]
    if not kept:
        raise InputError(f"{subject} has no run of the chosen `sessions` and `tasks`.")
    return kept


def _epochs(
    subject: str,
    runs: Sequence[_Run],
    kind: str,
    conditions: Sequence[str],
    window_s: tuple[float, float],
    cleaning: Cleaning,
) -> Recording:
    recordings = []
    for run in runs:
        events, notes = select_spoken(read_spoken_events(run.events), kind, conditions, where=run.events.name)
        events, more = _apart(events.drop(columns="kind"), cleaning.resample_hz, kind, run)
        recording = read_meeg(
            run.path,
            subject=subject,
            events=events.assign(session=run.session),
            event_column="stimulus_id",
            tmin_s=window_s[0],
            tmax_s=window_s[1],
            cleaning=cleaning,
        )
        recordings.append(replace(recording, notes=(*notes, *more, *recording.notes)))
    joined = join_runs(recordings, names=[str(run.path) for run in runs])
    return replace(joined, samples=joined.samples.drop(columns="event"))


def _apart(
    events: pd.DataFrame, rate_hz: float | None, kind: str, run: _Run
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out what falls on the sample of the one before; MNE has one event per sample."""
    sample = np.round(events["onset_s"].to_numpy() * (rate_hz or 1000.0)).astype(int)
    same = np.concatenate([[False], np.diff(sample) == 0])
    if not same.any():
        return events, ()
    note = f"{run.events.name}: {int(same.sum())} {kind}s begin on the sample of another and were left out."
    return events[~same].reset_index(drop=True), (note,)


def _continuous(
    runs: dict[str, list[_Run]],
    chosen: Sequence[str],
    sessions: Sequence[str] | None,
    tasks: Sequence[str] | None,
    conditions: Sequence[str],
    cleaning: Cleaning,
    notes: tuple[str, ...],
) -> Dataset:
    """Read one session of one subject whole: a run per story, all on one clock."""
    wanted = ["0"] if sessions is None else list(sessions)
    if len(chosen) != 1 or len(wanted) != 1:
        raise InputError(
            "time points are read of one subject and one session, since each recording has its own clock; "
            f"got {len(chosen)} subjects and {len(wanted)} sessions. Set `subjects` and `sessions` to one."
        )
    used = _selected(runs[chosen[0]], chosen[0], wanted, tasks)
    stories: dict[str, Story] = {}
    starts_s: dict[str, float] = {}
    recordings: list[Recording] = []
    said: list[str] = []
    clock_s = 0.0
    for run in track(used, "reading meg-masc"):
        events = read_spoken_events(run.events)
        words, left_out = select_spoken(events, "word", conditions, where=run.events.name)
        phones = events[(events["kind"] == "phoneme") & events["condition"].isin(list(conditions))]
        recording = read_meeg(run.path, subject=chosen[0], epochs=False, cleaning=cleaning)
        stories[run.task] = Story(_intervals(words), _intervals(phones))
        starts_s[run.task] = clock_s
        samples = recording.samples.assign(story=words["story"].iloc[0], task=run.task)
        samples["stimulus_id"] = [f"task-{run.task}_{name}" for name in samples["stimulus_id"]]
        last_s = float(samples["onset_s"].iloc[-1])
        samples["onset_s"] += clock_s
        recordings.append(replace(recording, samples=samples))
        said += left_out
        clock_s += float(np.ceil(last_s + _PAUSE_S))
    tracks: tuple[Track, ...] = story_tracks(stories, starts_s)
    joined = join_runs(recordings, names=[str(run.path) for run in used])
    return Dataset(
        name="meg-masc",
        study=Study.of(joined),
        tracks=tracks,
        files=_files(used),
        notes=(*notes, *_sensor_note(_files(used)), *said, *joined.notes),
    )


def _intervals(events: pd.DataFrame) -> tuple[Interval, ...]:
    duration = events["duration_s"].fillna(0.0)
    rows = zip(events["onset_s"], events["onset_s"] + duration, events["text"], strict=True)
    return tuple(Interval(float(onset), float(offset), str(text)) for onset, offset, text in rows)


def _files(runs: Iterable[_Run]) -> tuple[Path, ...]:
    return tuple(path for run in runs for path in (run.path, run.events))


def _sensor_note(files: Sequence[Path]) -> tuple[str, ...]:
    if not any(file.suffix in (".con", ".sqd") for file in files):
        return ()
    return ("Sensors have their places in the helmet; where the head was (the markers) is not read.",)
