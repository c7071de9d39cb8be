from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.pipelines.candidates import Candidate
from alignkit.pipelines.comparisons._choice import choose_by_other_subjects, choose_layers, cross_halves
from alignkit.pipelines.comparisons._region import layer_columns

DEEP = Candidate(name="deep", family="toy", layers=("early", "late"), digest="d")
FLAT = Candidate(name="flat", family="toy", layers=("only",), digest="f")
COLUMNS = layer_columns([DEEP, FLAT])
# Each subject's own best layer is the one that the others do not prefer.
PLANTED = np.array([[0.9, 0.1, 0.3], [0.1, 0.5, 0.2], [0.1, 0.5, 0.1]])


def refuse(indices, half):
    raise AssertionError("no scorer is needed here")


def test_a_subjects_own_best_layer_is_not_looked_at():
    assert choose_by_other_subjects(PLANTED, COLUMNS).tolist() == [[1, 2], [0, 2], [0, 2]]
    assert PLANTED[:, :2].argmax(axis=1).tolist() == [0, 1, 1]


def test_no_score_of_a_subject_changes_its_own_choice_but_that_of_others():
    rng = np.random.default_rng(0)
    columns = layer_columns([Candidate(name="deep", family="toy", layers=tuple("abcde"), digest="d")])
    layers = rng.random((4, 5))
    before = choose_by_other_subjects(layers, columns)
    for layer in range(5):
        changed = layers.copy()
        changed[1, layer] = 100.0
        after = choose_by_other_subjects(changed, columns)
        assert after[1, 0] == before[1, 0]
        assert after[[0, 2, 3], 0].tolist() == [layer] * 3


def test_two_subjects_choose_for_each_other():
    layers = np.array([[0.3, 0.2, 0.0], [0.1, 0.4, 0.0]])
    assert choose_by_other_subjects(layers, COLUMNS)[:, 0].tolist() == [1, 0]


def test_several_subjects_are_scored_with_the_layer_of_the_others():
    asked = []

    def make_scorer(indices, half):
        asked.append((indices.tolist(), half))
        return lambda weights: PLANTED[:, indices] * weights.sum()

    scores = choose_layers(PLANTED, make_scorer, COLUMNS, n_units=20, seed=0)
    np.testing.assert_allclose(scores(np.full(20, 0.5)), 10 * np.array([[0.1, 0.3], [0.1, 0.2], [0.1, 0.1]]))
    assert asked == [([0, 1, 2], None)]


def test_layers_that_nobody_chose_are_not_scored_again():
    agreed = np.array([[0.1, 0.5, 0.3], [0.1, 0.5, 0.2], [0.1, 0.5, 0.1]])

    def make_scorer(indices, half):
        assert indices.tolist() == [1, 2]
        return lambda weights: agreed[:, indices]

    scores = choose_layers(agreed, make_scorer, COLUMNS, n_units=20, seed=0)
    np.testing.assert_array_equal(scores(np.ones(20)), agreed[:, 1:])


@pytest.mark.parametrize("subjects", [[[0.3]], [[0.3], [0.2]]])
def test_single_layers_are_scored_as_they_are(subjects):
    layers = np.array(subjects)

    def make_scorer(indices, half):
        assert half is None
        return lambda weights: layers[:, indices] * weights[0]

    scores = choose_layers(layers, make_scorer, layer_columns([FLAT]), n_units=5, seed=0)
    np.testing.assert_array_equal(scores(np.full(5, 2.0)), 2 * layers)


# Scores of early, late and only: on the half that holds unit 0, on the other half, and on all units.
HALF_SCORES = {"with": [0.9, 0.2, 0.0], "without": [0.1, 0.6, 0.0], "all": [0.5, 0.4, 0.7]}


def half_scorer(asked):
    def make_scorer(indices, half):
        asked.append((indices.tolist(), None if half is None else half.copy()))
        values = HALF_SCORES["all" if half is None else ("with" if half[0] else "without")]
        return lambda weights: np.array([values])[:, indices]

    return make_scorer


def test_the_layer_chosen_on_one_half_is_scored_on_the_other():
    layers = np.array([HALF_SCORES["all"]])
    asked = []
    scores = choose_layers(layers, half_scorer(asked), COLUMNS, n_units=20, seed=0)(np.ones(20))
    # "early" wins where unit 0 is and gets 0.1 elsewhere; "late" wins elsewhere and gets 0.2.
    assert scores[0, 0] == pytest.approx(0.15)
    # With one layer there is nothing to choose: all units score it.
    assert scores[0, 1] == 0.7


def test_the_halves_are_disjoint_and_cover_all_units():
    asked = []
    choose_layers(np.array([HALF_SCORES["all"]]), half_scorer(asked), COLUMNS, n_units=21, seed=3)
    halves = [half for _, half in asked if half is not None]
    chosen_on, scored_on = halves[0::2], halves[1::2]
    for one, other in zip(chosen_on, scored_on, strict=True):
        np.testing.assert_array_equal(one, ~other)
    np.testing.assert_array_equal(chosen_on[0], ~chosen_on[1])
    assert sorted(int(half.sum()) for half in chosen_on) == [10, 11]


def test_the_halves_follow_the_seed():
    def halves(seed):
        asked = []
        choose_layers(np.array([HALF_SCORES["all"]]), half_scorer(asked), COLUMNS, n_units=40, seed=seed)
        return asked[0][1]

    np.testing.assert_array_equal(halves(1), halves(1))
    assert (halves(1) != halves(2)).any()


def test_too_few_units_for_halves_are_refused_with_the_way_out():
    layers = np.array([[0.5, 0.4, 0.7]])
    with pytest.raises(InputError, match="with one subject and 11 stimuli a layer cannot be chosen.*layers:"):
        choose_layers(layers, refuse, COLUMNS, n_units=11, seed=0)
    assert choose_layers(layers, half_scorer([]), COLUMNS, n_units=12, seed=0)(np.ones(12)).shape == (1, 2)


@pytest.mark.parametrize("kind", ["rsa", "cka"])
def test_p_of_one_subjects_chosen_layer_is_uniform_where_there_is_nothing(make_context, kind):
    from alignkit.datasets import Dataset
    from alignkit.pipelines.comparisons import COMPARISONS
    from alignkit.recordings import Features, Recording, Study

    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ids = [f"s{i}" for i in range(30)]
        layers = {name: rng.standard_normal((30, 5)).astype(np.float32) for name in ("a", "b")}
        features = Features(layers, ids, model="m")
        model = Candidate("m", "toy", ("a", "b"), f"digest {seed}", features, stimulus_ids=tuple(ids))
        study = Study.of(Recording.from_arrays(rng.standard_normal((30, 6)), ids))
        context = make_context(dataset=Dataset("toy", study=study), candidates=[model], n_bootstrap=50)
        table = COMPARISONS[kind](context).scores.table
        row = table[(table["layer"] == "(chosen)") & (table["subject"] == "all") & (table["fold"] == "all")]
        found.append(float(row["p"].iloc[0]))
    p = np.array(found)
    # A null of all stimuli is narrower than scores of halves: it put more than half of p at either end.
    assert np.mean((p <= 0.1) | (p >= 0.9)) < 0.42
    assert np.mean(p <= 0.05) < 0.2


def test_a_layer_is_scored_on_the_half_that_did_not_choose_it():
    found = np.array([[3.0, 1.0, 5.0], [2.0, 7.0, np.nan]])
    groups = [np.array([0, 1]), np.array([2])]
    crossed = cross_halves(found, groups)
    # Layer 0 wins the first half and has 2 in the second, layer 1 wins the second and has 1 in the first.
    assert crossed[0] == 1.5
    assert np.isnan(crossed[1])
