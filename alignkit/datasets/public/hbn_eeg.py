"""EEG of thousands of children and young adults at rest, watching films and doing tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...preprocessing.meeg.cleaning import Cleaning
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._tables import read_table
from ..meeg.continuous import read_meeg
from ._hbn_participants import Participant, find_participants
from ._lookup import PublicSet, find_set

Task = Literal[
    "RestingState",
    "DespicableMe",
    "DiaryOfAWimpyKid",
    "FunwithFractals",
    "ThePresent",
    "contrastChangeDetection",
    "surroundSupp",
    "seqLearning6target",
    "seqLearning8target",
    "symbolSearch",
]
_FILMS = ("DespicableMe", "DiaryOfAWimpyKid", "FunwithFractals", "ThePresent")
_EYES = {"instructed_toOpenEyes": "eyes-open", "instructed_toCloseEyes": "eyes-closed"}
_START, _STOP = "video_start", "video_stop"
# What is looked at in each task, if nothing else is asked for.
_EVENTS = {"contrastChangeDetection": ("left_target", "right_target"), "surroundSupp": ("stim_ON",)}
_DESCRIBED = ("stimulus_cond", "background", "foreground_contrast")
_TASKS = ("RestingState", *_FILMS, *_EVENTS, "seqLearning6target", "seqLearning8target", "symbolSearch")
_RATE_HZ = 500.0
_MONTAGE = "GSN-HydroCel-129"

HBN_EEG = PublicSet(
    folder="hbn_eeg",
    facts={
        "modality": "eeg",
        "subjects": "over 3000, aged 5 to 21, in 11 releases (release 1: 136)",
        "stimuli": "rest, 4 short films and 5 tasks; the films are not included",
        "size": "about 2 TB (release 1: 0.1 TB)",
        "shape": "epochs x 129 electrodes x times (500 Hz as published)",
        "unit": "V",
        "licence": "CC BY-SA 4.0; some participants did not agree to commercial use",
        "citation": "Shirazi et al. 2024, bioRxiv, doi:10.1101/2024.10.03.615261",
        "source": "openneuro.org: ds005505 to ds005512, ds005514, ds005515, ds005516",
        "summary": "EEG of over 3000 children and young adults at rest, watching films and doing tasks.",
    },
)


@DATASETS.register("hbn-eeg", **HBN_EEG.declared())
def load_hbn_eeg(
    *,
    task: Task = "RestingState",
    subjects: list[str] | None = None,
    releases: list[str] | None = None,
    purpose: Literal["any", "research"] = "any",
    with_caution: bool = False,
    events: list[str] | None = None,
    window_s: float = 2.0,
    skip_s: float = 2.0,
    tmin_s: float = -0.2,
    tmax_s: float = 1.0,
    high_pass_hz: float | None = 0.5,
    low_pass_hz: float | None = 40.0,
    resample_hz: float | None = 100.0,
    reference: Literal["average", "published"] = "average",
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read one task of each participant: windows of rest or film, or epochs around events.

    At rest a sample is a window with eyes open or closed (`condition`); the last block counts only where an
    event marks its end. In a film a sample is a stretch of it:
    the stimulus is its place in the film, the same for all participants. In the other tasks a sample is an
    event.

    One recording at a time is in memory, in 64 bits (six minutes: 0.2 GB); what is cut from it is kept in 32
    bits. By default all participants that are there are read: choose with `subjects` or `releases`.

    Parameters
    ----------
    task : str
        As in the files' names.
    subjects : list of str, optional
        Such as ``["NDARAC904DMU"]``, with or without ``sub-``.
    releases : list of str, optional
        Such as ``["R1"]``.
    purpose : {"any", "research"}
        Only a part of the participants agreed to commercial use. By default only these are read, whatever the
        work is for; ``"research"`` says that it is not commercial, and takes all. A note counts who was left
        out.
    with_caution : bool, default=False
        Keep recordings that the owners flag with ``caution``.
    events : list of str, optional
        Which values of the events are cut around, in tasks. By default the targets of
        ``contrastChangeDetection`` and the pictures of ``surroundSupp``; the others need a choice.
    window_s : float, default=2.0
        Length of a window of rest or film, in seconds; windows touch and do not overlap.
    skip_s : float, default=2.0
        Left out after each instruction to open or close the eyes, in seconds.
    tmin_s, tmax_s : float
        Of epochs around events, in seconds from onset.
    high_pass_hz, low_pass_hz, resample_hz : float, optional
        Cleaning of the recording, in hertz; None leaves it out.
    reference : {"average", "published"}
        The mean of all electrodes, or Cz as recorded (Cz is then flat).
    path : Path, optional
        A release's folder, or the folder that holds several; by default it is looked up in
        ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are declared here, so there is nothing to compare: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `condition`, the participant's `release`, `sex`, `age` (years) and scores, and for tasks
        the events' columns. `conditions` is ``"condition"`` (None in films). Nine participants whose
        recordings are known to be bad are left out unless they are named.

    Raises
    ------
    MissingDataError
        If the set, the task or a participant is not there.
    InputError
        If a named participant did not agree to commercial use and `purpose` is not research, a file is
        damaged, or events are missing.

    References
    ----------
    Shirazi SY, et al. (2024). HBN-EEG: the FAIR implementation of the Healthy Brain Network (HBN)
    electroencephalography dataset. bioRxiv. https://doi.org/10.1101/2024.10.03.615261
    """
    _check_options(task, purpose, reference, window_s, skip_s, verify=verify)
    is_windowed = task == "RestingState" or task in _FILMS
    wanted = () if is_windowed else _wanted_events(task, events)
    root = find_set(HBN_EEG, path=path)
    participants, notes = find_participants(
        root,
        task,
        subjects=subjects,
        releases=releases,
        commercial_only=purpose == "any",
        with_caution=with_caution,
    )
    cleaning = Cleaning(
        high_pass_hz=high_pass_hz,
        low_pass_hz=low_pass_hz,
        resample_hz=resample_hz,
        reference="average" if reference == "average" else None,
    )
    span_s = (0.0, window_s) if is_windowed else (tmin_s, tmax_s)
    recordings = []
    for each in track(participants, "reading hbn-eeg"):
        tables = [_cut(_events_of(run), run, task, wanted, window_s, skip_s) for run in each.runs.values()]
        recordings.append(_recording(each, tables, span_s, cleaning, is_windowed))
    return Dataset(
        name="hbn-eeg",
        study=Study.of(*recordings),
        conditions=None if task in _FILMS else "condition",
        files=tuple(file for each in participants for run in each.runs.values() for file in (run, _tsv(run))),
        notes=(*notes, *dict.fromkeys(note for recording in recordings for note in recording.notes)),
    )


def _check_options(
    task: str, purpose: str, reference: str, window_s: float, skip_s: float, *, verify: bool
) -> None:
    check_option("task", task, _TASKS)
    check_option("purpose", purpose, ("any", "research"))
    check_option("reference", reference, ("average", "published"))
    if not window_s > 0 or not skip_s >= 0:
        raise InputError(f"`window_s` must be above 0 s and `skip_s` not below, got {window_s} and {skip_s}.")
    if verify:
        raise InputError("no digests of `hbn-eeg` are declared, so it cannot be verified.")


def _wanted_events(task: str, events: Sequence[str] | None) -> tuple[str, ...]:
    if events is not None and not events:
        raise InputError("`events` is empty; name some, or leave it out for the task's own.")
    if events is None and task not in _EVENTS:
        raise InputError(
            f"the task {task!r} has no events of its own; choose with `events`, by their `value`."
        )
    return tuple(events) if events is not None else _EVENTS[task]


def _tsv(run: Path) -> Path:
    return run.with_name(run.name.rsplit("_", 1)[0] + "_events.tsv")


def _events_of(run: Path) -> pd.DataFrame:
    """Return a run's events with `onset_s` and `value`."""
    path = _tsv(run)
    if not path.is_file():
        raise MissingDataError(f"{run} has no {path.name} beside it. Get it from {HBN_EEG.facts['source']}.")
    table = read_table(path, needs=("onset", "value"), texts=("value", "event_code", "feedback"))
    onset = pd.to_numeric(table["onset"], errors="coerce")
    if onset.isna().any():
        raise InputError(
            f"{path}: the onset of event {int(onset.isna().to_numpy().argmax()) + 1} is no time."
        )
    table = table.drop(columns=[name for name in ("onset", "duration", "sample") if name in table])
    return table.assign(onset_s=onset).sort_values("onset_s", kind="stable").reset_index(drop=True)


def _cut(
    events: pd.DataFrame, run: Path, task: str, wanted: Sequence[str], window_s: float, skip_s: float
) -> pd.DataFrame:
    """Return what is cut from a run: `onset_s`, `stimulus_id`, `condition` and more."""
    if task == "RestingState":
        return _rest(events, run, window_s, skip_s)
    if task in _FILMS:
        return _film(events, run, task, window_s)
    known = sorted(set(events["value"]))
    for name in wanted:
        if name not in known:
            raise InputError(f"{_tsv(run)} has no event {name!r}, {did_you_mean(name, known)}")
    kept = events[events["value"].isin(list(wanted))].reset_index(drop=True)
    described = [name for name in _DESCRIBED if name in kept]
    condition = kept["value"].astype(str)
    for name in described:
        condition = (
            condition + "-" + name + kept[name].map(lambda value: f"{value:g}" if value == value else "")
        )
    return kept.drop(columns="value").assign(stimulus_id=condition, condition=condition)


def _rest(events: pd.DataFrame, run: Path, window_s: float, skip_s: float) -> pd.DataFrame:
    told = events[events["value"].isin(list(_EYES))].reset_index(drop=True)
    if not len(told):
        raise InputError(f"{_tsv(run)} has no instruction to open or close the eyes ({', '.join(_EYES)}).")
    ends = [*told["onset_s"].iloc[1:], float(events["onset_s"].iloc[-1])]
    rows = []
    for block, (value, onset, end) in enumerate(
        zip(told["value"], told["onset_s"], ends, strict=True), start=1
    ):
        for number, start in enumerate(_windows(onset + skip_s, end, window_s), start=1):
            name = f"{_EYES[value]}-block{block:02d}-window{number:02d}"
            rows.append((start, name, _EYES[value], block))
    return _table(rows, run, ("onset_s", "stimulus_id", "condition", "block"), window_s)


def _film(events: pd.DataFrame, run: Path, task: str, window_s: float) -> pd.DataFrame:
    times = {name: events["onset_s"][events["value"] == name].to_list() for name in (_START, _STOP)}
    if len(times[_START]) != 1 or len(times[_STOP]) != 1 or times[_STOP] <= times[_START]:
        raise InputError(
            f"{_tsv(run)} should have one {_START} and then one {_STOP}, it has {len(times[_START])} and "
            f"{len(times[_STOP])}: where the film began and ended is unknown. Leave the participant out."
        )
    start, stop = times[_START][0], times[_STOP][0]
    rows = [(at, f"{task}-{at - start:07.2f}s", at - start) for at in _windows(start, stop, window_s)]
    return _table(rows, run, ("onset_s", "stimulus_id", "film_s"), window_s)


def _windows(start: float, stop: float, window_s: float) -> list[float]:
    return [start + number * window_s for number in range(int((stop - start) / window_s + 1e-9))]


def _table(
    rows: Sequence[tuple[object, ...]], run: Path, columns: Sequence[str], window_s: float
) -> pd.DataFrame:
    if not rows:
        raise InputError(f"no window of {window_s:g} s fits into {run}; shorten `window_s` or `skip_s`.")
    return pd.DataFrame(rows, columns=list(columns))


def _recording(
    participant: Participant,
    tables: Sequence[pd.DataFrame],
    span_s: tuple[float, float],
    cleaning: Cleaning,
    is_windowed: bool,
) -> Recording:
    runs = participant.runs
    # A window of 2 s has the samples from 0 to just before 2 s, so that no sample is in two.
    tmax_s = span_s[1] - 1.0 / (cleaning.resample_hz or _RATE_HZ) if is_windowed else span_s[1]
    recording = read_meeg(
        list(runs.values()),
        subject=participant.name,
        events=list(tables),
        event_column="stimulus_id",
        tmin_s=span_s[0],
        tmax_s=tmax_s,
        cleaning=cleaning,
        montage=_MONTAGE,
    )
    samples = recording.samples.drop(columns="event")
    if "run" in samples:
        samples["run"] = np.array(list(runs))[samples["run"].to_numpy() - 1]
    return replace(recording, samples=samples.assign(**participant.facts))
