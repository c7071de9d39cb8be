from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError
from alignkit.solvers.component_regression import components_cv


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 6)) * np.logspace(1, -1, 6)
    return X, X @ rng.standard_normal((6, 3)) + np.array([0.01, 1, 100]) * rng.standard_normal((40, 3))


def test_the_weights_of_k_components_are_least_squares_on_them(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    right = np.linalg.svd(X - X.mean(0))[2]
    for number in range(1, 7):
        result = components_cv(X, Y, n_components=number, folds=folds, standardize=False)
        axes = right[:number].T
        design = np.column_stack([(X - X.mean(0)) @ axes, np.ones(40)])
        weights = np.linalg.lstsq(design, Y, rcond=None)[0]
        np.testing.assert_allclose(result.coef, axes @ weights[:-1], atol=1e-9)
        np.testing.assert_allclose(X @ result.coef + result.intercept, design @ weights, atol=1e-9)


def test_each_target_has_the_number_that_scores_best_on_its_own(data):
    X, Y = data
    folds = list(KFold(4).split(X))
    alone = np.array([components_cv(X, Y, n_components=n, folds=folds).cv_scores for n in range(1, 7)])
    result = components_cv(X, Y, n_components=None, folds=folds)
    np.testing.assert_array_equal(result.n_components, 1 + alone.argmax(0))
    np.testing.assert_allclose(result.cv_scores, alone.max(0), rtol=1e-9)
    assert result.n_components[0] > result.n_components[2]


def test_targets_in_blocks_are_targets_at_once(data, monkeypatch):
    X, Y = data
    folds = list(KFold(4).split(X))
    for features in (X, np.tile(X, 10) + np.random.default_rng(1).standard_normal((40, 60))):
        whole = components_cv(features, Y, n_components=None, folds=folds)
        with monkeypatch.context() as patch:
            patch.setattr("alignkit.solvers._held_out.BLOCK_ELEMENTS", 1)
            patch.setattr("alignkit.solvers._rotation.CHUNK_ELEMENTS", 50)
            single = components_cv(features, Y, n_components=None, folds=folds)
        np.testing.assert_array_equal(single.n_components, whole.n_components)
        np.testing.assert_allclose(single.coef, whole.coef, atol=1e-9)


def test_what_cannot_be_used_is_refused(data):
    X, Y = data
    with pytest.raises(InputError, match=r"`n_components` must be at least 1, got 0"):
        components_cv(X, Y, n_components=0, folds=list(KFold(4).split(X)))
    with pytest.raises(InputError, match=r"`Y` has no columns, got shape \(40, 0\)"):
        components_cv(X, Y[:, :0], n_components=1, folds=list(KFold(4).split(X)))
