"""Any registered metric of two systems, by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...metrics import METRICS, predictivity, representation_graph
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure
from ._measure_run import compare_by
from ._systems import Brains, Distance, System, brain_systems, model_system, pairs_of

Index = NDArray[np.intp]
# What a metric's inputs are made from, and how their stimuli change places.
_INPUTS = ("RDMs", "graphs", "responses")
_PREDICTIVITY: dict[str, Literal["pls", "ridge", "one-to-one"]] = {
    "one-to-one-predictivity": "one-to-one",
    "pls-predictivity": "pls",
    "ridge-predictivity": "ridge",
}
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
        if name in METRICS and METRICS.facts(name)["kind"] == "statistic":
            raise InputError(
                f"`metric`: {name} is a statistic of one system; use `geometry` with `statistics`."
            )
        raise InputError(f"`metric`: {name!r}, {did_you_mean(name, known)}")
    if n_units is not None and n_units < 1 or n_permutations < 0 or k < 2:
        raise InputError("`n_units` must be at least 1, `k` at least 2 and `n_permutations` at least 0.")
    facts = METRICS.facts(name)
    _refuse_idle(name, str(facts["inputs"]), distance=distance, k=k, n_units=n_units)
    predicts = name in _PREDICTIVITY
    inputs = str(facts["inputs"])
    low, high = facts["range"]
    of_responses = inputs == "responses"
    details = [f"{distance}, {k} neighbours" if inputs == "graphs" else distance] * (not of_responses)
    details += ["reverse"] * reverse
    score = METRICS[name]

    def compare(model: Any, brain: Any) -> float:
        return float(np.mean(score(brain, model) if reverse else score(model, brain)))

    def predict(model: Any, brain: Any) -> float:
        source, target = (brain, model) if reverse else (model, brain)
        # Near-duplicates stay on one side of a split.
        found = predictivity(source[0], target[0], method=_PREDICTIVITY[name], groups=model[1])
        return float(found.median)

    def with_units(system: System, brains: Brains) -> System:
        return replace(system, labels=brains.units)

    def brains_of(roi: str) -> Brains:
        found = brain_systems(context, roi, distance=distance, kind="metric", patterns=True)
        return replace(found, systems=[with_units(system, found) for system in found.systems])

    measure = Measure(
        metric=f"{name} ({', '.join(details)})" if details else name,
        unit=facts["unit"],
        prepare=_prepare(inputs, k, n_units, predicts),
        compare=predict if predicts else compare,
        permute=_permuted(inputs, predicts) if n_permutations and name not in _ORDER_FREE else None,
        brains=brains_of if predicts else None,
        model=(lambda column, brains: with_units(model_system(column, brains.stimulus_ids, distance), brains))
        if predicts
        else None,
        fits="fitted to responses; folds keep near-duplicates together" if predicts else "",
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


def _refuse_idle(name: str, inputs: str, *, distance: str, k: int, n_units: int | None) -> None:
    """Refuse options that this metric does not look at."""
    idle = []
    if inputs == "responses" and distance != "squared-euclidean":
        idle.append("distance")
    if inputs != "graphs" and k != 10:
        idle.append("k")
    if inputs != "responses" and n_units is not None:
        idle.append("n_units")
    if idle:
        raise InputError(f"`metric`: {name} takes {inputs}, and no `{idle[0]}`; leave that out.")


def _prepare(inputs: str, k: int, n_units: int | None, predicts: bool) -> Callable[[System], Any]:
    def responses(system: System) -> Any:
        assert system.patterns is not None  # the measure needs patterns
        n_all = system.patterns.shape[1]
        kept = np.unique(np.linspace(0, n_all - 1, min(n_units or n_all, n_all)).astype(np.intp))
        values = system.patterns[:, kept]
        return (values, system.labels) if predicts else values

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


def _permuted(inputs: str, predicts: bool) -> Callable[[Any, Index], Any]:
    if predicts:
        return lambda state, order: (state[0][order], state[1])
    return _PERMUTE[inputs]


_PERMUTE: dict[str, Callable[[Any, Index], Any]] = {"responses": _rows, "RDMs": pairs_of, "graphs": _nodes}
