"""How far two systems are apart in their topology, with equally many stimuli and a common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState
from .._arrays import torch_too
from .._registry import METRICS
from .betti import betti_distance
from .diagrams import diagram_distance
from .divergence import (
    Normalisation,
    drawn_stimuli,
    normalised,
    representation_topology_divergence,
    spread,
    subset,
)
from .homology import PersistenceDiagrams, check_distances, n_points, persistent_homology

DiagramMethod = Literal["betti", "bottleneck", "wasserstein"]
TopologyMethod = Literal["betti", "bottleneck", "rtd", "wasserstein"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TopologyComparison:
    """Result of :func:`compare_topology`.

    Attributes
    ----------
    value : float
        Mean over the draws.
    sd : float
        Standard deviation over the draws; 0 where all stimuli were used and nothing was drawn.
    draws : ndarray of shape (n_draws,)
        Distance of each draw.
    n_stimuli : int
        Stimuli of either system in a draw.
    """

    value: float
    sd: float
    draws: Floats
    n_stimuli: int


@torch_too
def compare_topology(
    a: ArrayLike,
    b: ArrayLike,
    *,
    method: TopologyMethod = "wasserstein",
    dimensions: int | Sequence[int] | None = None,
    normalise: Normalisation = "quantile",
    n_stimuli: int | None = None,
    n_draws: int = 10,
    random_state: RandomState = 0,
) -> TopologyComparison:
    """Compare the topology of two systems by their RDMs, always over equally many stimuli.

    - ``"wasserstein"``, ``"bottleneck"``: distance of their persistence diagrams (orders 1 and infinity;
      see :func:`diagram_distance`);
    - ``"betti"``: area between their Betti curves;
    - ``"rtd"``: :func:`representation_topology_divergence`, the only one that sees which stimulus is which
      and so needs the same stimuli on both sides.

    Parameters
    ----------
    a, b : array of shape (n_pairs,), or symmetric of shape (n_stimuli, n_stimuli)
        Distances, 0 or more. Except for "rtd" the stimuli may be others, and more on one side.
    method : {"wasserstein", "bottleneck", "betti", "rtd"}, default="wasserstein"
        See above.
    dimensions : int or sequence of int, optional
        Dimensions whose diagrams are compared: 0 components, 1 loops. Distances of several are summed, for
        "bottleneck" the largest is taken. By default (0, 1); "rtd" takes none.
    normalise : {"quantile", "max", "none"}, default="quantile"
        Divide each system's distances by their own .9 quantile (of the whole matrix) or largest one, in each
        draw. With "none" a difference of scale counts as one of topology.
    n_stimuli : int, optional
        Draw so many stimuli from both without replacement, `n_draws` times: the same stimuli where both have
        equally many, otherwise independently. By default the smaller number of the two.
    n_draws : int, default=10
        Draws; of no effect where all stimuli of both are used.
    random_state : int, Generator or None, default=0
        Source of the draws.

    Returns
    -------
    result : TopologyComparison
        0 or more, larger is less alike; in units of `normalise`.

    Raises
    ------
    InputError
        For an unknown option, distances that are negative, NaN or infinite, fewer than 3 stimuli, different
        stimulus counts with "rtd", or an RDM whose scale is 0.

    Notes
    -----
    Diagrams lose the stimuli's names: two systems that are alike here may represent each stimulus quite
    differently, and shuffling the stimuli of one changes nothing. For a test see
    :func:`alignkit.stats.group_permutation_topology`, and for "rtd"
    :func:`alignkit.stats.stimulus_permutation_topology`.

    References
    ----------
    See :func:`diagram_distance`, :func:`betti_distance` and :func:`representation_topology_divergence`.

    Examples
    --------
    A square and a star, by their loops:

    >>> square, star = [1.0, 2.0, 1.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    >>> round(compare_topology(square, star, dimensions=1, normalise="none").value, 6)
    0.707107
    """
    check_option("method", method, get_args(TopologyMethod))
    check_option("normalise", normalise, get_args(Normalisation))
    if method == "rtd":
        if dimensions is not None:
            raise InputError(
                f"method 'rtd' takes no `dimensions`, got {dimensions!r}: it has one of its own."
            )
        found = representation_topology_divergence(
            a, b, n_stimuli=n_stimuli, n_draws=n_draws, normalise=normalise, random_state=random_state
        )
        return TopologyComparison(found.value, found.sd, found.draws.mean(axis=1), found.n_stimuli)
    wanted = check_dimensions(dimensions)
    systems = {name: check_distances(name, rdm, min_stimuli=3) for name, rdm in (("a", a), ("b", b))}
    counts = [n_points(distances.size) for distances in systems.values()]
    size = min(counts) if n_stimuli is None else n_stimuli
    draws = []
    chosen_pairs = drawn_stimuli(counts[0], counts[1], size, n_draws, random_state)
    for chosen in track(chosen_pairs, "comparing topology"):
        diagrams = [
            persistent_homology(normalised(subset(rdm, rows), normalise, name), max_dim=max(wanted))
            for (name, rdm), rows in zip(systems.items(), chosen, strict=True)
        ]
        draws.append(distance_of_diagrams(*diagrams, method=method, dimensions=wanted))
    table = np.array(draws)
    return TopologyComparison(float(table.mean()), spread(table), table, size)


def distance_of_diagrams(
    a: PersistenceDiagrams, b: PersistenceDiagrams, *, method: DiagramMethod, dimensions: Sequence[int]
) -> float:
    """Return the distance of two systems' diagrams over several dimensions."""
    if method == "betti":
        return sum(betti_distance(a[dimension], b[dimension]) for dimension in dimensions)
    distances = [diagram_distance(a[dimension], b[dimension], kind=method) for dimension in dimensions]
    return max(distances) if method == "bottleneck" else sum(distances)


def check_dimensions(dimensions: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the dimensions asked for, by default components and loops."""
    if dimensions is None:
        return (0, 1)
    wanted = (dimensions,) if isinstance(dimensions, int) else tuple(dimensions)
    if not wanted or min(wanted) < 0 or len(set(wanted)) < len(wanted):
        raise InputError(f"`dimensions` must be different numbers of 0 or more, got {dimensions!r}.")
    return wanted


def _value(a: ArrayLike, b: ArrayLike, *, method: DiagramMethod) -> float:
    return compare_topology(a, b, method=method).value


def _register() -> None:
    facts: dict[DiagramMethod, tuple[str, str]] = {
        "betti": ("Giusti et al. 2015, doi:10.1073/pnas.1506407112", "area between the Betti curves"),
        "bottleneck": (
            "Cohen-Steiner et al. 2007, doi:10.1007/s00454-006-1276-5",
            "bottleneck distance of the persistence diagrams",
        ),
        "wasserstein": (
            "Cohen-Steiner et al. 2010, doi:10.1007/s10208-010-9060-6",
            "Wasserstein distance of the persistence diagrams",
        ),
    }
    for method, (paper, summary) in facts.items():
        shared: dict[str, Any] = {"kind": "distance", "inputs": "RDMs", "range": (0.0, float("inf"))}
        METRICS.register(
            f"topology-{method}",
            **shared,
            higher_is_closer=False,
            invariant_to=("scale", "stimulus-permutation", "symmetry"),
            unit=".9 quantile of the distances",
            paper=paper,
            summary=f"{summary} of two systems, components and loops",
        )(partial(_value, method=method))


_register()
