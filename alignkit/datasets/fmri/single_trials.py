"""A response per trial by a general linear model of all runs, as the readers of fMRI ask for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ...preprocessing.signals import Standardize, cosine_drift
from ...preprocessing.single_trials.responses import fit_single_trials
from ...preprocessing.single_trials.result import SingleTrials
from ._events import join_blocks
from ._responses import Responses, RunData, events_of, joined, named, windows
from ._usable import Usable

Hrf = Literal["library", "canonical"]
Estimator = Literal["lsa", "lss"]
HoldOutBy = Literal["volumes", "labels"]
_FACTS = ("hrf_index", "on_off_r2", "r2", "fraction", "ncsnr")
# The model warns of trials at a run's end, and says the same in its notes.
_WARNED = r"\d+ trial\(s\) start within the last"


@dataclass(frozen=True)
class SingleTrialOptions:
    """How responses to single trials are estimated, with ``average="betas"``.

    The stages are those of :func:`alignkit.preprocessing.fit_single_trials`, which says more of each. In a
    configuration they are a mapping: ``glm: {hrf: canonical, hold_out: [cat, dog]}``.

    Parameters
    ----------
    hrf : {"library", "canonical"}
        The shape of the response: for each voxel the best of a library, or the same for all.
    estimator : {"lsa", "lss"}
        A regressor per trial in one model, or for every trial a model with one regressor of its own and one
        of all others.
    denoise : bool or int, default=True
        Whether time courses that voxels without a response share are taken out: as many as help to predict
        other runs, or a number of them. It takes the whole brain, not a region.
    ridge : bool, default=True
        Whether each voxel's responses are shrunk by the fraction that predicts other runs best. Not done
        with ``estimator="lss"``.
    hold_out : sequence of str
        Stimuli that a model will be tested on later: they tell nothing about any of these choices. Without
        it, responses are tuned with the repeats of every stimulus, and repeats are somewhat too alike;
        nothing is tuned with ``hrf="canonical"``, ``denoise=False`` and ``ridge=False``.
    hold_out_by : {"volumes", "labels"}
        Whether volumes with a response to a held-out stimulus are not read when choosing, or its trials are
        merely not compared with each other.
    blocks : bool, default=False
        Whether neighbours with one stimulus that are at most one repetition time apart are one trial, as in
        ``average="block"``. Labels per volume are always joined so.

    Examples
    --------
    >>> SingleTrialOptions(hrf="canonical", denoise=False, ridge=False).estimator
    'lsa'
    """

    hrf: Hrf = "library"
    estimator: Estimator = "lsa"
    denoise: bool | int = True
    ridge: bool = True
    hold_out: Sequence[str] = ()
    hold_out_by: HoldOutBy = "volumes"
    blocks: bool = False

    def __post_init__(self) -> None:
        check_option("hrf", self.hrf, get_args(Hrf))
        check_option("estimator", self.estimator, get_args(Estimator))
        check_option("hold_out_by", self.hold_out_by, get_args(HoldOutBy))
        if isinstance(self.hold_out, str):
            raise InputError(f"`hold_out` must be a list of stimulus ids, got the text {self.hold_out!r}.")
        object.__setattr__(self, "hold_out", tuple(map(str, self.hold_out)))
        if self.denoise < 0:
            raise InputError(
                f"`denoise` must be true, false or a number of components from 0, got {self.denoise}."
            )


def check_glm(glm: SingleTrialOptions | None, *, average: str, detrend: str) -> None:
    """Refuse options that do not go with how samples are made."""
    if glm is not None and not isinstance(glm, SingleTrialOptions):
        raise InputError(
            f"`glm` must be `alignkit.datasets.SingleTrialOptions`, got {type(glm).__name__}; write "
            "`SingleTrialOptions(hrf='canonical')`, for instance."
        )
    if glm is not None and average != "betas":
        raise InputError(
            f"`glm` says how single trials are estimated, but `average` is {average!r}. Set that to 'betas', "
            "or leave `glm` out."
        )
    if average == "betas" and detrend == "none":
        raise InputError(
            "`detrend` is 'none', but with `average` 'betas' drift is part of the model: polynomials up to "
            "half the run's length in minutes. Leave `detrend` out."
        )


def single_trial_betas(
    runs: Iterable[RunData],
    *,
    glm: SingleTrialOptions,
    usable: Usable,
    standardize: Standardize,
    duration_s: float | None = None,
    high_pass_hz: float | None = None,
    is_by_volume: bool = False,
) -> Responses:
    """Return a response per trial, and what the model found in every channel.

    Parameters
    ----------
    runs : iterable of RunData
        As they were scanned; all of them are held in memory.
    glm : SingleTrialOptions
        The stages.
    usable : Usable
        Told of channels that the model cannot use.
    standardize : {"percent", "zscore", "none"}
        Percent of a channel's mean; or each run divided before by the standard deviation that a line,
        confounds and `high_pass_hz` leave of it; or the scanner's unit.
    duration_s : float, optional
        Of every trial; by default the event's own.
    high_pass_hz : float, optional
        The slower cosines join the confounds.
    is_by_volume : bool, default=False
        Whether events are labels of volumes, which are joined to blocks.
    """
    held: list[RunData] = []
    notes: list[str] = []
    n_channels = 0
    for run in runs:
        n_channels = run.series.shape[1]
        table = events_of(run)
        if not len(table):
            notes.append(f"Run {run.run} shows no stimulus and is no part of the model.")
            continue
        table = join_blocks(table, gap_s=run.tr_s) if glm.blocks or is_by_volume else table.copy()
        _check_events(run, table, duration_s)
        run = replace(run, events=table, confounds=_regressors(run, high_pass_hz))
        held.append(replace(run, series=_scaled(run, usable, standardize)))
    if not held:
        return Responses(np.empty((0, n_channels), np.float32), pd.DataFrame({"stimulus_id": []}))
    keep = np.flatnonzero(usable.keep())
    if len(keep) < n_channels:
        # One after another, so that the whole is not in memory twice.
        for number, run in enumerate(held):
            held[number] = replace(run, series=run.series[:, keep])
    found = _fit(held, glm, duration_s=duration_s, unit="percent" if standardize == "percent" else "data")
    unknown = np.isnan(found.betas).any(axis=0)
    usable.drop(keep[unknown])
    values = np.full((len(found.betas), n_channels), np.nan, dtype=np.float32)
    values[:, keep] = found.betas
    samples = joined([named(events_of(run).copy(), run) for run in held])
    notes += [_described(found, glm), *_counted(held), *found.notes]
    return Responses(values, samples, tuple(notes), _facts(found, keep, n_channels))


def _check_events(run: RunData, table: pd.DataFrame, duration_s: float | None) -> None:
    """Refuse events outside the run, or before the first volume that is modelled."""
    windows(run, table, delay_s=0.0, duration_s=duration_s)
    early = table[_from_first_volume(run, table) < 0]
    if len(early):
        name, onset = early["stimulus_id"].iloc[0], early["onset_s"].iloc[0]
        raise InputError(
            f"the event {name!r} at {onset:g} s of run {run.run} ({run.source.name}) starts before the first "
            f"volume that is modelled, at {run.start_s - 0.5 * run.tr_s:g} s ({run.first_volume} volumes "
            f"dropped; {len(early)} of {len(table)} events do). Check `drop_volumes` and the start time, or "
            "remove the event."
        )


def _from_first_volume(run: RunData, table: pd.DataFrame) -> pd.Series:
    """Return onsets such that volume k is scanned at k + 1/2 repetition times, as the model has it."""
    return table["onset_s"] - (run.start_s - 0.5 * run.tr_s)


def _regressors(run: RunData, high_pass_hz: float | None) -> NDArray[np.float64]:
    """Return what is regressed out beside drift, (n_volumes, n_regressors), each about its mean."""
    n_volumes = len(run.series)
    parts = [np.empty((n_volumes, 0))]
    if run.confounds is not None:
        parts.append(run.confounds - run.confounds.mean(axis=0))
    if high_pass_hz is not None:
        parts.append(cosine_drift(n_volumes, tr_s=run.tr_s, high_pass_hz=high_pass_hz))
    return np.concatenate(parts, axis=1)


def _scaled(run: RunData, usable: Usable, standardize: Standardize) -> NDArray[np.float32]:
    """Return the series in the wanted unit, and tell what of it no unit can be had of."""
    if standardize == "percent":
        usable.check_level(run.series)
    left = usable.clean(
        run.series,
        tr_s=run.tr_s,
        confounds=run.confounds,
        detrend="linear",
        high_pass_hz=None,
        standardize="none",
    )
    if standardize != "zscore":
        return run.series
    spread = left.std(axis=0, ddof=1, dtype=np.float64)
    fine = np.isfinite(spread)
    left[:, ~fine] = 0
    left[:, fine] = (run.series[:, fine] - run.series[:, fine].mean(axis=0, dtype=np.float64)) / spread[fine]
    return left


def _fit(
    runs: list[RunData],
    glm: SingleTrialOptions,
    *,
    duration_s: float | None,
    unit: Literal["percent", "data"],
) -> SingleTrials:
    tables = []
    for run in runs:
        table = events_of(run)
        table = table.assign(onset_s=_from_first_volume(run, table))
        tables.append(table if duration_s is None else table.assign(duration_s=duration_s))
    sessions = [run.session or "" for run in runs]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_WARNED, category=UserWarning)
            return fit_single_trials(
                [run.series for run in runs],
                tables,
                tr_s=runs[0].tr_s,
                hrf=glm.hrf,
                estimator=glm.estimator,
                denoise=glm.denoise,
                fractions="auto" if glm.ridge else None,
                confounds=[run.confounds for run in runs],
                sessions=sessions if any(sessions) else None,
                hold_out=glm.hold_out,
                hold_out_by=glm.hold_out_by,
                unit=unit,
            )
    except InputError as error:
        raise InputError(" ".join([str(error), *_counted(runs)])) from error


def _counted(runs: list[RunData]) -> list[str]:
    """Say which runs are meant where the model counts them and their names are others."""
    names = [run.run for run in runs]
    if names == list(range(1, len(runs) + 1)):
        return []
    return [f"The model counts runs from 1; they are {', '.join(map(str, names))}."]


def _described(found: SingleTrials, glm: SingleTrialOptions) -> str:
    shape = "for each channel the best shape of a library" if glm.hrf == "library" else "the canonical shape"
    model = "one model of all trials" if glm.estimator == "lsa" else "a model for every trial"
    sentence = (
        f"A sample is the peak of the response to a trial, by {model} (estimator {glm.estimator!r}), with "
        f"{shape}; {found.n_noise_components} noise component(s) were regressed out"
    )
    fraction = np.nanmedian(found.fraction)
    if fraction < 1:
        sentence += f", and responses shrunk to a median of {fraction:.2f} of their length"
    return sentence + "."


def _facts(found: SingleTrials, keep: NDArray[np.intp], n_channels: int) -> dict[str, NDArray[Any]]:
    facts: dict[str, NDArray[Any]] = {}
    for name in _FACTS:
        values = np.asarray(getattr(found, name))
        # Without repeats there is no ncsnr, as the notes say.
        if values.dtype.kind == "f" and np.isnan(values).all():
            continue
        spread = np.full(n_channels, -1 if values.dtype.kind == "i" else np.nan, dtype=values.dtype)
        spread[keep] = values
        facts[name] = spread
    return facts
