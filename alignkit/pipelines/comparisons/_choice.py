"""Choosing a model's layer on data that do not score it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.random import derive_seed
from ._region import Column, layers_of

Floats = NDArray[np.float64]
LayerScores = Callable[[Floats], Floats]
MakeScorer = Callable[[NDArray[np.intp], NDArray[np.bool_] | None], LayerScores]
MIN_UNITS_TO_SPLIT = 12


def choose_layers(
    layers: Floats,
    make_scorer: MakeScorer,
    columns: Sequence[Column],
    *,
    n_units: int,
    seed: int,
    all_by_halves: bool = False,
) -> LayerScores:
    """Return scores per subject and model, each layer chosen on other subjects or on other stimuli.

    With several subjects, a subject's layer is the best on average over the others. With one, stimuli are
    split at random into halves: the layer that is best on one half is scored on the other, both ways.

    Parameters
    ----------
    layers : ndarray of shape (n_subjects, n_columns)
        Scores of every layer on all data.
    make_scorer : callable
        From the positions of some columns, and a mask of some units or None, to a callable that takes how
        often each unit occurs, shape (n_units,), and returns scores, shape (n_subjects, n_positions).
    columns : sequence of Column
        What the columns are.
    n_units : int
        Stimuli, or runs.
    seed : int
        Of the halves.
    all_by_halves : bool, default=False
        With one subject, score models of one layer on the halves as well: where scores depend on the number
        of stimuli, those of all stimuli are not comparable.

    Returns
    -------
    scores : callable
        From how often each unit occurs to scores of shape (n_subjects, n_models).

    Raises
    ------
    InputError
        For one subject with fewer than 12 units and several layers.
    """
    groups = layers_of(columns)
    if max(map(len, groups)) == 1:
        return make_scorer(np.arange(len(columns)), None)
    if len(layers) > 1:
        needed, places = np.unique(choose_by_other_subjects(layers, columns), return_inverse=True)
        score = make_scorer(needed, None)
        choice = places.reshape(len(layers), len(groups))
        return lambda weights: np.take_along_axis(score(weights), choice, axis=1)
    if n_units < MIN_UNITS_TO_SPLIT:
        raise InputError(
            f"with one subject and {n_units} stimuli a layer cannot be chosen on other stimuli; name one "
            "layer per model (`layers: [...]`)."
        )
    return _crossed_halves(make_scorer, groups, n_units, seed, all_by_halves)


def how_layers_are_chosen(several_subjects: bool) -> str:
    """Return the clause that a methods section needs."""
    if several_subjects:
        return (
            "each subject's layer is the one that is best on average over the other subjects, to the same "
            "stimuli (p allows for that choice)"
        )
    return "layers are chosen on a random half of the stimuli and scored on the other half, both ways"


def both_halves(n_units: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which units are in the first random half, and which in the second."""
    order = np.random.default_rng(derive_seed(seed, "halves")).permutation(n_units)
    first = np.isin(np.arange(n_units), order[: n_units // 2])
    return first, ~first


def cross_halves(found: Floats, groups: Sequence[NDArray[np.intp]]) -> Floats:
    """Return the score of every model, its layer chosen on one half and scored on the other, both ways.

    Parameters
    ----------
    found : ndarray of shape (2, n_columns)
        Scores of all columns on either half. A column without a score is not chosen.
    groups : sequence of ndarray of int
        The columns of each model.
    """
    known = np.nan_to_num(found, nan=-np.inf)
    best = [[group[np.argmax(known[half, group])] for group in groups] for half in (0, 1)]
    return np.asarray((found[1, best[0]] + found[0, best[1]]) / 2, dtype=np.float64)


def are_crossed(
    groups: Sequence[NDArray[np.intp]], n_subjects: int, all_by_halves: bool
) -> NDArray[np.bool_]:
    """Return which models are scored on halves: those of several layers of one subject, or all."""
    several = np.array([len(group) > 1 for group in groups])
    if n_subjects > 1 or not several.any():
        return np.zeros(len(groups), dtype=bool)
    return np.ones(len(groups), dtype=bool) if all_by_halves else several


def _crossed_halves(
    make_scorer: MakeScorer,
    groups: Sequence[NDArray[np.intp]],
    n_units: int,
    seed: int,
    all_by_halves: bool,
) -> LayerScores:
    first, _ = both_halves(n_units, seed)
    everything, all_columns = np.ones(n_units), np.arange(sum(map(len, groups)))
    crossed = []
    for half in (first, ~first):
        # A layer that is constant within a half has no score there, and is not chosen.
        found = np.nan_to_num(make_scorer(all_columns, half)(everything)[0], nan=-np.inf)
        best = np.array([group[np.argmax(found[group])] for group in groups])
        crossed.append(make_scorer(best, ~half))
    single = ~are_crossed(groups, 1, all_by_halves)
    only = make_scorer(np.array([group[0] for group in groups]), None)

    def scores(weights: Floats) -> Floats:
        mean = (crossed[0](weights) + crossed[1](weights)) / 2
        return np.where(single, only(weights), mean) if single.any() else mean

    return scores


def choose_by_other_subjects(layers: Floats, columns: Sequence[Column]) -> NDArray[np.intp]:
    """Return each subject's column per model: the best on average over the *other* subjects.

    Parameters
    ----------
    layers : ndarray of shape (n_subjects, n_columns)
        Scores per layer; at least two subjects.
    columns : sequence of Column
        What the columns are.

    Returns
    -------
    choice : ndarray of shape (n_subjects, n_models)
        Positions among the columns.
    """
    others = layers.sum(axis=0) - layers
    groups = layers_of(columns)
    return np.stack([group[np.argmax(others[:, group], axis=1)] for group in groups], axis=1)
