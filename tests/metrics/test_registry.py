"""Every declared invariance of every registered metric, and that undeclared ones fail."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_limits

import alignkit.metrics
from alignkit.metrics import METRICS, noise_covariance, rdm

FACTS = {"higher_is_closer", "inputs", "invariant_to", "kind", "paper", "range", "summary", "unit"}
KINDS = ("distance", "similarity", "statistic", "transform", "comparison")


def rng(seed=0):
    return np.random.default_rng(seed)


def rotation(n):
    return np.linalg.qr(rng(5).standard_normal((n, n)))[0]


def with_lengths(graph, lengths):
    return csr_array((lengths, graph.indices, graph.indptr), shape=graph.shape)


# Maps of the units (columns) of a pattern matrix, trials and repeats included: units are the last axis.
UNIT_MAPS = {
    "invertible-linear": lambda X: X @ (rng(6).standard_normal((X.shape[-1],) * 2) + 2 * np.eye(X.shape[-1])),
    "pattern-scale": lambda X: X * (1 + rng(7).random((X.shape[-2], 1))),
    "pattern-shift": lambda X: X + rng(7).random((X.shape[-2], 1)),
    "permutation": lambda X: X[..., rng(8).permutation(X.shape[-1])],
    "rotation": lambda X: X @ rotation(X.shape[-1]),
    "scale": lambda X: 3 * X,
    "shift": lambda X: X + rng(9).random(X.shape[-1]),
    "unit-scale": lambda X: X * (1 + rng(10).random(X.shape[-1])),
}
# Maps of an RDM that the other one does not go through.
RDM_MAPS = {
    "monotone": lambda values: np.exp(values),
    "scale": lambda values: 3 * values,
    "shift": lambda values: values + 2,
}
GRAPH_MAPS = {
    "monotone": lambda graph: with_lengths(graph, np.exp(8 * graph.data)),
    "scale": lambda graph: with_lengths(graph, 3 * graph.data),
    "shift": lambda graph: with_lengths(graph, graph.data + 2),
}
TIME_MAPS = {**UNIT_MAPS, "time-reversal": lambda X: X[::-1]}
COLUMN_MAPS = {
    "column-scale": (lambda A: A, lambda B: B * (1 + rng(7).random(B.shape[1]))),
    "column-shift": (lambda A: A, lambda B: B + rng(7).random(B.shape[1])),
    "joint-scale": (lambda A: 3 * A, lambda B: 3 * B),
    "joint-shift": (lambda A: A + 2, lambda B: B + 2),
    "sample-permutation": (lambda A: A[::-1], lambda B: B[::-1]),
    "one-sided-permutation": (lambda A: A, lambda B: B[::-1]),
}
# What follows from a declared invariance and need not be declared.
FOLLOWS = {
    "column-scale": {"joint-scale"},
    "column-shift": {"joint-shift"},
    "invertible-linear": {"permutation", "rotation", "scale", "unit-scale"},
    "rotation": {"permutation"},
}
# These do not see which stimulus is which.
ORDER_FREE = {
    "bottleneck",
    "curvature-distribution-distance",
    "topology-betti",
    "topology-bottleneck",
    "topology-wasserstein",
    "wasserstein",
}


def patterns(n=26, p=6, seed=0):
    return 5 + rng(seed).random((n, p))


def responses():
    latents = rng(0).standard_normal((90, 5))
    return tuple(
        latents @ rng(k).standard_normal((5, 30)) + rng(k + 2).standard_normal((90, 30)) for k in (1, 2)
    )


def labels(n):
    return np.arange(n) % 3


def ring_rdm(seed=0):
    # Points near a ring, so that there is something for topology and graphs to see.
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points = np.stack([np.cos(angle), np.sin(2 * angle)], axis=1) + 0.2 * rng(seed).standard_normal((20, 2))
    return rdm(points, method="euclidean")


def graph_of(distances):
    n = len(squareform(distances))
    square = squareform(distances)
    nearest = np.argsort(square, axis=1)[:, 1:5]
    adjacency = np.zeros((n, n))
    np.put_along_axis(adjacency, nearest, np.take_along_axis(square, nearest, axis=1), axis=1)
    return csr_array(np.maximum(adjacency, adjacency.T))


def permuted(distances, order):
    return squareform(squareform(distances)[np.ix_(order, order)], checks=False)


def permuted_graph(graph, order):
    return csr_array(csr_array(graph[order])[:, order])


def diagram(seed=0):
    births = rng(seed).random(5)
    return np.stack([births, births + 0.1 + rng(seed + 1).random(5)], axis=1)


def repeats(seed):
    return 2 * rng(seed).standard_normal((1, 9, 4)) + rng(seed + 9).standard_normal((12, 9, 4))


def by_rows(X, order):
    return X[order]


RATE_MAPS = {name: UNIT_MAPS[name] for name in UNIT_MAPS if name not in ("rotation", "invertible-linear")}
# Per kind of input: how the arguments are made, the maps of the first, and how stimuli change their order.
INPUTS = {
    "diagram": (lambda: (diagram(),), RDM_MAPS, by_rows),
    "diagrams": (lambda: (diagram(0), diagram(5)), RDM_MAPS, by_rows),
    "graph": (lambda: (graph_of(ring_rdm()),), GRAPH_MAPS, permuted_graph),
    "graphs": (lambda: (graph_of(ring_rdm(0)), graph_of(ring_rdm(3))), GRAPH_MAPS, permuted_graph),
    "labelled": (lambda: (patterns(30) + labels(30)[:, None], labels(30)), UNIT_MAPS, by_rows),
    "matrix": (lambda: (rng().standard_normal((60, 40)) * np.linspace(0.2, 3, 40),), UNIT_MAPS, by_rows),
    "patterns": (lambda: (patterns(),), UNIT_MAPS, by_rows),
    "rates": (lambda: (patterns() - 4.9,), RATE_MAPS, by_rows),
    "RDM": (lambda: (ring_rdm(),), RDM_MAPS, permuted),
    "RDMs": (lambda: (ring_rdm(0) ** 2, ring_rdm(3) ** 2), RDM_MAPS, permuted),
    "repeats": (lambda: (repeats(3), repeats(4)), UNIT_MAPS, lambda X, order: X[:, order]),
    "responses": (responses, UNIT_MAPS, by_rows),
    "trajectory": (lambda: (np.cumsum(rng().random((14, 6)), axis=0),), TIME_MAPS, by_rows),
}
TWO_SIDED = ("diagrams", "graphs", "RDMs", "repeats", "responses")
# Where noise is part of the metric, it goes through the same map as the patterns.
WITH_NOISE = ("crossnobis-rdm", "mahalanobis-rdm")
COUNTS = ("poisson-rdm", "crossvalidated-poisson-rdm")


def numbers(value):
    return value.data if isinstance(value, csr_array) else np.asarray(value, dtype=np.float64)


def n_items(argument, inputs):
    if inputs in ("RDM", "RDMs"):
        return len(squareform(argument))
    return argument.shape[1] if inputs == "repeats" else argument.shape[0]


def before_and_after(name, map_name):
    """Return the metric, and the metric after a map of its first argument, or of both."""
    metric, inputs = METRICS[name], METRICS.facts(name)["inputs"]
    if inputs == "columns":
        truth = rng().standard_normal((20, 5))
        prediction = truth + rng(1).standard_normal((20, 5))
        change_truth, change_prediction = COLUMN_MAPS[map_name]
        return metric(truth, prediction), metric(change_truth(truth), change_prediction(prediction))
    if inputs == "residuals":
        noise = rng().standard_normal((30, 5))
        return metric(noise), metric(UNIT_MAPS[map_name](noise))
    if inputs == "trials" or name in WITH_NOISE:
        return before_and_after_noise(name, map_name)
    make, maps, reorder = INPUTS[inputs]
    arguments = make()
    before = metric(*arguments)
    if map_name == "symmetry":
        return before, metric(*arguments[::-1])
    if map_name in ("stimulus-permutation", "one-sided-permutation"):
        order = rng(11).permutation(n_items(arguments[0], inputs))
        both = map_name == "stimulus-permutation"
        changed = [reorder(a, order) if both or i == 0 else a for i, a in enumerate(arguments)]
        # Values per pair, node or edge come in the order of the stimuli.
        return np.sort(numbers(before), axis=None), np.sort(numbers(metric(*changed)), axis=None)
    changed = maps[map_name](arguments[0])
    return before, metric(np.abs(changed) if name in COUNTS else changed, *arguments[1:])


def before_and_after_noise(name, map_name):
    metric, conditions, runs = METRICS[name], np.arange(12) % 4, np.arange(12) // 4
    if map_name == "stimulus-permutation":
        X, order = patterns(12), rng(11).permutation(12)
        rest = (conditions, runs) if METRICS.facts(name)["inputs"] == "trials" else ()
        options = {"precision": np.eye(6)} if name in WITH_NOISE else {}
        results = [metric(X, *rest, **options), metric(X[order], *[r[order] for r in rest], **options)]
        return [np.sort(result) for result in results]
    change, results = UNIT_MAPS[map_name], []
    noise = rng().standard_normal((40, 6))
    for values, residuals in ((patterns(12), noise), (change(patterns(12)), change(noise))):
        options = {}
        if name in WITH_NOISE:
            options["precision"] = np.linalg.inv(noise_covariance(residuals, shrinkage="none"))
        values = np.abs(values) if name in COUNTS else values
        rest = (conditions, runs) if METRICS.facts(name)["inputs"] == "trials" else ()
        results.append(metric(values, *rest, **options))
    return results


def maps_of(name):
    inputs = METRICS.facts(name)["inputs"]
    if inputs == "columns":
        return set(COLUMN_MAPS)
    if inputs == "residuals":
        return {"scale", "shift"}
    maps = {"stimulus-permutation"} | (set(UNIT_MAPS) if inputs == "trials" else set(INPUTS[inputs][1]))
    return maps | ({"symmetry", "one-sided-permutation"} if inputs in TWO_SIDED else set())


DECLARED = [(name, m) for name in METRICS for m in METRICS.facts(name)["invariant_to"]]
quiet = pytest.mark.filterwarnings("ignore::UserWarning")


@quiet
@pytest.mark.parametrize(("name", "map_name"), DECLARED)
def test_a_declared_invariance_holds(name, map_name):
    before, after = before_and_after(name, map_name)
    np.testing.assert_allclose(numbers(after), numbers(before), rtol=1e-7, atol=1e-9)


@quiet
@pytest.mark.parametrize("name", list(METRICS))
def test_what_is_not_declared_does_not_hold(name):
    declared = set(METRICS.facts(name)["invariant_to"])
    implied = set().union(*(FOLLOWS.get(map_name, set()) for map_name in declared))
    changes = {}
    undeclared = maps_of(name) - declared - implied
    for map_name in sorted(undeclared):
        before, after = before_and_after(name, map_name)
        changes[map_name] = float(np.max(np.abs(numbers(after) - numbers(before))))
    if name in ORDER_FREE:
        assert changes.pop("one-sided-permutation") < 1e-12
    small = {m: change for m, change in changes.items() if not change > 1e-6}
    assert not small, small


@quiet
@pytest.mark.parametrize("name", list(METRICS))
def test_facts_are_complete_and_the_result_is_in_range(name):
    facts = METRICS.facts(name)
    assert set(facts) == FACTS
    assert facts["kind"] in KINDS
    assert "doi:" in facts["paper"] or "J" in facts["paper"] or "arXiv" in facts["paper"]
    lowest, highest = facts["range"]
    value, _ = before_and_after(name, facts["invariant_to"][0])
    assert np.isfinite(numbers(value)).all()
    assert (numbers(value) >= lowest).all()
    assert (numbers(value) <= highest).all()


@quiet
@pytest.mark.parametrize("name", [n for n in METRICS if METRICS.facts(n)["higher_is_closer"] is not None])
def test_likeness_goes_the_declared_way(name):
    facts, metric = METRICS.facts(name), METRICS[name]
    inputs, sign = facts["inputs"], 1 if facts["higher_is_closer"] else -1
    if facts["kind"] == "distance" and inputs in ("patterns", "trials"):
        near, far = rdm_of_three(name)
        assert near < far
        return
    X, noise = 5 + rng().random((40, 6)), rng(1).random((40, 6)) - 0.5
    steps = (0, 0.05, 2)
    if inputs == "RDMs":
        values = [rdm(X[:12] + k * noise[:12], method="squared-euclidean") for k in steps]
    elif inputs == "graphs":
        values = [graph_of(rdm(X[:16] + k * noise[:16], method="euclidean")) for k in steps]
    elif inputs == "diagrams":
        values = [diagram() + k * np.abs(noise[:5, :1]) * [[0, 1]] for k in steps]
    elif inputs == "repeats":
        values = [X[:9, :4] + k * noise[:9, :4] + 0.1 * rng(2).standard_normal((12, 9, 4)) for k in steps]
    else:
        X = responses()[0]
        # Other latents, not noise of single units: some metrics rightly do not see that.
        other = rng(7).standard_normal((90, 5)) @ rng(8).standard_normal((5, 30))
        values = [X + k * other for k in steps]
    near, far = (np.mean(metric(values[0], other)) for other in values[1:])
    assert sign * near > sign * far


def rdm_of_three(name):
    X = 5 + rng().random((3, 6))
    noise = rng(1).random((3, 6)) - 0.5
    rows = np.stack([X[0], X[0] + 0.05 * noise[0], X[0] + 2 * noise[0]])
    if METRICS.facts(name)["inputs"] == "trials":
        return METRICS[name](np.tile(rows, (2, 1)), [0, 1, 2] * 2, [0, 0, 0, 1, 1, 1])[:2]
    options = {"precision": np.eye(6)} if name in WITH_NOISE else {}
    return METRICS[name](rows, **options)[:2]


def test_the_package_lists_what_it_hands_on_and_stays_light():
    assert alignkit.metrics.__all__ == sorted(alignkit.metrics.__all__)
    assert set(dir(alignkit.metrics)) == set(alignkit.metrics.__all__)
    for name in alignkit.metrics.__all__:
        assert callable(getattr(alignkit.metrics, name)) or name == "METRICS"
    with pytest.raises(AttributeError, match="no attribute 'rdms'"):
        alignkit.metrics.rdms  # noqa: B018
    heavy = "[m for m in ('torch', 'scipy', 'sklearn', 'ot', 'ripser') if m in sys.modules]"
    code = f"import sys, alignkit.metrics, alignkit.solvers; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def with_first_changed(name, change):
    """Return the metric of its usual arguments, the first of them (and the noise) changed."""
    metric, inputs = METRICS[name], METRICS.facts(name)["inputs"]
    if inputs == "columns":
        truth = rng().standard_normal((20, 5))
        return metric(truth, change(truth + rng(1).standard_normal((20, 5))))
    if inputs == "residuals":
        return metric(change(rng().standard_normal((30, 5))))
    if inputs == "trials" or name in WITH_NOISE:
        rest = (np.arange(12) % 4, np.arange(12) // 4) if inputs == "trials" else ()
        noise = noise_covariance(change(rng().standard_normal((40, 6))), shrinkage="none")
        options = {"precision": np.linalg.inv(noise)} if name in WITH_NOISE else {}
        return metric(change(patterns(12)), *rest, **options)
    first, *others = INPUTS[inputs][0]()
    if isinstance(first, csr_array):
        return metric(with_lengths(first, change(first.data)), *others)
    return metric(change(first), *others)


def off(after, before):
    return np.max(np.abs(numbers(after) - numbers(before))) / np.max(np.abs(numbers(before)))


def invariant(*maps):
    return [n for n in METRICS if set(maps) & set(METRICS.facts(n)["invariant_to"])]


@quiet
@pytest.mark.parametrize("factor", [1e-12, 1e12])
@pytest.mark.parametrize("name", invariant("scale", "column-scale"))
def test_any_unit_of_measurement_gives_the_same(name, factor):
    assert off(with_first_changed(name, lambda x: factor * x), with_first_changed(name, lambda x: x)) < 1e-9


@quiet
@pytest.mark.parametrize("name", invariant("shift", "column-shift"))
def test_a_large_common_offset_costs_no_more_than_the_digits_it_takes_from_the_data(name):
    after = with_first_changed(name, lambda x: x + 1e8)
    assert off(after, with_first_changed(name, lambda x: x)) < 1e-6
    assert off(after, with_first_changed(name, lambda x: (x + 1e8) - 1e8)) < 1e-7


@quiet
@pytest.mark.parametrize("name", invariant("unit-scale"))
def test_units_of_all_sizes_give_the_same(name):
    spread = with_first_changed(name, lambda x: x * np.logspace(-12, 12, x.shape[-1]))
    assert off(spread, with_first_changed(name, lambda x: x)) < 1e-8


@quiet
@pytest.mark.parametrize("name", list(METRICS))
def test_float32_is_as_good_as_its_digits(name):
    before = with_first_changed(name, lambda x: x)
    after = with_first_changed(name, lambda x: x.astype(np.float32))
    rounded = with_first_changed(name, lambda x: x.astype(np.float32).astype(np.float64))
    assert off(after, before) < 1e-5
    assert off(after, rounded) < 1e-9


# These take seconds at a size that several threads share.
SLOW = ("delta-hyperbolicity", "pls-predictivity", "ridge-predictivity")


@quiet
@pytest.mark.parametrize("name", [n for n in METRICS if n not in SLOW])
def test_the_number_of_threads_of_the_matrix_library_does_not_matter(name):
    inputs, found = METRICS.facts(name)["inputs"], []
    latents = rng(0).standard_normal((150, 5))
    X, Y = (latents @ rng(k).standard_normal((5, 60)) + rng(k + 2).standard_normal((150, 60)) for k in (1, 5))
    arguments = {"patterns": (np.abs(X),), "responses": (X, Y), "labelled": (X, labels(150)), "matrix": (X,)}
    for threads in (1, 2):
        with threadpool_limits(threads):
            if inputs in arguments and name not in WITH_NOISE:
                found.append(METRICS[name](*arguments[inputs]))
            else:
                found.append(with_first_changed(name, lambda x: x))
    assert off(*found) < 1e-9
