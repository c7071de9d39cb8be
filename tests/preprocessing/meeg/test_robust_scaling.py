from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from alignkit._core.errors import InputError
from alignkit.preprocessing.meeg._spread import robust_spread
from alignkit.preprocessing.meeg.robust_scaling import RobustChannelScaler


@parametrize_with_checks([RobustChannelScaler(), RobustChannelScaler(clamp=None)])
def test_it_keeps_the_rules_of_scikit_learn(estimator, check):
    check(estimator)


def epochs(seed=0):
    return np.random.default_rng(seed).standard_normal((30, 4, 25)) * np.array([1, 1e-6, 50, 3])[:, None] + 7


def test_it_is_scikit_learns_robust_scaler_with_one_row_per_epoch_and_time():
    X = epochs()
    rows = X.transpose(0, 2, 1).reshape(-1, 4)
    expected = RobustScaler(unit_variance=True).fit(rows).transform(rows)
    scaled = RobustChannelScaler(clamp=None).fit_transform(X)
    np.testing.assert_allclose(scaled.transpose(0, 2, 1).reshape(-1, 4), expected, rtol=1e-6)


def test_values_beyond_the_clamp_are_set_to_it_and_the_others_stay():
    X = epochs()
    X[3, 1, 5], X[4, 2, 6] = 1.0e3, -1.0e6
    free, clamped = (RobustChannelScaler(clamp=c).fit_transform(X) for c in (None, 20.0))
    assert clamped[3, 1, 5] == 20.0
    assert clamped[4, 2, 6] == -20.0
    inside = np.abs(free) < 20
    np.testing.assert_array_equal(clamped[inside], free[inside])


def test_one_outlier_moves_a_standard_deviation_and_not_the_robust_one():
    values = np.random.default_rng(0).standard_normal((1000, 1))
    spoiled = values.copy()
    spoiled[0] = 1e4
    assert robust_spread(spoiled)[1] == pytest.approx(robust_spread(values)[1], rel=0.02)
    assert spoiled.std() > 100 * values.std()


def test_test_epochs_do_not_change_what_was_fitted():
    X = epochs()
    scaler = RobustChannelScaler().fit(X[:20])
    center, scale = scaler.center_.copy(), scaler.scale_.copy()
    other = X.copy()
    other[20:] *= 100
    np.testing.assert_array_equal(RobustChannelScaler().fit(other[:20]).center_, center)
    scaler.transform(other[20:])
    np.testing.assert_array_equal(scaler.scale_, scale)


def test_a_constant_channel_becomes_zero_and_float32_stays():
    X = epochs().astype(np.float32)
    X[:, 1] = 3.0
    scaled = RobustChannelScaler().fit_transform(X)
    assert scaled.dtype == np.float32
    assert not scaled[:, 1].any()


def test_bad_options_and_shapes_are_refused():
    with pytest.raises(InputError, match="`clamp` must be above 0, got -1"):
        RobustChannelScaler(clamp=-1).fit(epochs())
    with pytest.raises(InputError, match=r"epochs x channels x times, got shape \(2, 2, 2, 2\)"):
        RobustChannelScaler().fit(np.ones((2, 2, 2, 2)))
