from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def real_data():
    """A function that finds a file of a public set, or skips with the reason."""

    def find(relative):
        folders = [Path(f) for f in os.environ.get("ALIGNKIT_DATA", "").split(os.pathsep) if f]
        for folder in folders:
            if (folder / relative).exists():
                return folder / relative
        pytest.skip(f"{relative} is in none of the folders of ALIGNKIT_DATA")

    return find


@pytest.fixture
def six_noisy_rdms():
    """Six noisy copies of one 10 x 10 RDM (upper triangles), and the common one."""
    legacy = np.random.RandomState(0)  # noqa: NPY002 - the reference numbers were made with this generator
    for shape in ((20, 8), (20, 8), (20, 12), (50, 6)):
        legacy.randn(*shape)
    base = legacy.rand(45)
    rdms = base + 0.3 * legacy.randn(6, 45)
    return rdms - rdms.min(), base


@pytest.fixture
def repeats():
    """Forty images, ten repeats, three neurons with noise 0.5, 1 and 2; and the signal."""
    legacy = np.random.RandomState(2)  # noqa: NPY002 - the reference numbers were made with this generator
    signal = legacy.randn(40, 1, 3)
    return signal + np.array([0.5, 1.0, 2.0]) * legacy.randn(40, 10, 3), signal[:, 0]


@pytest.fixture
def make_world():
    """A function that draws stimuli, subjects and noise: crossvalidated RDMs and two model RDMs.

    "difference": the brain mixes the latents of both models, which are equally good on average.
    "zero": the brain has latents of its own.
    """

    def make(seed, n_subjects, n_stimuli, *, kind):
        rng = np.random.default_rng(seed)
        rows, columns = np.triu_indices(n_stimuli, 1)
        first, second, own = (rng.standard_normal((n_stimuli, 4)) for _ in range(3))
        latents = np.hstack([first, second]) if kind == "difference" else own
        data = []
        for _ in range(n_subjects):
            gains = np.exp(0.5 * rng.standard_normal(latents.shape[1]))
            mixing = gains[:, None] * rng.standard_normal((latents.shape[1], 20)) / np.sqrt(20)
            signal = latents @ mixing
            one, two = (signal + rng.standard_normal(signal.shape) for _ in range(2))
            data.append(((one[rows] - one[columns]) * (two[rows] - two[columns])).mean(axis=1))
        models = [((z[rows] - z[columns]) ** 2).sum(axis=1) for z in (first, second)]
        return np.array(data), np.array(models)

    return make
