from __future__ import annotations

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError
from alignkit.solvers import pls_regression
from alignkit.solvers.pls_regression import pls_cv, pls_directions


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((70, 5))
    X = latent @ rng.standard_normal((5, 30)) + rng.standard_normal((70, 30))
    return X, latent @ rng.standard_normal((5, 90)) + rng.standard_normal((70, 90))


def peer(n_components):
    # scikit-learn's default tolerance stops at weights that are right to some 1e-3 only.
    return PLSRegression(n_components, scale=True, tol=1e-24, max_iter=20_000)


def test_scores_are_uncorrelated_and_of_unit_length(data):
    X, Y = (values - values.mean(0) for values in data)
    left, singular, right = np.linalg.svd(X, full_matrices=False)
    directions = pls_directions(singular, singular[:, None] * (left.T @ Y), 12)
    scores = X @ right.T @ directions
    np.testing.assert_allclose(scores.T @ scores, np.eye(12), atol=1e-12)


def test_the_first_direction_covaries_most_with_the_targets(data):
    X, Y = (values - values.mean(0) for values in data)
    left, singular, right = np.linalg.svd(X, full_matrices=False)
    first = right.T @ pls_directions(singular, singular[:, None] * (left.T @ Y), 1)[:, 0]
    strongest = np.linalg.svd(X.T @ Y)[0][:, 0]
    assert abs(first @ strongest) / np.linalg.norm(first) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("number", [1, 4, 9])
def test_fewer_components_are_the_first_of_more(data, number):
    X, Y = (values - values.mean(0) for values in data)
    left, singular, _ = np.linalg.svd(X, full_matrices=False)
    covariance = singular[:, None] * (left.T @ Y)
    few, many = (pls_directions(singular, covariance, n) for n in (number, 15))
    np.testing.assert_array_equal(few, many[:, :number])


def test_every_number_of_the_path_is_scored_as_scikit_learn_would(data):
    X, Y = data
    folds = list(KFold(3).split(X))
    numbers = [1, 2, 5, 12]
    means = []
    for number in numbers:
        scores = np.zeros(90)
        for train, test in folds:
            error = ((Y[test] - peer(number).fit(X[train], Y[train]).predict(X[test])) ** 2).sum(0)
            scores += (1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0)) / 3
        means.append(scores.mean())
    result = pls_cv(X, Y, n_components=numbers, folds=folds)
    np.testing.assert_allclose(result.candidate_scores, means, rtol=1e-6)
    assert result.n_components == numbers[int(np.argmax(means))]


@pytest.mark.parametrize("n_targets", [1, 20, 90])
def test_many_and_few_targets_take_different_ways_to_the_same_weights(data, n_targets):
    # 90 targets exceed twice the rank and are compressed first; one needs no decomposition at all.
    X, Y = data
    result = pls_cv(X, Y[:, :n_targets], n_components=6, folds=list(KFold(3).split(X)))
    found = peer(6).fit(X, Y[:, :n_targets])
    np.testing.assert_allclose(result.coef, found.coef_.T, atol=1e-8)


def test_lanczos_steps_and_a_whole_decomposition_agree(data, monkeypatch):
    X, Y = data
    folds = list(KFold(3).split(X))
    whole = pls_cv(X, Y, n_components=8, folds=folds)
    monkeypatch.setattr(pls_regression, "SMALL", 2)
    steps = pls_cv(X, Y, n_components=8, folds=folds)
    np.testing.assert_allclose(steps.coef, whole.coef, atol=1e-9)
    assert np.abs(steps.coef - whole.coef).max() > 0

    def fail(*args, **options):
        raise pls_regression.ArpackNoConvergence("no", np.empty(0), np.empty((0, 0)))

    monkeypatch.setattr(pls_regression, "eigsh", fail)
    np.testing.assert_array_equal(pls_cv(X, Y, n_components=8, folds=folds).coef, whole.coef)


def test_it_stops_where_nothing_is_left_to_explain():
    # Orthonormal features: each direction of the two targets needs one component, and no more are left.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 6))
    X = np.linalg.qr(X - X.mean(0))[0]
    Y = X @ rng.standard_normal((6, 2))
    result = pls_cv(X, Y, n_components=6, folds=list(KFold(2).split(X)), standardize=False)
    assert result.n_components == 2
    np.testing.assert_allclose(X @ result.coef + result.intercept, Y, atol=1e-12)


def test_of_equal_numbers_the_smaller_is_taken():
    X = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]] * 5)
    Y = X[:, :1] * 3
    result = pls_cv(X, Y, n_components=[2, 1], folds=list(KFold(5).split(X)), standardize=False)
    np.testing.assert_array_equal(result.candidates, [1, 2])
    assert result.n_components == 1


def test_none_tries_all_up_to_fifty(data):
    X, Y = data
    result = pls_cv(X, Y, n_components=None, folds=list(KFold(3).split(X)))
    np.testing.assert_array_equal(result.candidates, np.arange(1, 31))
    wide = pls_cv(
        np.random.default_rng(0).standard_normal((70, 200)),
        Y,
        n_components=None,
        folds=[(range(60), range(60, 70))],
    )
    np.testing.assert_array_equal(wide.candidates, np.arange(1, 51))


def test_what_cannot_be_used_is_refused(data):
    X, Y = data
    with pytest.raises(
        InputError, match=r"`n_components` must be an integer or a list of integers, got \[\]"
    ):
        pls_cv(X, Y, n_components=[], folds=[(range(60), range(60, 70))])
    with pytest.raises(InputError, match=r"must be at least 1, got -2"):
        pls_cv(X, Y, n_components=-2, folds=[(range(60), range(60, 70))])
