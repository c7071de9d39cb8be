from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, UnknownNameError
from alignkit.encoders import _windows
from alignkit.encoders.resampling import lanczos_resample

TR = 2.0
SCANS = (np.arange(300) + 0.5) * TR
INNER = slice(5, -5)


def words(rng, rate, duration=600.0):
    """Word times with the given mean rate and irregular spacing."""
    gaps = rng.gamma(20, 1 / 20, int(duration * rate * 1.2)) / rate
    times = np.cumsum(gaps)
    return times[times < duration]


def test_it_is_the_sum_over_all_events_within_the_window():
    rng = np.random.default_rng(0)
    times, values = rng.uniform(0, 50, 80), rng.standard_normal((80, 3))
    samples = np.arange(1.0, 50, TR)
    u = (samples[:, None] - times) / TR
    weights = np.where(np.abs(u) <= 3, np.sinc(u) * np.sinc(u / 3), 0)
    np.testing.assert_allclose(lanczos_resample(values, times, samples), weights @ values, atol=1e-13)


@pytest.mark.parametrize("rate", [1, 2, 3, 5])
def test_a_constant_feature_counts_events_per_sample(rate):
    times = words(np.random.default_rng(rate), rate)
    counts = lanczos_resample(np.ones((len(times), 1)), times, SCANS)[INNER, 0]
    assert counts.mean() == pytest.approx(rate * TR, rel=0.06)


def test_a_slow_sinusoid_is_reconstructed_and_a_fast_one_is_not():
    rng = np.random.default_rng(0)
    # Words at a constant rate, but not on a raster.
    times = np.sort(np.arange(0, 600, 0.2) + rng.uniform(-0.08, 0.08, 3000))
    nyquist = 0.5 / TR

    def sinusoid(at, frequency):
        return np.sin(2 * np.pi * frequency * at)

    slow = lanczos_resample(sinusoid(times, 0.4 * nyquist)[:, None], times, SCANS)[INNER, 0]
    assert np.corrcoef(slow, sinusoid(SCANS[INNER], 0.4 * nyquist))[0, 1] > 0.98
    fast = lanczos_resample(sinusoid(times, 2.2 * nyquist)[:, None], times, SCANS)[INNER, 0]
    assert 20 * np.log10(slow.std() / fast.std()) > 20
    # Plain interpolation keeps it, as an alias.
    assert np.interp(SCANS, times, sinusoid(times, 2.2 * nyquist)).std() > 0.5


def test_a_shift_by_whole_samples_shifts_the_rows():
    # Dyadic times, so that the shifted ones are exact.
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 4000, 300)) / 16
    values = rng.standard_normal((300, 2))
    samples = np.arange(1.0, 301.0, TR)
    plain = lanczos_resample(values, times, samples)
    shifted = lanczos_resample(values, times + 6 * TR, samples)
    np.testing.assert_array_equal(shifted[6:], plain[:-6])


def test_events_may_come_in_any_order_and_the_map_is_linear():
    rng = np.random.default_rng(0)
    times, values = rng.uniform(0, 600, 500), rng.standard_normal((500, 4))
    order = rng.permutation(500)
    plain = lanczos_resample(values, times, SCANS)
    np.testing.assert_allclose(lanczos_resample(values[order], times[order], SCANS), plain, atol=1e-12)
    np.testing.assert_allclose(lanczos_resample(2 * values, times, SCANS), 2 * plain, atol=1e-12)


def test_blocks_of_sample_times_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    times, values = rng.uniform(0, 600, 500), rng.standard_normal((500, 4))
    whole = lanczos_resample(values, times, SCANS)
    for elements in (1, 7, 1000):
        monkeypatch.setattr(_windows, "BLOCK_WEIGHTS", elements)
        np.testing.assert_array_equal(lanczos_resample(values, times, SCANS), whole)


def test_the_mean_knows_nothing_of_the_word_rate():
    rng = np.random.default_rng(0)
    slow, fast = words(rng, 1, 300.0), 300 + words(rng, 4, 300.0)
    times = np.concatenate([slow, fast])
    ones = np.ones((len(times), 1))
    summed = lanczos_resample(ones, times, SCANS)[:, 0]
    assert summed[170:-5].mean() > 3 * summed[5:130].mean()
    np.testing.assert_allclose(lanczos_resample(ones, times, SCANS, reduction="mean")[INNER], 1)


def test_a_mean_of_no_event_is_nan_and_the_sum_is_zero():
    samples = np.arange(0.0, 100, TR)
    values = np.ones((1, 1))
    assert np.isnan(lanczos_resample(values, [50.0], samples, reduction="mean")[0, 0])
    assert lanczos_resample(values, [50.0], samples)[0, 0] == 0


def test_a_higher_cutoff_narrows_the_filter():
    samples = np.arange(0.0, 100, TR)
    values = np.ones((1, 1))
    wide = lanczos_resample(values, [50.0], samples)[:, 0]
    narrow = lanczos_resample(values, [50.0], samples, cutoff=2.0)[:, 0]
    assert wide[25] == narrow[25] == 1
    np.testing.assert_allclose(np.delete(wide, 25), 0, atol=1e-15)
    half = lanczos_resample(values, [51.0], samples, cutoff=2.0)[:, 0]
    assert half[25] == pytest.approx(0, abs=1e-15)
    assert lanczos_resample(values, [51.0], samples)[25, 0] == pytest.approx(np.sinc(0.5) * np.sinc(0.5 / 3))


def test_the_precision_stays_and_nothing_is_changed():
    times = np.arange(20.0)[::-1].copy()
    values = np.arange(20.0, dtype=np.float32)[:, None]
    before = times.copy(), values.copy()
    assert lanczos_resample(values, times, SCANS).dtype == np.float32
    assert lanczos_resample(values, times, SCANS, reduction="mean").dtype == np.float32
    np.testing.assert_array_equal(times, before[0])
    np.testing.assert_array_equal(values, before[1])


def test_what_cannot_be_is_refused():
    values = np.ones((3, 1))
    with pytest.raises(InputError, match="same number of samples, got 3 and 2"):
        lanczos_resample(values, [1.0, 2.0], SCANS)
    with pytest.raises(InputError, match="must increase, got 4 s before 4 s at index 1"):
        lanczos_resample(values, [1.0, 2.0, 3.0], [2.0, 4.0, 4.0])
    with pytest.raises(InputError, match="`window` and `cutoff` must be positive, got 0 and 1"):
        lanczos_resample(values, [1.0, 2.0, 3.0], SCANS, window=0)
    with pytest.raises(InputError, match="`window` and `cutoff` must be positive, got 3 and 0"):
        lanczos_resample(values, [1.0, 2.0, 3.0], SCANS, cutoff=0)
    with pytest.raises(UnknownNameError, match="`reduction` is 'median'"):
        lanczos_resample(values, [1.0, 2.0, 3.0], SCANS, reduction="median")
