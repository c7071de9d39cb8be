"""Persistent homology of model and brain dissimilarities, and how far apart it is."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from ..._core.errors import InputError
from ...metrics import persistent_homology, representation_topology_divergence
from ...metrics.topology.comparison import distance_of_diagrams
from ...metrics.topology.divergence import normalised
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._systems import Distance, System, pairs_of

Floats = NDArray[np.float64]
Method = Literal["wasserstein", "bottleneck", "betti", "rtd"]
_WORDS = {
    "wasserstein": "the Wasserstein distance of their persistence diagrams",
    "bottleneck": "the bottleneck distance of their persistence diagrams",
    "betti": "the area between their Betti curves",
}
_EDELSBRUNNER = (
    "Edelsbrunner H, Letscher D, Zomorodian A (2002). Topological persistence and simplification. Discrete "
    "Comput Geom 28:511-533. doi:10.1007/s00454-002-2885-2"
)
_COHEN = (
    "Cohen-Steiner D, Edelsbrunner H, Harer J (2007). Stability of persistence diagrams. Discrete Comput "
    "Geom 37:103-120. doi:10.1007/s00454-006-1276-5"
)
_BARANNIKOV = (
    "Barannikov S et al. (2022). Representation topology divergence: a method for comparing neural network "
    "representations. ICML. arXiv:2201.00058"
)


@COMPARISONS.register(
    "topology",
    summary="distance of the components and loops of model and brain dissimilarities",
    needs="features or labels; recordings or RDMs",
    paper="Edelsbrunner et al. 2002, doi:10.1007/s00454-002-2885-2; Barannikov et al. 2022, arXiv:2201.00058",
    named_by=("method", "distance"),
)
def topology(
    context: Context,
    *,
    method: Method = "wasserstein",
    distance: Distance = "correlation",
    n_stimuli: int = 30,
    n_draws: int = 3,
) -> Outcome:
    """Compare components and loops over all scales of dissimilarity.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    method : {"wasserstein", "bottleneck", "betti", "rtd"}, default="wasserstein"
        All but "rtd" see how many components and loops there are and at which scales, not which stimuli make
        them: exchanging stimuli changes nothing, and there is no p. "rtd" (representation topology
        divergence) sees which; it costs more, and is held against the mean matrix of all subjects.
    distance : str, default="correlation"
        Between the patterns of two stimuli.
    n_stimuli, n_draws : int, default=30 and 3
        Of "rtd": the mean over so many draws of so many stimuli, whose cost goes with their third power.

    Returns
    -------
    outcome : Outcome
        Distances, 0 for the same topology, of matrices divided by their own .9 quantile.
    """
    if n_stimuli < 8 or n_draws < 2:
        raise InputError(
            f"`n_stimuli` must be at least 8 and `n_draws` at least 2, got {n_stimuli} and {n_draws}."
        )
    if method != "rtd" and (n_stimuli, n_draws) != (30, 3):
        raise InputError(f"`n_stimuli` and `n_draws` belong to method 'rtd'; leave them out with {method!r}.")
    by_draws = method == "rtd"
    measure = _divergence(distance, n_stimuli, n_draws) if by_draws else _of_diagrams(method, distance)
    return compare_by(context, "topology", measure)


def _of_diagrams(method: Any, distance: Distance) -> Measure:
    def prepare(system: System) -> Any:
        return persistent_homology(_scaled(system))

    def compare(model: Any, brain: Any) -> float:
        return float(distance_of_diagrams(model, brain, method=method, dimensions=(0, 1)))

    words = _WORDS[method]
    return Measure(
        metric=f"topology-{method} ({distance})",
        unit="of the .9 quantile",
        prepare=prepare,
        compare=compare,
        settings={"method": method},
        distance=distance,
        lower_is_closer=True,
        bounded=False,
        n_blocks=10,
        note=f"{words[:1].upper()}{words[1:]} (components and loops), 0 for the same",
        methods=f"Topology: model and brain matrices, each divided by its own .9 quantile, are compared by "
        f"{words} (components and loops of the Vietoris-Rips filtration). It does not see which stimuli "
        "make a component or loop.",
        references=(_EDELSBRUNNER, _COHEN),
    )


def _divergence(distance: Distance, n_stimuli: int, n_draws: int) -> Measure:
    def compare(model: Floats, brain: Floats) -> float:
        n_all = len(squareform(model))
        found = representation_topology_divergence(
            model, brain, n_stimuli=min(n_stimuli, n_all), n_draws=n_draws, random_state=0
        )
        return found.value

    return Measure(
        metric=f"topology-rtd ({distance}, mean matrix)",
        unit="of the .9 quantile",
        prepare=lambda system: np.maximum(system.dissimilarities, 0.0),
        compare=compare,
        permute=pairs_of,
        settings={"method": "rtd", "n_stimuli": n_stimuli, "n_draws": n_draws},
        distance=distance,
        lower_is_closer=True,
        bounded=False,
        pooled=True,
        n_blocks=10,
        max_permutations=99,
        note="Representation topology divergence from the mean matrix of all subjects, 0 for the same",
        methods="Representation topology divergence: the summed persistence of what is joined in one system "
        "at a scale where it is not in the other, mean of both directions, between a model's matrix and the "
        f"mean matrix of all subjects, each divided by its own .9 quantile; mean over {n_draws} draw(s) of "
        f"{n_stimuli} stimuli.",
        references=(_BARANNIKOV,),
    )


def _scaled(system: System) -> Floats:
    return normalised(np.maximum(system.dissimilarities, 0.0), "quantile", "system")
