"""Batched discriminant analysis: scikit-learn's numbers, with and without shrinkage, tall and wide."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from alignkit.decoders.linear._discriminant import ledoit_wolf, solve_discriminant


def planted(n_times, n_samples, n_channels, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_times, n_samples, n_channels)) @ rng.standard_normal((n_channels, n_channels))
    codes = rng.permutation(np.concatenate([np.arange(n_samples) % n_classes]))
    X[:, :, 0] += 2 * codes
    return X + 3.0, codes


@pytest.mark.parametrize("shrinkage", ["auto", 0.3, 1.0, None])
@pytest.mark.parametrize(("n_samples", "n_channels"), [(60, 12), (40, 60), (1 + 30, 30)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_decision_values_are_those_of_scikit_learn(shrinkage, n_samples, n_channels, n_classes):
    X, codes = planted(2, n_samples, n_channels, n_classes)
    coef, intercept = solve_discriminant(X, codes, n_classes=n_classes, shrinkage=shrinkage)
    for at in range(2):
        solver = "svd" if shrinkage is None else "lsqr"
        peer = LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage).fit(X[at], codes)
        wanted = peer.decision_function(X[at]).reshape(n_samples, -1)
        found = X[at] @ coef[at] + intercept[at]
        assert np.abs(found - wanted).max() < 1e-8 * np.abs(wanted).max()


def test_shares_of_classes_move_the_intercept_by_their_log_odds():
    rng = np.random.default_rng(0)
    # Both classes have the same covariance and mean in both samples; only how many there are differs.
    one, two = rng.standard_normal((20, 3)), rng.standard_normal((20, 3)) + 1
    equal = np.concatenate([one, two])[None]
    more = np.concatenate([one, one, one, two])[None]
    a = solve_discriminant(equal, np.repeat([0, 1], 20), n_classes=2, shrinkage=1.0)
    b = solve_discriminant(more, np.repeat([0, 1], [60, 20]), n_classes=2, shrinkage=1.0)
    # With full shrinkage the covariance is a number; weights are in its proportion.
    ratio = a[0] / b[0]
    np.testing.assert_allclose(ratio, ratio[0, 0, 0])
    offset = b[1] - a[1] / ratio[0, 0, 0]
    np.testing.assert_allclose(offset, -np.log(3))


@pytest.mark.parametrize(("n_samples", "n_channels"), [(30, 5), (8, 40), (50, 1)])
def test_the_shrinkage_weight_is_the_one_of_ledoit_and_wolf(n_samples, n_channels):
    X = np.random.default_rng(0).standard_normal((n_samples, n_channels)) * np.linspace(1, 3, n_channels)
    centred = X - X.mean(axis=0)
    covariance = centred.T @ centred / n_samples
    found = ledoit_wolf(
        np.array([np.trace(covariance)]),
        np.array([(covariance**2).sum()]),
        np.array([((centred**2).sum(axis=1) ** 2).mean()]),
        n_samples=n_samples,
        n_channels=n_channels,
    )
    np.testing.assert_allclose(found[0], ledoit_wolf_shrinkage(X), atol=1e-12)


@pytest.mark.parametrize("shrinkage", ["auto", None])
def test_an_invertible_map_of_channels_changes_decisions_only_with_shrinkage(shrinkage):
    X, codes = planted(1, 60, 6, 2)
    mixing = np.random.default_rng(1).standard_normal((6, 6))

    def decide(signals):
        coef, intercept = solve_discriminant(signals, codes, n_classes=2, shrinkage=shrinkage)
        return signals @ coef + intercept

    change = np.abs(decide(X) - decide(X @ mixing)).max() / np.abs(decide(X)).max()
    assert change < 1e-8 if shrinkage is None else change > 1e-3


@pytest.mark.parametrize("shrinkage", ["auto", 0.2, None])
def test_the_scale_of_a_channel_changes_nothing_unless_shrinkage_is_a_number(shrinkage):
    X, codes = planted(1, 60, 6, 3)
    scales = np.array([1.0, 20.0, 0.1, 1, 1, 1])

    def decide(signals):
        coef, intercept = solve_discriminant(signals, codes, n_classes=3, shrinkage=shrinkage)
        decision = signals @ coef + intercept[:, None]
        return decision - decision.mean(axis=2, keepdims=True)

    change = np.abs(decide(X) - decide(X * scales)).max() / np.abs(decide(X)).max()
    assert change > 1e-3 if shrinkage == 0.2 else change < 1e-8


@pytest.mark.parametrize("n_samples", [20, 60])
def test_a_constant_channel_has_no_weight(n_samples):
    X, codes = planted(1, n_samples, 30, 2)
    X[:, :, 4] = 7.0
    coef, intercept = solve_discriminant(X, codes, n_classes=2, shrinkage=None)
    assert np.isfinite(coef).all()
    assert abs(coef[0, 4, 0]) < 1e-9
    assert np.isfinite(intercept).all()


@pytest.mark.filterwarnings("ignore:Only one sample available")
def test_a_class_of_one_sample_is_fitted_as_in_scikit_learn():
    X, codes = planted(1, 30, 5, 2)
    codes = np.where(np.arange(30) == 0, 2, codes)
    coef, intercept = solve_discriminant(X, codes, n_classes=3, shrinkage=0.1)
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1).fit(X[0], codes)
    np.testing.assert_allclose(X[0] @ coef[0] + intercept[0], peer.decision_function(X[0]), rtol=1e-8)


def test_inputs_stay_as_they_are():
    X, codes = planted(2, 20, 30, 2)
    before = X.copy()
    for channels in (5, 30):
        solve_discriminant(X[..., :channels], codes, n_classes=2, shrinkage="auto")
    np.testing.assert_array_equal(X, before)
