"""Persistence diagrams: how far two are apart, and how much one holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial.distance import cdist

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from .homology import persistent_homology

DiagramDistance = Literal["bottleneck", "wasserstein"]
Ground = Literal["chebyshev", "euclidean"]
Floats = NDArray[np.float64]


@torch_too
def diagram_distance(
    a: ArrayLike,
    b: ArrayLike,
    *,
    kind: DiagramDistance = "wasserstein",
    order: float = 1.0,
    ground: Ground | None = None,
) -> float:
    """Compute the distance of two persistence diagrams, exactly.

    The bars of one are matched with bars of the other, or with the nearest point of the diagonal (a bar of
    no length), at the least cost. ``"wasserstein"`` is ``(sum of cost**order)**(1/order)`` over the matched
    pairs, ``"bottleneck"`` the largest cost. Bars that never die are matched among themselves, by birth.

    Parameters
    ----------
    a, b : array of shape (n_bars, 2)
        Birth and death of the bars of one dimension; death may be inf. No bars is shape (0, 2).
    kind : {"wasserstein", "bottleneck"}, default="wasserstein"
        See above.
    order : float, default=1.0
        Of the Wasserstein distance, 1 or more. The bottleneck distance takes none.
    ground : {"euclidean", "chebyshev"}, optional
        The norm of the plane in which cost is measured: a bar of length l is ``l / sqrt(2)`` or ``l / 2``
        from the diagonal. By default "euclidean" for "wasserstein" and "chebyshev" for "bottleneck", which
        is what most papers mean; values under different norms must not be compared.

    Returns
    -------
    distance : float
        0 or more, in the unit of the scale; 0 for equal diagrams. inf where the numbers of bars that never
        die differ.

    Raises
    ------
    InputError
        For arrays that are not diagrams, an unknown option, or an order below 1.

    Notes
    -----
    O(n_bars^3) at worst. For "wasserstein" only pairs that cost less than both ways to the diagonal are
    worth matching, which leaves an assignment of n_a x n_b instead of one of twice that size. "bottleneck"
    is a binary search over all costs; whether a cost is enough is asked of either side by itself, since two
    matchings that each cover one side's bars can be joined into one that covers both (Mendelsohn, Dulmage).

    References
    ----------
    Cohen-Steiner D, Edelsbrunner H, Harer J (2007). Stability of persistence diagrams. Discrete and
    Computational Geometry, doi:10.1007/s00454-006-1276-5. Cohen-Steiner D et al. (2010). Lipschitz functions
    have Lp-stable persistence. Foundations of Computational Mathematics, doi:10.1007/s10208-010-9060-6.

    Examples
    --------
    >>> a, b = [[0.0, 1.0], [0.0, 0.4]], [[0.0, 1.1]]
    >>> round(diagram_distance(a, b), 6), round(diagram_distance(a, b, kind="bottleneck"), 6)
    (0.382843, 0.2)
    """
    check_option("kind", kind, get_args(DiagramDistance))
    norm: str = ground or ("euclidean" if kind == "wasserstein" else "chebyshev")
    check_option("ground", norm, get_args(Ground))
    if not 1 <= order < np.inf:
        raise InputError(
            f"`order` must be 1 or more and finite, got {order}. Its limit is kind='bottleneck'."
        )
    if kind == "bottleneck" and order != 1:
        raise InputError(f"kind 'bottleneck' takes no `order`, got {order}. Use kind='wasserstein'.")
    first, second = check_diagram("a", a), check_diagram("b", b)
    births = [np.sort(bars[np.isinf(bars[:, 1]), 0]) for bars in (first, second)]
    if births[0].size != births[1].size:
        return float("inf")
    # A bar of no length is on the diagonal: it costs nothing and gains nothing.
    finite = [bars[np.isfinite(bars[:, 1]) & (bars[:, 1] > bars[:, 0])] for bars in (first, second)]
    crossing = cdist(finite[0], finite[1], metric="euclidean" if norm == "euclidean" else "chebyshev")
    divisor = np.sqrt(2.0) if norm == "euclidean" else 2.0
    fallback = [(bars[:, 1] - bars[:, 0]) / divisor for bars in finite]
    essential = np.abs(births[0] - births[1])
    if kind == "bottleneck":
        return float(max(_bottleneck(crossing, fallback[0], fallback[1]), essential.max(initial=0.0)))
    costs = np.append(_wasserstein_costs(crossing, fallback[0], fallback[1], order), essential)
    largest = costs.max(initial=0.0)
    # Relative to the largest, no power of a cost can overflow.
    return float(largest * ((costs / largest) ** order).sum() ** (1 / order)) if largest > 0 else 0.0


@torch_too
def persistence_entropy(diagram: ArrayLike, *, normalise: bool = False) -> float:
    """Compute how evenly persistence is spread over the bars.

    ``-sum p ln p`` over the bars, with p the share of a bar in the length of all.

    Parameters
    ----------
    diagram : array of shape (n_bars, 2)
        Birth and death. Bars that never die have no length and are left out.
    normalise : bool, default=False
        Divide by the logarithm of the number of bars, which is the largest value that they allow.

    Returns
    -------
    entropy : float
        In nats, 0 or more; normalised in [0, 1]. 0 where there are fewer than two bars of finite length.

    Raises
    ------
    InputError
        For an array that is not a diagram.

    References
    ----------
    Atienza N, Gonzalez-Diaz R, Soriano-Trigueros M (2020). On the stability of persistent entropy and new
    summary functions for topological data analysis. Pattern Recognition, doi:10.1016/j.patcog.2020.107509.

    Examples
    --------
    >>> round(persistence_entropy([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]]), 6)
    1.011404
    """
    lengths = _lengths(diagram)
    if lengths.size < 2:
        return 0.0
    shares = lengths / lengths.sum()
    entropy = -float((shares * np.log(shares)).sum())
    return entropy / float(np.log(lengths.size)) if normalise else entropy


@torch_too
def total_persistence(diagram: ArrayLike, *, order: float = 1.0) -> float:
    """Compute the sum of the bars' lengths, each to the power of `order`.

    Parameters
    ----------
    diagram : array of shape (n_bars, 2)
        Birth and death. Bars that never die have no length and are left out.
    order : float, default=1.0
        Power of each length, above 0: large ones let long bars count.

    Returns
    -------
    total : float
        0 or more, in the unit of the scale to the power of `order`.

    Raises
    ------
    InputError
        For an array that is not a diagram, an order that is not above 0, or one whose powers overflow.

    References
    ----------
    Cohen-Steiner D et al. (2010), doi:10.1007/s10208-010-9060-6.

    Examples
    --------
    >>> total_persistence([[0.0, 1.0], [1.0, 3.0], [0.0, float("inf")]])
    3.0
    """
    if not 0 < order < np.inf:
        raise InputError(f"`order` must be above 0 and finite, got {order}.")
    with np.errstate(over="ignore"):
        total = float((_lengths(diagram) ** order).sum())
    if not np.isfinite(total):
        raise InputError(f"bars to the power of `order` = {order:g} leave the range of float64. Lower it.")
    return total


@torch_too
def longest_bar(diagram: ArrayLike) -> float:
    """Compute the length of the longest bar that dies, 0 where there is none.

    Parameters
    ----------
    diagram : array of shape (n_bars, 2)
        Birth and death.

    Returns
    -------
    length : float
        0 or more, in the unit of the scale.

    Raises
    ------
    InputError
        For an array that is not a diagram.

    Examples
    --------
    >>> longest_bar([[0.0, 1.0], [1.0, 3.0], [0.0, float("inf")]])
    2.0
    """
    return float(_lengths(diagram).max(initial=0.0))


def check_diagram(name: str, diagram: ArrayLike) -> Floats:
    """Return a diagram as float64, or say what is not a diagram about it."""
    bars = check_array(name, diagram, ndim=2, dtype=np.float64, finite=False, min_rows=0)
    if bars.shape[1] != 2:
        raise InputError(f"`{name}` must have two columns, birth and death, got shape {bars.shape}.")
    bad = ~np.isfinite(bars[:, 0]) | ~(bars[:, 1] >= bars[:, 0])
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"`{name}` holds {int(bad.sum())} bar(s) that are none, the first in row {first}: "
            f"({bars[first, 0]:g}, {bars[first, 1]:g}). A birth is finite, and a death not before it."
        )
    return bars


def _lengths(diagram: ArrayLike) -> Floats:
    bars = check_diagram("diagram", diagram)
    lengths = bars[:, 1] - bars[:, 0]
    return np.asarray(lengths[(lengths > 0) & (lengths < np.inf)])


def _wasserstein_costs(crossing: Floats, fallback_a: Floats, fallback_b: Floats, order: float) -> Floats:
    """Return the cost of each matched pair, and of each bar that goes to the diagonal."""
    largest = max(fallback_a.max(initial=0.0), fallback_b.max(initial=0.0))
    if crossing.size == 0 or largest == 0:
        return np.concatenate([fallback_a, fallback_b])
    with np.errstate(over="ignore"):
        saved = (crossing / largest) ** order
    saved -= (fallback_a[:, None] / largest) ** order
    saved -= (fallback_b / largest) ** order
    rows, columns = linear_sum_assignment(np.minimum(saved, 0.0))
    worth = saved[rows, columns] < 0
    rows, columns = rows[worth], columns[worth]
    left = np.delete(fallback_a, rows), np.delete(fallback_b, columns)
    return np.concatenate([crossing[rows, columns], *left])


def _bottleneck(crossing: Floats, fallback_a: Floats, fallback_b: Floats) -> float:
    # Sending all bars to the diagonal is always possible: no cost beyond that need be tried.
    highest = max(fallback_a.max(initial=0.0), fallback_b.max(initial=0.0))
    costs = np.concatenate([crossing[crossing < highest], fallback_a, fallback_b])
    candidates = np.unique(np.append(costs, 0.0))
    low, high = 0, candidates.size - 1
    while low < high:
        middle = (low + high) // 2
        enough = _can_match(crossing, fallback_a, candidates[middle]) and _can_match(
            crossing.T, fallback_b, candidates[middle]
        )
        low, high = (low, middle) if enough else (middle + 1, high)
    return float(candidates[low])


def _can_match(crossing: Floats, fallback: Floats, cost: float) -> bool:
    """Return whether all bars that are too far from the diagonal find partners of their own."""
    far = fallback > cost
    allowed = csr_array(crossing[far] <= cost)
    if far.sum() > allowed.shape[1]:
        return False
    return bool((maximum_bipartite_matching(allowed, perm_type="column") >= 0).all())


def _of_rdm(rdm: ArrayLike, *, summary: Callable[[ArrayLike], float], dimension: int) -> float:
    return summary(persistent_homology(rdm, max_dim=dimension)[dimension])


def _register() -> None:
    stability = "Cohen-Steiner et al. 2007, doi:10.1007/s00454-006-1276-5"
    lipschitz = "Cohen-Steiner et al. 2010, doi:10.1007/s10208-010-9060-6"
    distances: dict[DiagramDistance, tuple[str, str]] = {
        "bottleneck": (stability, "largest move that turns one persistence diagram into the other"),
        "wasserstein": (lipschitz, "sum of the moves that turn one persistence diagram into the other"),
    }
    infinite = (0.0, float("inf"))
    for kind, (paper, summary) in distances.items():
        shared: dict[str, Any] = {"kind": "distance", "inputs": "diagrams", "range": infinite}
        METRICS.register(
            kind,
            **shared,
            higher_is_closer=False,
            invariant_to=("stimulus-permutation", "symmetry"),
            unit="unit of the RDM",
            paper=paper,
            summary=summary,
        )(partial(diagram_distance, kind=kind))
    entropy = "Atienza et al. 2020, doi:10.1016/j.patcog.2020.107509"
    for dimension, what in ((0, "components"), (1, "loops")):
        # Every distance and so both ends of a loop move with a shift; a component is born at 0.
        shift = ("shift",) if dimension else ()
        shared = {"kind": "statistic", "inputs": "RDM", "range": infinite, "higher_is_closer": None}
        METRICS.register(
            f"persistence-entropy-h{dimension}",
            **shared,
            invariant_to=("scale", *shift, "stimulus-permutation"),
            unit="nats",
            paper=entropy,
            summary=f"how evenly persistence is spread over {what}",
        )(partial(_of_rdm, summary=persistence_entropy, dimension=dimension))
        METRICS.register(
            f"total-persistence-h{dimension}",
            **shared,
            invariant_to=(*shift, "stimulus-permutation"),
            unit="unit of the RDM",
            paper=lipschitz,
            summary=f"summed persistence of {what}",
        )(partial(_of_rdm, summary=total_persistence, dimension=dimension))


_register()
