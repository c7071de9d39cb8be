from __future__ import annotations

import numpy as np
import pytest

from alignkit.decoders.linear import _logistic_exchanges
from alignkit.decoders.linear._logistic_exchanges import solve_exchanges
from alignkit.decoders.linear.classifiers import LogisticOverTimes
from alignkit.decoders.linear.over_times import LinearOverTimes

TOL = 1e-10


def planted(n_exchanges: int = 4):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 60, 4)) @ rng.standard_normal((4, 4)) * np.geomspace(0.5, 20, 4) + 3.0
    labels = np.stack([rng.permutation(np.arange(60) % 3 == 0) for _ in range(n_exchanges)]).astype(np.intp)
    return X, labels, [np.flatnonzero(np.arange(60) % 3 != fold) for fold in range(3)]


def of(**options: object) -> LogisticOverTimes:
    estimator = LogisticOverTimes(tol=TOL, **options)
    estimator.classes_ = np.arange(2)
    return estimator


def weights(method, estimator, *data):
    coef, intercept = zip(*method(estimator, *data), strict=True)
    return np.concatenate(coef), np.concatenate(intercept)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("C", [0.05, 1.0, 50.0])
def test_weights_are_those_of_every_exchange_by_itself(standardize, C):
    X, labels, trainings = planted()
    X[1, :, 2] = 7.0  # constant
    before = X.copy()
    coef, intercept, found = solve_exchanges(X, labels, trainings, C=C, standardize=standardize, tol=TOL)
    assert found.all()
    expected = weights(
        LinearOverTimes.weights_of_exchanges, of(C=C, standardize=standardize), X, labels, trainings
    )
    np.testing.assert_allclose(coef, expected[0], atol=1e-6)
    np.testing.assert_allclose(intercept, expected[1], atol=1e-5)
    np.testing.assert_array_equal(X, before)


def test_the_gradient_of_every_fit_is_nothing():
    X, labels, trainings = planted()
    coef, intercept, _ = solve_exchanges(X, labels, trainings, C=0.7, standardize=False, tol=TOL)
    for exchange, row in enumerate(labels):
        for fold, rows in enumerate(trainings):
            w, free = coef[exchange, fold, 2, :, 0], intercept[exchange, fold, 2, 0]
            residual = 1 / (1 + np.exp(-(X[2, rows] @ w + free))) - row[rows]
            assert np.abs(residual @ X[2, rows] + w / 0.7).max() < 1e-5
            assert abs(residual.sum()) < 1e-6


def test_an_exchange_that_full_steps_do_not_solve_is_told_and_fitted_by_itself(monkeypatch):
    X, labels, trainings = planted()
    # Classes far apart with hardly any penalty: full steps overshoot.
    X[:, :, 0] = 1000.0 * labels[2] + np.random.default_rng(1).standard_normal((3, 60))
    options = {"C": 1e6, "standardize": False}
    found = solve_exchanges(X, labels, trainings, tol=TOL, **options)[2]
    assert not found[2] and found[[0, 1, 3]].all()
    monkeypatch.setattr(_logistic_exchanges, "_MAX_STEPS", 1)
    assert not solve_exchanges(X, labels, trainings, C=1.0, standardize=True, tol=TOL)[2].any()
    own = weights(LogisticOverTimes.weights_of_exchanges, of(), X, labels, trainings)
    expected = weights(LinearOverTimes.weights_of_exchanges, of(), X, labels, trainings)
    np.testing.assert_array_equal(own[0], expected[0])
    np.testing.assert_array_equal(own[1], expected[1])
