"""Spikes of neurons that are tuned to a place on a ring, in several sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ..recordings.recording import Recording
from ..recordings.study import Study
from ._planted_sensors import check_counts

Floats = NDArray[np.float64]
# Of the speed of the walk: how long it keeps its direction.
_KEEPS_S = 2.0
# Peaks differ between neurons, log-normally.
_PEAK_SPREAD = 0.4


@dataclass(frozen=True, eq=False)
class PlantedPopulation:
    """Spike counts of several sessions, and the place on the ring behind them.

    Attributes
    ----------
    study : Study
        A recording per session, (n_bins, n_neurons), in spikes. Samples have `stimulus_id` (every bin is its
        own), `session`, `onset_s` of the bin and `angle_rad`.
    angles_rad : dict of str to ndarray of shape (n_bins,)
        Place at each bin, in [0, 2 pi), by session.
    preferred_rad : dict of str to ndarray of shape (n_neurons,)
        Place at which each neuron fires most.
    rates_hz : dict of str to ndarray of shape (n_bins, n_neurons)
        What spikes were drawn from.
    """

    study: Study
    angles_rad: dict[str, Floats]
    preferred_rad: dict[str, Floats]
    rates_hz: dict[str, Floats]

    def ring(self, session: str) -> Floats:
        """Return the place as a point of the unit circle, shape (n_bins, 2)."""
        angle = self.angles_rad[session]
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def simulate_population(
    *,
    n_sessions: int = 2,
    n_neurons: int = 50,
    n_bins: int = 1500,
    bin_s: float = 0.1,
    peak_hz: float = 20.0,
    base_hz: float = 1.0,
    concentration: float = 2.0,
    speed_sd: float = 1.0,
    random_state: RandomState = 0,
) -> PlantedPopulation:
    """Simulate Poisson spikes of neurons with von Mises tuning to a place that wanders on a ring.

    A neuron with preferred place `p` fires at `base + peak exp(k (cos(angle - p) - 1))`. Preferred places are
    spread evenly over the ring and jittered; peaks vary between neurons (log-normal, mean `peak_hz`). The
    walk's speed is an AR(1) process that forgets its direction in about 2 s. Sessions have neurons and a walk
    of their own: what they share is the ring.

    Parameters
    ----------
    n_sessions, n_neurons, n_bins : int
        Sessions (named ``session-01`` and so on), neurons and time bins of each.
    bin_s : float, default=0.1
        Width of a bin, in seconds.
    peak_hz, base_hz : float
        Mean rate at the preferred place above the base, and the base, in spikes per second.
    concentration : float, default=2.0
        Of the tuning; 2 gives a width at half height of about 98 degrees.
    speed_sd : float, default=1.0
        Standard deviation of the speed, in radians per second.
    random_state : int, Generator or None, default=0
        The same seed gives the same bits; sessions are drawn apart from one another.

    Returns
    -------
    planted : PlantedPopulation
        Spike counts, and what is behind them.

    Raises
    ------
    InputError
        If a count is too small, or a rate, width or speed is not above 0.

    Examples
    --------
    >>> planted = simulate_population(n_neurons=8, n_bins=20)
    >>> planted.study["session-02"].data.shape
    (20, 8)
    """
    check_counts(n_sessions=(n_sessions, 1), n_neurons=(n_neurons, 2), n_bins=(n_bins, 2))
    positive = {"bin_s": bin_s, "peak_hz": peak_hz, "concentration": concentration, "speed_sd": speed_sd}
    for name, value in positive.items():
        if not value > 0:
            raise InputError(f"`{name}` must be above 0, got {value}.")
    if not base_hz >= 0:
        raise InputError(f"`base_hz` must be at least 0, got {base_hz}.")
    angles: dict[str, Floats] = {}
    preferred: dict[str, Floats] = {}
    rates: dict[str, Floats] = {}
    recordings = []
    for number, rng in enumerate(as_generator(random_state).spawn(n_sessions), start=1):
        name = f"session-{number:02d}"
        angles[name] = _walk(n_bins, bin_s, speed_sd, rng)
        spacing = 2 * np.pi / n_neurons
        jitter = spacing * rng.uniform(-0.5, 0.5, n_neurons)
        preferred[name] = (spacing * np.arange(n_neurons) + jitter) % (2 * np.pi)
        peaks = peak_hz * np.exp(_PEAK_SPREAD * rng.standard_normal(n_neurons) - _PEAK_SPREAD**2 / 2)
        tuning = np.exp(concentration * (np.cos(angles[name][:, None] - preferred[name]) - 1))
        rates[name] = base_hz + peaks * tuning
        counts = rng.poisson(rates[name] * bin_s)
        recordings.append(_recording(name, number, counts, angles[name], bin_s))
    return PlantedPopulation(Study.of(*recordings), angles, preferred, rates)


def _walk(n_bins: int, bin_s: float, speed_sd: float, rng: np.random.Generator) -> Floats:
    """Return the angle at each bin, in [0, 2 pi)."""
    kept = float(np.exp(-bin_s / _KEEPS_S))
    steps = rng.standard_normal(n_bins)
    # The first speed is drawn from the stationary distribution.
    steps[1:] *= np.sqrt(1 - kept**2)
    speed = speed_sd * lfilter([1.0], [1.0, -kept], steps)
    return np.asarray((2 * np.pi * rng.random() + np.cumsum(speed) * bin_s) % (2 * np.pi), dtype=np.float64)


def _recording(name: str, number: int, counts: NDArray[np.int64], angle: Floats, bin_s: float) -> Recording:
    samples = pd.DataFrame(
        {
            "stimulus_id": [f"{name}-bin{bin_ + 1:06d}" for bin_ in range(len(counts))],
            "session": number,
            "onset_s": bin_s * np.arange(len(counts)),
            "angle_rad": angle,
        }
    )
    channels = pd.DataFrame({"name": [f"neuron{column + 1:03d}" for column in range(counts.shape[1])]})
    data = counts.astype(np.float32)
    return Recording(data, samples, channels, subject=name, modality="spikes", unit="spikes")
