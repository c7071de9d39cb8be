from __future__ import annotations

import numpy as np
import pytest
import torch

from alignkit._core.errors import InputError
from alignkit.networks.standard.cochleagram import cochleagram, equivalent_bandwidth_hz

RATE = 16000
CENTRES = dict(n_bands=5, lowest_hz=200.0, highest_hz=4000.0, exponent=1.0)


def tone(frequency_hz, amplitude=0.5, n_samples=8000):
    return amplitude * torch.cos(2 * torch.pi * frequency_hz * torch.arange(n_samples) / RATE)[None]


def centres():
    edges = np.log(4.37 * np.array([200, 4000]) / 1000 + 1)
    return (np.exp(np.linspace(*edges, 5)) - 1) * 1000 / 4.37


@pytest.mark.parametrize("band", range(5))
def test_a_tone_at_the_centre_of_a_filter_has_its_own_amplitude_as_envelope(band):
    envelope = cochleagram(**CENTRES).module(tone(centres()[band]))[0, 20:-5]
    np.testing.assert_allclose(envelope[:, band], 0.5, rtol=2e-3)
    assert int(envelope.mean(0).argmax()) == band


def test_away_from_the_centre_the_gain_is_that_of_four_leaky_integrators():
    module = cochleagram(**CENTRES).module
    centre = centres()[3]
    width = 1.019 * equivalent_bandwidth_hz(np.array(centre))
    for distance in (-1.5, -0.5, 1.0, 2.0):
        found = module(tone(centre + distance * width))[0, 20:-5, 3].mean()
        assert float(found) == pytest.approx(0.5 * (1 + distance**2) ** -2, rel=0.02)


def test_the_envelope_follows_amplitude_and_is_compressed():
    linear, compressed = cochleagram(**CENTRES), cochleagram(**(CENTRES | {"exponent": 0.3}))
    sound = tone(centres()[2])
    heard = {}
    compressed.module.envelope.register_forward_hook(lambda m, i, o: heard.update(envelope=o))
    torch.testing.assert_close(compressed.module(sound), heard["envelope"] ** 0.3)
    torch.testing.assert_close(heard["envelope"], linear.module(sound))
    torch.testing.assert_close(linear.module(2 * sound), 2 * linear.module(sound))


def test_nothing_is_heard_before_it_sounds():
    click = torch.zeros(1, 8000)
    click[0, 4000] = 1.0
    envelope = cochleagram(**CENTRES).module(click)[0]
    assert envelope[:25].abs().max() < 1e-6
    # The lowest band peaks 3 / (2 pi b) after the click.
    lag_s = 3 / (2 * np.pi * 1.019 * equivalent_bandwidth_hz(np.array(200.0)))
    assert int(envelope[:, 0].argmax()) == int((0.25 + lag_s) / 0.010)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bands": 0}, "`n_bands` must be at least 1, got 0"),
        ({"highest_hz": 8000.0}, "must rise and lie between 0 and 8000 Hz .* got 50.0 and 8000.0"),
        ({"exponent": 0.0}, "`hop_s` and `exponent` must be positive, got 0.01 and 0.0"),
    ],
)
def test_what_cannot_be_built_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        cochleagram(**options)
