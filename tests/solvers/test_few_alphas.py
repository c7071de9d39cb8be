from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from alignkit.solvers import _ridge_solve, ridge_cv

FOLDS = {
    "parted": list(KFold(5).split(np.zeros(200))),
    "with gaps": [(np.arange(90), np.arange(100, 150)), (np.arange(100, 200), np.arange(90))],
}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 40)) * np.logspace(-1, 1, 40) + 3
    X[:, 3] = 2.0
    return X, X[:, :5] @ rng.standard_normal((5, 3)) + rng.standard_normal((200, 3)) + 7


@pytest.mark.parametrize("folds", FOLDS.values(), ids=FOLDS)
@pytest.mark.parametrize(
    "options",
    [{}, {"standardize": True}, {"fit_intercept": False}, {"weighted": True, "standardize": True}],
    ids=str,
)
def test_factors_and_eigenvectors_give_one_answer(data, monkeypatch, folds, options):
    X, Y = data
    options = dict(options)
    if options.pop("weighted", False):
        options["sample_weight"] = np.random.default_rng(1).random(200) + 0.5
    calls = []
    few = _ridge_solve.few_alphas_cv
    monkeypatch.setattr(_ridge_solve, "few_alphas_cv", lambda *a: calls.append(1) or few(*a))
    factors = ridge_cv(X, Y, alphas=[10.0, 3.0], folds=folds, **options)
    assert calls
    monkeypatch.setattr(_ridge_solve, "suits", lambda *_: False)
    eigenvectors = ridge_cv(X, Y, alphas=[10.0, 3.0], folds=folds, **options)
    for name in ("coef", "intercept", "best_alphas", "cv_scores"):
        expected = getattr(eigenvectors, name)
        np.testing.assert_allclose(getattr(factors, name), expected, rtol=1e-7, atol=1e-9, err_msg=name)


def test_one_alpha_is_scikit_learns_ridge(data):
    X, Y = data
    found = ridge_cv(X, Y, alphas=[5.0], folds=FOLDS["parted"])
    peer = Ridge(5.0).fit(X, Y)
    np.testing.assert_allclose(found.coef, peer.coef_.T, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.intercept, peer.intercept_, rtol=1e-8)


def test_repeated_columns_at_a_tiny_alpha_fall_back_to_eigenvectors(data):
    X, Y = data
    twice = np.concatenate([X, X], axis=1)
    found = ridge_cv(twice, Y, alphas=[1e-12], folds=FOLDS["parted"])
    alone = ridge_cv(X, Y, alphas=[1e-12], folds=FOLDS["parted"])
    np.testing.assert_allclose(found.cv_scores, alone.cv_scores, rtol=1e-5)


def test_a_constant_target_scores_zero(data):
    X, Y = data
    Y[:, 1] = 4.0
    found = ridge_cv(X, Y, alphas=[1.0], folds=FOLDS["parted"])
    assert found.cv_scores[1] == 0
    np.testing.assert_allclose(found.coef[:, 1], 0, atol=1e-9)
    np.testing.assert_allclose(found.intercept[1], 4.0)
