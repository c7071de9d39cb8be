from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import ENCODERS, KernelRidgeEncoder, RidgeEncoder

# They call `fit` with `y=`; test_weights_count_like_repeated_samples runs them under that name.
BY_OTHER_NAME = {"check_sample_weight_equivalence_on_dense_data": "the responses are called Y"}


class Named(KernelRidgeEncoder):
    """The same with responses under scikit-learn's name."""

    def fit(self, X, y, groups=None, *, sample_weight=None):
        return super().fit(X, y, groups, sample_weight=sample_weight)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 6)) * np.logspace(-2, 2, 6) + 3
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    Y = np.sin(scaled @ rng.standard_normal((6, 4)) / 2) + np.array([0.01, 0.1, 1, 3]) * rng.standard_normal(
        (80, 4)
    )
    return X, Y + 7


@parametrize_with_checks(
    [
        KernelRidgeEncoder(device="cpu"),
        KernelRidgeEncoder(kernel="rbf", gamma=[0.1, 0.01], cv=2, standardize=False, device="cpu"),
    ],
    expected_failed_checks=lambda estimator: BY_OTHER_NAME,
)
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@parametrize_with_checks([Named(kernel="rbf", device="cpu")])
def test_weights_count_like_repeated_samples(estimator, check):
    if "sample_weight" in str(check):
        check(estimator)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("n_units", [6, 150])
def test_the_linear_kernel_equals_the_ridge_encoder(standardize, n_units):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, n_units)) * np.logspace(-1, 1, n_units) + 2
    Y = X @ rng.standard_normal((n_units, 3)) / n_units + rng.standard_normal((80, 3))
    kernel = KernelRidgeEncoder(standardize=standardize).fit(X, Y)
    ridge = RidgeEncoder(standardize=standardize).fit(X, Y)
    np.testing.assert_array_equal(kernel.best_alphas_, ridge.best_alphas_)
    np.testing.assert_allclose(kernel.cv_scores_, ridge.cv_scores_, atol=1e-9)
    np.testing.assert_allclose(kernel.coef_, ridge.coef_, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(kernel.predict(X), ridge.predict(X), rtol=1e-7)


def test_without_centring_it_would_be_scikit_learn_of_z_scored_features(data):
    X, Y = data
    encoder = KernelRidgeEncoder(kernel="rbf", gamma=0.05, alphas=[0.1]).fit(X, Y)
    scaled = StandardScaler().fit_transform(X)
    peer = KernelRidge(kernel="rbf", gamma=0.05, alpha=0.1).fit(scaled, Y - encoder.intercept_)
    # The intercept is not penalised: given it, the rest is the same problem.
    np.testing.assert_allclose(encoder.predict(X), encoder.intercept_ + peer.predict(scaled), rtol=1e-7)


def test_a_planted_curve_is_found_where_ridge_finds_nothing():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    Y = (X**2) @ rng.uniform(0.5, 1, (3, 4)) + 0.3 * rng.standard_normal((300, 4))
    train, test = slice(200), slice(200, 300)
    for options in ({"kernel": "polynomial", "degree": 2}, {"kernel": "rbf", "gamma": [0.01, 0.1, 1]}):
        assert KernelRidgeEncoder(**options).fit(X[train], Y[train]).score(X[test], Y[test]) > 0.7
    assert KernelRidgeEncoder().fit(X[train], Y[train]).score(X[test], Y[test]) < 0.1
    shuffled = KernelRidgeEncoder(kernel="rbf").fit(X[train], rng.permutation(Y[train]))
    assert abs(shuffled.score(X[test], Y[test])) < 0.15


@pytest.mark.parametrize("kernel", ["linear", "polynomial", "rbf"])
@pytest.mark.parametrize("single", [True, False])
def test_a_saved_encoder_predicts_the_same_bits(data, tmp_path, kernel, single):
    X, Y = data
    encoder = KernelRidgeEncoder(kernel=kernel, gamma=[0.1, 0.2], cv=3).fit(X, Y[:, 0] if single else Y)
    encoder.save(tmp_path / "encoder")
    loaded = KernelRidgeEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded.predict(X), encoder.predict(X))
    assert loaded.gamma_ == encoder.gamma_
    assert hasattr(loaded, "coef_") == (kernel == "linear")
    assert loaded.dual_coef_.shape == ((80,) if single else (80, 4))


def test_a_refit_forgets_the_coefficients_of_the_linear_kernel(data):
    X, Y = data
    encoder = KernelRidgeEncoder().fit(X, Y)
    np.testing.assert_allclose(
        encoder.predict(X), X @ encoder.coef_ + encoder.intercept_ - encoder.mean_ @ encoder.coef_
    )
    encoder.set_params(kernel="rbf").fit(X, Y)
    assert not hasattr(encoder, "coef_")


def test_leave_one_out_and_groups_choose_among_alphas(data):
    X, Y = data
    groups = np.arange(80) // 20
    by_run = KernelRidgeEncoder(kernel="rbf", cv="leave-one-group-out").fit(X, Y, groups)
    folds = [(np.flatnonzero(groups != k), np.flatnonzero(groups == k)) for k in range(4)]
    np.testing.assert_array_equal(
        by_run.cv_scores_, KernelRidgeEncoder(kernel="rbf", cv=folds).fit(X, Y).cv_scores_
    )
    closed = KernelRidgeEncoder(kernel="rbf", alphas=[0.3], cv="leave-one-out", standardize=False).fit(X, Y)
    errors = np.empty_like(Y)
    for k in range(80):
        others = np.delete(np.arange(80), k)
        encoder = KernelRidgeEncoder(kernel="rbf", alphas=[0.3], standardize=False).fit(X[others], Y[others])
        errors[k] = Y[k] - encoder.predict(X[[k]])[0]
    np.testing.assert_allclose(
        closed.cv_scores_, 1 - (errors**2).sum(0) / ((Y - Y.mean(0)) ** 2).sum(0), rtol=1e-7
    )
    with pytest.raises(InputError, match="`groups` has 4 groups for 80 samples"):
        KernelRidgeEncoder(cv="leave-one-out").fit(X, Y, groups)


def test_a_constant_channel_and_a_constant_unit_are_fine(data):
    X, Y = (values.copy() for values in data)
    Y[:, 1], X[:, 2] = 0.1, 5.0
    encoder = KernelRidgeEncoder(kernel="rbf").fit(X, Y)
    np.testing.assert_allclose(encoder.predict(X)[:, 1], 0.1)
    assert encoder.cv_scores_[1] == 0
    alone = KernelRidgeEncoder(kernel="rbf", gamma=1 / 6).fit(np.delete(X, 2, axis=1), Y)
    np.testing.assert_allclose(encoder.cv_scores_, alone.cv_scores_, rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-15, 1e15])
def test_the_unit_of_the_responses_does_not_matter(data, factor):
    X, Y = (values.astype(np.float32) for values in data)
    plain = KernelRidgeEncoder(kernel="rbf").fit(X, Y)
    scaled = KernelRidgeEncoder(kernel="rbf").fit(X, Y * np.float32(factor))
    assert scaled.predict(X).dtype == np.float32
    np.testing.assert_array_equal(scaled.best_alphas_, plain.best_alphas_)
    np.testing.assert_allclose(scaled.predict(X) / factor, plain.predict(X), rtol=1e-3)


def test_input_is_not_changed(data):
    before = [values.copy() for values in data]
    KernelRidgeEncoder(kernel="polynomial").fit(*data).predict(data[0])
    for values, copy in zip(data, before, strict=True):
        np.testing.assert_array_equal(values, copy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "cosine"}, "`kernel` is 'cosine'.*Known: linear, polynomial, rbf"),
        ({"kernel": "rbf", "gamma": 0.0}, "`gamma` must be positive and finite, got 0"),
        ({"kernel": "polynomial", "degree": 2.5}, "`degree` must be a whole number.*got 2.5"),
        ({"kernel": "polynomial", "degree": 0}, "`degree` must be a whole number of at least 1"),
        ({"alphas": [0.0]}, "`alphas` must be positive, got 0"),
        ({"cv": 1}, "at least 2 folds to choose alpha by, got 1"),
        ({"cv": "loo"}, "'leave-one-group-out', 'leave-one-out', a list of"),
    ],
)
def test_unusable_options_are_refused_with_the_numbers(data, options, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        KernelRidgeEncoder(**options).fit(*data)


def test_the_registry_builds_it_and_says_what_it_is():
    assert ENCODERS["kernel-ridge"] is KernelRidgeEncoder
    assert set(ENCODERS.facts("kernel-ridge")) >= {"summary", "paper"}
