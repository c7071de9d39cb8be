from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from scipy.spatial.distance import squareform

from alignkit._core.errors import InputError
from alignkit._core.random import derive_seed
from alignkit.datasets import Dataset
from alignkit.metrics import compare_rdms, rdm, weighted_rsa
from alignkit.pipelines.candidates import Candidate
from alignkit.pipelines.comparisons import COMPARISONS
from alignkit.pipelines.comparisons._items import stimulus_items
from alignkit.pipelines.comparisons._rsa_data import Brain, pairs_among
from alignkit.pipelines.comparisons._weighted_fits import Components, make_parts, unit_rows
from alignkit.pipelines.comparisons._weighted_scores import HeldOut
from alignkit.pipelines.options import check_options
from alignkit.recordings import Features, RDMs, Recording, Study
from alignkit.stats import grouped_folds

METRIC = "weighted-rsa-pearson (non-negative, squared-euclidean)"
compare = COMPARISONS["weighted-rsa"]
NAMES = [f"s{i:02d}" for i in range(48)]


def make_model(name, layers):
    return Candidate(
        name=name, family="toy", layers=tuple(layers), digest=name,
        features=Features(layers, NAMES, model=name), stimulus_ids=tuple(NAMES),
    )  # fmt: skip


def mixture(weights, n_subjects=3, noise=0.5, groups=None, n_repeats=2):
    """Return recordings that two layers of a model drive, each by its own channels, and the model."""
    rng = np.random.default_rng(5)
    layers = {name: rng.standard_normal((48, 6)).astype(np.float32) for name in ("one", "two", "idle")}
    recordings = []
    for s in range(n_subjects):
        driven = zip(("one", "two"), weights, strict=True)
        data = np.hstack([weight * layers[name] @ rng.standard_normal((6, 15)) for name, weight in driven])
        data = np.repeat(data, n_repeats, axis=0)
        data = data + noise * rng.standard_normal(data.shape)
        samples = pd.DataFrame({"stimulus_id": np.repeat(NAMES, n_repeats)})
        if groups is not None:
            samples["scene"] = np.repeat(groups, n_repeats)
        channels = pd.DataFrame({"name": [f"v{i}" for i in range(30)], "roi": "A"})
        recordings.append(Recording(data.astype(np.float32), samples, channels, subject=f"sub{s}"))
    column = None if groups is None else "scene"
    return Dataset("toy", study=Study.of(*recordings), groups=column), make_model("mixed", layers)


def layer_value(outcome, layer):
    table = outcome.scores.table
    rows = table[(table["subject"] == "all") & (table["layer"] == layer)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize("method", ["non-negative", "regression"])
def test_a_mixture_of_two_layers_beats_each_of_them_on_held_out_stimuli(
    make_context, planted, chosen, method
):
    dataset, model = mixture((1.0, 0.8))
    outcome = compare(make_context(dataset=dataset, candidates=[model, planted["other"]]), method=method)
    row = chosen(outcome, "A", "mixed")
    single = [layer_value(outcome, name)["value"] for name in ("one", "two", "idle")]
    assert row["value"] > max(single) + 0.1
    assert abs(single[2]) < 0.15
    assert row["p"] == 0.01
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert row["ceiling_lower"] < row["ceiling_upper"]
    other = chosen(outcome, "A", "other")
    assert abs(other["value"]) < 0.15
    assert other["p"] > 0.05
    difference = outcome.differences.iloc[0]
    assert difference["difference"] == pytest.approx(row["value"] - other["value"])
    assert difference["p"] < 0.05


def test_nothing_is_found_where_nothing_was_planted(make_context, planted, chosen):
    outcome = compare(make_context(), method="regression")
    for model in planted:
        row = chosen(outcome, "B", model)
        assert row["p"] > 0.05
        assert abs(row["value"]) < 0.15
        assert row["ci_low"] < 0 < row["ci_high"]


def test_a_model_without_any_weight_explains_nothing_and_has_no_interval(make_context, chosen):
    _, model = mixture((1.0, 0.8))
    matrix = rdm(model.features.matrix("one", NAMES), method="squared-euclidean")
    noise = np.random.default_rng(0).random(matrix.size)
    # What is near in the brain is far here.
    published = RDMs(
        (matrix.max() - matrix + noise)[None],
        tuple(NAMES),
        pd.DataFrame({"subject": ["x"], "roi": "R"}),
        "squared-euclidean",
    )
    against = make_model("against", {"one": model.features["one"]})
    context = make_context(dataset=Dataset("toy", rdms=published), candidates=[against, model])
    outcome = compare(context)
    row = chosen(outcome, "R", "against")
    assert row["value"] == 0
    assert row["p"] > 0.3
    assert np.isnan(row["ci_low"])
    assert np.isnan(row["ci_high"])
    assert any("no fold gives against a weight above 0" in warning for warning in outcome.warnings)


def test_the_null_that_fits_again_is_uniform():
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        patterns = [rng.standard_normal((30, 5)) for _ in range(4)]
        matrices = np.stack([rdm(x, method="squared-euclidean") for x in patterns])
        held_out = make_held_out(matrices[:1], seed=seed)
        model = Components(matrices[1:], False, True)
        null = held_out.null([model], 39, seed)[:, 0]
        value = held_out.scores([model], held_out.brain.values[:, None])[0, 0, 0]
        found.append((1 + np.sum(null >= value)) / 40)
    assert np.mean(np.array(found) <= 0.1) < 0.2
    assert 0.4 < np.mean(found) < 0.6


def make_held_out(values, seed=0, score="pearson", others=False, n_folds=5):
    n = int((1 + np.sqrt(1 + 8 * values.shape[1])) // 2)
    items = stimulus_items([f"s{i}" for i in range(n)])
    brain = Brain(values, [f"sub{i}" for i in range(len(values))], items, None, "")
    folds = grouped_folds(list(range(n)), n_folds=n_folds, random_state=seed)
    return HeldOut(brain, folds, score, others)


@pytest.mark.parametrize("score", ["pearson", "spearman", "rho-a", "cosine"])
@pytest.mark.parametrize("method", ["non-negative", "regression"])
def test_scores_are_those_of_the_metric_on_the_same_folds(score, method):
    rng = np.random.default_rng(3)
    parts = rng.random((3, 30 * 29 // 2))
    brain = (2 * parts[0] + parts[1] + 0.5 * rng.random(parts.shape[1]))[None]
    held_out = make_held_out(brain, score=score)
    model = Components(parts, method == "non-negative", score != "cosine")
    found = held_out.scores([model], brain[:, None])[0, 0, 0]
    wanted = weighted_rsa(brain, parts, method=method, score=score, cv=held_out.folds)
    assert found == pytest.approx(wanted.score, rel=1e-9)


def test_weights_are_least_squares_over_training_pairs():
    rng = np.random.default_rng(4)
    parts = rng.random((3, 190))
    target = 2 * parts[0] + 0.5 * parts[2] + 0.3 * rng.random(190)
    part = make_parts(grouped_folds(list(range(20)), n_folds=4), 20)[0]
    used = parts[:, part.train_pairs] - parts[:, part.train_pairs].mean(axis=1, keepdims=True)
    aim = target[part.train_pairs]
    model = Components(parts, True, True)
    weights = model.weights(part, aim[None])[0]
    np.testing.assert_allclose(weights, nnls(used.T, aim - aim.mean())[0], rtol=1e-8)
    assert weights[1] < 0.2


def test_a_layer_that_comes_twice_shares_its_weight_and_changes_no_prediction():
    rng = np.random.default_rng(4)
    parts = rng.random((2, 190))
    part = make_parts(grouped_folds(list(range(20)), n_folds=4), 20)[0]
    target = (parts[0] + 0.1 * rng.random(190))[None, part.train_pairs]
    owner = np.zeros(1, dtype=np.intp)
    for non_negative in (True, False):
        once = Components(parts, non_negative, True).predict(part, target, owner)
        twice = Components(parts[[0, 1, 0]], non_negative, True).predict(part, target, owner)
        np.testing.assert_allclose(once - once.mean(), twice - twice.mean(), atol=1e-9)


def test_no_fit_sees_a_pair_with_a_held_out_stimulus():
    rng = np.random.default_rng(5)
    parts, brain = rng.random((3, 435)), rng.random((2, 435))
    held_out = make_held_out(brain, others=True)
    model = Components(parts, False, True)
    for part in held_out.parts:
        assert not set(part.train) & set(part.test)
        spoilt = np.full_like(brain, np.nan)
        spoilt[:, part.train_pairs] = brain[:, part.train_pairs]
        fitted = [
            model.weights(part, held_out.targets(values[:, part.train_pairs])) for values in (brain, spoilt)
        ]
        np.testing.assert_array_equal(*fitted)
        rows, columns = np.triu_indices(30, 1)
        assert set(rows[part.train_pairs]) | set(columns[part.train_pairs]) == set(part.train)
        assert set(rows[part.test_pairs]) | set(columns[part.test_pairs]) == set(part.test)


def test_no_option_splits_pairs_or_versions_of_a_picture(make_context, chosen):
    assert set(inspect.signature(compare).parameters) == {
        "context", "method", "distance", "score", "n_folds", "fit_to", "n_units",
    }  # fmt: skip
    scenes = [f"scene{i % 24}" for i in range(48)]
    dataset, model = mixture((1.0, 0.8), groups=scenes)
    outcome = compare(replace(make_context(dataset=dataset, candidates=[model]), strict=True))
    ((check, verdict, detail),) = outcome.audit
    assert (check, verdict) == (f"{METRIC}, folds", "clean")
    assert "near-duplicates" in detail
    assert "no pair joins a training with a held-out stimulus" in detail


def test_the_weights_of_others_do_not_see_the_subject():
    rng = np.random.default_rng(6)
    brain, parts = rng.random((3, 435)), rng.random((2, 435))
    held_out = make_held_out(brain, others=True)
    model, part = Components(parts, False, True), held_out.parts[0]
    changed = brain.copy()
    changed[1] = rng.random(435)
    before, after = (
        model.weights(part, held_out.targets(values[:, part.train_pairs])) for values in (brain, changed)
    )
    np.testing.assert_allclose(before[1], after[1], rtol=1e-9)
    assert np.abs(before[0] - after[0]).max() > 1e-3


def test_own_weights_are_named_and_serve_subjects_that_differ(make_context, chosen):
    # One subject is driven by one layer, one by the other: what others do misleads.
    first, model = mixture((1.0, 0.0), n_subjects=1)
    second, _ = mixture((0.0, 1.0), n_subjects=1)
    study = Study.of(first.study["sub0"], replace(second.study["sub0"], subject="sub1"))
    context = make_context(dataset=Dataset("toy", study=study), candidates=[model])
    own, others = compare(context, fit_to="own"), compare(context)
    value = chosen(own, "A", "mixed", METRIC.replace(")", ", own weights)"))["value"]
    assert value > 0.5
    assert value > chosen(others, "A", "mixed", METRIC)["value"] + 0.3
    assert "weights of one's own may pass it" in own.methods[0]


def test_one_subject_gets_a_reliability_on_the_same_folds(make_context, chosen):
    dataset, model = mixture((1.0, 0.8), n_subjects=1, noise=2.0)
    outcome = compare(make_context(dataset=dataset, candidates=[model]))
    row = chosen(outcome, "A", "mixed", METRIC)
    assert row["value"] < row["ceiling_upper"] < 1
    assert row["normalized"] == pytest.approx(row["value"] / row["ceiling_upper"])
    assert row["ceiling_estimator"].startswith("mean over folds: split-half")
    assert "the subject's own dissimilarities" in outcome.methods[0]


def test_a_single_layer_has_the_score_of_its_matrix_on_the_held_out_pairs(make_context):
    dataset, model = mixture((1.0, 0.8), n_subjects=1)
    outcome = compare(make_context(dataset=dataset, candidates=[model]))
    ids = dataset.study.common_stimuli
    average = dataset.study["sub0"].average_repetitions().align(ids)
    brain = rdm(average.data, method="squared-euclidean")
    layer = rdm(model.features.matrix("two", ids), method="squared-euclidean")
    folds = grouped_folds(list(range(48)), n_folds=5, random_state=derive_seed(0, "folds of weighted rsa"))
    values = [
        np.corrcoef(brain[pairs], layer[pairs])[0, 1]
        for pairs in (pairs_among(test, 48) for _, test in folds)
    ]
    assert layer_value(outcome, "two")["value"] == pytest.approx(np.mean(values), abs=1e-9)


def test_units_are_weighted_where_only_some_of_them_are_in_the_brain(make_context, planted, chosen):
    rng = np.random.default_rng(8)
    units = rng.standard_normal((48, 30)).astype(np.float32)
    data = units[:, :4] @ rng.standard_normal((4, 30))
    data = np.repeat(data, 2, axis=0) + 0.5 * rng.standard_normal((96, 30))
    recording = Recording.from_arrays(data, np.repeat(NAMES, 2).tolist(), subject="sub0")
    model = make_model("some", {"good": units, "bad": rng.standard_normal((48, 30)).astype(np.float32)})
    values = np.array(["a", "b"] * 24)
    label = replace(planted["other"], name="label", features=None, values=values, layers=("x",))
    dataset = Dataset("toy", study=Study.of(recording))
    context = make_context(dataset=dataset, candidates=[model, label])
    outcome = compare(context, method="feature-reweighted")
    metric = "weighted-rsa-pearson (feature-reweighted, squared-euclidean)"
    row = chosen(outcome, "all", "some", metric)
    assert row["value"] > layer_value(compare(context), "good")["value"] + 0.1
    assert row["value"] == pytest.approx(layer_value(outcome, "good")["value"])
    assert row["p"] == 0.01
    assert any("label has no units to weight" in warning for warning in outcome.warnings)


@pytest.mark.parametrize("distance", ["correlation", "cosine", "crossnobis"])
def test_other_distances_find_the_mixture_too(make_context, chosen, distance):
    dataset, model = mixture((1.0, 0.8), n_subjects=2, n_repeats=3)
    outcome = compare(make_context(dataset=dataset, candidates=[model]), distance=distance)
    assert chosen(outcome, "A", "mixed")["p"] == 0.01
    assert ("do not add up" in outcome.methods[0]) is (distance != "crossnobis")


def test_published_dissimilarities_are_weighted_as_they_are(make_context, chosen):
    rng = np.random.default_rng(0)
    _, model = mixture((1.0, 0.8))
    parts = [rdm(model.features.matrix(k, NAMES), method="squared-euclidean") for k in ("one", "two")]
    values = parts[0] / parts[0].mean() + parts[1] / parts[1].mean() + rng.random((3, parts[0].size))
    table = pd.DataFrame({"subject": list("abc"), "roi": "R"})
    dataset = Dataset("toy", rdms=RDMs(values, tuple(NAMES), table, "squared-euclidean"))
    outcome = compare(make_context(dataset=dataset, candidates=[model]))
    assert chosen(outcome, "R", "mixed")["value"] > 0.5
    assert "as published (squared-euclidean)" in outcome.methods[0]


def test_a_second_run_computes_nothing_and_gives_the_same_bits(make_context):
    first, again = make_context(n_subjects=2), make_context(n_subjects=2)
    one, two = compare(first), compare(again)
    assert again.store.made == 0
    pd.testing.assert_frame_equal(one.scores.table, two.scores.table, check_exact=True)
    fresh = compare(make_context(n_subjects=2, cache="another"))
    pd.testing.assert_frame_equal(one.scores.table, fresh.scores.table, check_exact=True)


def test_similarities_of_rows_are_those_of_the_metric_and_flat_rows_say_nothing():
    rng = np.random.default_rng(0)
    a, b = np.round(rng.random((2, 2, 45)), 1)
    for score in ("pearson", "spearman", "rho-a", "cosine"):
        found = unit_rows(a, score) @ unit_rows(b, score).T
        np.testing.assert_allclose(found, compare_rdms(a, b, method=score), rtol=1e-12)
    flat = np.full((1, 45), 0.3)
    for score in ("pearson", "spearman", "rho-a"):
        assert not unit_rows(flat, score).any()


def test_pairs_among_stimuli_are_in_the_order_of_a_condensed_matrix():
    full = squareform(np.arange(45.0))
    kept = np.array([1, 4, 5, 9])
    np.testing.assert_array_equal(pairs_among(kept, 10), squareform(full[np.ix_(kept, kept)]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "`n_folds` must be at least 2, got 1"),
        ({"n_folds": 20}, "at least 6 stimuli in each of 20 folds, got 48 stimuli"),
        ({"n_units": 0}, "`n_units` must be at least 1, got 0"),
        ({"n_units": 10}, "`n_units` is an option of method 'feature-reweighted', got 'non-negative'"),
        ({"method": "feature-reweighted", "score": "cosine"}, "fits a constant, which the cosine would see"),
        ({"method": "feature-reweighted", "distance": "euclidean"}, "Euclidean distances are no sum over"),
        ({"method": "ridge"}, "`method`.*'ridge'"),
        ({"score": "kendall"}, "`score`.*'kendall'"),
        ({"fit_to": "all"}, "`fit_to`.*'all'"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(make_context, options, message):
    with pytest.raises(InputError, match=message):
        compare(make_context(), **options)


def test_data_and_models_that_cannot_be_weighted_are_refused(make_context, planted):
    label = replace(planted["other"], features=None, values=np.array(["x"] * 48), layers=("category",))
    with pytest.raises(InputError, match="all dissimilarities of 'other' \\(category\\) are equal"):
        compare(make_context(candidates=[label]))
    with pytest.raises(InputError, match="needs models with features; name some"):
        compare(make_context(candidates=[label]), method="feature-reweighted")
    context = make_context()
    blocks = replace(context, dataset=replace(context.dataset, conditions="stimulus_id"))
    with pytest.raises(InputError, match="this dataset has a few conditions only"):
        compare(blocks)
    scenes = ["big"] * 43 + [f"small{i}" for i in range(5)]
    dataset, model = mixture((1.0, 0.8), groups=scenes)
    with pytest.raises(InputError, match="versions of one picture leave 1 in one of 5"):
        compare(make_context(dataset=dataset, candidates=[model]))


def test_matrices_that_cannot_be_fitted_are_named(make_context):
    rng = np.random.default_rng(0)
    _, model = mixture((1.0, 0.8))
    table = pd.DataFrame({"subject": list("ab"), "roi": "R"})
    for bad, message in (
        (np.full(1128, 0.5), "all dissimilarities of 'b' in 'R' are equal"),
        (
            np.where(np.arange(1128) < 3, np.nan, rng.random(1128)),
            "3 dissimilarities of 'b' in 'R' are missing",
        ),
    ):
        values = np.stack([rng.random(1128), bad])
        dataset = Dataset("toy", rdms=RDMs(values, tuple(NAMES), table, "correlation"))
        with pytest.raises(InputError, match=message):
            compare(make_context(dataset=dataset, candidates=[model]))


def test_patterns_without_length_have_no_correlation_distance(make_context, planted):
    values = np.random.default_rng(0).standard_normal((48, 6)).astype(np.float32)
    values[3] = 1.0
    flat = replace(planted["other"], features=Features({"only": values}, NAMES, model="flat"))
    with pytest.raises(InputError, match="1 stimuli have no pattern in 6 units of 'other' \\(only\\)"):
        compare(make_context(candidates=[flat]), method="feature-reweighted", distance="correlation")


def test_options_are_read_from_a_configuration():
    options = check_options(compare, {"method": "regression", "n_folds": "4"}, where="here")
    assert options["n_folds"] == 4
    with pytest.raises(InputError, match="did you mean 'score'"):
        check_options(compare, {"scores": "pearson"}, where="here")
