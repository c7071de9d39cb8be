from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LassoLars, LinearRegression

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.metrics._folds import stimulus_folds
from alignkit.metrics.matching.convergent import cluster_units, sparse_prediction


def sums_of_three(noise=0.1, n=300):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 20))
    return X, X[:, [0, 1]] + X[:, [2, 3]] - X[:, [4, 5]] + noise * rng.standard_normal((n, 2))


def test_a_sum_of_three_units_needs_three_predictors():
    X, Y = sums_of_three()
    found = sparse_prediction(X, Y, max_predictors=6)
    assert found.n_predictors.tolist() == list(range(7))
    np.testing.assert_allclose(found.mean_r2[:4], [0, 1 / 3, 2 / 3, 1], atol=0.06)
    assert found.mean_r2[4:].min() > 0.99
    assert found.fewest.tolist() == [3, 3]


def test_a_single_partner_needs_one_predictor():
    X, _ = sums_of_three()
    found = sparse_prediction(X, -2 * X[:, [7]] + 1, max_predictors=3)
    np.testing.assert_allclose(found.mean_r2, [0, 1, 1, 1], atol=1e-10)
    assert found.fewest.tolist() == [1]


def test_predictors_are_those_of_the_lasso_weighted_by_least_squares():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 8)) @ rng.standard_normal((8, 8))
    y = X @ rng.standard_normal(8) + rng.standard_normal(60)
    ((train, test),) = folds = [(np.arange(40), np.arange(40, 60))]
    found = sparse_prediction(X, y[:, None], max_predictors=3, cv=folds)
    scaled = (X[train] - X[train].mean(0)) / X[train].std(0)
    path = LassoLars(alpha=0, fit_path=True).fit(scaled, y[train] - y[train].mean()).coef_path_
    used = np.count_nonzero(path, axis=0)
    for count in (1, 2, 3):
        chosen = np.flatnonzero(path[:, np.flatnonzero(used <= count)[-1]])
        peer = LinearRegression().fit(X[np.ix_(train, chosen)], y[train])
        errors = np.sum((y[test] - peer.predict(X[np.ix_(test, chosen)])) ** 2)
        expected = 1 - errors / np.sum((y[test] - y[train].mean()) ** 2)
        assert found.r2[count, 0] == pytest.approx(expected, rel=1e-8)


def test_unrelated_units_are_not_predicted():
    rng = np.random.default_rng(0)
    found = sparse_prediction(
        rng.standard_normal((100, 30)), rng.standard_normal((100, 10)), max_predictors=3
    )
    assert found.mean_r2[0] == 0
    assert (found.mean_r2[1:] < 0.05).all()
    assert (found.fewest == -1).sum() >= 5


def test_shuffled_stimuli_lose_what_is_planted():
    X, Y = sums_of_three()
    shuffled = X[np.random.default_rng(1).permutation(len(X))]
    assert sparse_prediction(shuffled, Y).mean_r2.max() < 0.05


def test_nothing_of_the_test_part_leaks_into_the_fit():
    X, Y = sums_of_three()
    ((train, test),) = fold = stimulus_folds(5, len(X))[:1]
    moved = X.copy()
    # A predictor of the first unit only: the fit of the second would change if it had seen the test part.
    moved[test, 0] = 1e6
    before, after = (sparse_prediction(values, Y, cv=fold, max_predictors=3).r2 for values in (X, moved))
    assert after[3, 0] < 0 < before[3, 0]
    np.testing.assert_array_equal(after[:, 1], before[:, 1])


def test_constant_units_and_copies_are_fine():
    X, Y = sums_of_three()
    padded = np.column_stack([np.full(300, 0.1), X, X[:, 0]])
    found = sparse_prediction(padded, np.column_stack([Y, np.full(300, 0.1)]), max_predictors=3)
    assert found.n_constant == 1
    assert np.isnan(found.r2[:, 2]).all()
    assert found.fewest[2] == -1
    np.testing.assert_allclose(found.mean_r2, sparse_prediction(X, Y, max_predictors=3).mean_r2, atol=0.02)


def test_more_predictors_than_units_are_all_units():
    x = np.random.default_rng(0).integers(0, 50, (40, 1))
    assert sparse_prediction(x, x).mean_r2.round(9).tolist() == [0, 1]


def planted_groups(n=400):
    """Return two systems that share two sources; the second also has one of its own."""
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((n, 3))

    def units(which, gains):
        return sources[:, which] * gains + 0.4 * rng.standard_normal((n, len(which)))

    return units([0, 0, 0, 1, 1], [1, 2, -1, 1, 1]), units(
        [0, 0, 1, 1, 1, 2, 2, 2], [1, 1, 1, -3, 1, 1, 1, 1]
    )


def test_clusters_are_the_planted_groups_with_their_units_of_each_system():
    found = cluster_units(planted_groups(), n_clusters=3)
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 2, 2, 2]
    np.testing.assert_array_equal(found.counts, [[3, 2], [2, 3], [0, 3]])
    np.testing.assert_array_equal(found.systems, np.repeat([0, 1], [5, 8]))
    assert found.cohesion.min() > 0.6


def test_units_of_opposite_sign_are_alike_only_where_the_sign_does_not_count():
    X, Y = planted_groups()
    labels = cluster_units([X, Y], n_clusters=4, affinity="positive").labels
    assert labels[2] != labels[0]


def test_shuffled_systems_cohere_less():
    rng = np.random.default_rng(1)
    shuffled = [np.column_stack([rng.permutation(unit) for unit in system.T]) for system in planted_groups()]
    assert np.nanmax(cluster_units(shuffled, n_clusters=3).cohesion) < 0.2


def test_cohesion_is_the_mean_correlation_within():
    X, Y = planted_groups()
    found = cluster_units([X, Y], n_clusters=3)
    r = np.abs(np.corrcoef(np.hstack([X, Y]).T))
    members = np.flatnonzero(found.labels == 2)
    assert found.cohesion[2] == pytest.approx((r[np.ix_(members, members)].sum() - 3) / 6, rel=1e-10)


def test_constant_units_have_no_cluster_and_are_counted():
    X, Y = planted_groups()
    found = cluster_units([np.insert(X, 0, 0.1, axis=1), Y], n_clusters=3)
    assert found.labels[0] == -1
    assert found.n_constant == 1
    np.testing.assert_array_equal(found.labels[1:], cluster_units([X, Y], n_clusters=3).labels)


def test_a_cluster_of_one_has_no_cohesion():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 1))
    found = cluster_units([np.hstack([x, x, x]), rng.standard_normal((200, 1))], n_clusters=2)
    assert found.labels.tolist() == [0, 0, 0, 1]
    assert np.isnan(found.cohesion[1])


def test_tensors_come_back_with_equal_numbers_and_the_same_seed_gives_the_same_bits():
    X, Y = planted_groups(n=100)
    tensors = torch.from_numpy(X), torch.from_numpy(Y)
    found = cluster_units(list(tensors), n_clusters=3)
    assert isinstance(found.labels, torch.Tensor)
    np.testing.assert_array_equal(found.labels.numpy(), cluster_units([X, Y], n_clusters=3).labels)
    predicted = sparse_prediction(*tensors, max_predictors=2)
    assert isinstance(predicted.r2, torch.Tensor)
    np.testing.assert_allclose(predicted.r2.numpy(), sparse_prediction(X, Y, max_predictors=2).r2, rtol=1e-10)
    first, again = (sparse_prediction(X, Y, max_predictors=2, random_state=3).r2 for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_unusable_input_is_refused_with_the_numbers():
    X, Y = planted_groups(n=20)
    with pytest.raises(InputError, match="`max_predictors` must be at least 1, got 0"):
        sparse_prediction(X, Y, max_predictors=0)
    with pytest.raises(InputError, match="same number of samples, got 20 and 9"):
        sparse_prediction(X, Y[:9])
    with pytest.raises(InputError, match="`systems` is empty"):
        cluster_units([], n_clusters=2)
    with pytest.raises(InputError, match=r"`systems\[0\]` and `systems\[1\]` must .* 20 and 9"):
        cluster_units([X, Y[:9]], n_clusters=2)
    with pytest.raises(InputError, match="between 2 and the number of units that vary, 13, got 14"):
        cluster_units([X, Y], n_clusters=14)
    with pytest.raises(InputError, match=r"`systems\[1\]` has 1 units and none of them varies"):
        cluster_units([X, np.ones((20, 1))], n_clusters=2)
    with pytest.raises(UnknownNameError, match="`affinity` is 'signed'"):
        cluster_units([X, Y], n_clusters=2, affinity="signed")
