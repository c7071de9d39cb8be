from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.encoders import RidgeEncoder
from alignkit.encoders._registry import ENCODERS
from alignkit.encoders.elastic_net import ElasticNetEncoder


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 15)) * np.logspace(-2, 2, 15) + 3
    weights = rng.standard_normal((15, 3)) * (rng.random((15, 3)) < 0.4) / np.logspace(-2, 2, 15)[:, None]
    return X, X @ weights + np.array([0.3, 1, 5]) * rng.standard_normal((80, 3)) + 7


def peer(alpha, l1_ratio):
    net = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-10, max_iter=100_000)
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), net), transformer=StandardScaler())


@parametrize_with_checks(
    [ElasticNetEncoder(n_alphas=10), ElasticNetEncoder(cv=2, l1_ratio=1.0, n_alphas=10, standardize=False)]
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_it_is_registered_with_its_paper():
    assert ENCODERS["elastic-net"] is ElasticNetEncoder
    assert "Tibshirani" in ENCODERS.facts("elastic-net")["paper"]


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("n_samples", [80, 12])
def test_it_equals_scikit_learn_at_the_chosen_alphas(data, l1_ratio, n_samples):
    X, Y = (values[:n_samples] for values in data)
    encoder = ElasticNetEncoder(l1_ratio=l1_ratio, cv=3, tol=1e-10, max_iter=100_000).fit(X, Y)
    for channel, alpha in enumerate(encoder.best_alphas_):
        predicted = peer(alpha, l1_ratio).fit(X, Y[:, channel]).predict(X)
        np.testing.assert_allclose(encoder.predict(X)[:, channel], predicted, rtol=1e-5)


def test_without_z_scores_it_is_the_plain_lasso(data):
    X, Y = data
    encoder = ElasticNetEncoder(l1_ratio=1.0, alphas=[0.5], standardize=False, tol=1e-10).fit(X, Y)
    plain = Lasso(alpha=0.5, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(encoder.coef_, plain.coef_.T, atol=1e-6)
    np.testing.assert_array_equal(encoder.coef_ == 0, plain.coef_.T == 0)


def test_cross_validation_z_scores_by_the_training_part_alone(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    encoder = ElasticNetEncoder(alphas=[0.1], cv=folds, tol=1e-10).fit(X, Y)
    scores = []
    for train, test in folds:
        predicted = np.column_stack([peer(0.1, 0.5).fit(X[train], y[train]).predict(X[test]) for y in Y.T])
        error = ((Y[test] - predicted) ** 2).sum(0)
        scores.append(1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(encoder.cv_scores_, np.mean(scores, 0), rtol=1e-6)


def test_the_largest_penalty_of_the_grid_leaves_no_weight_and_the_next_does(data):
    X, Y = data
    top = ElasticNetEncoder(n_alphas=1).fit(X, Y)
    np.testing.assert_array_equal(top.coef_, 0)
    for channel, alpha in enumerate(top.best_alphas_):
        below = ElasticNetEncoder(alphas=[0.99 * alpha], tol=1e-10).fit(X, Y[:, channel])
        assert 1 <= np.count_nonzero(below.coef_) <= 2


@pytest.mark.parametrize(("n_samples", "share"), [(80, 1e-3), (12, 1e-2)])
def test_wide_features_go_down_to_a_hundredth_and_long_ones_to_a_thousandth(n_samples, share):
    X = np.random.default_rng(0).standard_normal((n_samples, 15))
    y = 3 * X[:, 0] + X[:, 1]  # no noise: the smallest penalty is the best
    encoder = ElasticNetEncoder(n_alphas=2, cv=3).fit(X, y)
    Z = (X - X.mean(0)) / X.std(0)
    strongest = np.abs(Z.T @ (y - y.mean()) / y.std()).max() / (n_samples * 0.5)
    np.testing.assert_allclose(encoder.best_alphas_, share * strongest, rtol=1e-9)


def test_with_and_without_a_gram_matrix_the_solution_is_the_same(data, monkeypatch):
    X, Y = data
    with_gram = ElasticNetEncoder(tol=1e-10).fit(X, Y)
    monkeypatch.setattr("alignkit.encoders.elastic_net.LARGEST_GRAM", 1)
    without = ElasticNetEncoder(tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(
        without.coef_ * X.std(0)[:, None], with_gram.coef_ * X.std(0)[:, None], atol=1e-6
    )


def test_few_units_are_found_and_beat_ridge_and_a_shuffle_is_at_chance():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 150))
    weights = np.zeros((150, 3))
    weights[[3, 40, 99], [0, 1, 2]] = 2.0
    weights[[5, 41, 98], [0, 1, 2]] = -1.5
    Y = X @ weights + 2 * rng.standard_normal((300, 3))
    lasso = ElasticNetEncoder(l1_ratio=1.0, n_alphas=20).fit(X[:100], Y[:100])
    ridge = RidgeEncoder(device="cpu").fit(X[:100], Y[:100])
    assert lasso.score(X[100:], Y[100:]) > ridge.score(X[100:], Y[100:]) + 0.2
    strongest = np.argsort(-np.abs(lasso.coef_), axis=0)[:2]
    np.testing.assert_array_equal(np.sort(strongest, axis=0), [[3, 40, 98], [5, 41, 99]])
    null = []
    for _ in range(20):
        shuffled = ElasticNetEncoder(l1_ratio=1.0, n_alphas=5, cv=3).fit(X[:100], rng.permutation(Y[:100]))
        null.append(shuffled.score(X[100:], Y[100:]))
    assert -0.2 < np.mean(null) < 0.02


def test_many_small_weights_are_ridges():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 100))
    Y = X @ rng.standard_normal((100, 3)) + 5 * rng.standard_normal((300, 3))
    lasso = ElasticNetEncoder(l1_ratio=1.0, n_alphas=20).fit(X[:120], Y[:120])
    ridge = RidgeEncoder(device="cpu").fit(X[:120], Y[:120])
    assert ridge.score(X[120:], Y[120:]) > lasso.score(X[120:], Y[120:]) + 0.05


def test_units_do_not_matter_when_z_scored(data):
    X, Y = data
    encoder = ElasticNetEncoder().fit(X, Y)
    scaled = ElasticNetEncoder().fit(1000 * X + 5, Y * 1e-14)
    np.testing.assert_allclose(scaled.predict(1000 * X + 5) * 1e14, encoder.predict(X), rtol=1e-7)
    np.testing.assert_allclose(scaled.best_alphas_, encoder.best_alphas_, rtol=1e-7)
    raw = ElasticNetEncoder(standardize=False).fit(X, Y)
    small = ElasticNetEncoder(standardize=False).fit(X, Y / 1000)
    assert np.abs(small.predict(X) * 1000 - raw.predict(X)).max() > 0.01


def test_constant_features_and_channels_get_no_weight(data):
    X, Y = (values.copy() for values in data)
    X[:, 3], Y[:, 1] = 0.1, 0.1
    encoder = ElasticNetEncoder().fit(X, Y)
    np.testing.assert_array_equal(encoder.coef_[3], 0)
    np.testing.assert_array_equal(encoder.coef_[:, 1], 0)
    np.testing.assert_array_equal(encoder.predict(X)[:, 1], 0.1)
    assert encoder.cv_scores_[1] == 0
    assert np.isnan(encoder.best_alphas_[1])


def test_channels_that_do_not_converge_are_counted_in_one_warning(data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ElasticNetEncoder(alphas=[1e-4], max_iter=2, tol=1e-12).fit(*data)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    assert "`max_iter` = 2 rounds for 3 of 3 channel(s)" in str(caught[0].message)


def test_the_results_do_not_depend_on_the_threads(data):
    alone, together = (ElasticNetEncoder(n_jobs=n_jobs).fit(*data) for n_jobs in (None, 2))
    np.testing.assert_array_equal(alone.coef_, together.coef_)
    np.testing.assert_array_equal(alone.cv_scores_, together.cv_scores_)


def test_float32_agrees_with_float64(data):
    X, Y = (values.astype(np.float32) for values in data)
    encoder = ElasticNetEncoder().fit(X, Y)
    exact = ElasticNetEncoder().fit(*(values.astype(np.float64) for values in (X, Y)))
    assert encoder.coef_.dtype == encoder.predict(X).dtype == np.float32
    np.testing.assert_allclose(encoder.best_alphas_, exact.best_alphas_, rtol=1e-4)
    np.testing.assert_allclose(encoder.predict(X), exact.predict(X), atol=1e-4 * exact.predict(X).std())


def test_same_seed_gives_same_bits_and_input_stays(data):
    before = [values.copy() for values in data]
    first, again = (ElasticNetEncoder(n_alphas=10).fit(*data) for _ in range(2))
    np.testing.assert_array_equal(first.coef_, again.coef_)
    other = ElasticNetEncoder(n_alphas=10, random_state=1).fit(*data)
    assert np.abs(first.cv_scores_ - other.cv_scores_).max() > 0
    for values, copy in zip(data, before, strict=True):
        np.testing.assert_array_equal(values, copy)


@pytest.mark.parametrize("single", [True, False])
def test_a_saved_encoder_predicts_the_same_bits(data, tmp_path, single):
    X, Y = data
    encoder = ElasticNetEncoder(n_alphas=10).fit(X, Y[:, 0] if single else Y)
    encoder.save(tmp_path / "encoder")
    loaded = ElasticNetEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    np.testing.assert_array_equal(loaded.best_alphas_, encoder.best_alphas_)
    assert loaded.get_params() == encoder.get_params()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l1_ratio": 0.0}, r"`l1_ratio` must be above 0 and at most 1, got 0\.0"),
        ({"l1_ratio": 1.5}, r"at most 1, got 1\.5"),
        ({"alphas": [0.1, 0.0]}, r"`alphas` must be positive, got 0"),
        ({"n_alphas": 0}, r"`n_alphas` must be at least 1, got 0"),
        ({"max_iter": 0}, r"`max_iter` must be at least 1, got 0"),
        ({"tol": 0.0}, r"`tol` must be positive, got 0\.0"),
        ({"cv": 1}, r"at least 2 folds"),
        ({"cv": [([0, 1, 2], [3]), ([3, 4], [0, 1])]}, r"test part of fold 0 has 1 row\(s\)"),
    ],
)
def test_what_cannot_be_used_is_refused(data, options, message):
    with pytest.raises(InputError, match=message):
        ElasticNetEncoder(**options).fit(*data)
