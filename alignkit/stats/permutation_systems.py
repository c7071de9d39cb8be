"""Nulls for the topology of two systems: shuffled stimuli, and exchanged members of groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import RandomState, as_generator
from ..metrics.topology.comparison import DiagramMethod, check_dimensions, distance_of_diagrams
from ..metrics.topology.divergence import Normalisation, normalised, one_way_divergence
from ..metrics.topology.homology import check_distances, n_points, persistent_homology
from .permutation import check_n_permutations, p_against_one_null, permutation_p

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DivergencePermutationTest:
    """Result of :func:`stimulus_permutation_topology`; smaller divergences are the alternative.

    Attributes
    ----------
    observed : ndarray of shape (n_models,)
        Mean divergence over subjects.
    p : ndarray of shape (n_models,)
        Of each model by itself.
    p_min : ndarray of shape (n_models,)
        Corrected for all models by the smallest divergence.
    null : ndarray of shape (n_permutations, n_models)
        Mean divergences with shuffled stimuli.
    n_permutations : int
        Shuffles, the observed order not among them.
    """

    observed: Floats
    p: Floats
    p_min: Floats
    null: Floats
    n_permutations: int


@dataclass(frozen=True)
class GroupTopologyTest:
    """Result of :func:`group_permutation_topology`.

    Attributes
    ----------
    observed : float
        Joint loss: half the mean squared distance between members of a group, summed over both groups.
    p : float
        Share of labellings whose joint loss is as small.
    between, within : float
        Mean distance of RDMs of different groups, and of the same one.
    null : ndarray of shape (n_permutations,)
        Joint losses of other labellings.
    exact : bool
        Whether these are all that there are.
    """

    observed: float
    p: float
    between: float
    within: float
    null: Floats
    exact: bool


def stimulus_permutation_topology(
    data_rdms: ArrayLike,
    model_rdms: ArrayLike,
    *,
    normalise: Normalisation = "quantile",
    n_permutations: int = 200,
    random_state: RandomState = 0,
) -> DivergencePermutationTest:
    """Test whether models diverge less from the data than with shuffled stimuli.

    The statistic is the representation topology divergence, the only comparison of topology that sees which
    stimulus is which; distances of persistence diagrams do not change when stimuli are shuffled, so that
    this null says nothing about them. The shuffle is the same for all subjects and models.

    Parameters
    ----------
    data_rdms : array of shape (n_pairs,) or (n_subjects, n_pairs)
        Subjects' distances, 0 or more.
    model_rdms : array of shape (n_pairs,) or (n_models, n_pairs)
        Models' distances, the stimuli in the same order.
    normalise : {"quantile", "max", "none"}, default="quantile"
        See :func:`alignkit.metrics.representation_topology_divergence`.
    n_permutations : int, default=200
        Shuffles. Each takes n_subjects * n_models divergences: average the subjects' RDMs first where that
        is too many.
    random_state : int, Generator or None, default=0
        Source of the shuffles.

    Returns
    -------
    result : DivergencePermutationTest
        A small p says that the two systems group the same stimuli. It does not say that they share topology
        beyond what a shared geometry brings with it, and it speaks about these subjects.

    Raises
    ------
    InputError
        For shapes that do not fit, fewer than 4 stimuli, or what is not a distance.

    Notes
    -----
    Valid when stimuli are exchangeable under the null, as with
    :func:`alignkit.stats.stimulus_permutation_rdm`.

    References
    ----------
    Mantel (1967), The detection of disease clustering. Barannikov et al. (2022), 10.48550/arXiv.2201.00058.
    """
    check_n_permutations(n_permutations)
    data, models = _load("data_rdms", data_rdms, normalise), _load("model_rdms", model_rdms, normalise)
    if data[0].size != models[0].size:
        raise InputError(
            f"`data_rdms` and `model_rdms` must be of the same stimuli, got {n_points(data[0].size)} and "
            f"{n_points(models[0].size)}. Select the shared ones first."
        )
    n_stimuli = n_points(data[0].size)
    if n_stimuli < 4:
        raise InputError(f"a permutation test needs at least 4 stimuli, got {n_stimuli}.")
    squares = [squareform(model) for model in models]

    def score(order: NDArray[np.intp]) -> Floats:
        shuffled = [squareform(square[np.ix_(order, order)], checks=False) for square in squares]
        return np.array([np.mean([_divergence(rdm, model) for rdm in data]) for model in shuffled])

    observed = score(np.arange(n_stimuli))
    generator = as_generator(random_state)
    orders = (generator.permutation(n_stimuli) for _ in range(n_permutations))
    null = np.stack([score(order) for order in track(orders, "shuffling stimuli", n_permutations)])
    p = permutation_p(observed, null, alternative="less")
    p_min = p_against_one_null(-observed, -null.min(axis=1))
    return DivergencePermutationTest(observed, p, p_min, null, n_permutations)


def group_permutation_topology(
    first_rdms: ArrayLike,
    second_rdms: ArrayLike,
    *,
    method: DiagramMethod = "wasserstein",
    dimensions: int | Sequence[int] | None = None,
    normalise: Normalisation = "quantile",
    paired: bool = False,
    n_permutations: int = 1000,
    random_state: RandomState = 0,
) -> GroupTopologyTest:
    """Test whether two groups of RDMs differ in topology, by exchanging members of the groups.

    What is exchangeable when there is no difference is which group a subject (or a network's seed) belongs
    to. The statistic is the joint loss of Robinson and Turner: the mean squared distance of diagrams within
    either group, which is small when the groups are apart.

    Parameters
    ----------
    first_rdms, second_rdms : array of shape (n_members, n_pairs)
        Distances of each member, 2 members or more per group. Both groups have equally many stimuli, which
        may be others: diagrams depend on how many there are.
    method : {"wasserstein", "bottleneck", "betti"}, default="wasserstein"
        Distance of two members, see :func:`alignkit.metrics.compare_topology`.
    dimensions : int or sequence of int, optional
        0 components, 1 loops; by default both.
    normalise : {"quantile", "max", "none"}, default="quantile"
        Scale by which each member's distances are divided.
    paired : bool, default=False
        Row i of both is of the same subject (two regions, or two tasks): exchange within subjects only.
    n_permutations : int, default=1000
        Random labellings; all are looked at where there are no more than this.
    random_state : int, Generator or None, default=0
        Source of the labellings.

    Returns
    -------
    result : GroupTopologyTest
        A small p says that the groups' diagrams come from different distributions: a difference in spread,
        in noise or in dimensionality is one as well. Noise makes components and short loops of its own, so
        groups of different signal-to-noise ratio differ.

    Raises
    ------
    InputError
        For groups of fewer than 2, different numbers of stimuli, unequal groups with `paired`, or what is
        not a distance.

    Notes
    -----
    Diagrams and their distances are computed once, O(n_members^2); a labelling costs next to nothing. With
    few members p cannot be small: exchanging all labels of two equal groups changes nothing, so that p is at
    least 2 over the number of labellings. Where subjects differ by more than their two conditions, `paired`
    finds little: compare a number of each subject, such as the longest bar, with
    :func:`alignkit.stats.sign_flip_test`.

    References
    ----------
    Robinson A, Turner K (2017). Hypothesis testing for topological data analysis. Journal of Applied and
    Computational Topology, doi:10.1007/s41468-017-0008-7.
    """
    check_option("method", method, get_args(DiagramMethod))
    check_n_permutations(n_permutations)
    wanted = check_dimensions(dimensions)
    groups = [_load("first_rdms", first_rdms, normalise), _load("second_rdms", second_rdms, normalise)]
    sizes = [len(group) for group in groups]
    _check_groups(sizes, [n_points(group[0].size) for group in groups], paired)
    members = track([rdm for group in groups for rdm in group], "persistent homology")
    diagrams = [persistent_homology(rdm, max_dim=max(wanted)) for rdm in members]
    pairs = track(list(combinations(diagrams, 2)), "distances of diagrams")
    distances = [distance_of_diagrams(a, b, method=method, dimensions=wanted) for a, b in pairs]
    table = squareform(np.array(distances))
    labels, exact = _labellings(sizes, paired, n_permutations, as_generator(random_state))
    losses = _joint_loss(table**2, labels)
    is_first = labels[0]
    apart = is_first[:, None] != is_first
    together = ~apart & ~np.eye(len(table), dtype=bool)
    p = float(permutation_p(losses[0], losses[1:], alternative="less"))
    between, within = float(table[apart].mean()), float(table[together].mean())
    return GroupTopologyTest(float(losses[0]), p, between, within, losses[1:], exact)


def _load(name: str, rdms: ArrayLike, how: Normalisation) -> list[Floats]:
    check_option("normalise", how, get_args(Normalisation))
    rows = np.atleast_2d(check_array(name, rdms, ndim=(1, 2), dtype=np.float64))
    named = [(f"{name}[{number}]", row) for number, row in enumerate(rows)]
    return [normalised(check_distances(label, row, min_stimuli=3), how, label) for label, row in named]


def _divergence(a: Floats, b: Floats) -> float:
    return (one_way_divergence(a, b) + one_way_divergence(b, a)) / 2


def _check_groups(sizes: list[int], n_stimuli: list[int], paired: bool) -> None:
    if min(sizes) < 2:
        raise InputError(f"either group needs at least 2 RDMs, got {sizes[0]} and {sizes[1]}.")
    if n_stimuli[0] != n_stimuli[1]:
        raise InputError(
            f"both groups must have equally many stimuli, got {n_stimuli[0]} and {n_stimuli[1]}: diagrams "
            "depend on it. Draw as many from the larger."
        )
    if paired and sizes[0] != sizes[1]:
        raise InputError(f"paired groups must be equally large, got {sizes[0]} and {sizes[1]} RDMs.")


def _labellings(
    sizes: list[int], paired: bool, n_permutations: int, generator: np.random.Generator
) -> tuple[NDArray[np.bool_], bool]:
    """Return who is in the first group, one row per labelling with the observed one first."""
    n_first, n_all = sizes[0], sum(sizes)
    observed = np.arange(n_all) < n_first
    n_labellings = 2**n_first if paired else comb(n_all, n_first)
    exact = n_labellings <= n_permutations + 1
    if paired:
        rows = product([True, False], repeat=n_first) if exact else _coins(n_first, n_permutations, generator)
        table = np.array([(*row, *(not one for one in row)) for row in rows])
    elif exact:
        chosen = np.array(list(combinations(range(n_all), n_first)))
        table = np.zeros((n_labellings, n_all), dtype=bool)
        np.put_along_axis(table, chosen, True, axis=1)
    else:
        table = np.stack([generator.permutation(observed) for _ in range(n_permutations)])
    # Both enumerations begin with the labels as they are.
    return (table if exact else np.vstack([observed, table])), exact


def _coins(n: int, n_draws: int, generator: np.random.Generator) -> Iterator[tuple[bool, ...]]:
    for row in generator.integers(0, 2, (n_draws, n)):
        yield tuple(bool(one) for one in row)


def _joint_loss(distances: Floats, labels: NDArray[np.bool_]) -> Floats:
    losses = np.zeros(len(labels))
    for group in (labels.astype(np.float64), (~labels).astype(np.float64)):
        size = group[0].sum()
        losses += ((group @ distances) * group).sum(axis=1) / (2 * size * (size - 1))
    return losses
