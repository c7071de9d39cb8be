"""Continuous recordings whose values say where they come from."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.datasets.streaming.shards import write_shards
from alignkit.datasets.streaming.sources import ContinuousRecording

CHANNELS = ["Fz", "Cz", "Pz"]
RATE_HZ = 50.0


def values_of(number, n_samples):
    """Return data in which every value is unique: recording, then sample, then channel."""
    samples = np.arange(n_samples)[:, None] * len(CHANNELS) + np.arange(len(CHANNELS))
    return (number * 100_000 + samples).astype(np.float32)


@pytest.fixture
def make():
    """Return a function that makes a recording of known values."""

    def recording(number, n_samples=400, **options):
        options = {"subject": f"sub-{number % 2}", "task": "rest" if number < 2 else "film", **options}
        given = options.pop("data", values_of(number, n_samples))
        channels, rate_hz = options.pop("channels", CHANNELS), options.pop("sfreq_hz", RATE_HZ)
        return ContinuousRecording(f"rec-{number}", given, channels, rate_hz, **options)

    return recording


@pytest.fixture
def shards(tmp_path, make):
    """Return four recordings of unequal length, in several small shards each."""
    lengths = (400, 730, 55, 610)
    recordings = [
        make(number, length, labels={"age": 20 + number, "group": "ab"[number % 2]})
        for number, length in enumerate(lengths)
    ]
    size = 100 * 3 * 4 / 2**20
    return write_shards(recordings, tmp_path / "shards", shard_mb=2 * size, chunk_mb=size)
