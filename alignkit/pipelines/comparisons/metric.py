"""Any registered metric of two systems, by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...metrics import METRICS, representation_graph
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._systems import Distance, System, pairs_of

Index = NDArray[np.intp]
# What a metric's inputs are made from, and how their stimuli change places.
_INPUTS = ("RDMs", "graphs", "responses")
# They do not see which stimulus is which.
_ORDER_FREE = (
    "curvature-distribution-distance",
    "topology-betti",
    "topology-bottleneck",
    "topology-wasserstein",
)
# Their expectation does not depend on the number of stimuli, and is 0 without a relation.
_SIZE_FREE = ("cka", "pearson", "rho-a", "spearman", "tau-a", "tau-b", "whitened-correlation")


@COMPARISONS.register(
    "metric",
    summary="any metric of two systems that `alignkit list metrics` shows, by its name",
    needs="features; recordings, or RDMs for metrics of RDMs and graphs",
    paper="by metric; see `alignkit list metrics`",
    named_by=("name", "reverse", "distance", "k"),
)
def metric(
    context: Context,
    *,
    name: str,
    reverse: bool = False,
    distance: Distance = "squared-euclidean",
    k: int = 10,
    n_units: int | None = None,
    n_permutations: int = 99,
) -> Outcome:
    """Compare by a registered metric, with its own defaults.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    name : str
        A metric whose inputs are "responses", "RDMs" or "graphs".
    reverse : bool, default=False
        Give the responses first and the model second: of metrics that are not symmetric, the other direction.
    distance : str, default="squared-euclidean"
        Of RDMs and graphs, between the patterns of two stimuli.
    k : int, default=10
        Of graphs, neighbours of each stimulus.
    n_units : int, optional
        Of responses, at most so many units of a layer, evenly spread; metrics of single units need it for
        layers of thousands.
    n_permutations : int, default=99
        Exchanges of stimuli, for a p; metrics that do not see which stimulus is which have none.

    Returns
    -------
    outcome : Outcome
        Values per subject, layer and model.
    """
    known = [each for each in METRICS if METRICS.facts(each)["inputs"] in _INPUTS]
    if name not in known:
        raise InputError(f"`metric`: {name!r}, {did_you_mean(name, known)}")
    if n_units is not None and n_units < 1 or n_permutations < 0 or k < 2:
        raise InputError("`n_units` must be at least 1, `k` at least 2 and `n_permutations` at least 0.")
    facts = METRICS.facts(name)
    inputs = str(facts["inputs"])
    low, high = facts["range"]
    of_responses = inputs == "responses"
    details = [f"{distance}, {k} neighbours" if inputs == "graphs" else distance] * (not of_responses)
    details += ["reverse"] * reverse
    score = METRICS[name]

    def compare(model: Any, brain: Any) -> float:
        return float(np.mean(score(brain, model) if reverse else score(model, brain)))

    measure = Measure(
        metric=f"{name} ({', '.join(details)})" if details else name,
        unit=facts["unit"],
        prepare=_prepare(inputs, k, n_units),
        compare=compare,
        permute=_PERMUTE[inputs] if n_permutations and name not in _ORDER_FREE else None,
        settings={"name": name, "reverse": reverse, "k": k, "n_units": n_units, "null": n_permutations},
        distance=distance,
        needs_patterns=of_responses,
        lower_is_closer=not facts["higher_is_closer"],
        bounded=bool(-1 <= low and high <= 1),
        zero_is_chance=name in _SIZE_FREE,
        size_free=name in _SIZE_FREE,
        n_blocks=10,
        max_permutations=n_permutations,
        note=f"{facts['summary'][:1].upper()}{facts['summary'][1:]}",
        methods=f"{name}: {facts['summary']}.",
        references=(facts["paper"],),
    )
    return compare_by(context, "metric", measure)


def _prepare(inputs: str, k: int, n_units: int | None) -> Callable[[System], Any]:
    def responses(system: System) -> Any:
        assert system.patterns is not None  # the measure needs patterns
        n_all = system.patterns.shape[1]
        if n_units is None or n_units >= n_all:
            return system.patterns
        return system.patterns[:, np.unique(np.linspace(0, n_all - 1, n_units).astype(np.intp))]

    makers: dict[str, Callable[[System], Any]] = {
        "responses": responses,
        "RDMs": lambda system: system.dissimilarities,
        "graphs": lambda system: representation_graph(system.dissimilarities, k=k),
    }
    return makers[inputs]


def _rows(values: Any, order: Index) -> Any:
    return values[order]


def _nodes(graph: Any, order: Index) -> Any:
    return graph[order][:, order]


_PERMUTE: dict[str, Callable[[Any, Index], Any]] = {"responses": _rows, "RDMs": pairs_of, "graphs": _nodes}
