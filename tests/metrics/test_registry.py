"""Every declared invariance of every registered metric, and that undeclared ones fail."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import alignkit.metrics
from alignkit.metrics import METRICS, noise_covariance, rdm

FACTS = {"higher_is_closer", "inputs", "invariant_to", "kind", "paper", "range", "summary", "unit"}


def rng():
    return np.random.default_rng(0)


def rotation(n):
    return np.linalg.qr(rng().standard_normal((n, n)))[0]


def mixing(n):
    return rng().standard_normal((n, n)) + 2 * np.eye(n)


# Maps of the units (columns) of a pattern matrix.
UNIT_MAPS = {
    "invertible-linear": lambda X: X @ mixing(X.shape[1]),
    "pattern-scale": lambda X: X * (1 + rng().random((len(X), 1))),
    "pattern-shift": lambda X: X + rng().random((len(X), 1)),
    "permutation": lambda X: X[:, rng().permutation(X.shape[1])],
    "rotation": lambda X: X @ rotation(X.shape[1]),
    "scale": lambda X: 3 * X,
    "shift": lambda X: X + rng().random(X.shape[1]),
}
# Maps of an RDM that the other one does not go through; the last goes through both.
RDM_MAPS = {
    "monotone": lambda values: np.exp(values),
    "scale": lambda values: 3 * values,
    "shift": lambda values: values + 2,
    "stimulus-permutation": None,
    "one-sided-permutation": lambda values: values[rng().permutation(len(values))],
}
COLUMN_MAPS = {
    "column-scale": (lambda A: A, lambda B: B * (1 + rng().random(B.shape[1]))),
    "column-shift": (lambda A: A, lambda B: B + rng().random(B.shape[1])),
    "joint-scale": (lambda A: 3 * A, lambda B: 3 * B),
    "joint-shift": (lambda A: A + 2, lambda B: B + 2),
    "sample-permutation": (lambda A: A[::-1], lambda B: B[::-1]),
    "one-sided-permutation": (lambda A: A, lambda B: B[::-1]),
}
# What follows from a declared invariance and need not be declared.
IMPLIED = {"column-correlation": {"joint-scale", "joint-shift"}}
# Of residuals, a covariance goes along with a permutation; what it must not see is the mean.
RESIDUAL_MAPS = {"scale": UNIT_MAPS["scale"], "shift": UNIT_MAPS["shift"]}


def before_and_after_units(name, change):
    """Return the metric of patterns, and of the same patterns after a change of their units."""
    metric, facts = METRICS[name], METRICS.facts(name)
    if facts["inputs"] == "responses":
        X, Y = rng().standard_normal((12, 6)), rng().standard_normal((12, 6))
        Y += X
        return metric(X, Y), metric(change(X), Y)
    if facts["inputs"] == "trials":
        X, conditions, runs = rng().standard_normal((12, 6)), np.arange(12) % 4, np.arange(12) // 4
        noise = rng().standard_normal((40, 6))
        results = []
        for values, residuals in ((X, noise), (change(X), change(noise))):
            precision = np.linalg.inv(noise_covariance(residuals, shrinkage="none"))
            results.append(metric(values, conditions, runs, precision=precision))
        return tuple(results)
    X = 5 + rng().random((10, 6))
    if name != "mahalanobis-rdm":
        changed = change(X)
        return metric(X), metric(np.abs(changed) if name == "poisson-rdm" else changed)
    noise = rng().standard_normal((40, 6))
    precisions = [np.linalg.inv(noise_covariance(E, shrinkage="none")) for E in (noise, change(noise))]
    return metric(X, precision=precisions[0]), metric(change(X), precision=precisions[1])


def before_and_after(name, map_name):
    metric, inputs = METRICS[name], METRICS.facts(name)["inputs"]
    if inputs == "RDMs":
        X, Y = rng().standard_normal((9, 5)), rng().standard_normal((9, 7))
        first, second = (rdm(values, method="squared-euclidean") for values in (X, Y))
        if map_name == "stimulus-permutation":
            order = rng().permutation(9)
            changed = [rdm(values[order], method="squared-euclidean") for values in (X, Y)]
            return metric(first, second), metric(*changed)
        return metric(first, second), metric(RDM_MAPS[map_name](first), second)
    if inputs == "columns":
        truth = rng().standard_normal((20, 5))
        prediction = truth + np.random.default_rng(1).standard_normal((20, 5))
        change_truth, change_prediction = COLUMN_MAPS[map_name]
        return metric(truth, prediction), metric(change_truth(truth), change_prediction(prediction))
    if inputs == "residuals":
        noise = rng().standard_normal((30, 5))
        return metric(noise), metric(RESIDUAL_MAPS[map_name](noise))
    if map_name == "stimulus-permutation":
        X, Y = rng().standard_normal((12, 6)), rng().standard_normal((12, 6))
        return metric(X, Y), metric(X[::-1], Y[::-1])
    return before_and_after_units(name, UNIT_MAPS[map_name])


def maps_of(name):
    inputs = METRICS.facts(name)["inputs"]
    table = {"RDMs": RDM_MAPS, "columns": COLUMN_MAPS, "residuals": RESIDUAL_MAPS}.get(inputs, UNIT_MAPS)
    return set(table)


DECLARED = [(name, m) for name in METRICS for m in METRICS.facts(name)["invariant_to"]]


@pytest.mark.parametrize(("name", "map_name"), DECLARED)
def test_a_declared_invariance_holds(name, map_name):
    before, after = before_and_after(name, map_name)
    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-9)


@pytest.mark.filterwarnings("ignore:method 'bures'.*:UserWarning")
@pytest.mark.parametrize("name", list(METRICS))
def test_what_is_not_declared_does_not_hold(name):
    undeclared = maps_of(name) - set(METRICS.facts(name)["invariant_to"]) - IMPLIED.get(name, set())
    changes = {}
    for map_name in sorted(undeclared):
        before, after = before_and_after(name, map_name)
        changes[map_name] = float(np.max(np.abs(after - before)))
    assert changes
    assert all(change > 1e-4 for change in changes.values()), changes


@pytest.mark.parametrize("name", list(METRICS))
def test_facts_are_complete_and_the_result_is_in_range(name):
    facts = METRICS.facts(name)
    assert set(facts) == FACTS
    assert facts["kind"] in ("distance", "similarity", "transform", "comparison")
    assert "doi:" in facts["paper"] or "J" in facts["paper"]
    lowest, highest = facts["range"]
    value, _ = before_and_after(name, facts["invariant_to"][0])
    assert (np.asarray(value) >= lowest).all()
    assert (np.asarray(value) <= highest).all()


@pytest.mark.parametrize("name", [n for n in METRICS if METRICS.facts(n)["higher_is_closer"] is not None])
def test_likeness_goes_the_declared_way(name):
    facts = METRICS.facts(name)
    X = 5 + rng().random((10, 6))
    noise = np.random.default_rng(1).random((10, 6)) - 0.5
    metric = METRICS[name]
    if facts["kind"] == "distance":
        rows = np.stack([X[0], X[0] + 0.05 * noise[0], X[0] + 2 * noise[0]])
        options = {"precision": np.eye(6)} if name == "mahalanobis-rdm" else {}
        if facts["inputs"] == "trials":
            near, far, _ = metric(np.tile(rows, (2, 1)), [0, 1, 2] * 2, [0, 0, 0, 1, 1, 1])
        else:
            near, far, _ = metric(rows, **options)
        assert near < far
        return
    if facts["inputs"] == "RDMs":
        values = [rdm(X + k * noise, method="squared-euclidean") for k in (0, 0.05, 2)]
    else:
        values = [X + k * noise for k in (0, 0.05, 2)]
    assert np.mean(metric(values[0], values[1])) > np.mean(metric(values[0], values[2]))


def test_the_package_lists_what_it_hands_on_and_stays_light():
    assert alignkit.metrics.__all__ == sorted(alignkit.metrics.__all__)
    assert set(dir(alignkit.metrics)) == set(alignkit.metrics.__all__)
    for name in alignkit.metrics.__all__:
        assert callable(getattr(alignkit.metrics, name)) or name == "METRICS"
    with pytest.raises(AttributeError, match="no attribute 'rdms'"):
        alignkit.metrics.rdms  # noqa: B018
    heavy = "[m for m in ('torch', 'scipy', 'sklearn') if m in sys.modules]"
    code = f"import sys, alignkit.metrics, alignkit.solvers; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
