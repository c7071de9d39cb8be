from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import (
    explainable_variance,
    feve,
    fraction_explainable_variance,
    ncsnr,
    normalize_score,
    oracle_correlation,
    split_half_reliability,
)


def test_an_oracle_is_a_bound_on_single_repeats_and_divides_nothing(repeats):
    jackknife = oracle_correlation(repeats[0])
    conservative = oracle_correlation(repeats[0], estimator="conservative")
    lower, upper = jackknife.to_ceiling(), conservative.to_ceiling(unit="r")
    np.testing.assert_array_equal(lower.lower, jackknife.value)
    np.testing.assert_array_equal(lower.se_lower, jackknife.se)
    np.testing.assert_array_equal(upper.upper, conservative.value)
    np.testing.assert_array_equal(upper.se_upper, conservative.se)
    assert np.isnan([lower.upper, lower.se_upper, upper.lower, upper.se_lower]).all()
    assert (lower.divides, lower.unit, lower.n_repeats) == ("nothing", "r", 1.0)
    with pytest.raises(
        InputError, match="'single-repeat r' cannot be divided by the ceiling 'jackknife oracle"
    ):
        normalize_score([0.3] * 3, lower, unit="single-repeat r")


def test_the_bounds_hold_the_true_ceiling_between_them():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((400, 1, 50)) + np.sqrt(2.0) * rng.standard_normal((400, 4, 50))
    lower = oracle_correlation(values).to_ceiling().lower.mean()
    upper = oracle_correlation(values, estimator="conservative").to_ceiling().upper.mean()
    assert lower + 0.05 < np.sqrt(1 / 3) < upper - 0.05


def test_explainable_variance_divides_scores_of_single_repeats(repeats):
    found = explainable_variance(repeats[0])
    r2, r = found.to_ceiling(), found.to_ceiling(unit="r")
    assert (r2.unit, r2.divides, r2.n_repeats) == ("r2", "single-repeat r2", 1.0)
    assert (r.unit, r.divides) == ("r", "single-repeat r")
    np.testing.assert_allclose(r2.upper, found.value)
    np.testing.assert_allclose(r2.se_upper, found.se)
    np.testing.assert_allclose(r.upper, np.sqrt(found.value))
    score = np.full(3, 0.1)
    np.testing.assert_allclose(normalize_score(score, r2, unit="single-repeat r2"), score / found.value)
    with pytest.raises(
        InputError, match="'r2' cannot be divided by a ceiling for scores in 'single-repeat r2'"
    ):
        normalize_score(score, r2, unit="r2")


def test_ceilings_of_means_follow_signal_over_signal_plus_noise_by_n(repeats):
    found = fraction_explainable_variance(repeats[0])
    share = found.value
    for n_repeats, n in ((10, 10), ([1, 2, 2, 4], 1 / np.mean([1, 1 / 2, 1 / 2, 1 / 4]))):
        ceiling = found.to_ceiling(n_repeats=n_repeats)
        np.testing.assert_allclose(ceiling.upper, share / (share + (1 - share) / n))
        assert ceiling.divides == "r2"
        assert ceiling.n_repeats == pytest.approx(n)
        by_snr = ncsnr(repeats[0]).to_ceiling(n_repeats=n_repeats)
        np.testing.assert_allclose(by_snr.upper, ceiling.upper)
        root = ncsnr(repeats[0]).to_ceiling(n_repeats=n_repeats, unit="r")
        np.testing.assert_allclose(root.upper**2, ceiling.upper)


def test_error_bars_of_ceilings_go_with_the_slope(repeats):
    found = fraction_explainable_variance(repeats[0])
    step = 1e-6
    for unit in ("r2", "r"):
        ceiling = found.to_ceiling(unit=unit, n_repeats=6)
        moved = type(found)(found.value + step, found.se, "", found.n_stimuli, found.n_repeats)
        slope = (moved.to_ceiling(unit=unit, n_repeats=6).upper - ceiling.upper) / step
        np.testing.assert_allclose(ceiling.se_upper, slope * found.se, rtol=1e-4)


def test_channels_without_signal_have_no_ceiling():
    rng = np.random.default_rng(1)
    values = rng.standard_normal((30, 4, 200))
    found = fraction_explainable_variance(values)
    ceiling = found.to_ceiling(n_repeats=4)
    below = found.value <= 0
    assert 0.2 < below.mean() < 0.8
    np.testing.assert_array_equal(np.isnan(ceiling.upper), below)
    np.testing.assert_array_equal(np.isnan(ceiling.se_upper), below)


def test_a_ceiling_divides_scores_of_means_over_as_many_repeats_only(repeats):
    score = np.full(3, 0.4)
    ceiling = ncsnr(repeats[0]).to_ceiling(n_repeats=10, unit="r")
    expected = score / ceiling.upper
    np.testing.assert_allclose(normalize_score(score, ceiling, unit="r", n_repeats=10), expected)
    np.testing.assert_allclose(normalize_score(score, ceiling, unit="r", n_repeats=[10] * 40), expected)
    with pytest.raises(InputError, match=r"means over 3 repeats, the ceiling \(.*\) for 10"):
        normalize_score(score, ceiling, unit="r", n_repeats=3)
    halves = split_half_reliability(repeats[0][:, :9])
    with pytest.raises(InputError, match=r"means over 9 repeats, the ceiling \(split-half.*\) for 8"):
        normalize_score(score, halves.to_ceiling(), unit="r", n_repeats=9)
    normalize_score(score, halves.to_ceiling(n_repeats=9), unit="r", n_repeats=9)


def test_what_makes_no_ceiling_says_so(repeats):
    with pytest.raises(InputError, match="noise of a mean over 10 repeats is part of it"):
        explainable_variance(repeats[0], bias_correction=False).to_ceiling()
    with pytest.raises(InputError, match="corrected for noise already, no ceiling in 'r2'"):
        feve(repeats[0], repeats[1]).to_ceiling()
    with pytest.raises(InputError, match="`unit` must be 'r' for an oracle correlation, got 'r2'"):
        oracle_correlation(repeats[0]).to_ceiling(unit="r2")
    with pytest.raises(InputError, match="`unit` is 'r3'"):
        ncsnr(repeats[0]).to_ceiling(n_repeats=2, unit="r3")
    with pytest.raises(InputError, match="`n_repeats` must be at least 1 for every stimulus, got 0.5"):
        fraction_explainable_variance(repeats[0]).to_ceiling(n_repeats=[1, 0.5])
    explained = feve(repeats[0], repeats[1])
    np.testing.assert_array_equal(explained.fraction.value, fraction_explainable_variance(repeats[0]).value)
