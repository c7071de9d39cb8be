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
from ._region import Column
from ._systems import Brains, Distance, System, brain_systems, model_system, pairs_of, some_units

Floats = NDArray[np.float64]
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
    _check_name(name)
    if n_units is not None and n_units < 1 or n_permutations < 0 or k < 2:
        raise InputError("`n_units` must be at least 1, `k` at least 2 and `n_permutations` at least 0.")
    facts = METRICS.facts(name)
    inputs = str(facts["inputs"])
    _refuse_idle(name, inputs, distance=distance, k=k, n_units=n_units)
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
    if name in _PREDICTIVITY:
        measure = _with_groups(context, measure, name, reverse)
    return compare_by(context, "metric", measure)


def _with_groups(context: Context, measure: Measure, name: str, reverse: bool) -> Measure:
    """Return a measure whose folds keep near-duplicates on one side of a split."""

    def predict(model: Any, brain: Any) -> float:
        source, target = (brain, model) if reverse else (model, brain)
        found = predictivity(source[0], target[0], method=_PREDICTIVITY[name], groups=model[1])
        return float(found.median)

    def brains(roi: str) -> Brains:
        found = brain_systems(context, roi, distance=measure.distance, kind="metric", patterns=True)
        return replace(found, systems=[replace(system, labels=found.units) for system in found.systems])

    def model(column: Column, brains: Brains) -> System:
        return replace(model_system(column, brains.stimulus_ids, measure.distance), labels=brains.units)

    return replace(
        measure,
        prepare=lambda system: (measure.prepare(system), system.labels),
        compare=predict,
        permute=None if measure.permute is None else (lambda state, order: (state[0][order], state[1])),
        brains=brains,
        model=model,
        fits="fitted to responses; folds keep near-duplicates together",
    )


def _check_name(name: str) -> None:
    known = [each for each in METRICS if METRICS.facts(each)["inputs"] in _INPUTS]
    if name in known:
        return
    if name in METRICS and METRICS.facts(name)["kind"] == "statistic":
        raise InputError(f"`metric`: {name} is a statistic of one system; use `geometry` with `statistics`.")
    raise InputError(f"`metric`: {name!r}, {did_you_mean(name, known)}")


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


def _prepare(inputs: str, k: int, n_units: int | None) -> Callable[[System], Any]:
    def responses(system: System) -> Floats:
        assert system.patterns is not None  # the measure needs patterns
        return system.patterns if n_units is None else some_units(system.patterns, n_units)

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
