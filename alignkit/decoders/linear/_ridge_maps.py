"""The ridge regression behind a decoder: trials gathered over subjects, a penalty chosen, a map for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.random import derive_seed
from ...solvers import ridge_fit
from ...stats.folds import grouped_folds
from ..trials import Trials
from ._alpha_choice import alpha_scores, best_alphas
from ._flat_trials import FlatTrials, each_subject
from .over_times import channel_scales

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """Which penalties there are, and how one is chosen."""

    alphas: Floats
    per_dimension: bool
    standardize: bool
    cv: int
    seed: int


@dataclass(frozen=True, eq=False)
class RidgeMap:
    """From the rows of one subject's trials to targets, in the units of the recording."""

    flat: FlatTrials
    coef: Floats  # (n_channels * n_times, n_outputs)
    intercept: Floats  # (n_outputs,)
    alphas: Floats  # (n_outputs,)


@dataclass(frozen=True, eq=False)
class _Part:
    signals: Floats  # (n_trials, n_features), of each subject less its mean and over its scale
    targets: Floats  # (n_trials, n_outputs)
    units: list[str]


def fit_together(
    flats: Mapping[str, FlatTrials], training: Trials, validation: Trials | None, choice: Choice
) -> dict[str, RidgeMap]:
    """Fit one regression to the trials of some subjects.

    Parameters
    ----------
    flats : mapping of str to FlatTrials
        The subjects, which have one number of features.
    training, validation : Trials
        Others' trials are left out. Without a validation part the penalty is chosen by cross-validation.
    choice : Choice
        Of the penalty.

    Returns
    -------
    maps : dict of str to RidgeMap
        The same weights for all of them, but for the scales of their features.

    Raises
    ------
    InputError
        If there are too few trials or units to fit or to choose.
    """
    moments = _moments(flats, training, choice.standardize)
    own = _gather(flats, training, moments)
    chosen = np.full(own.targets.shape[1], choice.alphas[0])
    if len(choice.alphas) > 1:
        if validation is None:
            scores = _scores_of_folds(own, choice, ", ".join(flats))
        else:
            scores = _scores_of_part(own, _gather(flats, validation, moments), choice, ", ".join(flats))
        chosen = best_alphas(scores, choice.alphas, per_output=choice.per_dimension)
    # Each subject is z-scored already; the penalty is on those weights.
    fit = ridge_fit(own.signals, own.targets, alphas=chosen, device="cpu")
    maps = {}
    for name, flat in flats.items():
        mean, scale = moments[name]
        coef = fit.coef / scale[:, None]
        maps[name] = RidgeMap(flat, coef, fit.intercept - mean @ coef, chosen)
    return maps


def _moments(
    flats: Mapping[str, FlatTrials], training: Trials, standardize: bool
) -> dict[str, tuple[Floats, Floats]]:
    moments = {}
    for name, recording, _, rows in each_subject(training):
        if name not in flats:
            continue
        if len(rows) < 2:
            raise InputError(f"the training part has {len(rows)} trial of {name!r}; ridge needs at least 2.")
        (mean,), (scale,) = channel_scales(flats[name].rows(recording, rows)[None])
        # Without z-scores, one map of several subjects has one intercept.
        moments[name] = (mean, scale) if standardize else (np.zeros_like(mean), np.ones_like(scale))
    return moments


def _gather(
    flats: Mapping[str, FlatTrials], trials: Trials, moments: Mapping[str, tuple[Floats, Floats]]
) -> _Part:
    targets, which = trials.targets.gallery, trials.column("target")
    n_features = len(next(iter(moments.values()))[0])
    signals = [np.empty((0, n_features))]
    wanted = [np.empty((0, int(np.prod(targets.shape[1:]))))]
    units: list[str] = []
    for name, recording, places, rows in each_subject(trials):
        if name in flats:
            mean, scale = moments[name]
            signals.append((flats[name].rows(recording, rows) - mean) / scale)
            wanted.append(targets[which[places]].reshape(len(places), -1).astype(np.float64))
            units += [str(unit) for unit in trials.table["unit"].to_numpy()[places]]
    return _Part(np.concatenate(signals), np.concatenate(wanted), units)


def _scores_of_folds(own: _Part, choice: Choice, subjects: str) -> Floats:
    n_units = len(set(own.units))
    if not 2 <= choice.cv <= n_units:
        raise InputError(
            f"`cv` is {choice.cv}, but {n_units} unit(s) of {subjects} in the training part allow for 2 to "
            f"{n_units} folds. Use fewer, give a validation part, or a single one of `alphas`."
        )
    seed = derive_seed(choice.seed, "ridge-decoder", "folds")
    folds = grouped_folds(own.units, n_folds=choice.cv, random_state=seed)
    return alpha_scores(own.signals, own.targets, choice.alphas, folds, standardize=choice.standardize)


def _scores_of_part(own: _Part, validation: _Part, choice: Choice, subjects: str) -> Floats:
    if len(validation.signals) < 2:
        raise InputError(
            f"the validation part has {len(validation.signals)} trial(s) of {subjects}; choosing among "
            "`alphas` takes two or more. Give more, or no validation part."
        )
    signals = np.concatenate([own.signals, validation.signals])
    targets = np.concatenate([own.targets, validation.targets])
    fold = np.arange(len(own.signals)), np.arange(len(own.signals), len(signals))
    # The scales of the training part stand: they are those of the map that is fitted afterwards.
    return alpha_scores(signals, targets, choice.alphas, [fold], standardize=False)
