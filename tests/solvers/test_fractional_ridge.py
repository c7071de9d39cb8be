from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from alignkit._core.errors import InputError
from alignkit.solvers.fractional_ridge import fraction_alphas, fractional_ridge_cv, fractional_ridge_fit

FRACTIONS = np.arange(1, 21) / 20


def golden():
    """Return the features and targets that fracridge 2.0 was run on."""
    state = np.random.RandomState(1)
    F = state.randn(120, 30)
    W = state.randn(30, 6)
    T = F @ W + np.array([1, 2, 4, 8, 16, 32]) * state.randn(120, 6)
    return F[:90], T[:90]


def ratio(coef, X, Y):
    return np.linalg.norm(coef, axis=0) / np.linalg.norm(np.linalg.lstsq(X, Y, rcond=None)[0], axis=0)


def test_one_direction_has_a_closed_form():
    # s^2 / (s^2 + alpha) = fraction
    found = fraction_alphas(np.array([3.0]), np.array([[2.0, -5.0]]), FRACTIONS[:, None])
    np.testing.assert_allclose(found, np.repeat(9 * (1 / FRACTIONS - 1)[:, None], 2, axis=1), rtol=1e-12)


def test_equal_singular_values_shrink_all_weights_alike():
    X = 2 * np.linalg.qr(np.random.default_rng(0).standard_normal((20, 5)))[0]
    Y = X @ np.arange(1.0, 6.0)[:, None]
    fit = fractional_ridge_fit(X, Y, fractions=0.25, fit_intercept=False)
    np.testing.assert_allclose(fit.coef[:, 0], 0.25 * np.arange(1.0, 6.0), rtol=1e-10)
    np.testing.assert_allclose(fit.alphas, 12.0, rtol=1e-10)


@pytest.mark.parametrize(
    ("fraction", "interpolated", "norm", "solved"),
    [
        (0.2, 455.0122704, 0.19822912, 449.71903),
        (0.5, 99.71456649, 0.50001175, 99.719819),
        (0.8, 20.22410438, 0.80169091, 20.471816),
    ],
)
def test_fracridge_interpolates_what_is_solved_here(fraction, interpolated, norm, solved):
    F, T = golden()
    fit = fractional_ridge_fit(F, T, fractions=fraction, fit_intercept=False)
    np.testing.assert_allclose(fit.alphas[0], solved, rtol=1e-7)
    np.testing.assert_allclose(ratio(fit.coef, F, T), fraction, rtol=1e-10)
    # What fracridge 2.0 gives for the first target has another norm than was asked for, by up to 1 %.
    np.testing.assert_allclose(fit.alphas[0], interpolated, rtol=0.013)
    theirs = Ridge(alpha=interpolated, fit_intercept=False).fit(F, T[:, :1])
    np.testing.assert_allclose(ratio(np.reshape(theirs.coef_, (-1, 1)), F, T[:, :1]), norm, rtol=1e-7)
    again = fractional_ridge_fit(F, T[:, :1], fractions=norm, fit_intercept=False)
    np.testing.assert_allclose(again.alphas, interpolated, rtol=1e-6)


@pytest.mark.parametrize("shape", [(90, 30), (40, 100)])
@pytest.mark.parametrize("fraction", [0.001, 0.05, 0.5, 0.999, 1.0])
def test_the_norm_is_the_fraction_of_the_least_squares_norm(shape, fraction):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape) * np.logspace(-2, 1, shape[1])
    Y = rng.standard_normal((shape[0], 7))
    fit = fractional_ridge_fit(X, Y, fractions=fraction, fit_intercept=False)
    np.testing.assert_allclose(ratio(fit.coef, X, Y), fraction, rtol=1e-6)


def test_spectra_of_many_decades_are_solved_too():
    rng = np.random.default_rng(0)
    singular = np.logspace(-7, 3, 200)
    projected = rng.standard_normal((200, 300)) * singular[:, None] ** rng.uniform(0, 1.5, 300)
    alphas = fraction_alphas(singular, projected, FRACTIONS[:, None])
    lengths = projected / singular[:, None]
    powers = singular[:, None, None] ** 2
    norms = np.linalg.norm(lengths[:, None] * powers / (powers + alphas), axis=0)
    expected = np.broadcast_to(FRACTIONS[:, None], alphas.shape)
    np.testing.assert_allclose(norms / np.linalg.norm(lengths, axis=0), expected, rtol=1e-9)
    assert (np.diff(alphas, axis=0) < 0).all()


def test_fraction_one_is_least_squares_of_least_norm():
    rng = np.random.default_rng(0)
    for shape in [(50, 10), (20, 60)]:
        X, Y = rng.standard_normal(shape), rng.standard_normal((shape[0], 3))
        fit = fractional_ridge_fit(X, Y, fractions=1.0, fit_intercept=False)
        np.testing.assert_allclose(fit.coef, np.linalg.lstsq(X, Y, rcond=None)[0], atol=1e-10)
        np.testing.assert_array_equal(fit.alphas, 0)
        np.testing.assert_array_equal(fit.intercept, 0)


def test_scale_of_targets_does_not_matter_and_that_of_features_does():
    F, T = golden()
    plain = fractional_ridge_fit(F, T, fractions=0.4)
    tiny = fractional_ridge_fit(F, T * 1e-150, fractions=0.4)
    np.testing.assert_allclose(tiny.alphas, plain.alphas, rtol=1e-10)
    np.testing.assert_allclose(tiny.coef * 1e150, plain.coef, rtol=1e-8)
    stretched = F * np.linspace(0.1, 10, 30)
    assert np.abs(fractional_ridge_fit(stretched, T, fractions=0.4).coef * 10 - plain.coef).max() > 0.1
    same = [fractional_ridge_fit(X, T, fractions=0.4, standardize=True).alphas for X in (F, stretched)]
    np.testing.assert_allclose(*same, rtol=1e-9)


@pytest.mark.parametrize("n_features", [10, 100])
def test_cross_validation_equals_a_loop_over_folds_and_fractions(n_features):
    # Ten features: test parts longer than the rank, scored by quadratic forms; a hundred: by residuals.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, n_features))
    Y = X @ rng.standard_normal((n_features, 4)) + np.array([0.1, 1, 5, 20]) * rng.standard_normal((60, 4))
    folds = list(KFold(3).split(X))
    scores = np.zeros((20, 4))
    for train, test in folds:
        for row, fraction in enumerate(FRACTIONS):
            fit = fractional_ridge_fit(X[train], Y[train], fractions=fraction)
            error = ((Y[test] - X[test] @ fit.coef - fit.intercept) ** 2).sum(0)
            scores[row] += 1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0)
    result = fractional_ridge_cv(X, Y, fractions=FRACTIONS, folds=folds)
    np.testing.assert_array_equal(result.best_fractions, FRACTIONS[scores.argmax(0)])
    np.testing.assert_allclose(result.cv_scores, scores.max(0) / 3, rtol=1e-8)
    refit = fractional_ridge_fit(X, Y, fractions=result.best_fractions)
    np.testing.assert_allclose(result.coef, refit.coef, rtol=1e-10)
    np.testing.assert_allclose(result.alphas, refit.alphas, rtol=1e-10)


def test_targets_in_blocks_are_targets_at_once(monkeypatch):
    F, T = golden()
    folds = list(KFold(3).split(F))
    whole = fractional_ridge_cv(F, T, fractions=FRACTIONS, folds=folds)
    monkeypatch.setattr("alignkit.solvers._held_out.BLOCK_ELEMENTS", 1)
    monkeypatch.setattr("alignkit.solvers.fractional_ridge.CACHED_ELEMENTS", 1)
    monkeypatch.setattr("alignkit.solvers._rotation.CHUNK_ELEMENTS", 100)
    single = fractional_ridge_cv(F, T, fractions=FRACTIONS, folds=folds)
    np.testing.assert_array_equal(single.best_fractions, whole.best_fractions)
    np.testing.assert_allclose(single.coef, whole.coef, rtol=1e-8)


def test_a_constant_target_has_no_penalty_and_no_weights():
    F, T = golden()
    T = T.copy()
    T[:, 2] = 0.1
    fit = fractional_ridge_fit(F, T, fractions=0.5)
    assert np.isnan(fit.alphas[2])
    assert np.isfinite(np.delete(fit.alphas, 2)).all()
    np.testing.assert_array_equal(fit.coef[:, 2], 0)
    assert fit.intercept[2] == 0.1


def test_constant_features_give_the_mean():
    fit = fractional_ridge_fit(np.full((10, 3), 0.1), np.arange(10.0)[:, None], fractions=0.5)
    np.testing.assert_array_equal(fit.coef, 0)
    np.testing.assert_allclose(fit.intercept, 4.5)
    assert np.isnan(fit.alphas).all()


def test_what_cannot_be_used_is_refused():
    F, T = golden()
    with pytest.raises(InputError, match=r"one number or one per target, got 2 for 6 targets"):
        fractional_ridge_fit(F, T, fractions=[0.1, 0.2])
    with pytest.raises(InputError, match=r"above 0 and at most 1, got -0\.5"):
        fractional_ridge_fit(F, T, fractions=-0.5)
    with pytest.raises(InputError, match=r"`X` and `Y` must have the same number of samples, got 90 and 80"):
        fractional_ridge_fit(F, T[:80], fractions=0.5)
