"""From BOLD series and events to a response per trial and voxel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ._choices import Choices, Chooser, HrfChoice, denoised
from ._estimators import Estimator, check_estimable
from ._final import final_betas, rescaling
from ._fractions import FractionsOption, check_fractions
from ._problem import Problem, chooser_of, notes_on_tuning, set_up
from ._runs import Floats
from ._tuning import HoldOutBy, check_held_out
from .hemodynamics import (
    CANONICAL_PEAK_S,
    STEP_S,
    ScanTime,
    check_hrf,
    check_seconds,
    hrf_library,
)
from .reliability import ncsnr_of_trials
from .result import SingleTrials

Unit = Literal["percent", "data"]
_UNITS = {"percent": "percent signal change", "data": "data"}
_FEWEST_REPEATED = 4


def fit_single_trials(
    runs: Sequence[Any],
    events: Sequence[pd.DataFrame],
    *,
    tr_s: float,
    hrf: Literal["canonical", "library"] | ArrayLike = "library",
    hrf_step_s: float = STEP_S,
    hrf_choice: HrfChoice = "auto",
    estimator: Estimator = "lsa",
    denoise: bool | int = True,
    fractions: FractionsOption = "auto",
    autoscale: bool = True,
    polynomial_degree: int | Literal["auto"] = "auto",
    confounds: Sequence[Any] | None = None,
    sessions: Sequence[str] | None = None,
    hold_out: Sequence[str] = (),
    hold_out_by: HoldOutBy = "volumes",
    hold_out_window_s: float = 20.0,
    scan_time: ScanTime = "middle",
    unit: Unit = "percent",
) -> SingleTrials:
    """Estimate the response of every voxel to every trial.

    The stages of GLMsingle, each of which can be left out: one regressor for all trials shows where
    anything responds; each voxel gets its response from a library of shapes; time courses that voxels
    without a response share are regressed out, as many as help; and each voxel's responses are shortened to
    a fraction of their unpenalised length. What helps is what brings responses nearer to those to the same
    stimulus in other runs.

    Parameters
    ----------
    runs : sequence of arrays of shape (n_volumes, n_voxels)
        The series of each run, not yet detrended; of the whole brain if noise is to be regressed out. Not
        changed.
    events : sequence of DataFrame
        For each run `stimulus_id`, `onset_s` (from the start of its first volume) and `duration_s`, in
        seconds. Columns `run`, `session` and `repetition` are made anew, all others are handed on.
    tr_s : float
        Repetition time, in seconds.
    hrf : {"canonical", "library"} or array of shape ([n_shapes,] n_points), default="library"
        The response to an impulse: the canonical double gamma, for each voxel one of
        :func:`~alignkit.preprocessing.single_trials.hemodynamics.hrf_library`, or your own, one or several,
        from the event on every `hrf_step_s` seconds.
    hrf_step_s : float, default=0.1
        Raster of a response of your own.
    hrf_choice : {"auto", "cross-validation", "fit"}, default="auto"
        How a voxel's shape is chosen: by how well responses in other runs predict a run, up to a factor, or
        by the variance that single-trial regressors explain, which needs no repeats and does not compare
        them, but errs more in weak voxels. ``"auto"`` cross-validates where stimuli are repeated in other
        runs.
    estimator : {"lsa", "lss"}, default="lsa"
        Least squares all: one model with a regressor per trial. Least squares separate: for every trial a
        model of its own regressor and the sum of all the others', which is steadier where trials follow
        each other within few seconds, and biased.
    denoise : bool or int, default=True
        Regress out noise components: as many, up to 10, as cross-validation says, or a given number.
    fractions : "auto", float, sequence of float or None, default="auto"
        Fractions to choose each voxel's from (``"auto"``: 1, 0.95, ..., 0.05), one fraction for all
        voxels, or None not to shrink.
    autoscale : bool, default=True
        Bring shrunken responses back to the scale of unpenalised ones, by a gain and an offset per voxel.
    polynomial_degree : int or "auto", default="auto"
        Legendre polynomials up to this degree are regressed out of each run; ``"auto"`` is half the run's
        length in minutes, rounded.
    confounds : sequence of arrays of shape (n_volumes, n_confounds), optional
        Regressed out of each run as well, such as motion.
    sessions : sequence of str, length n_runs, optional
        The session of each run. Comparisons between runs are of responses z-scored within a session.
    hold_out : sequence of str, default=()
        Stimuli that a model will be tested on later. They tell nothing about any hyper-parameter: neither
        shapes, pool and components nor fractions, nor the gain and offset of `autoscale`.
    hold_out_by : {"volumes", "labels"}, default="volumes"
        Whether hyper-parameters are chosen without the volumes in which held-out trials evoke a response, or
        merely without comparing these trials with their repeats. The first is strict, and needs runs of
        their own for held-out stimuli, or long gaps between trials.
    hold_out_window_s : float, default=20
        With ``"volumes"``: until when after a held-out trial's end volumes are not read, in seconds.
    scan_time : {"start", "middle"}, default="middle"
        When volume k is taken to be: at ``k * tr_s`` or at ``(k + 0.5) * tr_s``.
    unit : {"percent", "data"}, default="percent"
        Percent of each voxel's mean over all volumes (with ``hold_out_by="volumes"``, over those that
        hyper-parameters are chosen from), or the unit of the series.

    Returns
    -------
    found : SingleTrials
        Responses (peak of the response to the trial, whatever its duration), and what was chosen. Voxels
        that are constant, not finite, or have no mean level (in per cent) in a run are NaN in all trials,
        with a note.

    Raises
    ------
    InputError
        If runs and events do not fit each other, an event lies outside its run, two trials of a run start
        at once, the trials of a run cannot be told apart, or an option is not possible.

    Warns
    -----
    UserWarning
        If a trial starts within the last 8 s of its run.

    Notes
    -----
    Components, fractions and (unless ``hrf_choice="fit"``) shapes are chosen by what predicts other runs,
    which takes stimuli that are shown in more than one run. Without any, these stages are left out and
    `notes` say so. **Without `hold_out` the responses to every stimulus are tuned with its own repeats**: a
    test of a model on some of them is then not quite independent of its training data, and repeats are
    too alike. In white noise (6 runs of 30 stimuli) the mean split-half correlation of responses was .07
    instead of 0, nearly all of it from the shapes; with ``hrf_choice="fit"`` it was 0.

    Differences from GLMsingle: shapes are chosen by cross-validation where that is possible; the library is
    a family of double gammas; a penalty is found for each run, so that its responses are the fraction of
    their unpenalised length in every run and a run's responses depend on other runs through the
    hyper-parameters only; regressors have peak 1 for each duration. With ``fractions=None``,
    ``denoise=False`` and ``hrf="canonical"`` the result is ordinary least squares.

    Time grows as shapes x volumes x trials per run x voxels. The designs of all shapes and runs are kept in
    memory, and no array of trials x trials x voxels is made.

    References
    ----------
    Prince JS et al. (2022). Improving the accuracy of single-trial fMRI response estimates using GLMsingle.
    eLife, doi:10.7554/eLife.77599.

    Kay KN, Rokem A, Winawer J, Dougherty RF, Wandell BA (2013). GLMdenoise: a fast, automated technique for
    denoising task-based fMRI data. Frontiers in Neuroscience, doi:10.3389/fnins.2013.00247.

    Rokem A, Kay K (2020). Fractional ridge regression: a fast, interpretable reparameterization of ridge
    regression. GigaScience, doi:10.1093/gigascience/giaa133.

    Mumford JA, Turner BO, Ashby FG, Poldrack RA (2012). Deconvolving BOLD activation in event-related
    designs for multivoxel pattern classification analyses. NeuroImage,
    doi:10.1016/j.neuroimage.2011.08.076.

    Examples
    --------
    >>> from alignkit.preprocessing.single_trials.hemodynamics import trial_design
    >>> onsets = np.arange(8) * 12.0
    >>> events = pd.DataFrame({"stimulus_id": list("abcdabcd"), "onset_s": onsets, "duration_s": 1.0})
    >>> design = trial_design(onsets, 1.0, n_volumes=60, tr_s=2.0)
    >>> series = 100 + design @ np.arange(1.0, 9.0)[:, None]
    >>> found = fit_single_trials([series], [events], tr_s=2.0, hrf="canonical", unit="data",
    ...                           denoise=False, fractions=None)
    >>> found.betas.ravel().round(3)
    array([1., 2., 3., 4., 5., 6., 7., 8.], dtype=float32)
    """
    check_option("estimator", estimator, get_args(Estimator))
    check_option("hrf_choice", hrf_choice, get_args(HrfChoice))
    check_option("hold_out_by", hold_out_by, get_args(HoldOutBy))
    check_option("unit", unit, get_args(Unit))
    _check_numbers(tr_s, hrf_step_s, hold_out_window_s, denoise)
    shapes, step_s, canonical = _shapes(hrf, hrf_step_s)
    grid, notes = _grid(fractions, estimator)
    problem = set_up(
        runs,
        events,
        shapes,
        tr_s=tr_s,
        step_s=step_s,
        scan_time=scan_time,
        degree=polynomial_degree,
        confounds=confounds,
        sessions=sessions,
        is_percent=unit == "percent",
    )
    for model in problem.models:
        check_estimable(model, canonical, estimator)
    held_out = check_held_out(hold_out, problem.trials)
    is_tuned = len(shapes) > 1 or bool(denoise) or bool((grid < 1).any())
    window_s = hold_out_window_s if hold_out_by == "volumes" and is_tuned else None
    chooser = chooser_of(problem, held_out, window_s, len(shapes), canonical, estimator)
    chosen = chooser.choose(hrf_choice=hrf_choice, denoise=denoise, fractions=grid)
    notes += [*problem.notes, *chosen.notes]
    betas, r2 = _estimate(problem, chooser, chosen, estimator, autoscale=autoscale)
    by_repeats = (len(shapes) > 1 and hrf_choice != "fit") or denoise is True or len(grid) > 1
    n_tuned = chooser.repeats.n_stimuli if by_repeats else 0
    ratio, more = _ncsnr(betas, problem.trials, n_tuned, is_held_out=bool(held_out.any()))
    more += notes_on_tuning(chooser.repeats, held_out, window_s) if is_tuned else []
    return SingleTrials(
        betas=betas,
        trials=problem.trials,
        unit=_UNITS[unit],
        hrf_library=shapes,
        hrf_step_s=step_s,
        hrf_index=_everywhere(chosen.shapes, problem, fill=-1),
        on_off_r2=chosen.on_off_r2,
        r2=_everywhere(r2, problem, fill=np.nan),
        fraction=_everywhere(chosen.fractions, problem, fill=np.nan),
        n_noise_components=chosen.n_components,
        noise_component_errors=chosen.component_errors,
        noise_pool=chosen.pool,
        ncsnr=ratio,
        notes=(*notes, *more),
    )


def _estimate(
    problem: Problem, chooser: Chooser, chosen: Choices, estimator: Estimator, *, autoscale: bool
) -> tuple[NDArray[np.float32], Floats]:
    """Return the responses, in their unit, and the R2 of the usable voxels."""
    level = chooser.brightness
    gain = np.ones(len(problem.voxels)) if level is None else 100.0 / np.abs(level[problem.voxels])
    offset = np.zeros(len(problem.voxels))
    compared = chooser.repeats.compared
    if autoscale and compared.any() and (chosen.fractions < 1).any():
        again, offset = rescaling(
            denoised(chooser.models, chosen.pool, chosen.n_components),
            problem.voxels,
            chosen.shapes,
            chosen.fractions,
            compared,
        )
        gain, offset = gain * again, gain * offset
    betas = np.full((len(problem.trials), problem.n_voxels), np.nan, dtype=np.float32)
    r2 = final_betas(
        denoised(problem.models, chosen.pool, chosen.n_components),
        problem.voxels,
        chosen.shapes,
        chosen.fractions,
        estimator=estimator,
        gain=gain,
        offset=offset,
        betas=betas,
    )
    return betas, r2


def _check_numbers(tr_s: float, hrf_step_s: float, window_s: float, denoise: bool | int) -> None:
    check_seconds("tr_s", tr_s)
    check_seconds("hrf_step_s", hrf_step_s)
    if not 0 <= window_s < np.inf:
        raise InputError(f"`hold_out_window_s` must be at least 0 seconds, got {window_s!r}.")
    if not isinstance(denoise, int) or denoise < 0:
        raise InputError(f"`denoise` must be True, False or a number of components, got {denoise!r}.")


def _shapes(hrf: str | ArrayLike, step_s: float) -> tuple[Floats, float, int]:
    """Return the shapes, their raster and which of them the on-off regressor has."""
    if not isinstance(hrf, str):
        return check_hrf(hrf), step_s, 0
    check_option("hrf", hrf, ("canonical", "library"))
    if hrf == "canonical":
        return hrf_library(n_shapes=1, peaks_s=(CANONICAL_PEAK_S, CANONICAL_PEAK_S)), STEP_S, 0
    library = hrf_library()
    return library, STEP_S, int(np.abs(library.argmax(axis=1) * STEP_S - CANONICAL_PEAK_S).argmin())


def _grid(fractions: FractionsOption, estimator: Estimator) -> tuple[Floats, list[str]]:
    grid = check_fractions(fractions)
    if estimator == "lsa" or (grid == 1).all():
        return grid, []
    if not isinstance(fractions, str):
        raise InputError(
            "`fractions` shorten the responses of one model of all trials; with `estimator='lss'` every "
            "trial has a model of its own. Set `fractions=None`, or `estimator='lsa'`."
        )
    return np.ones(1), ["Responses were not shrunk: with least squares separate every trial has a model."]


def _ncsnr(
    betas: NDArray[np.float32], trials: pd.DataFrame, n_tuned: int, *, is_held_out: bool
) -> tuple[Floats, list[str]]:
    """Return the ratio of each voxel and what to know of it, tuned with repeats of so many stimuli or not."""
    n_repeated = int((trials["stimulus_id"].value_counts() >= 2).sum())
    if n_repeated < _FEWEST_REPEATED:
        note = (
            f"No ncsnr: {n_repeated} stimuli have two trials or more, at least {_FEWEST_REPEATED} are needed."
        )
        return np.full(betas.shape[1], np.nan), [note]
    sessions = trials["session"].tolist() if "session" in trials else None
    ratio = ncsnr_of_trials(betas, trials["stimulus_id"].tolist(), sessions=sessions)
    if not n_tuned:
        return ratio, []
    instead = (
        "`ncsnr_of_trials` of the held-out trials" if is_held_out else "`hold_out`, or plain least squares,"
    )
    note = (
        f"ncsnr and noise ceilings are too high: repeats of {n_tuned} stimuli that it is computed from also "
        f"served to choose hyper-parameters, which makes them alike. For a ceiling take {instead} instead."
    )
    return ratio, [note]


def _everywhere(values: NDArray[Any], problem: Problem, *, fill: float) -> NDArray[Any]:
    found = np.full(problem.n_voxels, fill, dtype=values.dtype)
    found[problem.voxels] = values
    return found
