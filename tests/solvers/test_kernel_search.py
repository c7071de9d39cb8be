from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.solvers import kernel_matrix, kernel_ridge_cv, kernel_ridge_search, ridge_cv

ALPHAS = np.logspace(-3, 3, 7)


def make_data(n_samples=60, n_features=4):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)) * np.logspace(-1, 1, n_features) + 5
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    signal = np.sin(scaled @ rng.standard_normal((n_features, 3)))
    return X, signal + np.array([0.01, 0.1, 1]) * rng.standard_normal((n_samples, 3))


FOLDS = list(KFold(4).split(np.arange(60)))


@pytest.mark.parametrize("n_features", [4, 100])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("folds", [FOLDS, "leave-one-out"], ids=["folds", "leave-one-out"])
def test_the_linear_kernel_equals_ridge(n_features, standardize, weighted, folds):
    X, Y = make_data(60, n_features)
    weights = np.maximum(np.random.default_rng(1).uniform(-0.2, 2, 60), 0) if weighted else None
    options = {"alphas": ALPHAS, "folds": folds, "standardize": standardize, "sample_weight": weights}
    found, peer = kernel_ridge_search(X, Y, kind="linear", **options), ridge_cv(X, Y, **options)
    np.testing.assert_array_equal(found.best_alphas, peer.best_alphas)
    np.testing.assert_allclose(found.cv_scores, peer.cv_scores, rtol=1e-6, atol=1e-9)
    scaled = (X - found.mean) * found.scale
    predicted = scaled @ scaled.T @ found.dual_coef + found.intercept
    np.testing.assert_allclose(predicted, X @ peer.coef + peer.intercept, rtol=1e-6, atol=1e-6)


def test_each_fold_is_z_scored_by_its_training_part():
    X, Y = make_data()
    found = kernel_ridge_search(X, Y, kind="rbf", gammas=0.2, alphas=[0.1], folds=FOLDS, standardize=True)
    scores = []
    for train, test in FOLDS:
        scaler = StandardScaler().fit(X[train])
        inner = kernel_matrix(scaler.transform(X[train]), kind="rbf", gamma=0.2)
        across = kernel_matrix(scaler.transform(X[test]), scaler.transform(X[train]), kind="rbf", gamma=0.2)
        mean = inner.mean(axis=0)
        level = Y[train].mean(axis=0)
        model = KernelRidge(alpha=0.1, kernel="precomputed")
        model.fit(inner - mean - mean[:, None] + mean.mean(), Y[train] - level)
        predicted = level + model.predict(across - across.mean(axis=1, keepdims=True) - mean + mean.mean())
        error = ((Y[test] - predicted) ** 2).sum(0)
        scores.append(1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(found.cv_scores, np.mean(scores, axis=0), rtol=1e-7)


def test_the_gamma_with_the_best_mean_score_is_chosen():
    X, Y = make_data()
    gammas = [1e-6, 0.2, 1e3]
    found = kernel_ridge_search(X, Y, kind="rbf", gammas=gammas, alphas=ALPHAS, folds=FOLDS, standardize=True)
    alone = [
        kernel_ridge_search(X, Y, kind="rbf", gammas=gamma, alphas=ALPHAS, folds=FOLDS, standardize=True)
        for gamma in gammas
    ]
    np.testing.assert_allclose(found.gamma_scores, [one.cv_scores.mean() for one in alone])
    assert found.gamma == 0.2
    np.testing.assert_array_equal(found.dual_coef, alone[1].dual_coef)


def test_without_z_scoring_it_is_the_precomputed_kernel():
    X, Y = make_data()
    found = kernel_ridge_search(X, Y, kind="polynomial", degree=2, alphas=ALPHAS, folds=FOLDS)
    peer = kernel_ridge_cv(kernel_matrix(X, kind="polynomial", degree=2), Y, alphas=ALPHAS, folds=FOLDS)
    np.testing.assert_array_equal(found.dual_coef, peer.dual_coef)
    np.testing.assert_array_equal(found.scale, 1)
    np.testing.assert_array_equal(found.mean, 0)
    assert found.gamma == 0.25


def test_constant_features_are_left_out():
    X, Y = make_data()
    options = {"kind": "rbf", "gammas": 0.2, "alphas": ALPHAS, "folds": FOLDS, "standardize": True}
    expected = kernel_ridge_search(X, Y, **options)
    found = kernel_ridge_search(np.column_stack([X, np.full(60, 0.1)]), Y, **options)
    assert found.scale[-1] == 0
    np.testing.assert_allclose(found.cv_scores, expected.cv_scores, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gammas": [1.0, -2.0]}, "`gamma` must be positive and finite, got -2"),
        ({"gammas": []}, "`gammas` needs at least 1 rows, got 0"),
        ({"X": np.empty((60, 0))}, r"`X` has no columns, got shape \(60, 0\)"),
        ({"X": np.ones((59, 2))}, "same number of samples, got 59 and 60"),
    ],
)
def test_unusable_input_is_refused_with_the_numbers(options, message):
    X, Y = make_data()
    with pytest.raises(InputError, match=message):
        kernel_ridge_search(options.pop("X", X), Y, kind="rbf", alphas=ALPHAS, folds=FOLDS, **options)
