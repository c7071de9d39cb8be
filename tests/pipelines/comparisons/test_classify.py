from __future__ import annotations

from dataclasses import replace

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


def grid(rng, *, per_stimulus, n_trials=6, n_places=3, n_objects=5, runs=False):
    """Return trials of objects at places; each stimulus has a pattern of its own, objects have none."""
    rows, table = [], []
    for o in range(n_objects):
        for p in range(n_places):
            pattern = per_stimulus * rng.standard_normal(20)
            for k in range(n_trials):
                rows.append(pattern + rng.standard_normal(20))
                table.append({"stimulus_id": f"{o}-{p}", "object": f"o{o}", "place": f"p{p}", "take": str(k)})
    samples = pd.DataFrame(table)
    if runs:
        samples["run"] = samples["take"]
    channels = pd.DataFrame({"name": [f"u{i}" for i in range(20)]})
    return Recording(np.array(rows, dtype=np.float32), samples, channels)


def p_of(make_context, recording, **options):
    context = make_context(dataset=Dataset("toy", study=Study.of(recording)))
    return classify.classify(context, **options)


def test_patterns_of_single_stimuli_are_no_evidence_for_an_object(make_context):
    # Exchanging trials, a quarter of such worlds were significant at .05.
    p = []
    for seed in range(40):
        recording = grid(np.random.default_rng(seed), per_stimulus=1.0)
        outcome = p_of(make_context, recording, target="object", leave_out="place")
        p.append(outcome.scores.table.query("subject == 'all'")["p"].iloc[0])
    assert np.mean(np.array(p) <= 0.05) < 0.16


def test_a_random_category_of_stimuli_that_recur_is_a_leak_and_no_finding(make_context):
    rng = np.random.default_rng(0)
    recording = grid(rng, per_stimulus=2.0, runs=True)
    names = recording.samples["stimulus_id"].unique()
    category = dict(zip(names, rng.permutation(["a", "b"] * 8)[: len(names)], strict=True))
    samples = recording.samples.assign(category=recording.samples["stimulus_id"].map(category))
    outcome = p_of(make_context, Recording(recording.data, samples, recording.channels), target="category")
    row = outcome.scores.table.query("subject == 'all'").iloc[0]
    assert row["value"] > 0.8  # stimuli are told, and with them whatever they are called
    assert row["p"] > 0.05
    assert {verdict for _, verdict, _ in outcome.audit} == {"leaks"}
    assert "read these scores as optimistic" in outcome.warnings[0]
    context = make_context(dataset=Dataset("toy", study=Study.of(recording)))
    strict = replace(recording, samples=samples)
    context = replace(context, strict=True, dataset=Dataset("toy", study=Study.of(strict)))
    with pytest.raises(InputError, match="the folds of category accuracy leak, and the run is strict"):
        classify.classify(context, target="category")


def test_repetitions_in_one_run_share_its_slow_noise_and_the_audit_says_so(make_context):
    recording = grid(np.random.default_rng(0), per_stimulus=1.0)
    timed = recording.samples.assign(onset_s=np.arange(recording.n_samples, dtype=float))
    known = Recording(recording.data, timed, recording.channels)
    outcome = p_of(make_context, known, leave_out="take")
    assert outcome.audit[0][1] == "leaks"
    assert outcome.audit[0][0] == "classification accuracy across takes, subject"
    unknown = p_of(make_context, recording, leave_out="take")
    assert unknown.audit[0][1:] == ("clean", "whole takes left out; runs and times are not known")


def test_several_subjects_have_one_p_for_their_mean(make_context):
    def study(effect):
        recordings = [
            dataset(effect, n_runs=6).study["subject"].select(channels=np.arange(k, k + 20)) for k in range(3)
        ]
        return Study.of(*(replace(r, subject=f"s{k}") for k, r in enumerate(recordings)))

    for effect, verdict in ((1.0, lambda p: p == 0.01), (0.0, lambda p: p > 0.05)):
        context = make_context(dataset=Dataset("toy", study=study(effect), conditions="stimulus_id"))
        table = classify.classify(context).scores.table
        row = table[(table["subject"] == "all") & (table["fold"] == "all")].iloc[0]
        assert verdict(row["p"])


def test_the_number_of_permutations_that_were_made_is_said(make_context):
    context = make_context(dataset=dataset(1.0, n_runs=3), n_permutations=300)
    assert "199 permutations" in classify.classify(context, classifier="lda").methods[0]
    assert "300 permutations" in classify.classify(context).methods[0]
