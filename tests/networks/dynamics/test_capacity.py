from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.networks.dynamics.capacity import lagged, memory_capacity


def _inputs(n_times: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n_times)


def test_lags_are_the_inputs_before():
    assert lagged([1, 2, 3, 4], n_delays=3).tolist() == [[3, 2, 1], [4, 3, 2]]


def test_a_delay_line_of_n_units_has_a_capacity_of_n_whatever_basis_it_is_read_in():
    past = lagged(_inputs(3000), n_delays=20)
    mixing = np.random.default_rng(1).standard_normal((7, 7))
    assert memory_capacity(past[:, :7], past) == pytest.approx(7, abs=0.1)
    assert memory_capacity(past[:, :7] @ mixing + 5, past) == pytest.approx(7, abs=0.1)


def test_one_leaky_unit_has_a_capacity_of_one_spread_over_delays():
    inputs = _inputs(60_000)
    state = np.zeros_like(inputs)
    for time in range(1, inputs.size):
        state[time] = 0.8 * state[time - 1] + inputs[time]
    past = lagged(inputs, n_delays=40)
    leaky = state[39:, None]
    assert memory_capacity(leaky, past) == pytest.approx(1, abs=0.05)
    # The share of delay 0 is 1 - 0.8 ** 2.
    assert memory_capacity(leaky, past[:, :1]) == pytest.approx(0.36, abs=0.03)


def test_noise_and_silence_remember_nothing():
    past = lagged(_inputs(4000), n_delays=10)
    noise = np.random.default_rng(2).standard_normal((len(past), 5))
    assert memory_capacity(noise, past) < 0.05
    assert memory_capacity(np.zeros((len(past), 3)), past) == 0


def test_inputs_are_not_written_to():
    past = lagged(_inputs(100), n_delays=3)
    before = past.copy()
    memory_capacity(past, past)
    assert np.array_equal(past, before)


def test_what_cannot_be_scored_is_refused():
    past = lagged(_inputs(30), n_delays=3)
    with pytest.raises(InputError, match="`n_delays` must be between 1 and 30, .* got 31"):
        lagged(_inputs(30), n_delays=31)
    with pytest.raises(InputError, match="`train_share` must be between 0 and 1, both excluded, got 1"):
        memory_capacity(past, past, train_share=1)
    with pytest.raises(InputError, match="`alpha` must be at least 0, got -1"):
        memory_capacity(past, past, alpha=-1)
    with pytest.raises(InputError, match="has 4 samples, of which 2 .* and 2 scored"):
        memory_capacity(past[:4], past[:4])
    with pytest.raises(InputError, match="same number of samples, got 28 and 27"):
        memory_capacity(past, past[1:])
