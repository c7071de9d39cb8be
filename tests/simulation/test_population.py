from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from alignkit._core.errors import InputError
from alignkit.simulation.population import simulate_population


def test_spikes_are_poisson_at_the_planted_rates():
    planted = simulate_population(n_bins=4000)
    for session, recording in planted.study.items():
        expected = planted.rates_hz[session] * 0.1
        off = (recording.data - expected) / np.sqrt(expected)
        # 200 000 counts: mean 0 and variance 1 to a few thousandths.
        assert abs(off.mean()) < 0.01
        assert off.var() == pytest.approx(1, rel=0.02)


def test_neurons_fire_most_at_their_preferred_place():
    planted = simulate_population(n_bins=6000, speed_sd=2.0)
    angle, recording = planted.angles_rad["session-01"], planted.study["session-01"]
    seen = np.angle(recording.data.T @ np.exp(1j * angle) / recording.data.sum(axis=0))
    error = np.angle(np.exp(1j * (seen - planted.preferred_rad["session-01"])))
    assert np.abs(error).mean() < 0.25


def test_the_walk_covers_the_ring_smoothly():
    planted = simulate_population(n_bins=3000)
    angle = planted.angles_rad["session-01"]
    steps = np.abs(np.angle(np.exp(1j * np.diff(angle))))
    assert np.histogram(angle, bins=8, range=(0, 2 * np.pi))[0].min() > 0.03 * 3000
    assert steps.max() < 0.6


@pytest.mark.parametrize(("shuffled", "least", "most"), [(False, 0.85, 1.0), (True, -1.0, 0.05)])
def test_the_ring_is_decodable_in_later_bins_and_a_shifted_one_is_not(shuffled, least, most):
    planted = simulate_population()
    recording, ring = planted.study["session-01"], planted.ring("session-01")
    if shuffled:
        ring = np.random.default_rng(0).permutation(ring)
    model = Ridge(alpha=100.0).fit(recording.data[:1000], ring[:1000])
    assert least < model.score(recording.data[1100:], ring[1100:]) < most


def test_sessions_have_neurons_and_a_walk_of_their_own():
    planted = simulate_population(n_bins=200)
    one, two = planted.study.values()
    assert not np.allclose(planted.angles_rad["session-01"], planted.angles_rad["session-02"])
    assert not set(one.stimulus_ids) & set(two.stimulus_ids)
    np.testing.assert_allclose(one.samples["angle_rad"], planted.angles_rad["session-01"])
    np.testing.assert_allclose(np.diff(one.samples["onset_s"]), 0.1)
    np.testing.assert_allclose(np.linalg.norm(planted.ring("session-01"), axis=1), 1)


def test_the_same_seed_gives_the_same_bits_and_sessions_are_drawn_apart():
    one, two, three = (
        simulate_population(n_bins=50, n_sessions=n, random_state=s).study
        for n, s in ((2, 1), (3, 1), (2, 2))
    )
    assert one["session-02"].digest == two["session-02"].digest != three["session-02"].digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_sessions": 0}, "`n_sessions` must be at least 1, got 0"),
        ({"n_neurons": 1}, "`n_neurons` must be at least 2, got 1"),
        ({"n_bins": 1}, "`n_bins` must be at least 2, got 1"),
        ({"bin_s": 0.0}, "`bin_s` must be above 0, got 0"),
        ({"peak_hz": -1.0}, "`peak_hz` must be above 0, got -1"),
        ({"base_hz": -1.0}, "`base_hz` must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        simulate_population(**change)
