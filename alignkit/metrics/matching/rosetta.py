"""Rosetta units: units that find each other across a whole zoo of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._rounding import ROUNDING, check_range
from ._correlations import as_list

Matrix = NDArray[np.float64]
# Rows of a batch are as many as give it so many numbers: 64 MiB.
BATCH_ELEMENTS = 2**23


@dataclass(frozen=True)
class RosettaUnits:
    """Groups of units of different models that are mutual nearest neighbours.

    Attributes
    ----------
    groups : tuple of ndarray of shape (n_members, 2)
        (model, unit) of each member; groups over most models first, of equals those that correlate best.
    n_models : ndarray of shape (n_groups,)
        How many models a group has units of, at least 2.
    group_correlations : ndarray of shape (n_groups,)
        Mean r of the mutual pairs within the group.
    pairs : ndarray of shape (n_pairs, 4)
        (model, unit, other model, other unit) of every mutual pair.
    pair_correlations : ndarray of shape (n_pairs,)
        Their r, in [-1, 1].
    chance_correlations : ndarray of shape (n_chance_pairs,)
        r of the mutual pairs that are found when the stimuli of every model are shuffled, all shuffles
        together.
    chance_full_groups : float
        Mean number per shuffle of groups with units of all models.
    n_constant : ndarray of shape (n_models,)
        Units of each model that do not vary and are left out.
    """

    groups: tuple[NDArray[np.intp], ...]
    n_models: NDArray[np.intp]
    group_correlations: Matrix
    pairs: NDArray[np.intp]
    pair_correlations: Matrix
    chance_correlations: Matrix
    chance_full_groups: float
    n_constant: NDArray[np.intp]


@torch_too
def rosetta_units(
    models: Sequence[ArrayLike],
    *,
    n_neighbors: int = 1,
    least_correlation: float = 0.0,
    n_shuffles: int = 1,
    batch_size: int | None = None,
    random_state: RandomState = 0,
    device: str | None = None,
) -> RosettaUnits:
    """Find units that are each other's nearest in pairs of models, and chain them to groups.

    Units a and b of two models are a mutual pair if b is among the `n_neighbors` units of its model that
    correlate best with a, and a among those that correlate best with b. Units that mutual pairs connect, over
    whatever models in between, are one group.

    Parameters
    ----------
    models : sequence of arrays of shape (n_samples, n_units)
        At least two models' responses to the same samples, as a row per sample: stimuli, or stimuli by
        positions for maps resized to one grid. Memory maps are read in batches.
    n_neighbors : int, default=1
        1 for best buddies only; more lets looser groups in, and several units of one model into a group.
    least_correlation : float, default=0.0
        Pairs at or below it are left out; `chance_correlations` tell what it should be.
    n_shuffles : int, default=1
        How often the search is repeated with the stimuli of each model shuffled, for the chance level. Mutual
        pairs always exist, in noise too.
    batch_size : int, optional
        Rows that are in memory as float64 at once, of one pair of models; by default 64 MiB of them.
    random_state : int, Generator or None, default=0
        For the shuffles.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    result : RosettaUnits
        Groups, mutual pairs and what chance gives.

    Raises
    ------
    InputError
        If there are fewer than two models, the numbers of samples differ, there are fewer than 3 or NaN, a
        model has no unit that varies, or an option is out of range.

    Notes
    -----
    Correlations come from sums over batches in float64, of responses less the first row so that large means
    cost no digits. Shuffling stimuli that consist of several rows row by row makes chance too low: give the
    means of stimuli, or a `least_correlation` of your own.

    References
    ----------
    Dravid A et al. (2023). Rosetta neurons: mining the common units in a model zoo,
    doi:10.48550/arXiv.2306.09346.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((200, 1))
    >>> models = [np.hstack([rng.standard_normal((200, 3)), shared]) for _ in range(3)]
    >>> found = rosetta_units(models, least_correlation=0.5)
    >>> found.groups[0].tolist(), found.group_correlations.round(6)
    ([[0, 3], [1, 3], [2, 3]], array([1.]))
    """
    zoo = _load(models)
    if n_neighbors < 1 or n_shuffles < 0 or (batch_size is not None and batch_size < 1):
        raise InputError(
            "`n_neighbors` and `batch_size` must be at least 1 and `n_shuffles` at least 0, got "
            f"{n_neighbors}, {batch_size} and {n_shuffles}."
        )
    if not -1 <= least_correlation < 1:
        raise InputError(f"`least_correlation` must be a correlation below 1, got {least_correlation:g}.")
    moments = [_moments(name, model, batch_size) for name, model in zoo]
    arrays = [model for _, model in zoo]
    rng = as_generator(random_state)
    rows = np.arange(len(arrays[0]))
    options = (n_neighbors, least_correlation, batch_size, device)
    pairs, r = _mutual_pairs(arrays, moments, [rows] * len(arrays), *options)
    groups, group_r = _chains(pairs, r, arrays)
    chance, full = [np.empty(0)], 0
    for _ in range(n_shuffles):
        orders = [rng.permutation(len(rows)) for _ in arrays]
        random_pairs, random_r = _mutual_pairs(arrays, moments, orders, *options)
        chance.append(random_r)
        full += sum(_n_models(group) == len(arrays) for group in _chains(random_pairs, random_r, arrays)[0])
    return RosettaUnits(
        groups=groups,
        n_models=np.array([_n_models(group) for group in groups], dtype=np.intp),
        group_correlations=group_r,
        pairs=pairs,
        pair_correlations=r,
        chance_correlations=np.concatenate(chance),
        chance_full_groups=full / n_shuffles if n_shuffles else float("nan"),
        n_constant=np.array([(~moment.moves).sum() for moment in moments], dtype=np.intp),
    )


@dataclass(frozen=True)
class _Moments:
    mean: Matrix  # (n_units,)
    length: Matrix  # (n_units,) of the centred responses; 1 for constant units
    moves: NDArray[np.bool_]  # (n_units,)


def _load(models: Sequence[ArrayLike]) -> list[tuple[str, NDArray[np.floating]]]:
    given = as_list("models", models)
    if len(given) < 2:
        raise InputError(f"`models` must hold at least two models' responses, got {len(given)}.")
    zoo = []
    for number, model in enumerate(given):
        name = f"models[{number}]"
        # NaN are looked for batch by batch: the array may be a file.
        array = check_array(name, model, ndim=2, finite=False, min_rows=3)
        zoo.append((name, array))
        check_same_samples("models[0]", zoo[0][1], name, array)
    return zoo


def _batches(rows: NDArray[np.intp], n_columns: int, batch_size: int | None) -> list[NDArray[np.intp]]:
    size = max(1, BATCH_ELEMENTS // max(1, n_columns)) if batch_size is None else batch_size
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _moments(name: str, model: NDArray[np.floating], batch_size: int | None) -> _Moments:
    batches = _batches(np.arange(len(model)), model.shape[1], batch_size)
    first = model[0].astype(np.float64)
    total, moves = np.zeros(len(first)), np.zeros(len(first), dtype=bool)
    for rows in batches:
        loaded = check_array(name, model[rows], ndim=2, dtype=np.float64)
        check_range(name, loaded)
        values = loaded - first
        moves |= (np.abs(values) > ROUNDING * np.abs(first)).any(axis=0)
        total += values.sum(axis=0)
    if not moves.any():
        raise InputError(f"none of the {len(first)} units of `{name}` varies: there is nothing to correlate.")
    mean = first + total / len(model)
    power = np.zeros(len(first))
    for rows in batches:
        values = model[rows] - mean
        power += np.einsum("ij,ij->j", values, values)
    return _Moments(mean, np.where(moves, np.sqrt(power), 1.0), moves)


def _mutual_pairs(
    models: list[NDArray[np.floating]],
    moments: list[_Moments],
    orders: list[NDArray[np.intp]],
    n_neighbors: int,
    least_correlation: float,
    batch_size: int | None,
    device: str | None,
) -> tuple[NDArray[np.intp], Matrix]:
    """Return (model, unit, other model, other unit) of every mutual pair, and their correlations."""
    found, values = [np.empty((0, 4), dtype=np.intp)], [np.empty(0)]
    for a, b in track(list(combinations(range(len(models)), 2)), "Rosetta units: pairs of models"):
        r = np.zeros((models[a].shape[1], models[b].shape[1]))
        for rows in _batches(np.arange(len(models[a])), sum(r.shape), batch_size):
            first, second = (
                (models[k][orders[k][rows]] - moments[k].mean) / moments[k].length for k in (a, b)
            )
            r += multiply(first.T, second, device=device)
        # Sums of products of unit vectors leave [-1, 1] by no more than rounding.
        r = r.clip(-1, 1)
        r[~moments[a].moves] = r[:, ~moments[b].moves] = -np.inf
        mutual = _nearest(r, n_neighbors) & _nearest(r.T, n_neighbors).T & (r > least_correlation)
        units_a, units_b = np.nonzero(mutual)
        pair = [np.full(len(units_a), a), units_a, np.full(len(units_a), b), units_b]
        found.append(np.stack(pair, axis=1))
        values.append(r[mutual])
    return np.concatenate(found), np.concatenate(values)


def _nearest(r: Matrix, n_neighbors: int) -> NDArray[np.bool_]:
    """Return which columns are among the largest of each row."""
    n_columns = r.shape[1]
    kept = min(n_neighbors, n_columns)
    mask = np.zeros(r.shape, dtype=bool)
    nearest = np.argpartition(-r, kept - 1, axis=1)[:, :kept]
    np.put_along_axis(mask, nearest, True, axis=1)
    return mask


def _chains(
    pairs: NDArray[np.intp], r: Matrix, models: list[NDArray[np.floating]]
) -> tuple[tuple[NDArray[np.intp], ...], Matrix]:
    """Return what mutual pairs connect, and the mean correlation of the pairs within."""
    starts = np.cumsum([0] + [model.shape[1] for model in models])
    ends = starts[pairs[:, 0]] + pairs[:, 1], starts[pairs[:, 2]] + pairs[:, 3]
    graph = coo_array((np.ones(len(pairs)), ends), shape=(starts[-1], starts[-1]))
    _, labels = connected_components(graph, directed=False)
    used, component = np.unique(labels[ends[0]], return_inverse=True)
    sums = np.bincount(component, weights=r, minlength=len(used))
    means = sums / np.maximum(np.bincount(component, minlength=len(used)), 1)
    owner = np.searchsorted(starts, np.arange(starts[-1]), side="right") - 1
    members = [np.flatnonzero(labels == label) for label in used]
    groups = [np.stack([owner[nodes], nodes - starts[owner[nodes]]], axis=1) for nodes in members]
    order = sorted(range(len(groups)), key=lambda k: (-_n_models(groups[k]), -means[k]))
    return tuple(groups[k] for k in order), means[order]


def _n_models(group: NDArray[np.intp]) -> int:
    return len(np.unique(group[:, 0]))
