"""Discrete curvature of representational graphs, in models and in the brain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...metrics import forman_ricci, node_curvature, ollivier_ricci, representation_graph
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._systems import Distance, System

Floats = NDArray[np.float64]
Curvature = Literal["ollivier", "forman", "augmented-forman", "balanced-forman"]
_OLLIVIER = (
    "Ollivier Y (2009). Ricci curvature of Markov chains on metric spaces. J Funct Anal 256:810-864. "
    "doi:10.1016/j.jfa.2008.11.001"
)
_FORMAN = (
    "Forman R (2003). Bochner's method for cell complexes and combinatorial Ricci curvature. Discrete "
    "Comput Geom 29:323-374. doi:10.1007/s00454-002-0743-x"
)


@COMPARISONS.register(
    "curvature",
    summary="likeness of the node curvature of nearest-neighbour graphs of model and brain",
    needs="features or labels; recordings or RDMs",
    paper="Ollivier 2009, doi:10.1016/j.jfa.2008.11.001; Forman 2003, doi:10.1007/s00454-002-0743-x",
    named_by=("curvature", "k", "distance"),
)
def curvature(
    context: Context,
    *,
    curvature: Curvature = "ollivier",
    k: int = 10,
    alpha: float = 0.5,
    distance: Distance = "correlation",
) -> Outcome:
    """Compare where graphs of nearest neighbours are dense (curvature above 0) and where they branch.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    curvature : {"ollivier", "forman", "augmented-forman", "balanced-forman"}, default="ollivier"
        Which curvature of an edge; that of a stimulus is the mean over its edges.
    k : int, default=10
        Neighbours of each stimulus.
    alpha : float, default=0.5
        Of Ollivier-Ricci curvature: the mass that stays.
    distance : str, default="correlation"
        Between the patterns of two stimuli.

    Returns
    -------
    outcome : Outcome
        Correlations over stimuli of model and brain curvature.
    """
    if k < 2:
        raise InputError(f"`k` must be at least 2 neighbours, got {k}.")
    if curvature != "ollivier" and alpha != 0.5:
        raise InputError(f"`alpha` belongs to curvature 'ollivier'; leave it out with {curvature!r}.")

    def prepare(system: System) -> Floats:
        n_stimuli = round((1 + np.sqrt(1 + 8 * len(system.dissimilarities))) / 2)
        if k > n_stimuli // 2:
            raise InputError(f"`k` is {k}, more than half of the {n_stimuli} stimuli. Use fewer neighbours.")
        if not (system.dissimilarities > 0).all():
            raise InputError(
                "some stimuli are no distance apart (as in a model that knows categories only), and have no "
                "nearest neighbours. Leave that model out with `models`."
            )
        graph = representation_graph(system.dissimilarities, k=k)
        edges = _edges(graph, curvature, alpha)
        return _standardised(np.asarray(node_curvature(edges), dtype=np.float64), curvature)

    name = {"ollivier": f"Ollivier-Ricci (laziness {alpha:g})"}.get(curvature, f"{curvature} Ricci")
    measure = Measure(
        metric=f"curvature-{curvature} ({distance}, {k} neighbours)",
        unit="r",
        prepare=prepare,
        compare=lambda model, brain: float(model @ brain),
        permute=lambda nodes, order: nodes[order],
        pool=_pool,
        version=2,
        settings={"curvature": curvature, "k": k, "alpha": alpha},
        distance=distance,
        n_blocks=10,
        note=f"Correlation over stimuli of the {name} curvature in model and brain",
        methods=f"Curvature: stimuli are joined with their {k} nearest neighbours; the {name} curvature of a "
        "stimulus is the mean over its edges, and model and brain are compared by its correlation over "
        "stimuli. It goes along with how many neighbours a stimulus has.",
        references=(_OLLIVIER if curvature == "ollivier" else _FORMAN,),
    )
    return compare_by(context, "curvature", measure)


def _edges(graph: Any, curvature: Curvature, alpha: float) -> Any:
    if curvature == "ollivier":
        return ollivier_ricci(graph, alpha=alpha, length_scale="median")
    variants: dict[str, Any] = {"forman": "plain", "augmented-forman": "augmented"}
    return forman_ricci(graph, variant=variants.get(curvature, "balanced"))


def _standardised(nodes: Floats, curvature: str) -> Floats:
    centred = nodes - nodes.mean()
    norm = np.linalg.norm(centred)
    if norm <= 1e-12 * np.abs(nodes).max():
        raise InputError(
            f"the {curvature} curvature is the same at all {len(nodes)} stimuli somewhere (as of a model "
            "that knows categories only): there is no correlation. Leave that model out with `models`."
        )
    return np.asarray(centred / norm)


def _pool(nodes: Sequence[Floats]) -> Floats:
    return _standardised(np.mean(nodes, axis=0), "mean")
