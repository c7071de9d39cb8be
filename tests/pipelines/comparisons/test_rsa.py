from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.metrics import compare_rdms, crossnobis, noise_covariance, partial_correlation, rdm
from alignkit.pipelines.candidates import Candidate, label_candidates
from alignkit.pipelines.comparisons import COMPARISONS, _rsa_crossnobis, rsa
from alignkit.pipelines.comparisons._items import stimulus_items
from alignkit.pipelines.comparisons._rsa_crossnobis import (
    Crossed,
    Crossing,
    crossed_halves,
    crossed_matrix,
    crossed_trials,
    find_folds,
)
from alignkit.pipelines.comparisons._rsa_data import Brain, matrix_ceiling
from alignkit.recordings import Features, RDMs, Recording, Study

IDS = [f"s{i:02d}" for i in range(48)]

METRIC = "rsa-spearman (correlation)"


def test_the_planted_model_is_found_and_the_empty_region_stays_empty(make_context, chosen):
    outcome = rsa.rsa(make_context())
    a, b = chosen(outcome, "A", "true", METRIC), chosen(outcome, "B", "true", METRIC)
    assert a["p"] == 0.01
    assert a["value"] > 0.2 > chosen(outcome, "A", "other", METRIC)["value"]
    assert a["ci_low"] < a["value"] < a["ci_high"]
    assert abs(b["value"]) < 0.1
    assert b["p"] > 0.05
    row = outcome.differences.query("roi == 'A'").iloc[0]
    assert row["difference"] == pytest.approx(a["value"] - chosen(outcome, "A", "other", METRIC)["value"])


def test_a_subjects_score_is_the_similarity_by_hand(make_context, planted):
    context = make_context()
    outcome = rsa.rsa(context)
    recording = context.dataset.study["sub1"].select(roi="A").average_repetitions()
    brain = rdm(recording.data, method="correlation")
    model = rdm(planted["true"].features.matrix("late", recording.stimulus_ids), method="correlation")
    # The layer that the other subjects choose is the planted one.
    row = outcome.scores.select(subject="sub1", roi="A", model="true", metric=METRIC).table.iloc[0]
    ids = context.dataset.study.common_stimuli
    assert row["value"] == pytest.approx(
        spearmanr(*_aligned(brain, model, recording, ids)).statistic, abs=1e-10
    )


def _aligned(brain, model, recording, ids):
    from scipy.spatial.distance import squareform

    order = [recording.stimulus_ids.index(name) for name in ids]
    return tuple(squareform(squareform(x)[np.ix_(order, order)], checks=False) for x in (brain, model))


def test_several_subjects_have_bounds_that_divide_nothing_and_a_group_mean_without_them(make_context, chosen):
    outcome = rsa.rsa(make_context())
    row = chosen(outcome, "A", "true", METRIC)
    assert row["ceiling_lower"] < row["ceiling_upper"]
    assert "leave-one-subject-out" in row["ceiling_estimator"]
    assert np.isnan(row["normalized"])
    group = outcome.scores.table[outcome.scores.table["metric"] == f"{METRIC} group mean"]
    assert group["ceiling_upper"].isna().all()
    assert set(group["layer"]) == {"early", "late", "only"}


def test_one_subject_gets_a_reliability_and_layers_chosen_on_the_other_half(make_context, chosen):
    outcome = rsa.rsa(make_context(n_subjects=1))
    row = chosen(outcome, "A", "true", METRIC)
    assert row["normalized"] == pytest.approx(row["value"] / row["ceiling_upper"])
    assert 0 < row["ceiling_upper"] <= 1
    layers = outcome.scores.select(subject="all", roi="A", model="true", layer="late", metric=METRIC).table
    # Half of the stimuli give another estimate of the same similarity.
    assert row["value"] == pytest.approx(layers["value"].iloc[0], abs=0.15)
    assert "other half" in outcome.methods[0]


def test_published_dissimilarities_are_compared_as_they_are(make_context, chosen):
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"stimulus_id": [f"s{i:02d}" for i in range(48)], "kind": ["a", "b"] * 24})
    truth = (labels["kind"].to_numpy()[:, None] != labels["kind"].to_numpy()[None, :])[np.triu_indices(48, 1)]
    values = truth + rng.random((4, truth.size))
    table = pd.DataFrame({"subject": list("wxyz"), "roi": "R"})
    dataset = Dataset(
        "toy", rdms=RDMs(values, tuple(labels["stimulus_id"]), table, "correlation"), labels=labels
    )
    candidates = label_candidates(dataset, True)
    outcome = rsa.rsa(make_context(dataset=dataset, candidates=candidates), comparison="pearson")
    row = chosen(outcome, "R", "kind", "rsa-pearson (correlation)")
    assert row["value"] == pytest.approx(np.mean([np.corrcoef(v, truth)[0, 1] for v in values]))
    assert "as published (correlation)" in outcome.methods[0]


def run_wise_dataset(effect, n_runs=6):
    rng = np.random.default_rng(1)
    conditions = ["face", "house", "cat", "shoe"]
    patterns = rng.standard_normal((4, 30)) * effect
    # A pattern of each run, shared by its blocks, must not be taken for a likeness of conditions.
    data = [patterns + 3 * rng.standard_normal(30) + rng.standard_normal((4, 30)) for _ in range(n_runs)]
    samples = pd.DataFrame(
        {"stimulus_id": conditions * n_runs, "run": np.repeat(np.arange(n_runs), 4).astype(str)}
    )
    channels = pd.DataFrame({"name": [f"v{i}" for i in range(30)]})
    recording = Recording(np.concatenate(data).astype(np.float32), samples, channels)
    return Dataset("toy", study=Study.of(recording), conditions="stimulus_id")


@pytest.mark.parametrize(("effect", "found"), [(1.5, True), (0.0, False)])
def test_run_wise_matrices_compare_runs_only(make_context, chosen, effect, found):
    dataset = run_wise_dataset(effect)
    outcome = rsa.rsa(make_context(dataset=dataset, candidates=label_candidates(dataset, True)))
    row = chosen(outcome, "all", "same condition", METRIC)
    assert bool(row["p"] <= 0.02) is found
    assert row["n"] == 6
    assert "blocks within runs" in outcome.methods[0]


def test_kendall_runs_with_a_jackknife(make_context, chosen):
    outcome = rsa.rsa(make_context(), comparison="kendall")
    assert chosen(outcome, "A", "true", "rsa-kendall (correlation)")["p"] == 0.01
    assert "jackknife" in outcome.methods[0]


def test_a_second_run_computes_nothing_and_gives_the_same_bits(make_context):
    first, again = make_context(), make_context()
    one, two = rsa.rsa(first), rsa.rsa(again)
    assert again.store.made == 0
    pd.testing.assert_frame_equal(one.scores.table, two.scores.table, check_exact=True)
    fresh = rsa.rsa(make_context(cache="another"))
    pd.testing.assert_frame_equal(one.scores.table, fresh.scores.table, check_exact=True)


def test_a_layer_of_equal_dissimilarities_is_named(make_context, planted):
    from dataclasses import replace

    constant = replace(planted["other"], features=None, values=np.array(["x"] * 48), layers=("category",))
    with pytest.raises(InputError, match="all dissimilarities of 'other' \\(category\\) are equal"):
        rsa.rsa(make_context(candidates=[constant]))


def test_too_few_stimuli_or_runs_are_refused(make_context, planted):
    recording = Recording.from_arrays(np.random.default_rng(0).random((3, 5)), ["s00", "s01", "s02"])
    with pytest.raises(InputError, match="at least 6 stimuli that every subject has, got 3"):
        rsa.rsa(make_context(dataset=Dataset("toy", study=Study.of(recording))))
    with pytest.raises(InputError, match="at least 6 runs that every subject has, got 2"):
        dataset = run_wise_dataset(1.0, n_runs=2)
        rsa.rsa(make_context(dataset=dataset, candidates=label_candidates(dataset, True)))


@pytest.mark.parametrize("comparison", ["whitened-cosine", "whitened-correlation", "bures", "tau-b"])
def test_comparisons_of_whole_matrices_find_the_planted_model(make_context, chosen, planted, comparison):
    context = make_context(n_subjects=3)
    outcome = rsa.rsa(context, distance="squared-euclidean", comparison=comparison)
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["value"] > other["value"]
    assert true["p"] == 0.01
    assert chosen(outcome, "B", "true")["p"] > 0.05
    assert any("no ceiling" in warning for warning in outcome.warnings)
    expected = []
    for subject in context.dataset.study.values():
        recording = subject.select(roi="A").average_repetitions()
        layer = planted["other"].features.matrix("only", recording.stimulus_ids)
        rdms = [rdm(values, method="squared-euclidean") for values in (layer, recording.data)]
        expected.append(compare_rdms(*rdms, method=comparison))
    found = outcome.scores.select(subject="all", roi="A", model="other", layer="only").table["value"].iloc[0]
    assert found == pytest.approx(np.mean(expected), rel=1e-7)


def repeated_dataset(n_repeats=4, noise=1.5, column=None, n_subjects=1, seed=3):
    """Return recordings of 20 stimuli, every one once in each run."""
    rng = np.random.default_rng(seed)
    names = [f"s{i:02d}" for i in range(20)]
    patterns = rng.standard_normal((20, 12))
    recordings = []
    for s in range(n_subjects):
        data = np.tile(patterns, (n_repeats, 1)) + noise * rng.standard_normal((20 * n_repeats, 12))
        samples = pd.DataFrame({"stimulus_id": names * n_repeats})
        if column is not None:
            samples[column] = np.repeat(np.arange(n_repeats), 20)
            data += 3 * rng.standard_normal((n_repeats, 12))[samples[column]]
        channels = pd.DataFrame({"name": [f"v{i}" for i in range(12)]})
        recordings.append(Recording(data.astype(np.float32), samples, channels, subject=f"sub{s}"))
    return Dataset("toy", study=Study.of(*recordings)), patterns.astype(np.float32)


def candidate(name, **layers):
    names = [f"s{i:02d}" for i in range(20)]
    return Candidate(
        name=name, family="toy", layers=tuple(layers), digest=name,
        features=Features(layers, names, model=name), stimulus_ids=tuple(names),
    )  # fmt: skip


def crossed(patterns, stimulus, fold, noise="multivariate"):
    return crossed_matrix(Crossed(np.asarray(patterns, dtype=float), stimulus, fold), noise)


def balanced(rng, n_folds, n_stimuli, n_channels):
    stimulus = np.tile(np.arange(n_stimuli), n_folds)
    return (
        rng.standard_normal((n_folds * n_stimuli, n_channels)),
        stimulus,
        np.repeat(np.arange(n_folds), n_stimuli),
    )


def test_cross_validated_distances_without_noise_in_them_are_the_metrics():
    X, stimulus, fold = balanced(np.random.default_rng(0), 4, 6, 5)
    rows = np.arange(len(X)) != 7  # an unbalanced design
    np.testing.assert_allclose(crossed(X, stimulus, fold, "none"), crossnobis(X, stimulus, fold), rtol=1e-10)
    found = crossed(X[rows], stimulus[rows], fold[rows], "none")
    np.testing.assert_allclose(
        found, crossnobis(X[rows] - X.mean(axis=0), stimulus[rows], fold[rows]), atol=0.2
    )
    assert (found < 0).any()


def test_distances_in_the_metric_of_the_noise_are_those_of_a_loop_over_left_out_folds():
    X, stimulus, fold = balanced(np.random.default_rng(1), 4, 6, 5)
    X = X - X.reshape(4, 6, 5).mean(axis=1)[fold]
    cube = X.reshape(4, 6, 5)
    wanted = np.zeros(15)
    for out in range(4):
        rest = np.delete(cube, out, axis=0)
        residuals = (rest - rest.mean(axis=0)).reshape(-1, 5)
        precision = np.linalg.inv(noise_covariance(residuals, dof=3 * 6 - 6 - 2))
        rows, columns = np.triu_indices(6, 1)
        a, b = cube[out][rows] - cube[out][columns], rest.mean(axis=0)[rows] - rest.mean(axis=0)[columns]
        wanted += np.einsum("pi,ij,pj->p", a, precision, b) / 5 / 4
    np.testing.assert_allclose(crossed(X, stimulus, fold), wanted, rtol=1e-9)


@pytest.mark.parametrize("noise", ["multivariate", "univariate", "none"])
def test_noise_alone_has_no_distance_on_average_which_a_metric_of_all_folds_would_give_it(noise):
    found, seen = [], []
    mixing = np.eye(40) + np.random.default_rng(99).standard_normal((40, 40)) / np.sqrt(40)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X, stimulus, fold = balanced(rng, 8, 8, 40)
        # Noise that channels share, and slow noise of a run.
        X = X @ mixing + 4 * rng.standard_normal((8, 40))[fold]
        found.append(crossed(X, stimulus, fold, noise).mean())
        residuals = X - X.reshape(8, 8, 40).mean(axis=1)[fold]
        residuals = residuals - residuals.reshape(8, 8, 40).mean(axis=0)[stimulus]
        precision = np.linalg.inv(noise_covariance(residuals, dof=64 - 8 - 7))
        seen.append(crossnobis(X, stimulus, fold, precision=precision).mean())
    assert abs(np.mean(found)) < 3.5 * np.std(found) / np.sqrt(30)
    assert np.mean(seen) > 5 * np.std(seen) / np.sqrt(30)


def test_a_metric_of_the_noise_makes_distances_independent_of_the_units_of_channels():
    X, stimulus, fold = balanced(np.random.default_rng(2), 5, 6, 4)
    scaled = X * [1.0, 10.0, 0.1, 3.0]
    for noise in ("multivariate", "univariate"):
        np.testing.assert_allclose(
            crossed(X, stimulus, fold, noise), crossed(scaled, stimulus, fold, noise), rtol=1e-8
        )
    assert (
        np.abs(crossed(X, stimulus, fold, "none") / crossed(scaled, stimulus, fold, "none") - 1).max() > 0.5
    )


@pytest.mark.parametrize(("column", "folds"), [("run", "run"), ("session", "session"), (None, "repetition")])
def test_crossnobis_finds_the_model_over_whatever_noise_is_independent_between(
    make_context, chosen, column, folds
):
    dataset, patterns = repeated_dataset(column=column)
    models = [candidate("true", late=patterns), candidate("other", only=patterns[::-1].copy())]
    outcome = rsa.rsa(
        make_context(dataset=dataset, candidates=models), distance="crossnobis", comparison="pearson"
    )
    row = chosen(outcome, "all", "true", "rsa-pearson (crossnobis)")
    assert row["p"] == 0.01
    assert row["value"] > 0.4 > chosen(outcome, "all", "other")["value"]
    assert f"crossnobis, 4 {folds}s" in outcome.methods[0]
    assert 0.5 < row["ceiling_upper"] < 1.05
    assert row["normalized"] == pytest.approx(row["value"] / row["ceiling_upper"])
    assert any("Walther" in reference for reference in outcome.references)


def test_runs_that_are_counted_anew_in_every_session_are_different_runs():
    samples = pd.DataFrame({"stimulus_id": ["a", "b"] * 2, "run": ["1"] * 4, "session": ["x", "x", "y", "y"]})
    recording = Recording(
        np.random.default_rng(0).random((4, 3)).astype(np.float32), samples,
        pd.DataFrame({"name": list("uvw")}),
    )  # fmt: skip
    assert find_folds([recording], ["a", "b"], "run") == "run"
    np.testing.assert_array_equal(crossed_trials(recording, ["b", "a"], "run").fold, [0, 0, 1, 1])
    np.testing.assert_array_equal(crossed_trials(recording, ["b", "a"], "run").stimulus, [1, 0, 1, 0])


def test_repetitions_within_one_run_are_taken_with_a_warning(caplog):
    samples = pd.DataFrame({"stimulus_id": ["a", "b", "a", "b"], "run": ["1", "2", "1", "2"]})
    recording = Recording(
        np.ones((4, 2), dtype=np.float32), samples, pd.DataFrame({"name": list("uv")}), subject="ann"
    )
    assert find_folds([recording], ["a", "b"], None) == "repetition"
    assert "those of one run share its slow noise" in caplog.text
    with pytest.raises(InputError, match="by run, 2 stimuli of 'ann' come in one only, such as 'a'"):
        find_folds([recording], ["a", "b"], "run")
    with pytest.raises(InputError, match="'ann' has no column 'session'. Choose another `fold_by`"):
        find_folds([recording], ["a", "b"], "session")


def test_the_ceiling_of_crossed_matrices_is_what_the_truth_reaches():
    reached, bounds = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        truth = rng.standard_normal((40, 10))
        X, stimulus, fold = balanced(rng, 6, 40, 10)
        trials = Crossed(X * 1.5 + truth[stimulus], stimulus, fold)
        first, second, whole = crossed_halves(trials, noise="none", split_trials=False, n_splits=5, seed=seed)
        np.testing.assert_allclose(whole, crossed_matrix(trials, "none"), rtol=1e-8)
        brain = Brain(
            whole[None],
            ["x"],
            stimulus_items([f"s{i}" for i in range(40)]),
            (first, second),
            "",
            "by run",
            whole,
        )
        bounds.append(matrix_ceiling(brain, "pearson").upper)
        # The truth for these channels; the signal of other stimuli would be no less alike.
        reached.append(np.corrcoef(rdm(truth, method="squared-euclidean"), whole)[0, 1])
        assert matrix_ceiling(brain, "spearman").estimator == ""
    assert np.mean(bounds) == pytest.approx(np.mean(reached), abs=0.04)
    assert np.std(bounds) < 0.15


def test_two_folds_have_no_halves_and_no_noise_to_normalise_by(make_context, chosen):
    dataset, patterns = repeated_dataset(n_repeats=2, column="run")
    context = make_context(dataset=dataset, candidates=[candidate("true", late=patterns)])
    with pytest.raises(InputError, match="have 0 degrees of freedom of at least 3"):
        rsa.rsa(context, distance="crossnobis")
    outcome = rsa.rsa(context, distance="crossnobis", comparison="pearson", noise_normalisation="none")
    assert np.isnan(
        chosen(outcome, "all", "true", "rsa-pearson (crossnobis, not normalised)")["ceiling_upper"]
    )
    assert any("ceiling for pearson alone" in warning for warning in outcome.warnings)


def test_several_subjects_bound_crossed_matrices_as_any_others(make_context, chosen):
    dataset, patterns = repeated_dataset(n_subjects=5)
    outcome = rsa.rsa(
        make_context(dataset=dataset, candidates=[candidate("true", late=patterns)]),
        distance="crossnobis", comparison="cosine", fold_by="repetition", noise_normalisation="univariate",
    )  # fmt: skip
    metric = "rsa-cosine (crossnobis over repetitions, univariate noise)"
    row = chosen(outcome, "all", "true", metric)
    assert row["ceiling_lower"] < row["ceiling_upper"]
    assert row["p"] == 0.01


def test_conditions_in_runs_are_compared_as_conditions(make_context, chosen):
    rng = np.random.default_rng(0)
    names = [f"{kind}{i}" for kind in ("face", "house") for i in range(4)]
    patterns = np.repeat(rng.standard_normal((2, 30)), 4, axis=0) + 0.5 * rng.standard_normal((8, 30))
    data = np.concatenate([patterns + rng.standard_normal((8, 30)) for _ in range(6)])
    samples = pd.DataFrame({"stimulus_id": names * 6, "run": np.repeat(np.arange(6), 8).astype(str)})
    recording = Recording(
        data.astype(np.float32), samples, pd.DataFrame({"name": [f"v{i}" for i in range(30)]})
    )
    labels = pd.DataFrame({"stimulus_id": names, "kind": ["face"] * 4 + ["house"] * 4})
    dataset = Dataset("toy", study=Study.of(recording), conditions="stimulus_id", labels=labels)
    candidates = label_candidates(dataset, True)
    context = make_context(dataset=dataset, candidates=candidates)
    outcome = rsa.rsa(context, distance="crossnobis", comparison="pearson")
    row = chosen(outcome, "all", "kind", "rsa-pearson (crossnobis)")
    assert row["value"] > 0.7
    assert row["n"] == 8
    assert "same condition says the same of all pairs of conditions" in outcome.warnings[0]
    only = [c for c in candidates if c.name == "same condition"]
    with pytest.raises(InputError, match="same condition say the same of all pairs of 8 conditions"):
        rsa.rsa(make_context(dataset=dataset, candidates=only), distance="crossnobis")


@pytest.mark.parametrize("comparison", ["pearson", "spearman"])
def test_partial_similarity_is_that_of_the_metric_and_what_a_control_explains_is_gone(
    make_context, planted, chosen, comparison
):
    true = planted["true"].features
    rng = np.random.default_rng(7)
    twin = true["late"] + 0.3 * rng.standard_normal((48, 6)).astype(np.float32)
    copy = replace(planted["other"], name="twin", features=Features({"only": twin}, IDS, model="twin"))
    context = make_context(candidates=[*planted.values(), copy])
    plain = rsa.rsa(context, comparison=comparison)
    outcome = rsa.rsa(context, comparison=comparison, partial=["true"])
    metric = f"rsa-{comparison} (correlation) given true"
    assert set(outcome.scores.table["model"]) == {"other", "twin"}
    before = chosen(plain, "A", "twin", f"rsa-{comparison} (correlation)")
    after = chosen(outcome, "A", "twin", metric)
    assert before["p"] == 0.01
    assert abs(after["value"]) < before["value"] / 3
    # A subject's score by the metric.
    study = context.dataset.study
    ids = study.common_stimuli
    brain = rdm(study["sub1"].select(roi="A").average_repetitions().align(ids).data, method="correlation")
    controls = np.stack([rdm(true.matrix(layer, ids), method="correlation") for layer in ("early", "late")])
    model = rdm(copy.features.matrix("only", ids), method="correlation")
    row = outcome.scores.select(subject="sub1", roi="A", model="twin", metric=metric).table.iloc[0]
    assert row["value"] == pytest.approx(
        partial_correlation(brain, model, controls, method=comparison), rel=1e-9
    )
    assert "of true (all layers) explain is regressed out" in outcome.methods[0]
    assert "true are regressed out of models and brain alike" in outcome.audit[0][2]


def test_a_partial_similarity_that_cannot_be_meant_is_refused(make_context, planted):
    context = make_context()
    with pytest.raises(InputError, match="comparison 'kendall' has no form. Use pearson or spearman"):
        rsa.rsa(context, comparison="kendall", partial=["true"])
    with pytest.raises(InputError, match="`partial`: 'trues', did you mean 'true'"):
        rsa.rsa(context, partial=["trues"])
    with pytest.raises(InputError, match="names all models of the comparison"):
        rsa.rsa(context, partial=["true", "other"])
    same = replace(
        planted["other"],
        name="same",
        features=Features({"only": planted["true"].features["late"]}, IDS, model="same"),
    )
    with pytest.raises(InputError, match="nothing is left of 'same' \\(only\\) when true are regressed out"):
        rsa.rsa(make_context(candidates=[planted["true"], same]), partial=["true"])


def test_options_of_crossnobis_go_with_nothing_else(make_context):
    context = make_context()
    with pytest.raises(
        InputError, match="`fold_by` and `noise_normalisation` are options of distance 'crossnobis', got"
    ):
        rsa.rsa(context, fold_by="run")
    with pytest.raises(InputError, match="'bures' goes with neither distance 'crossnobis' nor `partial`"):
        rsa.rsa(context, distance="crossnobis", comparison="bures")
    table = pd.DataFrame({"subject": ["x"], "roi": "R"})
    published = RDMs(np.random.default_rng(0).random((1, 28)), tuple("abcdefgh"), table, "crossnobis")
    with pytest.raises(InputError, match="distance 'crossnobis' is taken from repeated responses"):
        rsa.rsa(make_context(dataset=Dataset("toy", rdms=published)), distance="crossnobis")


def test_channels_without_noise_or_too_many_for_a_covariance_are_named(monkeypatch):
    X, stimulus, fold = balanced(np.random.default_rng(3), 4, 6, 5)
    monkeypatch.setattr(_rsa_crossnobis, "MAX_CHANNELS", 4)
    with pytest.raises(InputError, match="a noise covariance of 5 channels is too large \\(at most 4\\)"):
        crossed(X, stimulus, fold)
    X[:, 2] = 1.0
    with pytest.raises(
        InputError, match="1 channel\\(s\\) are the same in all repeats, the first is number 2"
    ):
        crossed(X, stimulus, fold, "univariate")


def test_every_option_that_changes_a_score_changes_its_name():
    for kind in ("rsa", "weighted-rsa"):
        options = set(inspect.signature(COMPARISONS[kind]).parameters) - {"context"}
        assert set(COMPARISONS.facts(kind)["named_by"]) == options
    names = {
        Crossing(fold_by, noise).name
        for fold_by in (None, "run", "session", "repetition")
        for noise in ("multivariate", "univariate", "none")
    }
    assert len(names) == 12


def test_with_one_subject_whitened_cosines_of_halves_stand_beside_halves(make_context, chosen):
    context = make_context(n_subjects=1)
    sizes = {
        comparison: [
            chosen(rsa.rsa(context, distance="squared-euclidean", comparison=comparison), "A", name)["n"]
            for name in ("true", "other")
        ]
        for comparison in ("whitened-cosine", "whitened-correlation")
    }
    # The cosine is biased CKA, which rises as stimuli get fewer; the correlation is not.
    assert sizes == {"whitened-cosine": [24, 24], "whitened-correlation": [48, 48]}
