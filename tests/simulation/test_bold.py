from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.simulation.bold import (
    BoldProtocol,
    bold_run,
    canonical_hrf,
    event_response,
    n_volumes,
    run_events,
    shared_share,
)

QUIET = BoldProtocol(drift_percent=0.0)


def test_the_canonical_response_peaks_at_five_seconds_and_dips_near_sixteen():
    times = np.arange(0, 32, 0.001)
    hrf = canonical_hrf(times)
    assert times[hrf.argmax()] == pytest.approx(5.0, abs=0.01)
    assert 14 < times[hrf.argmin()] < 17
    assert hrf.min() < 0
    assert np.trapezoid(hrf, times) == pytest.approx(1 - 1 / 6, abs=2e-3)


def test_the_canonical_response_is_zero_before_the_event():
    assert (canonical_hrf(np.array([-3.0, -0.1])) == 0).all()


def test_the_canonical_response_has_the_shape_of_nilearns_spm_hrf():
    hemodynamic_models = pytest.importorskip("nilearn.glm.first_level.hemodynamic_models")
    theirs = hemodynamic_models.spm_hrf(1.0, oversampling=50, time_length=32)
    ours = canonical_hrf(np.arange(len(theirs)) / 50)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_a_longer_peak_delay_moves_the_peak():
    times = np.arange(0, 32, 0.01)
    assert times[canonical_hrf(times, peak_s=8.0).argmax()] == pytest.approx(7.0, abs=0.05)


def test_the_response_to_an_event_is_the_hrf_summed_over_its_duration():
    protocol = BoldProtocol(duration_s=3.0)
    fine = np.arange(0, 32, 0.001)
    summed = np.convolve(canonical_hrf(fine), np.ones(3000))[: len(fine)]
    np.testing.assert_allclose(event_response(fine, protocol), summed / summed.max(), atol=2e-3)


def test_every_stimulus_comes_once_per_run_and_every_response_fits_into_it():
    stimuli = pd.DataFrame({"stimulus_id": list("abcd"), "file": [f"{c}.png" for c in "abcd"]})
    stimuli["category"] = ["x", "x", "y", "y"]
    events = run_events(stimuli, BoldProtocol(), np.random.default_rng(0))
    assert sorted(events["stim_file"]) == ["a.png", "b.png", "c.png", "d.png"]
    assert (np.diff(events["onset"]) == 12.0).all()
    assert events.set_index("stim_file").loc["c.png", "trial_type"] == "y"
    end = n_volumes(4, BoldProtocol()) * BoldProtocol().tr_s
    assert events["onset"].iloc[-1] + 20 <= end


def test_the_noise_has_the_ratio_and_the_autocorrelation_asked_for():
    rng = np.random.default_rng(0)
    planted = rng.standard_normal((200, 400))
    planted -= planted.mean(axis=0)
    onsets = QUIET.lead_s + QUIET.spacing_s * np.arange(200)
    snr = np.full(400, 0.5)
    flat = replace(QUIET, mean_percent=0.0)
    with_signal = bold_run(planted, onsets, snr, flat, np.random.default_rng(1))
    noise = bold_run(np.zeros_like(planted), onsets, snr, flat, np.random.default_rng(1))
    times = flat.tr_s * np.arange(len(noise))
    design = event_response(times[:, None] - onsets, flat)
    np.testing.assert_allclose(with_signal - noise, design @ planted * flat.spread_percent, atol=1e-10)
    assert flat.spread_percent / noise.std() == pytest.approx(0.5, rel=0.02)
    assert np.mean([np.corrcoef(v[1:], v[:-1])[0, 1] for v in noise.T]) == pytest.approx(0.3, abs=0.02)


def test_what_all_stimuli_share_stands_as_planted_once_the_runs_mean_is_out():
    rng = np.random.default_rng(0)
    planted = rng.standard_normal((60, 30)) + 2 * rng.standard_normal(30)
    onsets = QUIET.lead_s + QUIET.spacing_s * np.arange(60)
    clean = replace(QUIET, mean_percent=0.0)
    series = bold_run(planted, onsets, np.full(30, 1e6), clean, rng)
    series -= series.mean(axis=0)
    delay = clean.tr_s * np.arange(len(series)) - onsets[:, None]
    read = np.array([series[(row >= 4) & (row < 8)].mean(axis=0) for row in delay])
    shared, planted_shared = read.mean(axis=0), planted.mean(axis=0)
    own, planted_own = read - shared, planted - planted_shared
    ratio = np.polyfit(planted_shared, shared, 1)[0] / np.polyfit(planted_own.ravel(), own.ravel(), 1)[0]
    assert ratio == pytest.approx(1, abs=0.03)
    assert 0.3 < shared_share(onsets, clean) < 0.7


def test_events_far_apart_keep_nearly_all_of_what_they_share():
    sparse = BoldProtocol(spacing_s=120.0, lead_s=60.0)
    onsets = sparse.lead_s + sparse.spacing_s * np.arange(10)
    assert shared_share(onsets, sparse) > 0.93


def test_voxels_without_signal_hold_noise_only():
    planted = np.random.default_rng(0).standard_normal((20, 2)) * 50
    onsets = QUIET.lead_s + QUIET.spacing_s * np.arange(20)
    both = bold_run(planted, onsets, np.array([1.0, 0.0]), QUIET, np.random.default_rng(1))
    none = bold_run(0 * planted, onsets, np.array([1.0, 0.0]), QUIET, np.random.default_rng(1))
    assert (both[:, 1] == none[:, 1]).all()
    assert not np.allclose(both[:, 0], none[:, 0])


@pytest.mark.parametrize("field", ["tr_s", "spacing_s", "duration_s", "baseline", "spread_percent"])
def test_a_protocol_refuses_numbers_that_are_not_positive(field):
    with pytest.raises(InputError, match=f"`{field}` must be above 0, got 0"):
        BoldProtocol(**{field: 0.0})


def test_a_protocol_refuses_noise_that_never_forgets():
    with pytest.raises(InputError, match="`ar1` must be at least 0 and below 1, got 1.0"):
        BoldProtocol(ar1=1.0)
