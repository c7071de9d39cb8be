from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.quality.spike_measures import firing_rates, refractory_violations


def test_rates_are_counts_over_seconds():
    assert firing_rates([[0.1, 0.2, 5.0], []], seconds=10).tolist() == [0.3, 0.0]
    with pytest.raises(InputError, match="`seconds` must be above 0, got 0"):
        firing_rates([[1.0]], seconds=0)


def test_violations_count_short_intervals_in_any_order():
    times = [1.0, 1.001, 2.0, 3.0, 3.0005]
    assert refractory_violations([times]).tolist() == [0.5]
    assert refractory_violations([times[::-1]]).tolist() == [0.5]
    assert refractory_violations([times], refractory_s=0.0008).tolist() == [0.25]
    assert np.isnan(refractory_violations([[1.0], []])).all()


def test_violations_of_a_poisson_train_are_its_rate_times_the_period():
    times = np.cumsum(np.random.default_rng(0).exponential(1 / 20, 200_000))
    assert refractory_violations([times])[0] == pytest.approx(1 - np.exp(-20 * 0.0015), rel=0.05)
