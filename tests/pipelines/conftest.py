"""A small study whose truth is known: one model drives region A, nothing drives region B."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.datasets import Dataset
from alignkit.pipelines.candidates import Candidate
from alignkit.pipelines.comparisons import Context
from alignkit.pipelines.config import InferenceOptions
from alignkit.pipelines.plan import Plan
from alignkit.pipelines.store import Store
from alignkit.recordings import Features, Recording, Study

N_STIMULI, N_REPEATS = 48, 4
IDS = [f"s{i:02d}" for i in range(N_STIMULI)]


def make_candidate(name, layers, family="toy"):
    features = Features(layers, IDS, model=name)
    return Candidate(
        name=name,
        family=family,
        layers=tuple(layers),
        digest=f"digest of {name}",
        features=features,
        stimulus_ids=tuple(IDS),
    )


@pytest.fixture(scope="session")
def planted():
    """Return the features that drive region A, and those that drive nothing."""
    rng = np.random.default_rng(0)
    true = rng.standard_normal((N_STIMULI, 6)).astype(np.float32)
    return {
        "true": make_candidate(
            "true", {"early": rng.standard_normal((N_STIMULI, 6)).astype(np.float32), "late": true}
        ),
        "other": make_candidate("other", {"only": rng.standard_normal((N_STIMULI, 6)).astype(np.float32)}),
    }


def make_recording(planted, subject, seed, noise=1.5):
    rng = np.random.default_rng(seed)
    signal = planted["true"].features["late"] @ rng.standard_normal((6, 12))
    rows = np.repeat(np.arange(N_STIMULI), N_REPEATS)
    a = signal[rows] + noise * rng.standard_normal((len(rows), 12))
    b = rng.standard_normal((len(rows), 12))
    order = rng.permutation(len(rows))
    return Recording(
        np.hstack([a, b])[order].astype(np.float32),
        pd.DataFrame({"stimulus_id": [IDS[rows[i]] for i in order]}),
        pd.DataFrame({"name": [f"v{i}" for i in range(24)], "roi": ["A"] * 12 + ["B"] * 12}),
        subject=subject,
        modality="fmri",
    )


@pytest.fixture
def make_context(planted, tmp_path):
    def make(n_subjects=3, dataset=None, candidates=None, cache="store", **inference):
        if dataset is None:
            recordings = [make_recording(planted, f"sub{i}", i + 1) for i in range(n_subjects)]
            dataset = Dataset("toy", study=Study.of(*recordings))
        options = InferenceOptions(**{"n_bootstrap": 60, "n_permutations": 99, **inference})
        return Context(
            dataset=dataset,
            rois=tuple(dataset.rois),
            candidates=tuple(candidates or planted.values()),
            inference=options,
            plan=Plan(0, 1, "cpu", {"numpy": "x"}),
            store=Store(Path(tmp_path) / cache),
        )

    return make


@pytest.fixture
def chosen():
    """Return a function that gives the row of a model with its layer chosen."""

    def find(outcome, roi, model, metric=None):
        table = outcome.scores.table
        keep = (table["subject"] == "all") & (table["layer"] == "(chosen)") & (table["roi"] == roi)
        keep &= (table["model"] == model) & (table["fold"] == "all")
        if metric is not None:
            keep &= table["metric"] == metric
        assert keep.sum() == 1
        return table[keep].iloc[0]

    return find
