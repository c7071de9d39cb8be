from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.quality.sensor_measures import (
    clipped_share,
    flat_channels,
    line_noise_ratio,
    power_spectrum,
)


@pytest.mark.parametrize(("hertz", "other"), [(50.0, 60.0), (60.0, 50.0)])
def test_line_noise_of_a_planted_sine_is_the_closed_form(hertz, other):
    rng = np.random.default_rng(0)
    rate, amplitude, sd = 500.0, 2.0, 1.0
    times = np.arange(120 * 500) / rate
    data = sd * rng.standard_normal((8, len(times))) + amplitude * np.sin(2 * np.pi * hertz * times)
    frequencies, power = power_spectrum(data, sfreq_hz=rate)
    expected = 1 + amplitude**2 * rate / (10 * sd**2)
    np.testing.assert_allclose(line_noise_ratio(frequencies, power, line_hz=hertz), expected, rtol=0.1)
    np.testing.assert_allclose(line_noise_ratio(frequencies, power, line_hz=other), 1, atol=0.25)


def test_line_noise_does_not_depend_on_the_unit():
    data = np.random.default_rng(1).standard_normal((2, 20_000))
    frequencies, power = power_spectrum(data, sfreq_hz=250.0)
    volts = power_spectrum(1e-6 * data, sfreq_hz=250.0)[1]
    np.testing.assert_allclose(
        line_noise_ratio(frequencies, volts, line_hz=50), line_noise_ratio(frequencies, power, line_hz=50)
    )


def test_line_noise_beyond_the_spectrum_is_unknown():
    frequencies, power = power_spectrum(np.random.default_rng(0).standard_normal((2, 4000)), sfreq_hz=100.0)
    assert np.isnan(line_noise_ratio(frequencies, power, line_hz=60)).all()
    assert np.isnan(line_noise_ratio(frequencies, 0 * power, line_hz=30)).all()


def test_power_of_white_noise_is_its_variance_over_half_the_rate():
    frequencies, power = power_spectrum(
        3 * np.random.default_rng(2).standard_normal((4, 50_000)), sfreq_hz=100.0
    )
    np.testing.assert_allclose(power[:, 5:-5].mean(), 9 / 50, rtol=0.03)
    assert frequencies[1] == 0.5


def test_spectra_refuse_what_does_not_fit():
    with pytest.raises(InputError, match="`sfreq_hz` must be above 0, got 0"):
        power_spectrum(np.ones((1, 10)), sfreq_hz=0)
    with pytest.raises(InputError, match="`power` has 3 frequencies, `frequencies_hz` 2"):
        line_noise_ratio([0.0, 1.0], np.ones((1, 3)), line_hz=50)


def test_flat_channels_are_those_that_never_change():
    data = np.random.default_rng(0).standard_normal((4, 100))
    data[1] = 5
    data[2] = np.nan
    data[3, :50] = np.nan
    assert flat_channels(data).tolist() == [False, True, True, False]


def test_clipping_is_three_or_more_samples_at_a_limit():
    data = np.random.default_rng(0).standard_normal((3, 1000))
    data[1] = np.clip(data[1], -10, 0.5)
    data[2] = 1
    shares = clipped_share(data)
    assert shares[0] == 0
    assert 0.02 < shares[1] < 0.31
    assert np.isnan(shares[2])
    # Mirrored and rescaled, as many samples stand at the other limit.
    np.testing.assert_allclose(clipped_share(-7 * data)[:2], shares[:2])
