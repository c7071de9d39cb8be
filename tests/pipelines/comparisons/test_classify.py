from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import classify
from alignkit.recordings import Recording, Study


def dataset(effect, *, n_runs=8, runs=True):
    rng = np.random.default_rng(3)
    names = ["face", "house", "cat", "shoe"]
    patterns = effect * rng.standard_normal((4, 30))
    data = np.concatenate([patterns + rng.standard_normal((4, 30)) for _ in range(n_runs)])
    samples = pd.DataFrame({"stimulus_id": names * n_runs})
    if runs:
        samples["run"] = np.repeat(np.arange(n_runs), 4).astype(str)
    channels = pd.DataFrame({"name": [f"v{i}" for i in range(30)]})
    recording = Recording(data.astype(np.float32), samples, channels)
    return Dataset("toy", study=Study.of(recording), conditions="stimulus_id")


@pytest.mark.parametrize("classifier", ["correlation", "lda", "logistic"])
def test_planted_conditions_are_classified(make_context, chosen, classifier):
    context = make_context(dataset=dataset(1.0))
    outcome = classify.classify(context, classifier=classifier)
    row = chosen(outcome, "all", f"{classifier} classifier")
    assert row["value"] > 0.7
    assert row["p"] == 0.01
    assert outcome.chance == {"classification accuracy": 0.25}
    assert {verdict for _, verdict, _ in outcome.audit} == {"clean"}


def test_noise_stays_at_chance(make_context, chosen):
    outcome = classify.classify(make_context(dataset=dataset(0.0, n_runs=12)))
    row = chosen(outcome, "all", "correlation classifier")
    assert row["ci_low"] < 0.25 < row["ci_high"]
    assert row["p"] > 0.05


def test_runs_are_needed(make_context):
    with pytest.raises(InputError, match="samples of 'subject' have no column 'run'"):
        classify.classify(make_context(dataset=dataset(1.0, runs=False)))


def test_leaving_folds_out_by_their_sums_is_training_without_them():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 12)).astype(np.float32)
    labels, runs = rng.choice(["a", "b", "c"], 50), rng.choice(["1", "2", "3"], 50)
    tests = [np.flatnonzero(runs == run) for run in np.unique(runs)]
    found = classify._accuracies_by_correlation(X, labels, tests)
    for test, accuracy in zip(tests, found, strict=True):
        train = np.setdiff1d(np.arange(50), test)
        means = np.stack([X[train][labels[train] == name].mean(axis=0) for name in "abc"])
        r = np.corrcoef(X[test], means)[: len(test), len(test) :]
        assert accuracy == np.mean(np.array(list("abc"))[r.argmax(axis=1)] == labels[test])


def test_a_class_that_only_the_held_out_run_has_is_never_chosen():
    X = np.eye(4, dtype=np.float32)[[0, 1, 0, 1, 2]]
    found = classify._accuracies_by_correlation(X, np.array(list("ababc")), [np.array([2, 3, 4])])
    assert found.tolist() == [2 / 3]


def test_any_column_can_be_decoded_across_any_other(make_context, chosen):
    rng = np.random.default_rng(1)
    objects, places = np.repeat(["car", "face", "sofa"], 20), np.tile(["left", "right"], 30)
    of_object = {name: rng.standard_normal(25) for name in ("car", "face", "sofa")}
    of_both = {(o, p): 2 * rng.standard_normal(25) for o in of_object for p in ("left", "right")}

    def accuracy(across):
        # What objects have in common on both sides, or patterns that are new on each side.
        rows = [
            (of_object[o] if across else of_both[o, p]) + rng.standard_normal(25)
            for o, p in zip(objects, places, strict=True)
        ]
        samples = pd.DataFrame({"stimulus_id": objects + "-" + places, "object": objects, "place": places})
        channels = pd.DataFrame({"name": [f"u{i}" for i in range(25)]})
        study = Study.of(Recording(np.array(rows, dtype=np.float32), samples, channels))
        context = make_context(dataset=Dataset("toy", study=study))
        outcome = classify.classify(context, target="object", leave_out="place")
        assert set(outcome.scores.table["metric"]) == {"object accuracy across places"}
        return chosen(outcome, "all", "correlation classifier")

    assert accuracy(across=True)["value"] > 0.8
    assert accuracy(across=False)["value"] < 0.6


def test_what_cannot_be_decoded_is_said(make_context):
    with pytest.raises(InputError, match="no column 'identity'"):
        classify.classify(make_context(dataset=dataset(1.0)), target="identity")
    with pytest.raises(InputError, match="at least 2 values of 'stimulus_id' and of 'run'"):
        classify.classify(make_context(dataset=dataset(1.0, n_runs=1)))
