"""Candidate shares of the feature spaces of a banded ridge regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError
from .._core.random import RandomState, as_generator

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Few spaces with weight, and all mixtures alike; in turn.
CONCENTRATIONS = (0.1, 1.0)


def candidate_weights(
    n_spaces: int, n_weights: int, weights: ArrayLike | None, random_state: RandomState
) -> Floats:
    """Return candidate weights, (n_candidates, n_spaces)."""
    if weights is not None:
        given = check_array("weights", weights, ndim=2, dtype=np.float64)
        if given.shape[1] != n_spaces:
            raise InputError(
                f"`weights` must have one column per space, got shape {given.shape} for {n_spaces} spaces."
            )
        if (given < 0).any() or (given.sum(axis=1) == 0).any():
            raise InputError(
                f"`weights` must not be negative nor all 0 in a row; the smallest is {given.min():g} and the "
                f"smallest row sum {given.sum(axis=1).min():g}."
            )
        return given
    least = 1 if n_spaces == 1 else n_spaces + 1
    if n_weights < least:
        raise InputError(
            f"`n_weights` must be at least {least} for {n_spaces} space(s): all alike and each alone. "
            f"Got {n_weights}."
        )
    # All ones and not 1 / n_spaces: this is ridge on all features together at the alphas themselves.
    if n_spaces == 1:
        return np.ones((1, 1))
    drawn = _dirichlet(n_spaces, n_weights - least, as_generator(random_state))
    return np.concatenate([np.ones((1, n_spaces)), np.eye(n_spaces), drawn])


def subset_weights(
    subsets: list[tuple[int, ...]], n_spaces: int, n_weights: int, generator: np.random.Generator
) -> tuple[Floats, Rows]:
    """Return the candidates of all subsets, and the number of the subset that each was made for."""
    if n_weights < 1:
        raise InputError(f"`n_weights` must be at least 1, got {n_weights}.")
    rows, member = [], []
    for number, subset in enumerate(subsets):
        inside = np.ones((1, len(subset)))
        if len(subset) > 1:
            inside = np.concatenate([inside, _dirichlet(len(subset), n_weights - 1, generator)])
        block = np.zeros((len(inside), n_spaces))
        block[:, subset] = inside
        rows.append(block)
        member += [number] * len(block)
    return np.concatenate(rows), np.array(member)


def _dirichlet(n_spaces: int, n_draws: int, generator: np.random.Generator) -> Floats:
    draws = [
        generator.dirichlet(np.full(n_spaces, CONCENTRATIONS[k % len(CONCENTRATIONS)]))
        for k in range(n_draws)
    ]
    return np.array(draws).reshape(n_draws, n_spaces)
