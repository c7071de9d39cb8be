"""Simulated runs with responses, shapes, shared noise and events that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from alignkit.preprocessing.single_trials.hemodynamics import hrf_library, trial_design


@dataclass
class Simulated:
    runs: list
    events: list
    truth: np.ndarray  # (n_stimuli, n_voxels)
    shapes: np.ndarray  # (n_voxels,)
    sd: np.ndarray  # (n_voxels,) of the responses over stimuli; 0 for voxels without any
    tr_s: float

    def of_trials(self, trials):
        return self.truth[[int(name[1:]) for name in trials["stimulus_id"]]]


def make(
    seed=0,
    *,
    n_runs=4,
    n_stimuli=40,
    n_voxels=160,
    spacing_s=4.0,
    tr_s=1.5,
    shared=0.0,
    sd=(0.3, 3.0),
    responding=0.5,
    ar=0.3,
    n_in_run=None,
):
    rng = np.random.default_rng(seed)
    n_shown = n_stimuli if n_in_run is None else n_in_run
    n_volumes = int(np.ceil((n_shown * spacing_s + 20) / tr_s))
    shapes = rng.choice([2, 9, 17], n_voxels)
    spread = np.where(np.arange(n_voxels) < responding * n_voxels, rng.uniform(*sd, n_voxels), 0.0)
    truth = (1 + rng.standard_normal((n_stimuli, n_voxels))) * spread
    loading = shared * rng.standard_normal((2, n_voxels))
    library = hrf_library()
    runs, events = [], []
    for run in range(n_runs):
        if n_in_run is None:
            order = rng.permutation(n_stimuli)
        else:
            order = (np.arange(n_in_run) + run * n_in_run) % n_stimuli
        onsets = 4 + np.arange(n_shown) * spacing_s + rng.uniform(0, 1.5, n_shown)
        series = np.zeros((n_volumes, n_voxels))
        for shape in np.unique(shapes):
            design = trial_design(onsets, 1.0, n_volumes=n_volumes, tr_s=tr_s, hrf=library[shape])
            series[:, shapes == shape] = design @ truth[order][:, shapes == shape]
        white = rng.standard_normal((n_volumes + 50, n_voxels))
        series += lfilter([np.sqrt(1 - ar**2)], [1, -ar], white, axis=0)[50:]
        common = lfilter([1], [1, -0.7], rng.standard_normal((n_volumes + 50, 2)), axis=0)[50:]
        series += common / common.std(axis=0) @ loading
        series += 100 + np.linspace(-2, 2, n_volumes)[:, None] * rng.standard_normal(n_voxels)
        runs.append(series)
        events.append(
            pd.DataFrame({"stimulus_id": [f"s{i}" for i in order], "onset_s": onsets, "duration_s": 1.0})
        )
    return Simulated(runs, events, truth, shapes, spread, tr_s)


@pytest.fixture(scope="session")
def simulate():
    return make
