"""Representation topology divergence: where one system joins the same stimuli at other scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from .._arrays import torch_too
from .._registry import METRICS
from .homology import check_distances, n_points, rips_bars

Normalisation = Literal["max", "none", "quantile"]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
_QUANTILE = 0.9


@dataclass(frozen=True)
class TopologyDivergence:
    """Result of :func:`representation_topology_divergence`.

    Attributes
    ----------
    value : float
        Mean of both directions, and over the draws.
    sd : float
        Standard deviation over the draws; 0 where all stimuli were used and nothing was drawn.
    draws : ndarray of shape (n_draws, 2)
        Each draw's divergence of `a` from `b`, and of `b` from `a`.
    n_stimuli : int
        Stimuli in a draw.
    """

    value: float
    sd: float
    draws: Floats
    n_stimuli: int


@torch_too
def representation_topology_divergence(
    a: ArrayLike,
    b: ArrayLike,
    *,
    n_stimuli: int | None = None,
    n_draws: int = 10,
    normalise: Normalisation = "quantile",
    random_state: RandomState = 0,
) -> TopologyDivergence:
    """Compute the representation topology divergence (RTD) of two RDMs of the same stimuli.

    Stimuli that are joined at some scale in `a` or in `b` may not yet be joined in `a` alone. RTD(a, b) is
    the summed length of the stretches of scale over which they differ so in components and loops: the
    persistence of dimension 1 of a filtration in which the complex of `a` within that of ``min(a, b)`` is
    shrunk to a point. The mean of both directions is reported. It sees which stimulus is which: unlike the
    distance of persistence diagrams it needs corresponding stimuli.

    Parameters
    ----------
    a, b : array of shape (n_pairs,), or symmetric of shape (n_stimuli, n_stimuli)
        Distances, 0 or more, of the same stimuli in the same order.
    n_stimuli : int, optional
        Draw so many stimuli without replacement, `n_draws` times. By default all are used, once.
    n_draws : int, default=10
        Draws; of no effect where all stimuli are used.
    normalise : {"quantile", "max", "none"}, default="quantile"
        Divide the distances of each system by their .9 quantile or by their largest, in each draw. The
        quantile is that of the whole matrix, its diagonal included, as in the authors' code.
    random_state : int, Generator or None, default=0
        Source of the draws.

    Returns
    -------
    result : TopologyDivergence
        0 or more, larger is less alike. 0 for equal RDMs, with normalisation also up to scale. Not a metric:
        the triangle inequality does not hold in general.

    Raises
    ------
    InputError
        For different stimulus counts, fewer than 3 stimuli, distances that are negative, NaN or infinite,
        an RDM whose scale is 0, or draws that cannot be made.

    Notes
    -----
    The value grows with the number of stimuli: compare only values of equal `n_stimuli`. Either direction is
    a filtration of twice as many points as stimuli, in time and memory about their third power.

    The divergence from noise alone is not 0: see
    :func:`alignkit.stats.stimulus_permutation_topology` for its other end.

    References
    ----------
    Barannikov S et al. (2022). Representation topology divergence: a method for comparing neural network
    representations. ICML, doi:10.48550/arXiv.2201.00058.

    Examples
    --------
    Two pairs of stimuli, joined the other way in the second system: from 1 to 3 the first has one component
    too many, and the loop through all pairs is not in it.

    >>> first, second = [1.0, 3.0, 3.0, 3.0, 3.0, 1.0], [3.0, 1.0, 3.0, 3.0, 1.0, 3.0]
    >>> representation_topology_divergence(first, second, normalise="none").value
    4.0
    >>> representation_topology_divergence(first, first).value
    0.0
    """
    check_option("normalise", normalise, get_args(Normalisation))
    first, second = (check_distances(name, rdm, min_stimuli=3) for name, rdm in (("a", a), ("b", b)))
    if first.size != second.size:
        raise InputError(
            f"`a` and `b` must be of the same stimuli, got {n_points(first.size)} and "
            f"{n_points(second.size)}. Select the shared ones, or compare diagrams with `compare_topology`."
        )
    n_all = n_points(first.size)
    size = n_all if n_stimuli is None else n_stimuli
    draws = []
    for chosen, _ in track(drawn_stimuli(n_all, n_all, size, n_draws, random_state), "topology divergence"):
        pair = [
            normalised(subset(rdm, chosen), normalise, name) for rdm, name in ((first, "a"), (second, "b"))
        ]
        draws.append([one_way_divergence(*pair), one_way_divergence(*reversed(pair))])
    table = np.array(draws)
    return TopologyDivergence(float(table.mean()), spread(table.mean(axis=1)), table, size)


def one_way_divergence(a: Floats, b: Floats) -> float:
    """Return RTD(a, b) of condensed distances as they are."""
    n_stimuli = n_points(a.size)
    shrunk, joined = squareform(a), squareform(np.minimum(a, b))
    # Each stimulus of the joined system and those of `a` that come before it: this is all that the loops
    # depend on, and half the simplices of the whole matrix.
    shrunk[np.triu_indices(n_stimuli, 1)] = np.inf
    doubled = np.block([[np.zeros_like(joined), shrunk.T], [shrunk, joined]])
    (bars,) = rips_bars(squareform(doubled, checks=False), 1)
    return float((bars[:, 1] - bars[:, 0]).sum())


def normalised(distances: Floats, how: Normalisation, name: str) -> Floats:
    """Return distances divided by their own scale."""
    if how == "none":
        return distances
    if how == "max":
        scale, what = float(distances.max()), "largest distance"
    else:
        scale, what = float(np.quantile(squareform(distances), _QUANTILE)), f"{_QUANTILE} quantile"
    if scale == 0:
        raise InputError(
            f"the {what} of `{name}` is 0: most of its stimuli are the same. Leave out repeated stimuli, or "
            "use normalise='none'."
        )
    return distances / scale


def drawn_stimuli(
    n_a: int, n_b: int, size: int, n_draws: int, random_state: RandomState
) -> Iterator[tuple[Indices, Indices]]:
    """Yield the stimuli of `a` and of `b` in each draw: the same ones where both have equally many."""
    if not 3 <= size <= min(n_a, n_b):
        raise InputError(
            f"`n_stimuli` must be from 3 to {min(n_a, n_b)}, which both systems have, got {size}."
        )
    if size == n_a == n_b:
        yield np.arange(n_a), np.arange(n_b)
        return
    if n_draws < 2:
        raise InputError(f"`n_draws` must be at least 2 to know the spread over draws, got {n_draws}.")
    generator = as_generator(random_state)
    for _ in range(n_draws):
        chosen = generator.choice(n_a, size, replace=False)
        yield chosen, chosen if n_a == n_b else generator.choice(n_b, size, replace=False)


def subset(distances: Floats, chosen: Indices) -> Floats:
    """Return the condensed distances among some of the stimuli."""
    if chosen.size == n_points(distances.size) and (np.diff(chosen) == 1).all():
        return distances
    return np.asarray(squareform(squareform(distances)[np.ix_(chosen, chosen)], checks=False))


def spread(draws: Floats) -> float:
    """Return the standard deviation over draws, 0 where all stimuli were used once."""
    return float(draws.std(ddof=1)) if draws.size > 1 else 0.0


@METRICS.register(
    "rtd",
    kind="distance",
    inputs="RDMs",
    range=(0.0, float("inf")),
    higher_is_closer=False,
    invariant_to=("scale", "stimulus-permutation", "symmetry"),
    unit=".9 quantile of the distances",
    paper="Barannikov et al. 2022, doi:10.48550/arXiv.2201.00058",
    summary="scales over which two systems join the same stimuli in other components and loops",
)
def _rtd(a: ArrayLike, b: ArrayLike) -> float:
    return representation_topology_divergence(a, b).value
