from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit._core.errors import InputError
from alignkit.datasets.quality.volume_measures import (
    SeriesMoments,
    framewise_displacement,
    standardized_dvars,
    temporal_snr,
)


def test_tsnr_of_noise_is_its_mean_over_its_deviation():
    series = 100 + 2 * np.random.default_rng(0).standard_normal((300, 2000))
    assert np.median(temporal_snr(series)) == pytest.approx(50, rel=0.01)


def test_tsnr_forgets_a_linear_drift_but_not_a_curved_one():
    rng = np.random.default_rng(1)
    series = 100 + 2 * rng.standard_normal((200, 300))
    line = np.linspace(-30, 30, 200)[:, None]
    np.testing.assert_allclose(np.median(temporal_snr(series + line)), 50, rtol=0.02)
    curved = 30 * np.cos(np.linspace(0, 2 * np.pi, 200))[:, None]
    assert np.median(temporal_snr(series + curved)) < 10


def test_tsnr_agrees_with_a_detrend_by_scipy_in_chunks_of_any_length():
    from scipy.signal import detrend

    series = np.random.default_rng(2).standard_normal((61, 20)) * 3 + np.linspace(500, 520, 61)[:, None]
    expected = series.mean(axis=0) / np.sqrt((detrend(series, axis=0) ** 2).sum(axis=0) / 59)
    moments = SeriesMoments()
    for part in np.split(series, [1, 7, 40]):
        moments.add(part)
    np.testing.assert_allclose(moments.tsnr, expected, rtol=1e-9)


def test_constant_and_holed_voxels_have_no_tsnr():
    series = 100 + np.random.default_rng(0).standard_normal((50, 3))
    series[:, 1] = 7.3
    series[10, 2] = np.nan
    assert np.isfinite(temporal_snr(series)).tolist() == [True, False, False]


def test_displacement_of_a_planted_jump_is_hand_arithmetic():
    motion = np.zeros((6, 6))
    motion[3:, 1] = 0.5
    motion[4:, 5] = 0.02
    np.testing.assert_allclose(framewise_displacement(motion), [0, 0, 0, 0.5, 50 * 0.02, 0])
    assert framewise_displacement(motion, radius_mm=10)[4] == pytest.approx(0.2)


@given(st.floats(-5, 5), st.integers(0, 5))
def test_displacement_does_not_see_where_the_head_lies(offset, column):
    motion = np.random.default_rng(0).standard_normal((20, 6))
    moved = motion.copy()
    moved[:, column] += offset
    np.testing.assert_allclose(framewise_displacement(moved), framewise_displacement(motion), atol=1e-9)


def test_displacement_refuses_other_than_six_columns():
    with pytest.raises(InputError, match="must have 6 columns.*got 5"):
        framewise_displacement(np.zeros((4, 5)))


def test_dvars_of_steady_noise_is_one_whatever_its_scale_and_colour():
    rng = np.random.default_rng(3)
    white = rng.standard_normal((200, 800)) * rng.uniform(1, 5, 800) + 1000
    assert np.nanmean(standardized_dvars(white)) == pytest.approx(1, abs=0.03)
    slow = np.empty((200, 800))
    slow[0] = rng.standard_normal(800)
    for t in range(1, 200):
        slow[t] = 0.6 * slow[t - 1] + 0.8 * rng.standard_normal(800)
    assert np.nanmean(standardized_dvars(slow)) == pytest.approx(1, abs=0.06)
    assert np.isnan(standardized_dvars(white)[0])


def test_dvars_finds_a_planted_spike_of_known_height():
    rng = np.random.default_rng(4)
    series = 2 * rng.standard_normal((100, 1000)) + 500
    series[50] += 20
    found = standardized_dvars(series)
    # Into and out of the spike: sqrt(2 sd^2 + 20^2) over sqrt(2) sd.
    expected = np.sqrt(2 * 4 + 400) / np.sqrt(8)
    np.testing.assert_allclose(found[50:52], expected, rtol=0.05)
    assert np.nanmax(np.delete(found, [50, 51])) < 1.2


def test_dvars_of_a_still_picture_is_unknown():
    assert np.isnan(standardized_dvars(np.ones((10, 5)))).all()


def test_noise_around_a_line_needs_three_volumes():
    moments = SeriesMoments()
    moments.add(np.ones((2, 3)))
    with pytest.raises(InputError, match="a run of 2 volumes"):
        _ = moments.noise
