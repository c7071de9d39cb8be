from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from alignkit.decoders import Evaluation, Retrieval
from alignkit.pipelines.decoding.differences import difference_rows
from alignkit.pipelines.decoding.rows import full_table, score_rows
from alignkit.pipelines.decoding.scoring import Scored

sys.path.insert(0, str(Path(__file__).parent))
from planted_trials import MLP, scores_of, seen_stimuli, settings, told_apart

KIND = {"label": "kind"}


def retrieved(better, tied=None, stimuli=None, *, n_gallery=8, p=None, null=(), scores=("top-1", "MRR")):
    """Return an evaluation of trials whose place is given."""
    better = np.asarray(better)
    tied = np.zeros_like(better) if tied is None else np.asarray(tied)
    stimuli = np.arange(len(better)) if stimuli is None else np.asarray(stimuli)
    table = pd.DataFrame({
        "subject": "all", "repetitions": "all", "score": scores,
        "value": 0.5, "ci_low": 0.25, "ci_high": 0.75, "chance": 1 / n_gallery,
        "p": np.nan if p is None else p, "n_trials": len(better),
        "n_stimuli": len(set(stimuli.tolist())),
    })  # fmt: skip
    null = pd.DataFrame({score: np.asarray(null, dtype=float) for score in scores} if len(null) else {})
    result = Retrieval(table, better, tied, stimuli, n_gallery, null)
    card = SimpleNamespace(n_choices=n_gallery, repetitions=("all",))
    return Evaluation(table, {("all", "all"): result}, card)


def scored(name, evaluation, *, scope="all", seed=0, shuffled=False, kind="ridge"):
    component = SimpleNamespace(kind=kind, name=name)
    return Scored(name, component, scope, seed, shuffled, evaluation, None)


def rows_of(group, **more):
    scores, chance = score_rows(settings(**more), group)
    return scores.table, chance


def difference(a, b, metric="top-1 of 8", **more):
    table = difference_rows(settings(**more), [scored("a", a), scored("b", b)])
    return table[table["metric"] == metric].iloc[0]


def test_hits_with_ties_at_the_edge_count_as_the_share_of_orders_that_hit():
    # top-1 of places (0 better, 0 tied), (0, 1), (0, 3), (1, 0), (2, 5), (0, 0): 1, 1/2, 1/4, 0, 0, 1
    found = difference(retrieved([0, 0, 0, 1, 2, 0], [0, 1, 3, 0, 5, 0]), retrieved([1] * 6))
    assert found["difference"] == pytest.approx((1 + 0.5 + 0.25 + 1) / 6)


def test_more_places_count_more_of_a_tie():
    # top-5 of (4, 0), (4, 1), (3, 3), (5, 0), (0, 7), (7, 0): 1, 1/2, 2/4, 0, 5/8, 0
    scores = ("top-5",)
    a = retrieved([4, 4, 3, 5, 0, 7], [0, 1, 3, 0, 7, 0], scores=scores)
    found = difference(a, retrieved([7] * 6, scores=scores), "top-5 of 8")
    assert found["difference"] == pytest.approx((1 + 0.5 + 0.5 + 5 / 8) / 6)


def test_reciprocal_ranks_of_ties_are_the_mean_over_their_orders():
    found = difference(retrieved([0, 1, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0]), retrieved([0] * 6), "MRR")
    assert found["difference"] == pytest.approx((1 + 1 / 2 + (1 + 1 / 2 + 1 / 3) / 3 + 3) / 6 - 1)


def test_trials_of_a_stimulus_count_as_one_and_p_comes_from_all_flips_of_signs():
    stimuli = [0, 0, 1, 2, 3, 4, 5, 6]
    a = retrieved([0, 1, 0, 0, 0, 1, 0, 1], stimuli=stimuli)
    b = retrieved([1, 1, 1, 1, 1, 1, 1, 0], stimuli=stimuli)
    found = difference(a, b)
    per_stimulus = np.array([0.5, 1, 1, 1, 0, 1, -1])
    assert found["difference"] == pytest.approx(per_stimulus.mean())
    assert found["se"] == pytest.approx(per_stimulus.std(ddof=1) / np.sqrt(7))
    sums = np.array([np.abs((np.array(signs) * per_stimulus).sum()) for signs in product((1, -1), repeat=7)])
    assert found["p"] == pytest.approx((sums >= per_stimulus.sum() - 1e-9).mean())


def test_a_difference_of_nothing_has_a_p_of_one_and_fewer_than_six_stimuli_have_none():
    same = difference(retrieved([0, 1, 0, 1, 0, 1]), retrieved([0, 1, 0, 1, 0, 1]))
    assert (same["difference"], same["p"]) == (0.0, 1.0)
    table = difference_rows(settings(), [scored("a", retrieved([0] * 5)), scored("b", retrieved([1] * 5))])
    assert table.empty


def test_every_pair_of_decoders_is_compared_once_without_controls_and_corrected_over_all():
    best, middle, worst = (retrieved([place] * 8) for place in (0, 3, 6))
    group = [scored("a", best), scored("b", middle), scored("c", worst), scored("c", worst, shuffled=True)]
    table = difference_rows(settings(), group)
    assert table[["metric", "model_a", "model_b"]].to_numpy().tolist() == [
        [metric, *pair] for metric in ("top-1 of 8", "MRR") for pair in ("ab", "ac", "bc")
    ]
    own = table[table["metric"] == "top-1 of 8"]
    assert own["p"].tolist() == pytest.approx([2 / 2**8, 2 / 2**8, 1.0])
    # Benjamini-Hochberg of six, three of each metric: of MRR all three differ.
    assert own["p_corrected"].tolist() == pytest.approx([2 / 2**8 * 6 / 5] * 2 + [1.0])
    assert set(table["correction"]) == {"FDR (Benjamini-Hochberg)"}
    by = difference_rows(settings(inference={"correction": "by"}), group)
    assert by["p_corrected"].iloc[0] == pytest.approx(2 / 2**8 * 6 / 5 * sum(1 / n for n in range(1, 7)))


def test_trainings_of_a_network_are_averaged_before_decoders_are_compared():
    first, second = retrieved([0] * 3 + [1] * 3), retrieved([0] * 6)
    group = [scored("a", first), scored("a", second, seed=1), scored("b", retrieved([1] * 6))]
    table = difference_rows(settings(), group)
    assert table["difference"].iloc[0] == pytest.approx(0.75)


def test_p_is_corrected_over_decoders_and_controls_take_no_part():
    null = np.linspace(0, 1, 99)
    group = []
    for name, value in (("a", 0.985), ("b", 0.955), ("c", 0.5)):
        evaluation = retrieved([0] * 6, null=null)
        evaluation.table["value"] = value
        evaluation.table[["ci_low", "ci_high"]] = 0.0, 1.0
        group += [scored(name, evaluation), scored(name, evaluation, shuffled=True)]
    table, _ = rows_of(group)
    own = table[table["metric"] == "top-1 of 8"].set_index("model")
    p = own.loc[["a", "b", "c"], "p"].to_numpy()
    by_hand = [(1 + np.sum(null >= value - 1e-12)) / 100 for value in (0.985, 0.955, 0.5)]
    np.testing.assert_allclose(p, by_hand)
    np.testing.assert_allclose(own.loc[["a", "b", "c"], "p_corrected"], [p[0] * 3, p[1] * 3 / 2, p[2]])
    assert own.loc["a, shuffled", "p"] == p[0]
    assert np.isnan(own.loc["a, shuffled", "p_corrected"])
    assert own.loc["a, shuffled", "correction"] == ""
    assert (own.loc["a", "family"], own.loc["a, shuffled", "family"]) == ("linear", "shuffled control")


def test_subjects_have_rows_and_all_of_them_students_interval_and_their_number(tmp_path):
    dataset, embeddings = seen_stimuli(3, noise=12.0)
    config = settings(split={"test": 10})
    _, group = scores_of(config, dataset, embeddings, tmp_path)
    table, chance = rows_of(group, split={"test": 10})
    own = table[table["metric"] == "MRR"].set_index("subject")
    values = own.loc[["sub1", "sub2", "sub3"], "value"].to_numpy()
    assert len(set(values)) > 1
    row = own.loc["all"]
    assert row["value"] == pytest.approx(values.mean())
    half = student.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        (max(values.mean() - half, 0), min(values.mean() + half, 1))
    )
    assert row["n"] == 3
    nulls = [one.evaluation.results["all", "all"].null["MRR"].to_numpy() for one in group]
    expected = (1 + np.sum(np.mean(nulls, axis=0) >= values.mean() - 1e-12)) / 100
    assert row["p"] == pytest.approx(expected)
    assert 0.01 < expected < 1.0  # not where every null would do
    assert chance["top-1 of 10"] == pytest.approx(0.1)


def test_one_decoder_of_all_subjects_has_a_row_for_each_and_counts_stimuli(tmp_path):
    dataset, embeddings = seen_stimuli(2, noise=3.0)
    config = settings(subjects="joint", split={"test": 10})
    _, (one,) = scores_of(config, dataset, embeddings, tmp_path)
    table, _ = rows_of([one])
    own = table[table["metric"] == "MRR"].set_index("subject")
    assert list(own.index) == ["sub1", "sub2", "all"]
    assert own.loc["all", "n"] == 10
    every = one.table[one.table["score"] == "MRR"].set_index("subject")
    assert own["value"].tolist() == pytest.approx(every.loc[own.index, "value"].tolist())
    assert own.loc["all", "ci_low"] == pytest.approx(every.loc["all", "ci_low"])


def test_trainings_of_a_network_are_averaged_and_not_counted_as_subjects(tmp_path):
    dataset, embeddings = seen_stimuli(2)
    _, group = scores_of(settings(decoders=[MLP], seeds=2), dataset, embeddings, tmp_path)
    assert len(group) == 4
    table, _ = rows_of(group)
    own = table[table["metric"] == "MRR"].set_index("subject")
    assert list(own.index) == ["sub1", "sub2", "all"]
    for subject in ("sub1", "sub2"):
        values = [one.evaluation.value("MRR", repetitions="all") for one in group if one.scope == subject]
        assert own.loc[subject, "value"] == pytest.approx(np.mean(values))
    assert own.loc["all", "n"] == 2


def test_metrics_name_the_gallery_and_the_averages_that_are_not_the_last(tmp_path):
    dataset, embeddings = seen_stimuli(n_repeats=3)
    config = settings(repetitions=[1, 2, "all"], split={"test": 10})
    _, group = scores_of(config, dataset, embeddings, tmp_path)
    table, _ = rows_of(group)
    assert list(dict.fromkeys(table["metric"])) == [
        "top-1 of 10", "top-5 of 10", "MRR", "top-1 of 10, 1 repetition", "top-1 of 10, 2 repetitions"
    ]  # fmt: skip


def test_galleries_of_several_sizes_are_named_by_both_and_only_common_scores_are_shown():
    small = retrieved([0] * 4, n_gallery=4)
    large = retrieved([0] * 8, n_gallery=8, scores=("top-1", "top-5", "MRR"))
    table, chance = rows_of([scored("a", large, scope="s1"), scored("a", small, scope="s2")])
    assert set(table["metric"]) == {"top-1 of 4-8", "MRR"}
    assert chance["top-1 of 4-8"] == pytest.approx((1 / 4 + 1 / 8) / 2)


def test_accuracy_is_left_out_where_classes_are_even_and_kept_where_they_are_not(tmp_path):
    even = told_apart(gain=5.0)
    _, group = scores_of(settings(KIND, decoders=["lda"]), even, None, tmp_path)
    assert set(rows_of(group)[0]["metric"]) == {"balanced accuracy", "AUC"}
    # Seven trials of a run, all of them right: accuracy and balanced accuracy have chances of their own.
    _, group = scores_of(settings(KIND, decoders=["lda"]), told_apart(gain=9.0, per_run=7), None, tmp_path)
    table, chance = rows_of(group)
    assert set(table.loc[table["value"] == 1.0, "metric"]) >= {"accuracy", "balanced accuracy"}
    assert chance["accuracy"] > chance["balanced accuracy"] == 0.5


@pytest.mark.parametrize("per_run", [8, 7])
@pytest.mark.parametrize("n_subjects", [1, 2])
def test_differences_of_classes_are_those_of_the_scores_by_unit(tmp_path, per_run, n_subjects):
    dataset = told_apart(n_subjects, gain=0.8, per_run=per_run, n_channels=8)
    config = settings(
        KIND, split={"folds": 3},
        decoders=["lda", {"kind": "logistic", "C": 1e-4}, {"kind": "lda", "name": "plain", "shrinkage": 1.0}],
    )  # fmt: skip
    _, group = scores_of(config, dataset, None, tmp_path)
    table = difference_rows(config, group)
    scores, _ = score_rows(config, group)
    values = scores.table[scores.table["subject"] == "all"].set_index(["metric", "model"])["value"]
    assert set(table["metric"]) == {"balanced accuracy"} | ({"accuracy"} if per_run == 7 else set())
    assert (table["difference"] != 0).any()
    for row in table.to_dict(orient="records"):
        expected = values[row["metric"], row["model_a"]] - values[row["metric"], row["model_b"]]
        assert row["difference"] == pytest.approx(expected, abs=1e-12)


def test_every_score_is_in_the_full_table_once(tmp_path):
    dataset, embeddings = seen_stimuli(2)
    _, group = scores_of(settings(shuffled=True, decoders=[MLP], seeds=2), dataset, embeddings, tmp_path)
    table = full_table(group)
    key = ["decoder", "scope", "seed", "shuffled", "subject", "repetitions", "score"]
    assert not table.duplicated(key).any()
    assert table[["scope", "seed", "shuffled"]].drop_duplicates().shape[0] == 2 * (2 + 1)
    assert len(table) == sum(len(one.table) for one in group)
    assert "decoder" not in group[0].table  # what was scored is left as it was
