from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import (
    _repeat_sums,
    explainable_variance,
    feve,
    fraction_explainable_variance,
    ncsnr,
    ncsnr_ceiling,
    oracle_correlation,
    split_half_reliability,
)


def test_reference_values_of_the_oracle_correlations(repeats):
    jackknife = oracle_correlation(repeats[0]).value
    conservative = oracle_correlation(repeats[0], estimator="conservative").value
    np.testing.assert_allclose(jackknife, [0.8768644085, 0.7269674076, 0.3301626754], atol=1e-9)
    np.testing.assert_allclose(conservative, [0.9012589794, 0.7842957542, 0.5018210975], atol=1e-9)


def test_reference_values_of_the_explainable_variance(repeats):
    corrected = explainable_variance(repeats[0]).value
    plain = explainable_variance(repeats[0], bias_correction=False).value
    np.testing.assert_allclose(corrected, [0.8018231445, 0.5812932296, 0.1674437763], atol=1e-9)
    np.testing.assert_allclose(plain, [0.82164083, 0.6231639066, 0.2506993987], atol=1e-9)


def test_reference_values_of_fev_and_feve(repeats):
    fractions = fraction_explainable_variance(repeats[0]).value
    np.testing.assert_allclose(fractions, [0.7919300867, 0.5734244781, 0.1707720587], atol=1e-9)
    explained = feve(repeats[0], 0.9 * repeats[1]).value
    np.testing.assert_allclose(explained, [0.9918870451, 1.0253608543, 0.9580606287], atol=1e-9)


def test_reference_values_of_the_noise_ceiling_signal_to_noise_ratio(repeats):
    found = ncsnr(repeats[0])
    ratio = found.value
    np.testing.assert_allclose(ratio, [1.9509169374, 1.1594182945, 0.4538072641], atol=1e-9)
    expected = {
        1: [79.1930087366, 57.3424478368, 17.0772058759],
        3: [91.947323053, 80.1301567912, 38.1885447961],
        10: [97.43988655, 93.0759947459, 67.3139627463],
    }
    for n, percent in expected.items():
        np.testing.assert_allclose(100 * ncsnr_ceiling(ratio, n_repeats=n), percent, atol=1e-7)
        np.testing.assert_allclose(100 * found.to_ceiling(n_repeats=n).upper, percent, atol=1e-7)


def test_estimators_recover_the_truth_of_a_simulation():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((500, 1, 400))
    values = signal + np.sqrt(2.0) * rng.standard_normal((500, 4, 400))
    theory = 1 / np.sqrt((1 + 2) * (1 + 2 / 3))
    assert oracle_correlation(values).value.mean() == pytest.approx(theory, abs=0.01)
    assert explainable_variance(values).value.mean() == pytest.approx(1 / 3, abs=0.01)
    assert fraction_explainable_variance(values).value.mean() == pytest.approx(1 / 3, abs=0.01)
    assert ncsnr(values).value.mean() == pytest.approx(np.sqrt(1 / 2), abs=0.01)
    assert feve(values, 0.7 * signal[:, 0]).value.mean() == pytest.approx(1 - 0.3**2, abs=0.02)


def test_unequal_numbers_of_repeats_stay_unbiased():
    rng = np.random.default_rng(1)
    values = rng.standard_normal((400, 1, 200)) + np.sqrt(2.0) * rng.standard_normal((400, 6, 200))
    values[:200, 2:] = np.nan
    assert fraction_explainable_variance(values).value.mean() == pytest.approx(1 / 3, abs=0.01)
    assert ncsnr(values).value.mean() == pytest.approx(np.sqrt(1 / 2), abs=0.015)


def test_unequal_counts_average_one_over_n():
    assert ncsnr_ceiling(1.0, n_repeats=[1, 2, 2, 4]) == pytest.approx(1 / (1 + (1 + 0.5 + 0.5 + 0.25) / 4))


def test_limits_without_signal_without_noise_and_without_variance():
    rng = np.random.default_rng(2)
    signal = np.repeat(rng.standard_normal((10, 1, 1)), 3, axis=1)
    without_noise = ncsnr(signal)
    assert np.isinf(without_noise.value).all()
    assert np.isnan(without_noise.se).all()
    np.testing.assert_allclose(without_noise.to_ceiling(n_repeats=1).upper, 1.0)
    np.testing.assert_allclose(ncsnr_ceiling(np.inf, n_repeats=3), 1.0)
    np.testing.assert_allclose(oracle_correlation(signal).value, 1.0)
    for level in (1.0, 0.1):
        constant = np.full((10, 3, 1), level)
        for estimate in (oracle_correlation, explainable_variance, fraction_explainable_variance, ncsnr):
            found = estimate(constant)
            assert np.isnan([found.value, found.se]).all(), estimate.__name__
    alternating = np.tile(np.array([1.0, -1.0])[None, :, None], (10, 1, 1))
    nothing = ncsnr(alternating)
    assert nothing.value[0] == 0.0
    assert np.isnan(nothing.se[0])
    assert np.isnan(nothing.to_ceiling(n_repeats=4).upper[0])
    assert np.isnan(feve(alternating, np.zeros((10, 1))).value[0])


ESTIMATES = {
    "oracle": oracle_correlation,
    "conservative oracle": partial(oracle_correlation, estimator="conservative"),
    "explainable variance": explainable_variance,
    "plain explainable variance": partial(explainable_variance, bias_correction=False),
    "fev": fraction_explainable_variance,
    "ncsnr": ncsnr,
}


def _brute_force_se(values, estimate, labels):
    left_out = np.array([estimate(values[labels != label]).value for label in np.unique(labels)])
    n = len(left_out)
    return np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))


@pytest.mark.parametrize("name", ESTIMATES)
def test_error_bars_are_those_of_leaving_each_stimulus_out(repeats, name):
    values = repeats[0][:, :4] + 100.0
    expected = _brute_force_se(values, ESTIMATES[name], np.arange(40))
    np.testing.assert_allclose(ESTIMATES[name](values).se, expected, rtol=1e-7)


@pytest.mark.parametrize("name", ESTIMATES)
def test_rows_of_one_group_are_left_out_together(repeats, name):
    values = repeats[0][:, :4]
    labels = np.random.default_rng(0).permutation(np.arange(40) % 9)
    expected = _brute_force_se(values, ESTIMATES[name], labels)
    found = ESTIMATES[name](values, groups=[f"g{label}" for label in labels])
    np.testing.assert_allclose(found.se, expected, rtol=1e-7)
    np.testing.assert_array_equal(found.value, ESTIMATES[name](values).value)


def test_the_error_bar_of_feve_leaves_stimulus_and_prediction_out(repeats):
    values, predicted = repeats[0][:, :4], 0.8 * repeats[1]
    left_out = []
    for i in range(40):
        kept = np.arange(40) != i
        left_out.append(feve(values[kept], predicted[kept]).value)
    left_out = np.array(left_out)
    expected = np.sqrt(39 / 40 * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(feve(values, predicted).se, expected, rtol=1e-7)


def test_with_missing_repeats_stimuli_shown_once_count_nowhere(repeats):
    values = repeats[0][:, :4].copy()
    values[30:, 1:] = np.nan
    values[:10, 3] = np.nan
    for estimate in (oracle_correlation, fraction_explainable_variance, ncsnr):
        all_rows, repeated = estimate(values), estimate(values[:30])
        np.testing.assert_allclose(all_rows.value, repeated.value, rtol=1e-9)
        np.testing.assert_allclose(all_rows.se, repeated.se, rtol=1e-9)
    found = fraction_explainable_variance(values)
    np.testing.assert_array_equal(found.n_stimuli, [30] * 3)
    np.testing.assert_allclose(found.n_repeats, 30 / (10 / 3 + 20 / 4))


# Coverage of value +- 1.96 se over 200 samples of 20 channels each, noise twice the signal's variance.
@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("oracle", 1 / np.sqrt(3 * (1 + 2 / 3))),
        ("explainable variance", 1 / 3),
        ("fev", 1 / 3),
        ("ncsnr", np.sqrt(1 / 2)),
    ],
)
def test_error_bars_cover_the_truth(name, truth):
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(200):
        signal = rng.standard_normal((100, 1, 20))
        found = ESTIMATES[name](signal + np.sqrt(2.0) * rng.standard_normal((100, 4, 20)))
        covered.append(np.abs(found.value - truth) < 1.96 * found.se)
    assert 0.90 < np.mean(covered) < 0.97


def test_error_bars_of_feve_and_of_uneven_repeats_cover_the_truth():
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(200):
        signal = rng.standard_normal((100, 1, 20))
        values = signal + np.sqrt(2.0) * rng.standard_normal((100, 6, 20))
        values[:50, 2:] = np.nan
        explained = feve(values, 0.7 * signal[:, 0])
        ceiling = ncsnr(values).to_ceiling(n_repeats=[2] * 50 + [6] * 50, unit="r")
        truth = np.sqrt(1 / (1 + 2 * (1 / 2 + 1 / 6) / 2))
        covered.append(
            [
                np.abs(explained.value - (1 - 0.3**2)) < 1.96 * explained.se,
                np.abs(ceiling.upper - truth) < 1.96 * ceiling.se_upper,
            ]
        )
    for share in np.mean(covered, axis=(0, 2)):
        assert 0.90 < share < 0.97


def test_neighbouring_time_points_need_groups_for_an_honest_error_bar():
    rng = np.random.default_rng(5)
    smooth = np.ones(10) / np.sqrt(10)
    alone, blocks, values = [], [], []
    for _ in range(60):
        white = rng.standard_normal((309, 1, 10)), rng.standard_normal((309, 4, 10))
        signal, noise = (np.apply_along_axis(np.convolve, 0, x, smooth, "valid") for x in white)
        found = explainable_variance(signal + noise, groups=np.arange(300) // 30)
        values.append(found.value)
        blocks.append(found.se)
        alone.append(explainable_variance(signal + noise).se)
    spread = np.std(values, axis=0, ddof=1).mean()
    assert np.mean(alone) < 0.6 * spread
    assert np.mean(blocks) == pytest.approx(spread, rel=0.2)


def test_blocks_of_channels_change_nothing(repeats, monkeypatch):
    whole = [estimate(repeats[0]) for estimate in ESTIMATES.values()]
    monkeypatch.setattr(_repeat_sums, "_BLOCK_ELEMENTS", 400)
    for estimate, expected in zip(ESTIMATES.values(), whole, strict=True):
        found = estimate(repeats[0])
        np.testing.assert_allclose(found.value, expected.value, rtol=1e-12)
        np.testing.assert_allclose(found.se, expected.se, rtol=1e-12)


def test_gain_and_offset_of_a_channel_do_not_matter_and_the_input_stays(repeats):
    before = repeats[0].copy()
    scaled = repeats[0] * np.array([1e-3, 1.0, 1e4]) + np.array([1.0, -50.0, 1e6])
    for estimate in ESTIMATES.values():
        found, moved = estimate(repeats[0]), estimate(scaled)
        np.testing.assert_allclose(moved.value, found.value, rtol=1e-6)
        np.testing.assert_allclose(moved.se, found.se, rtol=1e-6)
    # A prediction has the unit of the responses: its gain counts.
    assert not np.allclose(feve(scaled, repeats[1]).value, feve(repeats[0], repeats[1]).value)
    np.testing.assert_array_equal(repeats[0], before)


def test_macaque_v4_has_the_same_ceiling_by_variances_as_by_halves(real_data):
    counts = np.load(real_data("v4_cowley/responses_raw_201016.npz"), allow_pickle=False)["counts"]
    values = counts.transpose(1, 2, 0).astype(np.float64)
    values[values < 0] = np.nan
    shown = np.isfinite(values[:, :, 0]).sum(axis=1)
    by_snr = ncsnr(values).to_ceiling(unit="r", n_repeats=shown[shown > 1])
    by_halves = split_half_reliability(values).to_ceiling(unit="r", n_repeats=shown[shown > 1])
    gap = np.abs(by_snr.upper - by_halves.upper)
    assert np.nanmedian(gap) < 0.01
    assert (gap < 3 * np.maximum(by_snr.se_upper, by_halves.se_upper))[np.isfinite(gap)].mean() > 0.95


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
    with pytest.raises(InputError, match="one label for each of the 40 rows, got 39"):
        ncsnr(values, groups=range(39))
    with pytest.raises(InputError, match="at least 2 groups for an error bar, got 1 in 40 rows"):
        explainable_variance(values, groups=[0] * 40)
    with pytest.raises(InputError, match="at least 4 rows, got 3"):
        explainable_variance(values[:3])
    values[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="1 NaN"):
        explainable_variance(values)
