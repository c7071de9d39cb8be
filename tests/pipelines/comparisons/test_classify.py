from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.comparisons import classify
from alignkit.recordings import Recording, Study


def dataset(effect, *, n_runs=8, runs=True):
    rng = np.random.default_rng(3)
    names = ["face", "house", "cat", "shoe"]
    patterns = effect * rng.standard_normal((4, 30))
    data = np.concatenate([patterns + rng.standard_normal((4, 30)) for _ in range(n_runs)])
    samples = pd.DataFrame({"stimulus_id": names * n_runs})
    if runs:
        samples["run"] = np.repeat(np.arange(n_runs), 4).astype(str)
    channels = pd.DataFrame({"name": [f"v{i}" for i in range(30)]})
    recording = Recording(data.astype(np.float32), samples, channels)
    return Dataset("toy", study=Study.of(recording), conditions="stimulus_id")


@pytest.mark.parametrize("classifier", ["correlation", "lda", "logistic"])
def test_planted_conditions_are_classified(make_context, chosen, classifier):
    context = make_context(dataset=dataset(1.0))
    outcome = classify.classify(context, classifier=classifier)
    row = chosen(outcome, "all", f"{classifier} classifier")
    assert row["value"] > 0.7
    assert row["p"] == 0.01
    assert outcome.chance == {"classification accuracy": 0.25}
    assert {verdict for _, verdict, _ in outcome.audit} == {"clean"}


def test_noise_stays_at_chance(make_context, chosen):
    outcome = classify.classify(make_context(dataset=dataset(0.0, n_runs=12)))
    row = chosen(outcome, "all", "correlation classifier")
    assert row["ci_low"] < 0.25 < row["ci_high"]
    assert row["p"] > 0.05


def test_runs_are_needed(make_context):
    with pytest.raises(InputError, match="leaves runs out, but 'subject' has no column `run`"):
        classify.classify(make_context(dataset=dataset(1.0, runs=False)))
