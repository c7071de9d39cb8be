from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignkit._core.errors import InputError
from alignkit.decoders.linear._ridge_downdating import weights_of_folds
from alignkit.decoders.linear.ridge import RidgeOverTimes
from alignkit.solvers import ridge_cv


def make(n_samples, n_channels, n_outputs=2, n_times=3):
    rng = np.random.default_rng(n_channels)
    X = rng.standard_normal((n_samples, n_channels, n_times)) @ rng.standard_normal((n_times, n_times))
    X = X * np.logspace(-3, 3, n_channels)[:, None] + 5
    return X, X[:, :n_outputs, 0] / X[:, :n_outputs, 0].std(axis=0) + rng.standard_normal(
        (n_samples, n_outputs)
    )


def peer(alpha, standardize):
    return make_pipeline(StandardScaler(), Ridge(alpha)) if standardize else Ridge(alpha)


@pytest.mark.parametrize("shape", [(80, 12), (20, 50), (30, 30)])
@pytest.mark.parametrize("standardize", [True, False])
def test_predictions_equal_scikit_learns(shape, standardize):
    X, y = make(*shape)
    for alpha in (1e-1, 1.0, 1e3):
        fitted = RidgeOverTimes(alpha=alpha, standardize=standardize).fit(X, y)
        for time in range(3):
            expected = peer(alpha, standardize).fit(X[:, :, time], y)
            np.testing.assert_allclose(
                fitted.predict(X)[:, time], expected.predict(X[:, :, time]), atol=1e-10, rtol=1e-8
            )
    if standardize:
        expected = peer(alpha, True).fit(X[:, :, 2], y)
        raw = expected[1].coef_.T / expected[0].scale_[:, None]
        np.testing.assert_allclose(fitted.coef_[2], raw, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(
            fitted.intercept_[2], expected.predict(np.zeros((1, shape[1])))[0], rtol=1e-8
        )
    np.testing.assert_array_equal(fitted.best_alphas_, np.full((3, 2), alpha))


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("which", ["each once", "shuffled", "some twice", "one fold"])
def test_folds_by_subtraction_equal_fits_of_their_own(standardize, which):
    X, y = make(90, 10)
    X[:, 3] = -0.1  # a dead channel
    rows = np.arange(90)
    folds = {
        "each once": list(KFold(5).split(X)),
        "shuffled": list(KFold(4, shuffle=True, random_state=0).split(X)),
        "some twice": [(rows[30:], rows[:30]), (rows[:60], rows[60:]), (rows[::2], rows[1::2])],
        "one fold": [(rows[:70], rows[70:])],
    }[which]
    signals = np.ascontiguousarray(np.moveaxis(X, 2, 0))
    found = weights_of_folds(signals, y, [train for train, _ in folds], alpha=3.0, standardize=standardize)
    for (coef, intercept), (train, _) in zip(found, folds, strict=True):
        fitted = RidgeOverTimes(alpha=3.0, standardize=standardize).fit(X[train], y[train])
        scale = X[train].std(axis=0).T[:, :, None] + 1e-9
        np.testing.assert_allclose(coef * scale, fitted.coef_ * scale, atol=1e-10)
        np.testing.assert_allclose(intercept, fitted.intercept_, rtol=1e-7, atol=1e-9)
        np.testing.assert_array_equal(coef[:, 3], 0)


def test_one_wild_trial_costs_no_digits_where_it_is_left_out():
    X, y = make(60, 6)
    X[7] *= 1e8
    X[:, 2, :] = 0.25
    X[7, 2, :] = 9.0  # constant in every training part without trial 7
    rows = np.arange(60)
    trainings = [rows[rows != 7], rows[rows != 8]]
    signals = np.ascontiguousarray(np.moveaxis(X, 2, 0))
    found = weights_of_folds(signals, y, trainings, alpha=1.0, standardize=True)
    for (coef, intercept), train in zip(found, trainings, strict=True):
        for time in range(3):
            expected = peer(1.0, True).fit(X[train, :, time], y[train])
            predicted = X[:60, :, time] @ coef[time] + intercept[time]
            np.testing.assert_allclose(predicted[train], expected.predict(X[train, :, time]), atol=1e-7)


def test_penalties_are_chosen_as_by_the_solver_at_each_time_and_output():
    X, y = make(60, 20, n_outputs=3)
    grid = np.logspace(-2, 4, 9)
    fitted = RidgeOverTimes(alphas=grid, cv=4, shuffle_seed=1).fit(X, y)
    folds = list(KFold(4, shuffle=True, random_state=1).split(X))
    for time in range(3):
        at = X[:, :, time]
        expected = ridge_cv(at, y, alphas=grid, folds=folds, standardize=True, device="cpu")
        np.testing.assert_array_equal(fitted.best_alphas_[time], expected.best_alphas)
        predicted = at @ expected.coef + expected.intercept
        np.testing.assert_allclose(fitted.predict(X)[:, time], predicted, atol=1e-9)
    assert len(np.unique(fitted.best_alphas_)) > 1


def test_a_planted_signal_takes_a_small_penalty_and_noise_the_largest():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 10, 2))
    clear = X[:, :, 0] @ rng.standard_normal(10)
    fitted = RidgeOverTimes(alphas=[1e-2, 1e4]).fit(X, clear)
    np.testing.assert_array_equal(fitted.best_alphas_[:, 0], [1e-2, 1e4])


def test_errors_say_what_came():
    X, y = make(20, 5)
    with pytest.raises(InputError, match=r"`alpha` must be positive, got 0"):
        RidgeOverTimes(alpha=0.0).fit(X, y)
    with pytest.raises(InputError, match=r"`alphas` must be positive, got -1"):
        RidgeOverTimes(alphas=[1.0, -1.0]).fit(X, y)
    with pytest.raises(InputError, match=r"`cv` is 11, but 20 samples allow for 2 to 10 folds"):
        RidgeOverTimes(alphas=[1.0, 2.0], cv=11).fit(X, y)
    with pytest.raises(InputError, match=r"depend on each other so closely"):
        twice = np.concatenate([X, X], axis=1)
        RidgeOverTimes(alpha=1e-300, standardize=False).fit(twice, y)
