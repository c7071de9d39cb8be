"""Batched logistic regression: the optimum, whatever the shape, the scale and the number of classes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from alignkit.decoders.linear import _logistic_steps
from alignkit.decoders.linear._logistic import solve_logistic, solve_logistic_folds

TOL = 1e-8


def planted(n_times, n_samples, n_channels, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples) % n_classes
    X = rng.standard_normal((n_times, n_samples, n_channels))
    X[:, :, 0] += codes
    X -= X.mean(axis=1, keepdims=True)
    return X / X.std(axis=1, keepdims=True), codes


def mean_gradient(X, codes, coef, intercept, C):
    """Return the largest entry of the gradient of the mean objective, from the formula."""
    margins = X @ coef + intercept
    if coef.shape[1] == 1:
        residual = expit(margins) - codes[:, None]
    else:
        residual = softmax(margins, axis=1) - np.eye(coef.shape[1])[codes]
    of_weights = X.T @ residual + coef / C
    return max(np.abs(of_weights).max(), np.abs(residual.sum(axis=0)).max()) / len(X)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n_channels", [6, 90])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_the_gradient_of_the_objective_is_gone(n_classes, n_channels, C):
    X, codes = planted(3, 60, n_channels, n_classes)
    coef, intercept = solve_logistic(X, codes, n_classes=n_classes, C=C, tol=TOL)
    for at in range(3):
        assert mean_gradient(X[at], codes, coef[at], intercept[at], C) < 1e-6


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_channels", [8, 100])
def test_weights_are_those_of_scikit_learn_at_a_strict_tolerance(n_classes, n_channels):
    X, codes = planted(2, 70, n_channels, n_classes)
    coef, intercept = solve_logistic(X, codes, n_classes=n_classes, C=0.5, tol=TOL)
    for at in range(2):
        peer = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X[at], codes)
        np.testing.assert_allclose(coef[at].T, peer.coef_, atol=1e-5)
        np.testing.assert_allclose(intercept[at], peer.intercept_, atol=1e-5)


def test_weights_of_several_classes_add_up_to_0():
    X, codes = planted(2, 60, 5, 3)
    coef, intercept = solve_logistic(X, codes, n_classes=3, C=1.0, tol=TOL)
    np.testing.assert_allclose(coef.sum(axis=2), 0, atol=1e-9)
    np.testing.assert_allclose(intercept.sum(axis=1), 0, atol=1e-9)


def test_a_channel_without_information_and_balanced_classes_give_the_log_odds():
    X = np.zeros((1, 40, 1))
    codes = (np.arange(40) < 10).astype(int)
    coef, intercept = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)
    assert coef[0, 0, 0] == 0
    np.testing.assert_allclose(intercept[0, 0], np.log(10 / 30))


def test_one_binary_channel_meets_the_closed_form():
    # Without a penalty the fit matches the shares of class 1 at both values: 1/4 at -1 and 3/4 at +1.
    X = np.repeat([-1.0, 1.0], 40)[None, :, None]
    codes = np.tile([0, 0, 0, 1, 1, 1, 1, 0], 10)
    codes[:40], codes[40:] = np.tile([0, 0, 0, 1], 10), np.tile([1, 1, 1, 0], 10)
    coef, intercept = solve_logistic(X, codes, n_classes=2, C=1e9, tol=1e-12)
    np.testing.assert_allclose(coef[0, 0, 0], np.log(3), rtol=1e-6)
    np.testing.assert_allclose(intercept[0, 0], 0, atol=1e-6)


def test_units_of_the_signals_can_go_into_C():
    X, codes = planted(1, 80, 6)
    plain = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)
    volts = solve_logistic(X * 1e-6, codes, n_classes=2, C=1e12, tol=TOL)
    np.testing.assert_allclose(volts[0] * 1e-6, plain[0], rtol=1e-9)


def test_an_offset_changes_only_the_intercept():
    X, codes = planted(1, 80, 6)
    plain = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)
    moved = solve_logistic(X + 50.0, codes, n_classes=2, C=1.0, tol=TOL)
    np.testing.assert_allclose(moved[0], plain[0], atol=1e-8)
    np.testing.assert_allclose(moved[1], plain[1] - 50.0 * plain[0].sum(axis=1), atol=1e-6)


def test_it_is_not_invariant_to_the_scale_of_a_channel():
    X, codes = planted(1, 80, 6)
    plain = solve_logistic(X, codes, n_classes=2, C=0.1, tol=TOL)[0]
    scaled = solve_logistic(X * [10, 1, 1, 1, 1, 1], codes, n_classes=2, C=0.1, tol=TOL)[0]
    assert np.abs(scaled[0, 0] * 10 - plain[0, 0]) > 0.01


def test_a_stack_gives_what_each_time_gives_alone():
    X, codes = planted(60, 50, 4)
    X[::2] *= 3  # converge after different numbers of steps
    stacked = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)[0]
    alone = np.concatenate([solve_logistic(X[[t]], codes, n_classes=2, C=1.0, tol=TOL)[0] for t in range(60)])
    np.testing.assert_allclose(stacked, alone, atol=1e-6)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_folds_that_share_a_design_give_what_each_gives_alone(standardize, n_classes):
    X, codes = planted(2, 90, 7, n_classes)
    X = X * np.linspace(0.5, 4, 7) + 3
    X[0, :, 5] = 2.0  # constant
    X[1, :60, 6] = 1.0  # constant in one training part
    trainings = [np.arange(60), np.arange(30, 90)]
    coef, intercept = solve_logistic_folds(
        X, codes, trainings, n_classes=n_classes, C=0.3, standardize=standardize, tol=TOL
    )
    for fold, rows in enumerate(trainings):
        part = X[:, rows]
        scale = np.where(part.std(axis=1) > 1e-12, part.std(axis=1), 1.0) if standardize else np.ones((2, 7))
        mean = part.mean(axis=1) if standardize else np.zeros((2, 7))
        scaled = (part - mean[:, None]) / scale[:, None]
        alone, free = solve_logistic(scaled, codes[rows], n_classes=n_classes, C=0.3, tol=TOL)
        raw = alone / scale[..., None]
        np.testing.assert_allclose(coef[fold], raw, atol=1e-5)
        np.testing.assert_allclose(intercept[fold], free - np.einsum("tc,tck->tk", mean, raw), atol=1e-4)


def test_large_designs_take_the_path_of_one_matrix_at_a_time():
    X, codes = planted(1, 200, _logistic_steps._SMALL + 20)
    coef, intercept = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)
    assert mean_gradient(X[0], codes, coef[0], intercept[0], 1.0) < 2e-8


def test_channels_that_repeat_each_other_share_the_weight():
    X, codes = planted(1, 80, 6)
    X[:, :, 1] = X[:, :, 0]
    coef, _ = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)
    np.testing.assert_allclose(coef[0, 0], coef[0, 1], atol=1e-8)


def test_classes_that_a_line_separates_have_finite_weights():
    X, codes = planted(1, 80, 4)
    X[:, :, 0] = 10.0 * codes - 5.0
    coef, intercept = solve_logistic(X, codes, n_classes=2, C=1.0, tol=TOL)
    assert mean_gradient(X[0], codes, coef[0], intercept[0], 1.0) < 1e-7


def test_a_fit_that_stops_early_warns(monkeypatch):
    X, codes = planted(1, 80, 4)
    monkeypatch.setattr(_logistic_steps, "_MAX_STEPS", 2)
    with pytest.warns(
        RuntimeWarning, match=r"1 logistic regression\(s\) have a mean gradient of up to .* after 2"
    ):
        solve_logistic(X, codes, n_classes=2, C=1.0, tol=1e-12)


def test_inputs_stay_as_they_are_and_the_same_input_gives_the_same_bits():
    X, codes = planted(2, 60, 5)
    before = X.copy()
    folds = [train for train, _ in StratifiedKFold(3).split(X[0], codes)]
    options = {"n_classes": 2, "C": 1.0, "standardize": True, "tol": TOL}
    first = solve_logistic_folds(X, codes, folds, **options)[0]
    again = solve_logistic_folds(X, codes, folds, **options)[0]
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(first, again)


def test_no_numpy_warning_leaks_from_certain_classes():
    X, codes = planted(1, 60, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve_logistic(X * 1e5, codes, n_classes=2, C=1.0, tol=1e-8)
