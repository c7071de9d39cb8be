from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.metrics.variance import commonality_parts, product_measure, shapley_values, unique_parts


@pytest.fixture
def regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3))
    X[:, 1] += 0.6 * X[:, 0]
    y = X @ [1, 0.5, 0] + rng.standard_normal(400)
    return X - X.mean(0), y - y.mean()


def fit(X, y):
    return np.linalg.lstsq(X, y, rcond=None)[0]


def subset_table(X, y):
    table = np.zeros(2 ** X.shape[1])
    for subset in range(1, len(table)):
        columns = [j for j in range(X.shape[1]) if subset >> j & 1]
        residual = y - X[:, columns] @ fit(X[:, columns], y)
        table[subset] = 1 - residual @ residual / (y @ y)
    return table


def test_known_parts_of_three_correlated_predictors(regression):
    X, y = regression
    table = subset_table(X, y)
    np.testing.assert_allclose(table[-1], 0.6833, atol=5e-5)
    np.testing.assert_allclose(unique_parts(table), [0.26161, 0.06526, 0.00048], atol=5e-6)
    np.testing.assert_allclose(shapley_values(table), [0.43953, 0.24335, 0.00043], atol=5e-6)
    parts = commonality_parts(table)
    np.testing.assert_allclose(parts[3] + parts[7], 0.35605, atol=5e-6)
    shares = product_measure(y[:, None], (X * fit(X, y)).T[:, :, None])
    np.testing.assert_allclose(shares[:, 0], [0.48341, 0.19947, 0.00042], atol=5e-6)


def test_on_its_own_data_the_product_measure_is_pratts(regression):
    X, y = regression
    coef = fit(X, y)
    shares = product_measure(y[:, None], (X * coef).T[:, :, None])
    np.testing.assert_allclose(shares[:, 0], coef * (X.T @ y) / (y @ y))


def test_a_suppressor_has_a_negative_share_and_a_negative_shared_part():
    # x = (s + n, n) and y = s; in the sample s and n are nearly but not quite orthogonal.
    draws = np.random.default_rng(0).standard_normal((400, 2))
    axes, _ = np.linalg.qr(draws - draws.mean(0))
    signal = axes[:, 0]
    noise = 0.021 * axes[:, 0] + np.sqrt(1.0045 - 0.021**2) * axes[:, 1]
    X = np.column_stack([signal + noise, noise])
    shares = product_measure(signal[:, None], (X * fit(X, signal)).T[:, :, None])[:, 0]
    np.testing.assert_allclose(shares, [1.021, -0.021], atol=1e-6)
    assert commonality_parts(subset_table(X, signal))[3] == pytest.approx(-0.4905, abs=5e-4)


def test_the_parts_of_two_sets_by_hand():
    table = np.array([[0.0], [0.5], [0.4], [0.6]])
    np.testing.assert_allclose(commonality_parts(table)[:, 0], [0, 0.2, 0.1, 0.3])
    np.testing.assert_allclose(unique_parts(table)[:, 0], [0.2, 0.1])
    np.testing.assert_allclose(shapley_values(table)[:, 0], [0.35, 0.25])


@pytest.mark.parametrize("n_spaces", [1, 2, 3, 5])
def test_parts_add_up_whatever_the_table(n_spaces):
    rng = np.random.default_rng(n_spaces)
    table = rng.standard_normal((2**n_spaces, 7))
    table[0] = 0
    parts = commonality_parts(table)
    np.testing.assert_allclose(parts.sum(axis=0), table[-1])
    np.testing.assert_allclose(shapley_values(table).sum(axis=0), table[-1])
    np.testing.assert_allclose(parts[[1 << j for j in range(n_spaces)]], unique_parts(table))
    for subset in range(1, 2**n_spaces):
        meeting = [other for other in range(2**n_spaces) if other & subset]
        np.testing.assert_allclose(parts[meeting].sum(axis=0), table[subset])


def test_shapley_shares_each_part_equally_among_its_spaces():
    rng = np.random.default_rng(0)
    table = np.concatenate([[0.0], rng.random(7)])
    parts = commonality_parts(table)
    shared = [sum(parts[s] / s.bit_count() for s in range(1, 8) if s >> j & 1) for j in range(3)]
    np.testing.assert_allclose(shapley_values(table), shared)


def test_shares_of_held_out_predictions_sum_to_r2_and_do_not_see_where_the_constant_is():
    rng = np.random.default_rng(0)
    Y, parts = rng.standard_normal((50, 4)) + 5, rng.standard_normal((3, 50, 4))
    shares = product_measure(Y, parts)
    joint = parts.sum(axis=0)
    r2 = 1 - ((Y - joint) ** 2).sum(0) / ((Y - Y.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(shares.sum(axis=0), r2)
    moved = parts + np.array([100.0, -30.0, -70.0])[:, None, None]
    np.testing.assert_allclose(product_measure(Y, moved), shares, atol=1e-9)
    assert np.abs(product_measure(Y, parts + 1.0) - shares).max() > 1


# himalaya 0.4.11, r2_score_split of .6 and .4 of the predictions of its RidgeCV: not about the mean of Y.
HIMALAYA = [
    [0.5743273524, 0.465066074, 0.3758486646, 0.2521628556, -5.15234e-05, 0.0030789142],
    [0.3828849016, 0.3100440493, 0.2505657764, 0.1681085704, -3.4349e-05, 0.0020526094],
]


def test_without_centring_it_is_himalayas_split():
    rng = np.random.RandomState(1)  # noqa: NPY002 - the reference numbers were drawn by it
    F, W = rng.randn(120, 30), rng.randn(30, 6)
    T = F @ W + np.array([1, 2, 4, 8, 16, 32]) * rng.randn(120, 6)
    alphas = np.sqrt(10.0) ** np.array([0, 1, 2, 3, 10, 6])
    predicted = np.empty((30, 6))
    for k, alpha in enumerate(alphas):
        gram = F[:90].T @ F[:90] + alpha * np.eye(30)
        predicted[:, k] = F[90:] @ np.linalg.solve(gram, F[:90].T @ T[:90, k])
    shares = product_measure(T[90:], [0.6 * predicted, 0.4 * predicted], center=False)
    np.testing.assert_allclose(shares, HIMALAYA, atol=1e-8)


def test_about_the_mean_it_is_himalayas_split_of_centred_predictions():
    scoring = pytest.importorskip("himalaya.scoring")
    rng = np.random.default_rng(0)
    Y, parts = rng.standard_normal((50, 4)), rng.standard_normal((3, 50, 4))
    Y, parts = Y - Y.mean(0), parts - parts.mean(1, keepdims=True)
    np.testing.assert_allclose(product_measure(Y, parts), scoring.r2_score_split(Y, parts))


def test_a_constant_channel_has_shares_of_nothing():
    rng = np.random.default_rng(0)
    Y = np.column_stack([np.full(20, 0.1), rng.standard_normal(20)])
    shares = product_measure(Y, rng.standard_normal((2, 20, 2)))
    np.testing.assert_array_equal(shares[:, 0], 0)
    assert np.isfinite(shares).all()


@pytest.mark.parametrize("function", [unique_parts, commonality_parts, shapley_values])
def test_tables_of_no_power_of_two_are_refused(function):
    for rows in (1, 3, 6):
        with pytest.raises(InputError, match=f"one row for each of the 2 .* got {rows} rows"):
            function(np.zeros((rows, 2)))
    with pytest.raises(InputError, match="`r2` holds 1 NaN"):
        function([0.0, np.nan])


def test_parts_of_another_shape_are_refused():
    with pytest.raises(
        InputError, match=r"`parts` must have shape \(n_parts, 5, 2\) like `Y`, got \(3, 4, 2\)"
    ):
        product_measure(np.zeros((5, 2)), np.zeros((3, 4, 2)))
