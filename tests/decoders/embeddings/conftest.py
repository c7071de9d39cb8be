"""A population that codes an angle among stronger sources of variance that mean nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Ring:
    """Spike counts with the angle behind them; a training part, a gap, and a test part."""

    spikes: np.ndarray
    angle: np.ndarray
    n_train: int = 1000
    gap: int = 50

    @property
    def train(self) -> slice:
        return slice(0, self.n_train)

    @property
    def test(self) -> slice:
        return slice(self.n_train + self.gap, None)

    @property
    def on_circle(self) -> np.ndarray:
        return np.column_stack([np.cos(self.angle), np.sin(self.angle)])

    @property
    def bins(self) -> np.ndarray:
        return np.digitize(np.mod(self.angle, 2 * np.pi), np.linspace(0, 2 * np.pi, 17)[1:-1])

    def r2(self, train_points: np.ndarray, test_points: np.ndarray) -> float:
        """R2 on the test part of the linear map from points to the circle."""
        with_one = np.column_stack([train_points, np.ones(len(train_points))])
        weights = np.linalg.lstsq(with_one, self.on_circle[self.train], rcond=None)[0]
        predicted = np.column_stack([test_points, np.ones(len(test_points))]) @ weights
        truth = self.on_circle[self.test]
        return float(1 - np.square(truth - predicted).sum() / np.square(truth - truth.mean(0)).sum())


def planted_ring(seed: int = 0, *, n_neurons: int = 60, n_samples: int = 1500) -> Ring:
    rng = np.random.default_rng(seed)
    angle = np.cumsum(0.15 * rng.standard_normal(n_samples) + 0.02)
    preferred = rng.uniform(0, 2 * np.pi, n_neurons)
    # Three fast sources that every neuron mixes.
    other = 0.6 * rng.standard_normal((n_samples, 3)) @ rng.standard_normal((3, n_neurons))
    rate = np.exp(2.5 * (np.cos(angle[:, None] - preferred) - 1) + other)
    return Ring(rng.poisson(rate), angle)


@pytest.fixture(scope="package")
def ring() -> Ring:
    return planted_ring()


@pytest.fixture(scope="package")
def other_ring() -> Ring:
    return planted_ring(1, n_neurons=45)
