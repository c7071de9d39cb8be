from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.stats import spearman_brown, split_half_reliability


def _simulate(rng, n_stimuli, n_repeats, n_channels, noise=2.0):
    signal = rng.standard_normal((n_stimuli, 1, n_channels))
    return signal + np.sqrt(noise) * rng.standard_normal((n_stimuli, n_repeats, n_channels))


def test_recovers_the_true_reliability():
    result = split_half_reliability(_simulate(np.random.default_rng(0), 500, 4, 400))
    assert result.half_r.mean() == pytest.approx(1 / 2, abs=0.01)  # 1 / (1 + 2/2)
    assert result.reliability.mean() == pytest.approx(2 / 3, abs=0.01)  # 1 / (1 + 2/4)
    assert result.ceiling_r.mean() == pytest.approx(np.sqrt(2 / 3), abs=0.01)


def test_two_repeats_have_one_split_and_give_the_plain_correlation():
    values = _simulate(np.random.default_rng(1), 50, 2, 3)
    expected = [np.corrcoef(values[:, 0, c], values[:, 1, c])[0, 1] for c in range(3)]
    result = split_half_reliability(values[:, :, :], n_splits=1)
    # Which half is which differs between stimuli, so that only the expectation is the plain correlation.
    assert np.abs(result.half_r - expected).max() < 0.15
    np.testing.assert_allclose(result.reliability, 2 * result.half_r / (1 + result.half_r))


def test_error_bars_match_the_spread_over_samples():
    rng = np.random.default_rng(2)
    draws = [split_half_reliability(_simulate(rng, 80, 4, 20), n_splits=5) for _ in range(40)]
    spread = np.std([draw.reliability for draw in draws], axis=0, ddof=1).mean()
    assert np.mean([draw.se for draw in draws]) == pytest.approx(spread, rel=0.15)
    spread_r = np.std([draw.ceiling_r for draw in draws], axis=0, ddof=1).mean()
    assert np.mean([draw.se_ceiling_r for draw in draws]) == pytest.approx(spread_r, rel=0.15)


def test_the_jackknife_in_closed_form_is_leaving_each_stimulus_out():
    values = _simulate(np.random.default_rng(3), 12, 2, 2, noise=0.3)
    # With one split, dropping a stimulus and its random numbers leaves the halves of the others as they are.
    keys = np.random.default_rng(0).random((1, 12, 2))
    flip = keys[0, :, 0] > keys[0, :, 1]
    halves = (
        np.where(flip[:, None], values[:, 1], values[:, 0]),
        np.where(flip[:, None], values[:, 0], values[:, 1]),
    )
    left_out = []
    for i in range(12):
        kept = np.arange(12) != i
        left_out.append([np.corrcoef(halves[0][kept, c], halves[1][kept, c])[0, 1] for c in range(2)])
    left_out = np.array(left_out)
    expected = np.sqrt(11 / 12 * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(split_half_reliability(values, n_splits=1).se_half_r, expected)


def test_missing_repeats_may_differ_between_channels():
    rng = np.random.default_rng(4)
    values = _simulate(rng, 60, 6, 2)
    shared = values.copy()
    shared[:30, 4:] = np.nan
    one_channel = split_half_reliability(shared[:, :, :1])
    mixed = np.concatenate([shared[:, :, :1], values[:, :, 1:]], axis=2)
    both = split_half_reliability(mixed)
    np.testing.assert_allclose(both.half_r[0], one_channel.half_r[0])
    np.testing.assert_allclose(both.half_r[1], split_half_reliability(values[:, :, 1:]).half_r[0])
    np.testing.assert_array_equal(both.n_stimuli, [60, 60])


def test_stimuli_with_one_repeat_do_not_count():
    values = _simulate(np.random.default_rng(5), 30, 4, 2)
    single = np.concatenate([values, np.full((5, 4, 2), np.nan)])
    single[30:, 0] = 100.0
    result = split_half_reliability(single)
    np.testing.assert_array_equal(result.n_stimuli, [30, 30])
    assert (np.abs(result.half_r) < 0.9).all()


def test_gain_and_offset_of_a_channel_do_not_matter():
    values = _simulate(np.random.default_rng(6), 30, 4, 3)
    scaled = values * np.array([1.0, 20.0, 0.01]) + np.array([5.0, -3.0, 100.0])
    reference = split_half_reliability(values)
    np.testing.assert_allclose(split_half_reliability(scaled).half_r, reference.half_r, atol=1e-10)


def test_channels_without_signal_or_variance_have_no_ceiling():
    values = _simulate(np.random.default_rng(7), 30, 4, 2)
    values[:, :, 0] = 0.1
    values[:, ::2, 1] *= -1  # halves now disagree on average
    result = split_half_reliability(values, n_splits=50)
    assert np.isnan(result.half_r[0])
    assert result.half_r[1] < 0
    assert np.isnan(result.reliability).all()
    assert np.isnan(result.se).all()


def test_spearman_brown_of_known_values():
    np.testing.assert_allclose(
        spearman_brown([0.5, 1.0, 0.0, -0.2, np.nan]), [2 / 3, 1, np.nan, np.nan, np.nan]
    )


def test_spearman_brown_takes_any_factor_and_back():
    assert spearman_brown(0.25, factor=3) == pytest.approx(0.5)
    np.testing.assert_allclose(spearman_brown(spearman_brown([0.3, 0.6], factor=5), factor=1 / 5), [0.3, 0.6])
    np.testing.assert_allclose(spearman_brown(0.4, factor=[1.0, 2.0]), [0.4, 0.8 / 1.4])


def test_the_ceiling_says_for_how_many_repeats_it_holds():
    values = _simulate(np.random.default_rng(9), 30, 5, 3)
    values[:10, 2:] = np.nan
    values[:10, 2:, 2] = 0.0
    result = split_half_reliability(values)
    expected = [30 / (10 / 2 + 20 / 4)] * 2 + [4.0]
    np.testing.assert_allclose(result.n_repeats, expected)
    np.testing.assert_allclose(result.to_ceiling().n_repeats, expected)
    assert result.to_ceiling().divides == "r"
    assert result.to_ceiling(n_repeats=1).divides == "single-repeat r"


def test_with_the_same_number_of_repeats_the_ceiling_is_the_same():
    result = split_half_reliability(_simulate(np.random.default_rng(10), 80, 4, 5, noise=1.0))
    for unit in ("r", "r2"):
        plain, asked = result.to_ceiling(unit=unit), result.to_ceiling(unit=unit, n_repeats=4)
        np.testing.assert_allclose(asked.upper, plain.upper)
        np.testing.assert_allclose(asked.se_upper, plain.se_upper, rtol=0.1)


def test_uneven_repeats_and_stimuli_shown_once_have_a_ceiling_of_their_own():
    rng = np.random.default_rng(11)
    counts = np.array([1] * 150 + [2] * 150 + [5] * 100)
    signal = rng.standard_normal((400, 1, 200))
    values = signal + np.sqrt(2.0) * rng.standard_normal((400, 5, 200))
    values[np.arange(5)[None] >= counts[:, None]] = np.nan
    ceiling = split_half_reliability(values, n_splits=5).to_ceiling(n_repeats=counts)
    mean = np.nanmean(values, axis=1)
    reached = [np.corrcoef(signal[:, 0, c], mean[:, c])[0, 1] for c in range(200)]
    assert ceiling.upper.mean() == pytest.approx(np.mean(reached), abs=0.01)
    assert ceiling.n_repeats == pytest.approx(1 / np.mean(1 / counts))
    # The ceiling of the stimuli with repeats alone would be too high for all of them.
    repeated = split_half_reliability(values, n_splits=5).to_ceiling().upper.mean()
    assert repeated > np.mean(reached) + 0.03


def test_groups_of_rows_are_left_out_together():
    values = _simulate(np.random.default_rng(12), 30, 2, 2, noise=0.3)
    keys = np.random.default_rng(0).random((1, 30, 2))
    flip = (keys[0, :, 0] > keys[0, :, 1])[:, None]
    halves = np.where(flip, values[:, 1], values[:, 0]), np.where(flip, values[:, 0], values[:, 1])
    labels = np.arange(30) % 7
    left_out = np.array(
        [[np.corrcoef(halves[0][labels != g, c], halves[1][labels != g, c])[0, 1] for c in range(2)]
         for g in range(7)]
    )  # fmt: skip
    expected = np.sqrt(6 / 7 * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(split_half_reliability(values, n_splits=1, groups=labels).se_half_r, expected)
    with pytest.raises(InputError, match="one label for each of the 30 rows, got 7"):
        split_half_reliability(values, groups=range(7))


def test_same_seed_same_bits_and_input_unchanged():
    values = _simulate(np.random.default_rng(8), 20, 5, 3)
    values[0, 0] = np.nan
    before = values.copy()
    first, second = (split_half_reliability(values, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first.reliability, second.reliability)
    np.testing.assert_array_equal(values, before)


def test_macaque_v4_has_the_published_reliability(real_data):
    counts = np.load(real_data("v4_cowley/responses_raw_201016.npz"), allow_pickle=False)["counts"]
    values = counts.transpose(1, 2, 0).astype(np.float64)
    values[values < 0] = np.nan
    result = split_half_reliability(values)
    assert np.median(result.half_r) == pytest.approx(0.575, abs=0.01)
    assert np.median(result.reliability) == pytest.approx(0.730, abs=0.01)
    assert (result.se < 0.15).all()


def test_data_without_repeats_are_refused():
    with pytest.raises(InputError, match=r"at least 4 stimuli with two repeats .* got 0 in channel 0"):
        split_half_reliability(np.ones((10, 1, 2)))
    values = np.random.default_rng(0).random((10, 3, 2))
    values[3:, 1:, 1] = np.nan
    with pytest.raises(InputError, match="got 3 in channel 1"):
        split_half_reliability(values)


def test_bad_arguments_are_refused():
    values = np.random.default_rng(0).random((10, 3, 2))
    with pytest.raises(InputError, match=r"3 dimension\(s\), got shape \(10, 3\)"):
        split_half_reliability(values[:, :, 0])
    with pytest.raises(InputError, match="`n_splits` must be at least 1, got 0"):
        split_half_reliability(values, n_splits=0)
    with pytest.raises(InputError, match="`unit` is 'r3'"):
        split_half_reliability(values).to_ceiling(unit="r3")
    values[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="1 infinite"):
        split_half_reliability(values)
