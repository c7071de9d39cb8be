from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.features import first_spike_latency, spike_rate


def test_a_regular_train_has_the_rate_and_latency_it_was_made_with():
    spikes = np.zeros((1, 4, 20), np.float32)
    for unit, (first, every) in enumerate([(0, 1), (3, 4), (19, 5)]):
        spikes[0, unit, first::every] = 1
    assert spike_rate(spikes).tolist() == [[1.0, pytest.approx(0.25), pytest.approx(0.05), 0.0]]
    assert first_spike_latency(spikes).tolist() == [[0.0, 3.0, 19.0, 20.0]]


def test_silence_comes_after_every_spike_and_is_no_nan():
    spikes = np.random.default_rng(0).random((5, 6, 7)) < 0.1
    latency = first_spike_latency(spikes.astype(np.float32))
    silent = ~spikes.any(2)
    assert silent.any()
    assert (latency[silent] == 7).all()
    assert latency[~silent].max() < 7


def test_later_spikes_change_the_rate_but_not_the_latency():
    spikes = np.zeros((1, 1, 6))
    spikes[0, 0, 2] = 1
    more = spikes.copy()
    more[0, 0, 4:] = 1
    assert first_spike_latency(more) == first_spike_latency(spikes)
    assert spike_rate(more) > spike_rate(spikes)


@pytest.mark.parametrize("code", [spike_rate, first_spike_latency])
def test_layers_without_time_are_refused(code):
    with pytest.raises(InputError, match=r"`spikes` must have 3 dimension\(s\), got shape \(2, 3\)"):
        code(np.ones((2, 3)))
