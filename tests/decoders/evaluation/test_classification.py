"""Scores equal scikit-learn's; chance, intervals over units, and exchanges that keep runs apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation._curve import Curves
from alignkit.decoders.evaluation.classification import classify

QUICK = {"n_bootstraps": 0, "n_permutations": 0}


def planted(n_classes=3, n_trials=120, effect=1.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice(n_classes, n_trials, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    scores = rng.standard_normal((n_trials, n_classes))
    scores[np.arange(n_trials), truth] += effect
    return scores, truth, np.repeat(np.arange(n_trials // 10), 10)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scores_equal_those_of_scikit_learn(n_classes):
    scores, truth, _ = planted(n_classes)
    found = classify(scores, truth, **QUICK)
    named = scores.argmax(axis=1)
    assert found.value("accuracy") == pytest.approx((named == truth).mean())
    assert found.value("balanced accuracy") == pytest.approx(balanced_accuracy_score(truth, named))
    if n_classes == 2:
        area = roc_auc_score(truth, scores[:, 1] - scores[:, 0])
    else:
        area = np.mean([roc_auc_score(truth == c, scores[:, c]) for c in range(n_classes)])
    assert found.value("AUC") == pytest.approx(area)
    np.testing.assert_allclose(
        found.confusion.to_numpy(), confusion_matrix(truth, named, normalize="true"), atol=1e-12
    )
    assert np.array_equal(found.predicted, named)


def test_the_area_counts_ties_as_half_and_weights_as_copies():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (30, 3)).astype(float)
    truth = np.arange(30) % 3
    member = np.eye(3)[truth]
    counts = rng.integers(0, 3, (4, 30)) + (np.arange(30) < 3)
    weighted = Curves(scores)(member, counts.astype(float))
    for row, area in zip(counts, weighted, strict=True):
        copies = np.repeat(np.arange(30), row)
        wanted = np.mean([roc_auc_score(truth[copies] == c, scores[copies, c]) for c in range(3)])
        assert area == pytest.approx(wanted)


def test_chance_of_accuracy_is_that_of_the_most_frequent_class_and_is_reached_by_naming_it():
    _, truth, _ = planted(3)
    constant = np.tile([0.0, 0.0, 1.0], (120, 1))
    found = classify(constant, truth, **QUICK).table.set_index("score")
    assert found.loc["accuracy", "value"] == found.loc["accuracy", "chance"] == np.mean(truth == 2)
    assert found.loc["accuracy", "chance_even"] == pytest.approx(1 / 3)
    assert found.loc["balanced accuracy", "value"] == pytest.approx(1 / 3)
    assert found.loc["AUC", "value"] == 0.5


def test_scores_that_all_tie_are_at_even_chance():
    _, truth, _ = planted(4)
    found = classify(np.zeros((120, 4)), truth, k_way=(2, 3, 4, 9), **QUICK).table.set_index("score")
    np.testing.assert_allclose(found["value"], found["chance_even"])
    assert list(found.index) == ["accuracy", "balanced accuracy", "AUC", "2-way", "3-way", "4-way"]


def test_k_way_with_all_classes_is_accuracy_and_two_way_of_two_classes_too():
    for n_classes in (2, 4):
        scores, truth, _ = planted(n_classes)
        found = classify(scores, truth, k_way=(2, n_classes), **QUICK)
        assert found.value(f"{n_classes}-way") == pytest.approx(found.value("accuracy"))


@pytest.mark.parametrize("interval", ["bootstrap", "t"])
def test_intervals_hold_the_estimate_and_units_that_agree_widen_them(interval):
    scores, truth, units = planted(2, 200, effect=0.5)
    options = {"n_permutations": 0, "n_bootstraps": 400, "interval": interval}
    units = np.repeat(np.arange(20), 10)
    table = classify(scores, truth, units=units, **options).table
    assert ((table["ci_low"] <= table["value"]) & (table["value"] <= table["ci_high"])).all()
    # A unit whose trials are copies of one trial tells as much as that trial.
    rows = np.repeat(np.arange(0, 200, 10), 10)
    copies = classify(scores[rows], truth[rows], units=units, **{**options, "interval": "bootstrap"})
    alone = classify(scores[rows], truth[rows], **{**options, "interval": "bootstrap"})
    width = [found.table.eval("ci_high - ci_low")[0] for found in (copies, alone)]
    assert width[0] > 2 * width[1]


def test_students_interval_over_units_of_one_size_is_that_of_their_accuracies():
    scores, truth, _ = planted(2, 200, effect=0.5)
    units = np.repeat(np.arange(8), 25)
    row = classify(scores, truth, units=units, interval="t", n_permutations=0).table.iloc[0]
    own = (scores.argmax(1) == truth).reshape(8, 25).mean(1)
    low, high = ttest_1samp(own, 0.5).confidence_interval(0.95)
    np.testing.assert_allclose([row["ci_low"], row["ci_high"]], [low, high])


def test_a_perfect_decoder_still_has_an_interval():
    truth = np.arange(20) % 2
    found = classify(np.eye(2)[truth], truth, n_permutations=0, n_bootstraps=100).table
    assert found["value"][0] == found["ci_high"][0] == 1
    assert found["ci_low"][0] == pytest.approx(0.025 ** (1 / 20))


def test_p_is_small_with_an_effect_and_honest_where_runs_drift():
    scores, truth, units = planted(2, effect=1.0)
    assert classify(scores, truth, units=units, n_bootstraps=0, n_permutations=99).table["p"].max() == 0.01
    # Runs differ in their share of classes and in their mean score, and within runs nothing is told.
    p = {"within": [], "across": []}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        run = np.repeat(np.arange(6), 20)
        share = np.where(np.arange(6) % 2, 0.8, 0.2)[run]
        labels = (rng.random(120) < share).astype(int)
        values = rng.standard_normal((120, 2))
        values[:, 1] += np.where(run % 2, 1.0, -1.0)
        for name, given in (("within", run), ("across", None)):
            found = classify(values, labels, units=given, n_bootstraps=0, n_permutations=39, seed=seed)
            p[name].append(found.table["p"][0])
    assert np.mean(np.array(p["within"]) <= 0.05) <= 0.15
    assert np.mean(np.array(p["across"]) <= 0.05) >= 0.9


def test_the_same_seed_gives_the_same_bits():
    scores, truth, units = planted()
    first, again = (
        classify(scores, truth, units=units, n_bootstraps=50, n_permutations=20) for _ in range(2)
    )
    assert first.table.equals(again.table)
    assert first.null.equals(again.null)


@pytest.mark.parametrize(
    ("scores", "truth", "options", "message"),
    [
        (np.ones((4, 1)), [0] * 4, {}, "at least 2 classes, got 1: one class cannot be decoded"),
        (np.eye(3)[:2], [0, 1], {}, "there are 2 trials for 3 classes; every class needs one"),
        (np.ones((4, 2)), [0] * 4, {}, r"no trial shows the class '1' \(1 of 2 lack trials\)"),
        (np.full((4, 2), np.nan), [0, 1, 0, 1], {}, "`scores` holds 8 NaN"),
        (np.ones((4, 2)), [0, 1, 2, 0], {}, "`truth` must lie between 0 and 1, got 0 to 2"),
        (np.ones((4, 2)), [0.0, 1, 0, 1], {}, "the number of a class for each of the 4 trials"),
        (np.ones((4, 2)), [0, 1, 0, 1], {"classes": ["a"]}, "name the 2 columns of `scores`, got 1 names"),
        (np.ones((4, 2)), [0, 1, 0, 1], {"units": [1]}, "one of each of the 4 trials, got 1"),
        (np.ones((4, 2)), [0, 1, 0, 1], {"interval": "boot"}, "did you mean 'bootstrap'"),
        (np.ones((4, 2)), [0, 1, 0, 1], {"units": [1] * 4, "interval": "t"}, "at least 2 units, got 1"),
    ],
)
def test_bad_input_is_refused_with_the_reason(scores, truth, options, message):
    with pytest.raises(InputError, match=message):
        classify(scores, truth, **options)


def test_units_that_seldom_hold_every_class_are_refused():
    truth = np.arange(6)
    with pytest.raises(InputError, match="draws of 6 units hold every class too seldom"):
        classify(np.eye(6), truth, n_permutations=0, n_bootstraps=2000)
    with pytest.raises(InputError, match="there is no score 'f1'"):
        classify(np.eye(6), truth, **QUICK).value("f1")


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "n_units"), [("bootstrap", 30), ("t", 6)])
def test_intervals_cover_as_often_as_they_say_where_units_differ(interval, n_units):
    values, limits = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = np.tile([0, 1], 10 * n_units)
        units = np.repeat(np.arange(n_units), 20)
        scores = rng.standard_normal((len(truth), 2))
        scores[np.arange(len(truth)), truth] += 0.8 + 0.5 * rng.standard_normal(n_units)[units]
        table = classify(
            scores, truth, units=units, interval=interval, n_bootstraps=400, n_permutations=0, seed=seed
        ).table
        values.append(table["value"].to_numpy())
        limits.append(table[["ci_low", "ci_high"]].to_numpy())
    mean = np.mean(values, axis=0)
    held = np.mean([(low[:, 0] <= mean) & (mean <= low[:, 1]) for low in limits], axis=0)
    print(held)
    assert (held >= 0.9).all()
