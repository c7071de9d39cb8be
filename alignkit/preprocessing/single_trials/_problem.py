"""Runs, events and options, checked and brought together for the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ._choices import Chooser
from ._estimators import Estimator
from ._events import check_runs, check_sessions, trials_table
from ._repeats import Repeats
from ._runs import (
    Floats,
    Indices,
    RunModel,
    check_confounds,
    nuisance_regressors,
    orthonormal,
    usable_voxels,
    voxel_blocks,
)
from ._tuning import tuning_models
from .hemodynamics import ScanTime, trial_design, volume_times


@dataclass(frozen=True)
class Problem:
    """Runs, trials and voxels, checked."""

    trials: pd.DataFrame
    models: list[RunModel]
    regressors: list[Floats]
    scans_s: list[Floats]
    voxels: Indices
    n_voxels: int
    mean: Floats
    is_percent: bool
    notes: list[str]


def set_up(
    runs: Sequence[Any],
    events: Sequence[pd.DataFrame],
    shapes: Floats,
    *,
    tr_s: float,
    step_s: float,
    scan_time: ScanTime,
    degree: int | Literal["auto"],
    confounds: Sequence[Any] | None,
    sessions: Sequence[str] | None,
    is_percent: bool,
) -> Problem:
    """Check everything that came and return the runs, the table of trials and the voxels."""
    check_option("scan_time", scan_time, get_args(ScanTime))
    series = check_runs(runs)
    lengths = [int(run.shape[0]) for run in series]
    trials, notes = trials_table(events, lengths, tr_s=tr_s, sessions=check_sessions(sessions, len(series)))
    tables = check_confounds(confounds, lengths)
    models, regressors, scans = [], [], []
    for number, (run, length, table) in enumerate(zip(series, lengths, tables, strict=True), start=1):
        regressors.append(nuisance_regressors(length, tr_s=tr_s, degree=degree, confounds=table))
        scans.append(volume_times(length, tr_s, scan_time))
        rows = np.flatnonzero(trials["run"] == number)
        onsets, durations = (trials[name].to_numpy()[rows] for name in ("onset_s", "duration_s"))
        designs = tuple(
            trial_design(
                onsets,
                durations,
                n_volumes=length,
                tr_s=tr_s,
                hrf=shape,
                hrf_step_s=step_s,
                scan_time=scan_time,
            )
            for shape in shapes
        )
        models.append(RunModel(number, run, None, orthonormal(regressors[-1]), designs, rows))
    n_voxels = int(series[0].shape[1])
    voxels, mean, more = usable_voxels(models, n_voxels, is_percent=is_percent)
    return Problem(trials, models, regressors, scans, voxels, n_voxels, mean, is_percent, [*notes, *more])


def chooser_of(
    problem: Problem,
    held_out: NDArray[np.bool_],
    window_s: float | None,
    n_shapes: int,
    canonical: int,
    estimator: Estimator,
) -> Chooser:
    """Return what chooses hyper-parameters from all that is not held out."""
    trials, models, compared = problem.trials, problem.models, ~held_out
    if window_s is not None and held_out.any():
        models, compared = tuning_models(
            models, problem.regressors, trials, held_out, scans_s=problem.scans_s, window_s=window_s
        )
    sessions = trials["session"] if "session" in trials else pd.Series("", index=trials.index)
    codes = [pd.factorize(column)[0] for column in (trials["stimulus_id"], trials["run"], sessions)]
    repeats = Repeats(codes[0], codes[1], codes[2], compared)
    brightness = None
    if problem.is_percent:
        brightness = problem.mean if models is problem.models else _mean(models, problem.n_voxels)
    return Chooser(
        models, repeats, problem.voxels, problem.n_voxels, brightness, canonical, n_shapes, estimator, []
    )


def notes_on_tuning(repeats: Repeats, held_out: NDArray[np.bool_], window_s: float | None) -> list[str]:
    """Say what hyper-parameters were chosen from."""
    shown = len(np.unique(repeats.stimuli))
    note = f"{repeats.n_stimuli} of {shown} stimuli, shown in more than one run, served to choose from. "
    if not held_out.any():
        return [
            note + "None was held out: hyper-parameters are tuned with the repeats of every stimulus, those "
            "of later test sets among them."
        ]
    how = (
        "their trials were modelled, but not compared with each other"
        if window_s is None
        else f"no volume until {window_s:g} s after their trials was read for it"
    )
    return [note + f"{len(np.unique(repeats.stimuli[held_out]))} stimuli were held out: {how}."]


def _mean(models: Sequence[RunModel], n_voxels: int) -> Floats:
    total = np.zeros(n_voxels)
    for block in voxel_blocks(models, np.arange(n_voxels)):
        total[block] = sum(model.series(block).sum(axis=0) for model in models)
    return total / sum(model.n_rows for model in models)
