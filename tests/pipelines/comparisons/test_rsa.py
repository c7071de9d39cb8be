from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.metrics import rdm
from alignkit.pipelines.candidates import label_candidates
from alignkit.pipelines.comparisons import rsa
from alignkit.recordings import RDMs, Recording, Study

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
def test_comparisons_of_whole_matrices_find_the_planted_model(make_context, chosen, comparison):
    outcome = rsa.rsa(make_context(), distance="squared-euclidean", comparison=comparison)
    true, other = (chosen(outcome, "A", name) for name in ("true", "other"))
    assert true["value"] > other["value"]
    assert true["p"] == 0.01
    assert chosen(outcome, "B", "true")["p"] > 0.05
    assert any("no ceiling" in warning for warning in outcome.warnings)
