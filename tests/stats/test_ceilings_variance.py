from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import (
    explainable_variance,
    feve,
    fraction_explainable_variance,
    ncsnr,
    ncsnr_ceiling,
    oracle_correlation,
)


def test_reference_values_of_the_oracle_correlations(repeats):
    jackknife = oracle_correlation(repeats[0])
    conservative = oracle_correlation(repeats[0], estimator="conservative")
    np.testing.assert_allclose(jackknife, [0.8768644085, 0.7269674076, 0.3301626754], atol=1e-9)
    np.testing.assert_allclose(conservative, [0.9012589794, 0.7842957542, 0.5018210975], atol=1e-9)


def test_reference_values_of_the_explainable_variance(repeats):
    corrected = explainable_variance(repeats[0])
    plain = explainable_variance(repeats[0], bias_correction=False)
    np.testing.assert_allclose(corrected, [0.8018231445, 0.5812932296, 0.1674437763], atol=1e-9)
    np.testing.assert_allclose(plain, [0.82164083, 0.6231639066, 0.2506993987], atol=1e-9)


def test_reference_values_of_fev_and_feve(repeats):
    fractions = fraction_explainable_variance(repeats[0])
    np.testing.assert_allclose(fractions, [0.7919300867, 0.5734244781, 0.1707720587], atol=1e-9)
    explained = feve(repeats[0], 0.9 * repeats[1])
    np.testing.assert_allclose(explained, [0.9918870451, 1.0253608543, 0.9580606287], atol=1e-9)


def test_reference_values_of_the_noise_ceiling_signal_to_noise_ratio(repeats):
    ratio = ncsnr(repeats[0])
    np.testing.assert_allclose(ratio, [1.9509169374, 1.1594182945, 0.4538072641], atol=1e-9)
    expected = {
        1: [79.1930087366, 57.3424478368, 17.0772058759],
        3: [91.947323053, 80.1301567912, 38.1885447961],
        10: [97.43988655, 93.0759947459, 67.3139627463],
    }
    for n, percent in expected.items():
        np.testing.assert_allclose(100 * ncsnr_ceiling(ratio, n_repeats=n), percent, atol=1e-7)


def test_estimators_recover_the_truth_of_a_simulation():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((500, 1, 400))
    values = signal + np.sqrt(2.0) * rng.standard_normal((500, 4, 400))
    theory = 1 / np.sqrt((1 + 2) * (1 + 2 / 3))
    assert oracle_correlation(values).mean() == pytest.approx(theory, abs=0.01)
    assert explainable_variance(values).mean() == pytest.approx(1 / 3, abs=0.01)
    assert fraction_explainable_variance(values).mean() == pytest.approx(1 / 3, abs=0.01)
    assert ncsnr(values).mean() == pytest.approx(np.sqrt(1 / 2), abs=0.01)
    assert feve(values, 0.7 * signal[:, 0]).mean() == pytest.approx(1 - 0.3**2, abs=0.02)


def test_unequal_numbers_of_repeats_stay_unbiased():
    rng = np.random.default_rng(1)
    values = rng.standard_normal((400, 1, 200)) + np.sqrt(2.0) * rng.standard_normal((400, 6, 200))
    values[:200, 2:] = np.nan
    assert fraction_explainable_variance(values).mean() == pytest.approx(1 / 3, abs=0.01)
    assert ncsnr(values).mean() == pytest.approx(np.sqrt(1 / 2), abs=0.015)


def test_unequal_counts_average_one_over_n():
    assert ncsnr_ceiling(1.0, n_repeats=[1, 2, 2, 4]) == pytest.approx(1 / (1 + (1 + 0.5 + 0.5 + 0.25) / 4))


def test_limits_without_signal_without_noise_and_without_variance():
    rng = np.random.default_rng(2)
    signal = np.repeat(rng.standard_normal((10, 1, 1)), 3, axis=1)
    assert np.isinf(ncsnr(signal)).all()
    np.testing.assert_allclose(ncsnr_ceiling(np.inf, n_repeats=3), 1.0)
    np.testing.assert_allclose(oracle_correlation(signal), 1.0)
    constant = np.ones((10, 3, 1))
    for estimate in (oracle_correlation, explainable_variance, fraction_explainable_variance, ncsnr):
        assert np.isnan(estimate(constant)).all(), estimate.__name__
    alternating = np.tile(np.array([1.0, -1.0])[None, :, None], (10, 1, 1))
    assert ncsnr(alternating)[0] == 0.0
    assert np.isnan(feve(alternating, np.zeros((10, 1)))[0])


def test_bad_input_is_refused(repeats):
    values = repeats[0].copy()
    with pytest.raises(InputError, match="`estimator` is 'jacknife', did you mean 'jackknife'"):
        oracle_correlation(values, estimator="jacknife")
    with pytest.raises(InputError, match="at least 2 repeats, got 1"):
        explainable_variance(values[:, :1])
    with pytest.raises(InputError, match=r"`predictions` must have shape \(40, 3\) .* got \(40, 2\)"):
        feve(values, np.zeros((40, 2)))
    with pytest.raises(InputError, match="at least 1 for every stimulus, got 0"):
        ncsnr_ceiling(1.0, n_repeats=[2, 0])
    with pytest.raises(InputError, match="got none"):
        ncsnr_ceiling(1.0, n_repeats=[])
    values[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="1 NaN"):
        explainable_variance(values)
