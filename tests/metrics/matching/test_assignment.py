from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics import METRICS
from alignkit.metrics._folds import stimulus_folds
from alignkit.metrics.matching.assignment import match_units

METHODS = ["one-to-one", "semi", "soft"]


def systems(p, q, n=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)), rng.standard_normal((n, q))


def correlation(X, Y):
    return np.corrcoef(X.T, Y.T)[: X.shape[1], X.shape[1] :]


@pytest.mark.parametrize("method", METHODS)
def test_a_permutation_with_gains_and_offsets_is_undone(method):
    X, _ = systems(7, 1)
    order = np.random.default_rng(1).permutation(7)
    found = match_units(X, 5 * X[:, order] + 3, method=method)
    np.testing.assert_array_equal(found.partners, np.argsort(order))
    assert found.score == pytest.approx(1, abs=1e-12)
    assert found.gap == pytest.approx(0, abs=1e-12)


def test_one_to_one_is_the_best_of_all_assignments():
    X, Y = systems(5, 5)
    r = correlation(X, Y)
    best = max(permutations(range(5)), key=lambda order: r[range(5), order].sum())
    found = match_units(X, Y)
    assert found.partners.tolist() == list(best)
    assert found.score == pytest.approx(r[range(5), best].mean(), rel=1e-12)


def test_semi_takes_the_best_for_each_whoever_else_has_it():
    X, Y = systems(6, 4)
    r = correlation(X, Y)
    found = match_units(X, Y, method="semi")
    np.testing.assert_array_equal(found.partners, r.argmax(axis=1))
    np.testing.assert_allclose(found.correlations, r.max(axis=1), rtol=1e-12)
    assert found.gap == 0


def test_the_gap_is_what_single_partners_cost():
    X, Y = systems(5, 8)
    r = correlation(X, Y)
    found = match_units(X, Y)
    assert found.gap == pytest.approx(r.max(axis=1).mean() - found.score, rel=1e-10)
    assert found.gap > 0


def test_copies_of_one_unit_share_it_and_one_to_one_pays():
    X, Y = systems(3, 3)
    copies = np.repeat(X[:, :1], 3, axis=1)
    assert match_units(copies, np.column_stack([X[:, 0], Y[:, 1:]]), method="semi").score == pytest.approx(1)
    single = match_units(copies, np.column_stack([X[:, 0], Y[:, 1:]]))
    assert single.gap > 0.5


def test_more_units_than_partners_leave_some_without():
    X, Y = systems(6, 4)
    found = match_units(X, Y)
    assert (found.partners == -1).sum() == 2
    assert np.isnan(found.correlations[found.partners == -1]).all()
    assert sorted(found.partners[found.partners >= 0]) == [0, 1, 2, 3]
    assert match_units(Y, X).score == pytest.approx(found.score, rel=1e-12)


def test_soft_matching_of_equal_numbers_is_one_to_one():
    X, Y = systems(6, 6)
    soft, hard = match_units(X, Y, method="soft"), match_units(X, Y)
    assert soft.score == pytest.approx(hard.score, rel=1e-12)
    np.testing.assert_array_equal(soft.partners, hard.partners)


def test_soft_matching_of_unequal_numbers_is_optimal_transport():
    ot = pytest.importorskip("ot")
    X, Y = systems(6, 9, n=50)
    r = correlation(X, Y)
    plan = ot.emd(np.full(6, 1 / 6), np.full(9, 1 / 9), 1 - r)
    found = match_units(X, Y, method="soft")
    assert found.score == pytest.approx((plan * r).sum(), rel=1e-10)
    np.testing.assert_allclose(found.plan.sum(axis=1), 1 / 6, rtol=1e-12)
    np.testing.assert_allclose(found.plan.sum(axis=0), 1 / 9, rtol=1e-12)
    # Sharing costs: the best of all for each is more, and that maximum is biased upwards.
    assert found.score < match_units(X, Y, method="semi").score


def test_doubled_units_cost_soft_matching_nothing():
    X, _ = systems(4, 1)
    assert match_units(X, np.repeat(X, 2, axis=1), method="soft").score == pytest.approx(1, abs=1e-12)


def test_opposite_units_are_no_partners():
    X, _ = systems(2, 1)
    found = match_units(X, np.column_stack([-X[:, 0], X[:, 1]]))
    assert found.correlations.min() < 0.5


@pytest.mark.parametrize("method", METHODS)
def test_held_out_scores_of_unrelated_systems_are_at_zero_and_in_sample_ones_are_not(method):
    scores = [
        [match_units(*systems(12, 15, seed=seed), method=method, cv=cv).score for cv in (None, 3)]
        for seed in range(12)
    ]
    in_sample, held_out = np.mean(scores, axis=0)
    assert in_sample > 0.12
    assert held_out == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_held_out_scores_of_planted_pairs_are_high(method):
    X, noise = systems(10, 10, n=120)
    found = match_units(X, X[:, ::-1] + 0.5 * noise, method=method, cv=4)
    assert found.held_out
    assert found.score > 0.85
    np.testing.assert_array_equal(found.partners, np.arange(10)[::-1])


def test_held_out_scores_use_pairs_of_the_training_stimuli():
    X, Y = systems(5, 5)
    folds = stimulus_folds(3, 60, random_state=0)
    found = match_units(X, Y, cv=3)
    expected = []
    for train, test in folds:
        partners = match_units(X[train], Y[train]).partners
        expected.append(correlation(X[test], Y[test])[range(5), partners].mean())
    assert found.score == pytest.approx(np.mean(expected), rel=1e-10)


def test_constant_units_are_left_out_and_counted():
    X, Y = systems(4, 4)
    X[:, 1] = 0.1
    Y[:, [0, 2]] = 7
    for method in METHODS:
        found = match_units(X, Y, method=method)
        assert (found.n_constant_x, found.n_constant_y) == (1, 2)
        assert found.partners[1] == -1
        assert np.isnan(found.correlations[1])
        assert set(found.partners) <= {-1, 1, 3}
        rest = match_units(X[:, [0, 2, 3]], Y[:, [1, 3]], method=method)
        assert found.score == pytest.approx(rest.score, rel=1e-12)


def test_units_silent_in_one_part_lose_only_that_fold():
    X, Y = systems(4, 4, n=30)
    first, second = np.arange(20), np.arange(20, 30)
    X[second, 0] = 0
    found = match_units(X, X, cv=[(first, second), (np.arange(10, 30), np.arange(10))])
    assert found.correlations[0] == pytest.approx(1)
    assert np.isnan(match_units(X, X, cv=[(first, second)]).correlations[0])


def test_n_units_of_one_integers_and_tiny_values_are_fine():
    counts = np.random.default_rng(0).integers(0, 9, (20, 1))
    for method in METHODS:
        assert match_units(counts, counts, method=method).score == pytest.approx(1)
    X, Y = systems(3, 3)
    assert match_units(1e-200 * X, Y).score == pytest.approx(match_units(X, Y).score, rel=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_tensors_come_back_with_equal_numbers_and_inputs_are_left_alone(method):
    X, Y = systems(4, 6)
    before = X.copy()
    found = match_units(torch.from_numpy(X), torch.from_numpy(Y), method=method)
    assert isinstance(found.partners, torch.Tensor)
    expected = match_units(X, Y, method=method)
    np.testing.assert_allclose(found.correlations.numpy(), expected.correlations, rtol=1e-12)
    np.testing.assert_array_equal(found.partners.numpy(), expected.partners)
    np.testing.assert_array_equal(X, before)


def test_the_registered_metrics_are_the_scores():
    X, Y = systems(4, 6)
    assert METRICS["one-to-one-matching"](X, Y) == match_units(X, Y).score
    assert METRICS["semi-matching"](X, Y) == match_units(X, Y, method="semi").score


def test_unusable_input_is_refused_with_the_numbers():
    X, Y = systems(4, 4)
    with pytest.raises(UnknownNameError, match="`method` is 'hungarian'"):
        match_units(X, Y, method="hungarian")
    with pytest.raises(InputError, match="same number of samples, got 60 and 9"):
        match_units(X, Y[:9])
    with pytest.raises(InputError, match="`X` needs at least 3 rows, got 2"):
        match_units(X[:2], Y[:2])
    with pytest.raises(InputError, match="`Y` has 2 units and none of them varies over the 60"):
        match_units(X, np.ones((60, 2)))
    with pytest.raises(InputError, match=r"`X` holds 1 NaN or infinite value\(s\)"):
        match_units(np.where(np.arange(240).reshape(60, 4) == 5, np.nan, X), Y)
    with pytest.raises(InputError, match="fold 0 of 30 has 58 and 2"):
        match_units(X, Y, cv=30)
    with pytest.raises(InputError, match=r"no unit has a partner .* in any of 1 fold\(s\)"):
        match_units(np.where(np.arange(60)[:, None] < 20, X, 0), Y, cv=[(range(20), range(20, 60))])
