"""Exchanges keep what must stay, and corrections hold their level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from alignkit._core.errors import InputError
from alignkit.decoders.evaluation.nulls import (
    cluster_test,
    compare_over_times,
    null_of_retrieval,
    permute_labels,
    shuffle_targets,
)
from alignkit.decoders.evaluation.retrieval import retrieve


def test_labels_are_exchanged_within_their_unit():
    truth, units = np.array([0, 0, 1, 1, 1, 0, 2, 2]), np.repeat([4, 7], 4)
    permuted = permute_labels(truth, units, n_permutations=50)
    for unit in (4, 7):
        wanted = np.sort(truth[units == unit])
        assert (np.sort(permuted[:, units == unit], axis=1) == wanted).all()
    assert len(np.unique(permuted, axis=0)) > 20


def test_units_of_one_label_are_exchanged_whole():
    truth, units = np.repeat([0, 1, 0, 1], 3), np.repeat(np.arange(4), 3)
    permuted = permute_labels(truth, units, n_permutations=30)
    assert (permuted.reshape(30, 4, 3) == permuted.reshape(30, 4, 3)[..., :1]).all()
    assert len(np.unique(permuted, axis=0)) == 6


def test_what_cannot_be_exchanged_is_refused():
    with pytest.raises(InputError, match="all trials have one label"):
        permute_labels([1, 1], [0, 1], n_permutations=1)
    with pytest.raises(InputError, match="`units` must name one of each trial"):
        permute_labels([1, 0], [0], n_permutations=1)


def test_shuffled_targets_keep_repetitions_together_and_lose_the_relation(embedded, labelled):
    trials = embedded()
    shuffled = shuffle_targets(trials)
    pairs = set(zip(trials.column("target").tolist(), shuffled.column("target").tolist(), strict=True))
    assert len(pairs) == 40
    assert sorted(shuffled.column("target")) == sorted(trials.column("target"))
    assert sum(a == b for a, b in pairs) < 6
    classes = labelled()
    mixed = shuffle_targets(classes, seed=1)
    counts = [t.table.groupby("unit")["target"].sum() for t in (classes, mixed)]
    assert counts[0].equals(counts[1])
    assert np.mean(mixed.column("target") == classes.column("target")) < 0.75


def test_the_null_of_retrieval_is_centred_on_chance():
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((30, 5))
    null = null_of_retrieval(rng.standard_normal((30, 5)), gallery, np.arange(30), n_permutations=400)
    found = retrieve(gallery, gallery, np.arange(30), n_permutations=0, n_bootstraps=0, k_way=(2,))
    chance = found.table.set_index("score")["chance"]
    for score in null.columns:
        spread = null[score].std() / 20
        assert abs(null[score].mean() - chance[score]) < 4 * spread


def test_the_largest_score_over_times_and_the_false_discovery_rate_correct():
    rng = np.random.default_rng(0)
    null = rng.standard_normal((199, 20))
    observed = np.concatenate([[5.0], rng.standard_normal(19)])
    largest = compare_over_times(observed, null)
    assert largest.p[0] == largest.p_corrected[0] == pytest.approx(1 / 200)
    assert (largest.p_corrected >= largest.p).all()
    rate = compare_over_times(observed, null, correction="fdr")
    np.testing.assert_allclose(rate.p_corrected, false_discovery_control(rate.p))
    assert compare_over_times(observed, null, correction="none").p_corrected is not None
    with pytest.raises(InputError, match="`correction` is 'bonferroni'"):
        compare_over_times(observed, null, correction="bonferroni")


def test_the_largest_score_holds_its_level_where_uncorrected_p_does_not():
    called = {"max": 0, "none": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        null, observed = rng.standard_normal((99, 30)), rng.standard_normal(30)
        for name in called:
            called[name] += (compare_over_times(observed, null, correction=name).p_corrected <= 0.05).any()
    assert called["max"] <= 8
    assert called["none"] >= 35


def test_a_planted_cluster_is_found_and_the_statistic_is_students():
    rng = np.random.default_rng(0)
    scores = 0.5 + 0.05 * rng.standard_normal((12, 40))
    scores[:, 10:20] += 0.08
    found = cluster_test(scores, chance=0.5, n_permutations=200)
    np.testing.assert_allclose(found.statistic, ttest_1samp(scores, 0.5).statistic)
    best = found.masks[int(found.p.argmin())]
    assert found.p.min() <= 0.01
    assert best[10:20].mean() > 0.8
    assert best[25:].sum() == 0
    flipped = cluster_test(1 - scores, chance=0.5, alternative="less", n_permutations=200)
    np.testing.assert_allclose(flipped.p.min(), found.p.min())
    plane = cluster_test(np.repeat(scores[..., None], 3, axis=2), chance=0.5, n_permutations=50)
    assert plane.masks[0].shape == (40, 3)


def test_too_few_subjects_for_clusters_are_refused():
    with pytest.raises(InputError, match="needs at least 5, got 4"):
        cluster_test(np.ones((4, 3)), chance=0.5)
