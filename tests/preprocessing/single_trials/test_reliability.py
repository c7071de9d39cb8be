from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.single_trials.reliability import ncsnr_of_trials, noise_ceiling_of
from alignkit.stats.ceilings_variance import ncsnr as ncsnr_of_repeats


def trials(counts, noise=2**0.5, n_voxels=400, seed=0):
    rng = np.random.default_rng(seed)
    shown = np.repeat(np.arange(len(counts)), counts)
    signal = rng.standard_normal((len(counts), n_voxels))
    return signal[shown] + noise * rng.standard_normal((len(shown), n_voxels)), shown


def test_a_planted_ratio_and_its_ceilings_are_recovered():
    betas, shown = trials(np.full(500, 4))
    found = ncsnr_of_trials(betas, shown)
    assert np.mean(found) == pytest.approx(np.sqrt(0.5), abs=0.02)
    assert np.mean(noise_ceiling_of(found, 1)) == pytest.approx(1 / 3, abs=0.01)
    assert np.mean(noise_ceiling_of(found, 4)) == pytest.approx(2 / 3, abs=0.01)


def test_numbers_of_repeats_may_differ():
    counts = np.tile([1, 2, 3, 5, 8], 100)
    betas, shown = trials(counts)
    order = np.random.default_rng(1).permutation(len(shown))
    found = ncsnr_of_trials(betas[order], shown[order])
    assert np.mean(found) == pytest.approx(np.sqrt(0.5), abs=0.02)
    np.testing.assert_allclose(found, ncsnr_of_trials(betas, shown), rtol=1e-9)


def test_it_is_the_ratio_of_stats():
    betas, shown = trials(np.full(50, 3), n_voxels=6)
    wanted = ncsnr_of_repeats(betas.reshape(50, 3, 6)).value
    np.testing.assert_allclose(ncsnr_of_trials(betas, [f"s{i}" for i in shown]), wanted, rtol=1e-12)
    np.testing.assert_allclose(ncsnr_of_trials(5 * betas + 3, shown), wanted, rtol=1e-9)


def test_gains_of_sessions_are_noise_unless_they_are_named():
    betas, shown = trials(np.full(200, 4))
    sessions = np.tile([0, 0, 1, 1], 200)
    betas[sessions == 1] = 3 * betas[sessions == 1] + 4
    assert np.mean(ncsnr_of_trials(betas, shown)) < 0.5
    named = ncsnr_of_trials(betas, shown, sessions=[f"day{day}" for day in sessions])
    assert np.mean(named) == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_noise_alone_has_hardly_any_and_a_lost_voxel_none():
    betas, shown = trials(np.full(300, 3), n_voxels=50)
    noise = np.random.default_rng(2).standard_normal(betas.shape)
    noise[0, 3] = np.nan
    noise[:, 4] = 2.0
    found = ncsnr_of_trials(noise, shown)
    assert np.isnan(found[[3, 4]]).all()
    assert np.nanmax(found) < 0.35


def test_too_few_repeats_and_wrong_lengths_are_refused():
    with pytest.raises(InputError, match="at least 4 stimuli with two trials or more, got 1 of 3"):
        ncsnr_of_trials(np.zeros((4, 2)), ["a", "a", "b", "c"])
    with pytest.raises(InputError, match="`stimulus_ids` must have a label for each of 4 trials, got 2"):
        ncsnr_of_trials(np.zeros((4, 2)), ["a", "a"])
    with pytest.raises(InputError, match="`sessions` must have a label for each of 4 trials, got 1"):
        ncsnr_of_trials(np.zeros((4, 2)), ["a", "a", "b", "b"], sessions=["x"])
    with pytest.raises(InputError, match="`n_repeats` must be at least 1 for every stimulus, got 0"):
        noise_ceiling_of(1.0, 0)


def test_unequal_counts_average_their_inverse():
    # (1 + 1/2 + 1/3) / 3 = 11/18
    assert noise_ceiling_of(1.0, [1, 2, 3]) == pytest.approx(1 / (1 + 11 / 18))
