from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import LeaveOneOut
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.solvers import ridge_cv

ALPHAS = np.logspace(-2, 5, 15)
SHAPES = {"long": (60, 10), "square": (30, 29), "wide": (25, 70)}


def make_data(shape, n_targets=6, offset=3.0):
    rng = np.random.default_rng(0)
    n_samples, n_features = SHAPES[shape]
    X = rng.standard_normal((n_samples, n_features)) * np.logspace(-1, 1, n_features)
    noise = np.logspace(-1, 2, n_targets) * rng.standard_normal((n_samples, n_targets))
    return X + offset, X @ rng.standard_normal((n_features, n_targets)) + noise - offset


def explicit(X, Y, alphas, weights=None, *, fit_intercept=True):
    """Return pooled R2 (n_alphas, n_targets) from one fit per sample and alpha."""
    weights = np.ones(len(X)) if weights is None else weights
    scores = np.empty((len(alphas), Y.shape[1]))
    for row, alpha in enumerate(alphas):
        errors = np.empty_like(Y)
        for train, test in LeaveOneOut().split(X):
            model = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd")
            model.fit(X[train], Y[train], sample_weight=weights[train])
            errors[test] = Y[test] - model.predict(X[test])
        apart = Y - np.average(Y, axis=0, weights=weights)
        scores[row] = 1 - (weights @ errors**2) / (weights @ apart**2)
    return scores


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_closed_form_equals_leaving_each_sample_out(shape, fit_intercept, weighted):
    X, Y = make_data(shape)
    weights = np.random.default_rng(1).uniform(0.2, 3, len(X)) if weighted else None
    result = ridge_cv(
        X, Y, alphas=ALPHAS, folds="leave-one-out", fit_intercept=fit_intercept, sample_weight=weights
    )
    expected = explicit(X, Y, ALPHAS, weights, fit_intercept=fit_intercept)
    np.testing.assert_array_equal(result.best_alphas, ALPHAS[expected.argmax(0)])
    np.testing.assert_allclose(result.cv_scores, expected.max(0), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_alphas_and_fit_equal_scikit_learn(shape, dtype):
    X, Y = (values.astype(dtype) for values in make_data(shape))
    result = ridge_cv(X, Y, alphas=ALPHAS, folds="leave-one-out")
    peer = RidgeCV(alphas=ALPHAS, alpha_per_target=True).fit(X.astype(float), Y.astype(float))
    np.testing.assert_allclose(result.best_alphas, peer.alpha_)
    exact = dtype == np.float64
    largest = np.abs(peer.coef_).max()
    np.testing.assert_allclose(result.coef, peer.coef_.T, atol=largest * (1e-9 if exact else 2e-5))
    mean_square = -peer.best_score_ / Y.var(axis=0)
    np.testing.assert_allclose(result.cv_scores, 1 - mean_square, atol=1e-9 if exact else 5e-6)


def test_both_scorings_choose_the_same_alphas():
    X, Y = make_data("long")
    options = {"alphas": ALPHAS, "folds": "leave-one-out"}
    by_r2, by_error = (ridge_cv(X, Y, scoring=name, **options) for name in ("r2", "neg-mse"))
    np.testing.assert_array_equal(by_r2.best_alphas, by_error.best_alphas)
    np.testing.assert_allclose(1 + by_error.cv_scores / Y.var(axis=0), by_r2.cv_scores, rtol=1e-9)


def test_z_scoring_takes_all_samples():
    X, Y = make_data("long")
    scaled = StandardScaler().fit_transform(X)
    result = ridge_cv(X, Y, alphas=ALPHAS, folds="leave-one-out", standardize=True)
    expected = ridge_cv(scaled, Y, alphas=ALPHAS, folds="leave-one-out")
    np.testing.assert_allclose(result.cv_scores, expected.cv_scores, rtol=1e-9)
    np.testing.assert_allclose(result.coef * X.std(axis=0)[:, None], expected.coef, rtol=1e-7)


def test_a_close_fit_keeps_its_digits_in_float32():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 200)).astype(np.float32)
    Y = X @ rng.standard_normal((200, 3)).astype(np.float32)
    grid = [1e-3, 1e-1, 10.0]
    single = ridge_cv(X, Y, alphas=grid, folds="leave-one-out")
    double = ridge_cv(X.astype(float), Y.astype(float), alphas=grid, folds="leave-one-out")
    np.testing.assert_array_equal(single.best_alphas, double.best_alphas)
    np.testing.assert_allclose(single.cv_scores, double.cv_scores, atol=2e-5)


def test_a_constant_target_scores_zero():
    X, Y = make_data("long")
    Y[:, 2] = 0.1
    result = ridge_cv(X, Y, alphas=ALPHAS, folds="leave-one-out")
    assert result.cv_scores[2] == 0
    assert result.best_alphas[2] == ALPHAS.max()
    np.testing.assert_array_equal(result.coef[:, 2], 0)


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_duplicated_samples_are_fine(shape):
    X, Y = make_data(shape)
    X, Y = np.vstack([X, X[:5]]), np.vstack([Y, Y[:5] + 0.1])
    result = ridge_cv(X, Y, alphas=ALPHAS, folds="leave-one-out")
    np.testing.assert_allclose(result.cv_scores, explicit(X, Y, ALPHAS).max(0), rtol=1e-6, atol=1e-8)


def test_one_sample_and_other_names_are_refused():
    with pytest.raises(InputError, match="which needs at least 2 samples, got n_samples = 1"):
        ridge_cv(np.ones((1, 2)), np.ones((1, 1)), alphas=[1.0], folds="leave-one-out")
    with pytest.raises(UnknownNameError, match="`folds` is 'loo'.*Known: leave-one-out"):
        ridge_cv(np.eye(4), np.eye(4), alphas=[1.0], folds="loo")
