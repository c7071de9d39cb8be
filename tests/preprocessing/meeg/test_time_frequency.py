from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.preprocessing.meeg.epoching import epochs_of_raw
from alignkit.preprocessing.meeg.time_frequency import time_frequency_power
from alignkit.recordings.recording import Recording

mne = pytest.importorskip("mne")
FREQUENCIES = [6.0, 10.0, 20.0]


def burst(*, hertz=10.0, at=0.5, n_epochs=6, seed=0):
    """Epochs of -0.5 to 1.5 s with a burst on Pz, in noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(-50, 151) / 100
    data = 1e-6 * rng.standard_normal((n_epochs, 3, 201))
    phase = rng.uniform(0, 2 * np.pi, n_epochs)[:, None]
    wave = np.sin(2 * np.pi * hertz * times + phase) * np.exp(-0.5 * ((times - at) / 0.1) ** 2)
    data[:, 2] += 1e-5 * wave
    names = ["Fz", "Cz", "Pz"]
    channels = pd.DataFrame({"name": names, "kind": "eeg", "unit": "V", "x_mm": [1.0, 2.0, 3.0]})
    samples = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(n_epochs)]})
    return Recording(data.astype(np.float32), samples, channels, times_s=times, modality="eeg", unit="V")


@pytest.mark.parametrize(("hertz", "at"), [(10.0, 0.5), (20.0, 0.2), (6.0, 0.8)])
def test_a_burst_is_found_at_its_place_time_and_frequency(hertz, at):
    power = time_frequency_power(burst(hertz=hertz, at=at), frequencies_hz=FREQUENCIES, n_cycles=4.0)
    mean = power.data.mean(axis=0)
    channel, time = np.unravel_index(mean.argmax(), mean.shape)
    assert power.channels["name"][channel] == f"Pz {hertz:g} Hz"
    assert power.times_s[time] == pytest.approx(at, abs=0.05)
    assert power.unit == "V^2"
    elsewhere = mean[power.channels["name"].str.startswith("Fz").to_numpy()].max()
    assert elsewhere < 0.1 * mean.max()


def test_power_is_mnes_and_averages_over_phase():
    recording = burst()
    ours = time_frequency_power(recording, frequencies_hz=FREQUENCIES, n_cycles=[3.0, 5.0, 7.0], decim=2)
    theirs = mne.time_frequency.tfr_array_morlet(
        recording.data.astype(float),
        100.0,
        FREQUENCIES,
        [3.0, 5.0, 7.0],
        decim=2,
        output="power",
        verbose="error",
    )
    np.testing.assert_allclose(ours.data, theirs.reshape(6, 9, -1), rtol=1e-5)
    np.testing.assert_allclose(ours.times_s, recording.times_s[::2])
    evoked = np.abs(recording.data.mean(axis=0)).max()
    assert evoked < 0.8 * np.abs(recording.data).max()


def test_twice_the_amplitude_is_four_times_the_power_and_no_change_of_the_ratio():
    one = burst()
    two = Recording(2 * one.data, one.samples, one.channels, times_s=one.times_s)
    power = [time_frequency_power(each, frequencies_hz=FREQUENCIES).data for each in (one, two)]
    np.testing.assert_allclose(power[1], 4 * power[0], rtol=1e-4)
    decibel = [
        time_frequency_power(each, frequencies_hz=FREQUENCIES, scale="decibel", baseline_s=(-0.3, 0.0)).data
        for each in (one, two)
    ]
    np.testing.assert_allclose(decibel[0], decibel[1], atol=1e-3)


def test_scales_are_the_logarithm_and_the_ratio_to_the_epochs_baseline():
    recording = burst()
    power, log, ratio, decibel = (
        time_frequency_power(
            recording,
            frequencies_hz=FREQUENCIES,
            scale=scale,
            baseline_s=(-0.3, 0.0) if scale in ("ratio", "decibel") else None,
        )
        for scale in ("power", "log10", "ratio", "decibel")
    )
    np.testing.assert_allclose(log.data, np.log10(power.data), rtol=1e-4)
    before = (recording.times_s >= -0.3001) & (recording.times_s <= 1e-6)
    expected = power.data / power.data[:, :, before].mean(axis=2, keepdims=True)
    np.testing.assert_allclose(ratio.data, expected, rtol=1e-4)
    np.testing.assert_allclose(decibel.data, 10 * np.log10(expected), atol=1e-3)
    assert [each.unit for each in (log, ratio, decibel)] == ["log10 V^2", "ratio", "dB"]


def test_channels_keep_what_the_sensor_had_and_notes_tell_of_the_edges():
    power = time_frequency_power(burst(), frequencies_hz=[6.0, 10.0])
    assert power.channels["name"].to_list()[:3] == ["Fz 6 Hz", "Fz 10 Hz", "Cz 6 Hz"]
    assert power.channels["x_mm"].to_list() == [1, 1, 2, 2, 3, 3]
    assert power.channels["frequency_hz"].to_list() == [6, 10] * 3
    assert "within 0.66 s of the ends of an epoch" in power.notes[-1]


def test_mne_epochs_are_taken_with_their_samples_and_units(make_raw):
    raw = make_raw(kinds=["eeg"] * 4 + ["grad"] * 4, positions=False)
    events = pd.DataFrame({"onset": [3.0, 8.0], "stimulus_id": ["cat", "dog"]})
    epochs = epochs_of_raw(raw, events, tmin_s=-1.0, tmax_s=1.0)
    power = time_frequency_power(epochs, frequencies_hz=[10.0], subject="s1")
    assert power.stimulus_ids == ["cat", "dog"]
    assert power.channels["unit"].to_list() == ["V^2"] * 4 + ["(T/m)^2"] * 4
    assert (power.unit, power.subject, power.modality) == ("mixed", "s1", "meg+eeg")


def test_wavelets_that_do_not_fit_are_refused():
    recording = burst()
    with pytest.raises(InputError, match="wavelet of 1 Hz with 5 cycles is 7.96 s long, the epochs 2.01 s"):
        time_frequency_power(recording, frequencies_hz=[1.0, 10.0])
    with pytest.raises(InputError, match="must rise and lie between 0 and 50 Hz.* got 10 to 60 Hz"):
        time_frequency_power(recording, frequencies_hz=[10.0, 60.0])
    with pytest.raises(InputError, match="`n_cycles` must be above 0, got -1"):
        time_frequency_power(recording, frequencies_hz=[10.0], n_cycles=-1.0)
    with pytest.raises(InputError, match="`decim` must be at least 1, got 0"):
        time_frequency_power(recording, frequencies_hz=[10.0], decim=0)


def test_baselines_that_do_not_fit_are_refused():
    recording = burst()
    with pytest.raises(InputError, match="the scale 'ratio' needs `baseline_s`"):
        time_frequency_power(recording, frequencies_hz=[10.0], scale="ratio")
    with pytest.raises(InputError, match="`baseline_s` is for the scales 'ratio' and 'decibel', not 'power'"):
        time_frequency_power(recording, frequencies_hz=[10.0], baseline_s=(-0.3, 0.0))
    with pytest.raises(InputError, match="no time lies in `baseline_s`, -2 to -1 s"):
        time_frequency_power(recording, frequencies_hz=[10.0], scale="ratio", baseline_s=(-2.0, -1.0))


def test_data_without_times_or_power_are_refused():
    flat = burst()
    with pytest.raises(InputError, match="has no times; epochs are needed"):
        time_frequency_power(flat.average_window(0.0, 0.5), frequencies_hz=[10.0])
    with pytest.raises(InputError, match="needs epochs of several times, got 1"):
        one = Recording.from_arrays(np.ones((2, 1, 1)), ["a", "b"], times_s=[0.0])
        time_frequency_power(one, frequencies_hz=[10.0])
    silent = Recording(0 * flat.data, flat.samples, flat.channels, times_s=flat.times_s)
    with pytest.raises(InputError, match="no power at some time, so no logarithm"):
        time_frequency_power(silent, frequencies_hz=[10.0], scale="log10")
    with pytest.raises(InputError, match="no power in the baseline of an epoch"):
        time_frequency_power(silent, frequencies_hz=[10.0], scale="ratio", baseline_s=(-0.3, 0.0))
