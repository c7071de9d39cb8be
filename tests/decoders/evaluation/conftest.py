"""Small decoders with a known answer, and trials that they can decode."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit import Recording
from alignkit.decoders.decoder import Decoder
from alignkit.decoders.evaluation import _sealed
from alignkit.decoders.trials import Targets, Trials
from alignkit.recordings.study import Study


class Plain(Decoder):
    kind = "plain"
    chosen_by_ = "nothing was chosen"

    def _fit(self, training, validation):
        self.n_dims_ = training.targets.n_dims

    def _predict(self, trials):
        raise NotImplementedError

    def save(self, folder):
        raise NotImplementedError

    @classmethod
    def load(cls, folder):
        raise NotImplementedError

    def describe(self):
        return {"kind": self.kind}


class Least(Plain):
    """Ridge from signals to embeddings, or to indicators of classes."""

    kind = "least"

    def _fit(self, training, validation):
        super()._fit(training, validation)
        X = _flat(training)
        rows = training.column("target")
        self._classes = training.targets.are_classes
        Y = np.eye(training.targets.n_dims)[rows] if self._classes else training.targets.gallery[rows]
        self._mean = X.mean(0)
        X = X - self._mean
        self._weights = np.linalg.solve(X.T @ X + np.eye(X.shape[1]), X.T @ (Y - Y.mean(0)))

    def _predict(self, trials):
        return ((_flat(trials) - self._mean) @ self._weights).astype(np.float32)


class Noise(Plain):
    """Knows nothing; another seed is another epoch of a training that failed."""

    kind = "noise"

    def __init__(self, seed=0):
        self.seed = seed

    def _predict(self, trials):
        rng = np.random.default_rng([self.seed, len(trials), trials.column("row")[0]])
        return rng.standard_normal((len(trials), self.n_dims_)).astype(np.float32)


def _flat(trials):
    return trials.read().reshape(len(trials), -1).astype(np.float64)


@pytest.fixture(autouse=True)
def nobody_looked(monkeypatch):
    """Forget what other tests evaluated on the same data."""
    monkeypatch.setattr(_sealed, "_LOOKS", {})


@pytest.fixture
def least():
    return Least


@pytest.fixture
def noise():
    return Noise


@pytest.fixture
def embedded():
    """Return a function that plants embeddings in the signals of one or several subjects."""

    def make(n_stimuli=40, n_repetitions=2, noise=1.0, n_times=None, n_subjects=1, seed=0, groups=None):
        rng = np.random.default_rng(seed)
        embeddings = rng.standard_normal((n_stimuli, 6)).astype(np.float32)
        names = [f"s{i:03d}" for i in range(n_stimuli)]
        shown = np.tile(np.arange(n_stimuli), n_repetitions)
        recordings = []
        for subject in range(n_subjects):
            signal = embeddings[shown] @ rng.standard_normal((6, 10))
            if n_times:
                # Only the middle third of a trial says anything.
                course = np.zeros(n_times)
                course[n_times // 3 : 2 * n_times // 3] = 1.0
                signal = signal[..., None] * course
            signal = signal + noise * rng.standard_normal(signal.shape)
            times_s = None if n_times is None else np.arange(n_times) / 10
            recordings.append(
                Recording.from_arrays(
                    signal, [names[i] for i in shown], times_s=times_s, subject=f"p{subject}"
                )
            )
        return Trials.of(Study.of(*recordings), Targets(tuple(names), embeddings), groups=groups)

    return make


@pytest.fixture
def labelled():
    """Return a function that plants two or more classes in runs."""

    def make(n_runs=8, n_per_run=10, effect=1.0, n_classes=2, seed=0, subject="p0", labels=None):
        rng = np.random.default_rng(seed)
        n = n_runs * n_per_run
        codes = np.tile(np.arange(n_per_run) % n_classes, n_runs) if labels is None else np.asarray(labels)
        data = rng.standard_normal((n, 6)).astype(np.float32)
        data += effect * rng.standard_normal((n_classes, 6)).astype(np.float32)[codes]
        names = tuple("abcdefgh"[:n_classes])
        samples = pd.DataFrame(
            {
                "stimulus_id": [f"{names[code]}{i % 3}" for i, code in enumerate(codes)],
                "run": np.repeat([f"run-{i}" for i in range(n_runs)], n_per_run),
                "label": [names[code] for code in codes],
            }
        )
        channels = pd.DataFrame({"name": [f"c{i}" for i in range(6)]})
        recording = Recording(data, samples, channels, subject=subject)
        return Trials.of(Study.of(recording), Targets(names), labels="label", units="run")

    return make
