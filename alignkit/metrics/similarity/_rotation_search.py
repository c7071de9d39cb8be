"""Search for the rotation that brings two systems closest, by monotone steps with momentum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator

Floats = NDArray[np.float64]
# What a rotation (n_dims, n_dims) costs, and the matrix whose polar factor is one that costs no more.
Objective = Callable[[Floats], tuple[float, Floats]]

# Steps that each start gets first; the better half then gets twice as many, until one is left.
_TRIAL_STEPS = 5
# So many steps in a row must gain next to nothing: momentum makes single ones small by chance.
_PATIENCE = 2
# Secant steps below this: convergence is quick, and Nesterov's schedule would overshoot.
_QUICK = 0.5


@dataclass(frozen=True)
class Search:
    """How long, and from how many rotations, is searched."""

    n_restarts: int
    max_iter: int
    tol: float
    random_state: RandomState

    def check(self) -> None:
        """Refuse numbers that cannot be meant."""
        if self.n_restarts < 0 or self.max_iter < 1 or not self.tol >= 0:
            raise InputError(
                "`n_restarts` and `tol` must be 0 or more and `max_iter` 1 or more, got "
                f"{self.n_restarts}, {self.tol:g} and {self.max_iter}."
            )


class _State(NamedTuple):
    """Where a start has come to."""

    cost: float
    at: Floats
    step: Floats
    before: Floats
    move: Floats
    n_momentum: int
    n_small: int


def polar(C: Floats) -> Floats:
    """Return the rotation T that makes trace(T' C) largest."""
    U, _, Vt = np.linalg.svd(C)
    return np.asarray(U @ Vt)


def _momentum(n_steps: int, move: Floats, last_move: Floats) -> float:
    """Return how far to go on in the last direction, as a share of it."""
    change = move - last_move
    size = float(np.vdot(change, change))
    # Where moves shrink by a steady factor of 1/3 or less, the secant gives what is left; else it misleads.
    secant = -float(np.vdot(change, move)) / size if size > 0 else 0.0
    return max(secant, 0.0) if secant < _QUICK else n_steps / (n_steps + 3)


def _nearest(T: Floats) -> Floats:
    """Return the rotation next to a matrix that is all but one, by products instead of a decomposition."""
    identity = np.eye(len(T))
    for _ in range(6):
        excess = T.T @ T - identity
        size = float(np.abs(excess).sum(axis=1).max())
        if size < 1e-14 * len(T):
            return T
        if size > 0.5:
            break
        T = T - T @ excess / 2
    return polar(T)


def best_rotation(objective: Objective, first: Floats, search: Search) -> Floats:
    """Return the cheapest rotation that is found from a first one and from random ones.

    Random starts come in fours: a map, its inverse, so that swapping both systems swaps the starts, and the
    opposites of both, in other basins.
    """
    rng = as_generator(search.random_state)
    starts = [first]
    while len(starts) < 1 + search.n_restarts:
        drawn = polar(rng.standard_normal(first.shape))
        # Steps hardly ever change the determinant: rotations and reflections take turns.
        if (np.linalg.det(drawn) > 0) == (len(starts) % 8 == 1):
            drawn[:, 0] *= -1
        starts += [drawn, drawn.T, -drawn, -drawn.T]
    states, n_left, n_steps = [], search.max_iter, _TRIAL_STEPS
    for start in track(starts, "rotations: starts"):
        cost, C = objective(start)
        states.append(_State(cost, start, polar(C), start, np.zeros_like(start), 0, 0))
    while len(states) > 1 and n_left > 0:
        n_steps = min(n_steps, n_left)
        states = [_descend(objective, state, n_steps, search.tol) for state in states]
        states = sorted(states, key=lambda state: state.cost)[: (len(states) + 1) // 2]
        n_left, n_steps = n_left - n_steps, 2 * n_steps
    best = _descend(objective, states[0], n_left, search.tol)
    if best.n_small < _PATIENCE:
        warnings.warn(
            f"the best rotation was still improving after {search.max_iter} steps; the distance is an upper "
            "bound. Raise `max_iter` or `tol`.",
            UserWarning,
            stacklevel=6,
        )
    return best.at


def _descend(objective: Objective, state: _State, n_steps: int, tol: float) -> _State:
    """Take steps that never raise the cost: ahead with momentum, or else the plain step, which cannot."""
    for _ in range(n_steps):
        if state.n_small >= _PATIENCE:
            break
        n_momentum = state.n_momentum + 1
        ahead = state.step
        if n_momentum > 1:
            share = _momentum(n_momentum, state.step - state.at, state.move)
            ahead = _nearest(state.step + share * (state.step - state.before))
        cost, C = objective(ahead)
        if n_momentum > 1 and cost > state.cost:
            n_momentum, ahead = 0, state.step
            cost, C = objective(ahead)
        if cost >= state.cost:
            # The plain step is at rest up to round-off.
            return state._replace(n_small=_PATIENCE)
        n_small = state.n_small + 1 if state.cost - cost <= tol * abs(state.cost) else 0
        state = _State(cost, ahead, polar(C), state.step, state.step - state.at, n_momentum, n_small)
    return state
