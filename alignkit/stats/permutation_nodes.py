"""Nulls for comparisons of graphs: relabelled stimuli, and systems exchanged block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wasserstein_distance

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import RandomState, as_generator
from .permutation import (
    ALTERNATIVES,
    N_EXACT,
    Alternative,
    check_n_permutations,
    p_against_one_null,
    permutation_p,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_SAME = 1e-12


@dataclass(frozen=True)
class NodePermutationTest:
    """Result of :func:`permute_nodes`.

    Attributes
    ----------
    observed : ndarray of shape (n_models,)
        The statistic with the nodes as they are.
    p : ndarray of shape (n_models,)
        Of each model by itself.
    p_max : ndarray of shape (n_models,)
        Corrected for all models by the most extreme of them in each relabelling.
    null : ndarray of shape (n_permutations, n_models)
        The statistic under relabelling.
    n_permutations : int
        Relabellings, the observed one not among them.
    """

    observed: Floats
    p: Floats
    p_max: Floats
    null: Floats
    n_permutations: int


@dataclass(frozen=True)
class BlockExchangeTest:
    """Result of :func:`exchange_blocks`.

    Attributes
    ----------
    observed : float
        The distance between the two systems, values of all blocks together.
    p : float
        Large distances are the alternative.
    null : ndarray of shape (n_permutations,)
        Distances with the systems exchanged in some of the blocks.
    n_permutations : int
        Exchanges that were looked at, the systems as they are not among them.
    exact : bool
        Whether they were all that there are.
    """

    observed: float
    p: float
    null: Floats
    n_permutations: int
    exact: bool


def permute_nodes(
    statistic: Callable[[Indices], float | Floats],
    n_nodes: int,
    *,
    alternative: Alternative = "greater",
    n_permutations: int = 1000,
    random_state: RandomState = 0,
) -> NodePermutationTest:
    """Test whether two graphs agree more than with the nodes of one relabelled.

    A relabelled graph keeps its shape and its curvature; what it loses is which stimulus is where. Edges are
    never shuffled by themselves: they are not exchangeable, since each node is in several.

    Parameters
    ----------
    statistic : callable
        From `order`, an array of shape (n_nodes,), to the value, or the values of several models, where node
        i of the one graph is matched with node ``order[i]`` of the other. See
        :func:`alignkit.metrics.graphs.systems.edge_correlation`; curvature is computed once, before.
    n_nodes : int
        Nodes, at least 4.
    alternative : {"greater", "less", "two-sided"}, default="greater"
        ``"greater"`` for similarities. For a distance, where smaller is closer, ``"less"``.
    n_permutations : int, default=1000
        Relabellings, the same for all models.
    random_state : int, Generator or None, default=0
        Source of the relabellings.

    Returns
    -------
    result : NodePermutationTest
        NaN for models whose statistic is NaN. ``p`` is (b + 1) / (m + 1).

    Raises
    ------
    InputError
        If the statistic does not depend on the labels; is NaN for a relabelling of a model that has a value;
        for fewer than 4 nodes, or an unknown alternative.

    Notes
    -----
    The null is "no relation at all" between the positions of stimuli in the two systems. A statistic that
    does not look at labels, such as :func:`alignkit.metrics.graphs.systems.curvature_distance`, has no such
    null: it would be equal to the observed value each time, and p 1. It is refused; see
    :func:`exchange_blocks`. For the two-sided `p_max` each model's values are centred on their mean, the
    observed one among them.

    References
    ----------
    Mantel (1967), The detection of disease clustering. Nichols, Holmes (2002), 10.1002/hbm.1058 (p_max).

    Examples
    --------
    >>> values = np.arange(8.0)
    >>> result = permute_nodes(lambda order: np.corrcoef(values, values[order])[0, 1], 8)
    >>> bool(result.p[0] < 0.01)
    True
    """
    check_option("alternative", alternative, ALTERNATIVES)
    check_n_permutations(n_permutations)
    if n_nodes < 4:
        raise InputError(f"`n_nodes` must be at least 4 for a relabelling to tell anything, got {n_nodes}.")
    observed = np.atleast_1d(np.asarray(statistic(np.arange(n_nodes)), dtype=np.float64))
    if observed.ndim != 1:
        raise InputError(f"`statistic` must return a number or one per model, got shape {observed.shape}.")
    rng = as_generator(random_state)
    null = np.empty((n_permutations, observed.size))
    for row in track(range(n_permutations), "Relabelled nodes"):
        null[row] = statistic(rng.permutation(n_nodes))
    _check_varies(observed, null)
    p = permutation_p(observed, null, alternative=alternative)
    return NodePermutationTest(observed, p, _p_max(observed, null, alternative), null, n_permutations)


def exchange_blocks(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    statistic: Callable[[Floats, Floats], float] = wasserstein_distance,
    n_permutations: int = 1000,
    random_state: RandomState = 0,
) -> BlockExchangeTest:
    """Test whether two systems' values have different distributions, exchanging whole blocks of stimuli.

    For a distance that does not see labels. The stimuli are divided at random into blocks and each system's
    values, such as edge curvatures, are computed in each block by itself. If the systems do not differ, the
    two sets of values of a block could be each other's; blocks share no stimulus. So both are exchanged in
    some blocks, all ``2**n`` patterns for 12 blocks or fewer.

    Parameters
    ----------
    a, b : sequence of arrays of shape (n_values,)
        Values of each system, one array per block, of the same blocks in the same order
        (:func:`alignkit.metrics.graphs.systems.block_curvatures`); numbers of values may differ.
    statistic : callable, default=scipy.stats.wasserstein_distance
        From the values of two systems, of all blocks together, to a distance.
    n_permutations : int, default=1000
        Random patterns beyond 12 blocks.
    random_state : int, Generator or None, default=0
        Source of the random patterns.

    Returns
    -------
    result : BlockExchangeTest
        With n blocks p cannot be below ``2 / 2**n``: take 6 blocks or more.

    Raises
    ------
    InputError
        For different numbers of blocks, fewer than 2, a block without values, or NaN.

    Notes
    -----
    Valid for blocks of stimuli that were drawn independently; it speaks about new stimuli. Single stimuli,
    or edges, must not be exchanged: their curvatures share neighbours. Nor can rows of two RDMs be mixed into
    one: the distance of a stimulus in one system to a stimulus in the other does not exist. The price is that
    graphs are of blocks, smaller than of all stimuli.

    References
    ----------
    Phipson, Smyth (2010), 10.2202/1544-6115.1585. Pesarin F (2001), Multivariate permutation tests, Wiley
    (exchange of pairs).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.standard_normal((7, 40)), rng.standard_normal((7, 40)) + 1.0
    >>> exchange_blocks(a, b).p  # 2 of 128 patterns are as far apart
    0.015625
    """
    if len(a) != len(b) or len(a) < 2:
        raise InputError(f"`a` and `b` must have the same blocks, at least 2, got {len(a)} and {len(b)}.")
    pairs = []
    for at, (first, second) in enumerate(zip(a, b, strict=True)):
        pairs.append(
            tuple(
                check_array(f"{name}[{at}]", values, ndim=1, dtype=np.float64)
                for name, values in (("a", first), ("b", second))
            )
        )
    n_blocks = len(pairs)
    exact = n_blocks <= N_EXACT
    if exact:
        # Pattern 0 is the systems as they are, which the formula for p counts by itself.
        patterns = np.arange(1, 2**n_blocks)[:, None] >> np.arange(n_blocks) & 1
    else:
        check_n_permutations(n_permutations)
        patterns = as_generator(random_state).integers(0, 2, (n_permutations, n_blocks))

    def distance(pattern: Sequence[int]) -> float:
        first = np.concatenate([pair[swap] for pair, swap in zip(pairs, pattern, strict=True)])
        second = np.concatenate([pair[1 - swap] for pair, swap in zip(pairs, pattern, strict=True)])
        return float(statistic(first, second))

    observed = distance([0] * n_blocks)
    null = np.array([distance(pattern) for pattern in track(patterns.tolist(), "Exchanged blocks")])
    p = float(permutation_p(observed, null))
    return BlockExchangeTest(observed, p, null, len(null), exact)


def _check_varies(observed: Floats, null: Floats) -> None:
    fixed = (np.abs(null - observed) <= _SAME * np.maximum(np.abs(observed), 1.0)).all(axis=0)
    if len(null) >= 20 and fixed.any():
        raise InputError(
            f"`statistic` is {observed[fixed][0]:g} under each of {len(null)} relabellings: it does not look "
            "at the labels, and so they are no null for it. For distances of distributions use "
            "exchange_blocks."
        )


def _p_max(observed: Floats, null: Floats, alternative: Alternative) -> Floats:
    if alternative == "two-sided":
        centre = (null.sum(axis=0) + observed) / (len(null) + 1)
        observed, null = np.abs(observed - centre), np.abs(null - centre)
    elif alternative == "less":
        observed, null = -observed, -null
    defined = ~np.isnan(observed)
    if not defined.any():
        return observed
    return p_against_one_null(observed, null[:, defined].max(axis=1))
