from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.audio_utils import spectrogram, window_function

from alignkit._core.errors import InputError
from alignkit.networks import NETWORKS
from alignkit.networks.standard.mel_spectrogram import mel_spectrogram

RATE = 16000


def tone(frequency_hz, n_samples=RATE, amplitude=0.5):
    return amplitude * torch.sin(2 * torch.pi * frequency_hz * torch.arange(n_samples) / RATE)[None]


def test_it_is_the_spectrogram_of_transformers():
    network = mel_spectrogram(n_bands=40)
    noise = np.random.default_rng(0).normal(size=4000)
    expected = spectrogram(
        noise,
        window_function(400, "hann"),
        frame_length=400,
        hop_length=160,
        fft_length=1024,
        power=2.0,
        center=False,
        mel_filters=network.module.bands.double().numpy(),
        log_mel="log",
        mel_floor=1e-10,
    )
    found = network.module(torch.from_numpy(noise).float()[None])[0].numpy()
    np.testing.assert_allclose(found, expected.T, atol=1e-4)


def test_a_tone_is_in_its_band_and_twice_the_amplitude_is_four_times_the_power():
    network = mel_spectrogram(n_bands=40)
    mel = network.module(tone(1000.0))[0]
    frequencies = torch.linspace(0, RATE / 2, 513)
    band = int(mel.mean(0).argmax())
    centre = frequencies[network.module.bands[:, band].argmax()]
    assert abs(float(centre) - 1000) < 100
    louder = network.module(tone(1000.0, amplitude=1.0))[0]
    np.testing.assert_allclose((louder - mel)[:, band], np.log(4), atol=1e-4)


def test_silence_is_finite_and_frames_do_not_reach_beyond_the_ends():
    network = mel_spectrogram()
    mel = network.module(torch.zeros(1, RATE))
    torch.testing.assert_close(mel, torch.full((1, 98, 80), float(np.log(1e-10))))
    assert network.preprocess.n_frames(RATE) == 98
    assert network.preprocess.times_s(2).tolist() == [0.0125, 0.0225]


def test_it_has_no_weights_and_is_declared_as_a_network_of_sounds():
    network = mel_spectrogram()
    assert (network.n_parameters, network.modality, network.layers) == (0, "audio", ("mel",))
    assert NETWORKS.facts("mel-spectrogram")["modality"] == "audio"
    assert network.preprocessing["sound"]["rate_hz"] == RATE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_hz": 10}, "`rate_hz` must be at least 1000, got 10"),
        ({"n_bands": 0}, "`n_bands` must be at least 1, got 0"),
        ({"highest_hz": 9000.0}, "must rise and lie between 0 and 8000 Hz .* got 50.0 and 9000.0"),
        ({"lowest_hz": 300.0, "highest_hz": 200.0}, "must rise .* got 300.0 and 200.0"),
        ({"hop_s": 0.1}, "`hop_s` must be positive and at most `window_s`.* got 0.1, 0.025"),
        ({"floor": 0.0}, "`floor` positive, got 0.01, 0.025 and 0.0"),
        ({"n_bands": 500}, "500 bands from 50 to 8000 Hz are finer than windows of 400 samples resolve"),
    ],
)
def test_what_cannot_be_built_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        mel_spectrogram(**options)
