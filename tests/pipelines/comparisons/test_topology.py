from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import topology
from alignkit.recordings import Recording, Study

from ..conftest import IDS, make_candidate


def ring(seed, noise):
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, len(IDS), endpoint=False)
    plane = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ rng.standard_normal((2, 12))
    return (plane + noise * rng.standard_normal(plane.shape)).astype(np.float32)


@pytest.fixture
def rings(make_context):
    """Return a context whose brains are rings, with one model that is a ring and one that is a ball."""
    ball = np.random.default_rng(9).standard_normal((len(IDS), 12)).astype(np.float32)
    candidates = [make_candidate("ring", {"only": ring(5, 0.1)}), make_candidate("ball", {"only": ball})]
    recordings = [
        Recording(
            ring(seed, 0.1),
            pd.DataFrame({"stimulus_id": IDS}),
            pd.DataFrame({"name": [f"v{i}" for i in range(12)]}),
            subject=f"sub{seed}",
            modality="fmri",
        )
        for seed in range(3)
    ]
    return make_context(dataset=Dataset("rings", study=Study.of(*recordings)), candidates=candidates)


@pytest.mark.parametrize("method", ["wasserstein", "bottleneck", "betti"])
def test_a_ring_is_closer_to_a_ring_than_a_ball_is(rings, chosen, method):
    outcome = topology.topology(rings, method=method, distance="euclidean")
    near, far = (chosen(outcome, "all", name) for name in ("ring", "ball"))
    assert near["closer"] == "lower"
    assert 0 <= near["value"] < far["value"]
    assert np.isnan(near["p"])
    # The largest difference of any bar says less than the sum over all.
    assert outcome.differences["p"].iloc[0] < (0.2 if method == "bottleneck" else 0.05)
    assert "there is no p" in outcome.methods[0]


def test_the_divergence_sees_which_stimulus_is_where(rings, chosen):
    outcome = topology.topology(rings, method="rtd", distance="euclidean")
    near, far = (chosen(outcome, "all", name) for name in ("ring", "ball"))
    assert near["value"] < far["value"]
    assert near["p"] == 0.01
    assert list(outcome.scores.select(layer="(chosen)", model="ring").table["subject"]) == [
        "mean of 3",
        "all",
    ]


def test_draws_are_checked(rings):
    with pytest.raises(InputError, match="`n_draws` at least 2, got 30 and 1"):
        topology.topology(rings, method="rtd", n_draws=1)
    with pytest.raises(InputError, match="belong to method 'rtd'"):
        topology.topology(rings, n_draws=5)
