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
MIN_UNITS_TO_SPLIT = 12


def choose_layers(
    layers: Floats, layer_scores: LayerScores, columns: Sequence[Column], *, n_units: int, seed: int
) -> LayerScores:
    """Return scores per subject and model, each layer chosen on other subjects or on other stimuli.

    With several subjects, a subject's layer is the best on average over the others. With one, stimuli are
    split at random into halves: the layer that is best on one half is scored on the other, both ways.

    Parameters
    ----------
    layers : ndarray of shape (n_subjects, n_columns)
        Scores of every layer on all data.
    layer_scores : callable
        From how often each unit occurs, shape (n_units,), to scores of shape (n_subjects, n_columns).
    columns : sequence of Column
        What the columns are.
    n_units : int
        Stimuli, or runs.
    seed : int
        Of the halves.

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
        return layer_scores
    if len(layers) > 1:
        choice = choose_by_other_subjects(layers, columns)
        return lambda weights: np.take_along_axis(layer_scores(weights), choice, axis=1)
    if n_units < MIN_UNITS_TO_SPLIT:
        raise InputError(
            f"with one subject and {n_units} stimuli a layer cannot be chosen on other stimuli; name one "
            "layer per model (`layers: [...]`)."
        )
    order = np.random.default_rng(derive_seed(seed, "halves")).permutation(n_units)
    first = np.isin(np.arange(n_units), order[: n_units // 2]).astype(np.float64)
    halves = (first, 1.0 - first)
    best = [[group[np.argmax(layer_scores(half)[0, group])] for group in groups] for half in halves]
    single = np.array([len(group) == 1 for group in groups])
    only = [group[0] for group in groups]

    def scores(weights: Floats) -> Floats:
        on_second, on_first = layer_scores(weights * halves[1]), layer_scores(weights * halves[0])
        crossed = (on_second[:, best[0]] + on_first[:, best[1]]) / 2
        return np.where(single, layer_scores(weights)[:, only], crossed) if single.any() else crossed

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
