from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit import Recording
from alignkit._core.errors import InputError
from alignkit.datasets import Dataset
from alignkit.pipelines.decoding.config import parse_decode_config
from alignkit.pipelines.decoding.task import trials_of
from alignkit.recordings.study import Study


def dataset(n: int = 40, *, run: bool = False, **facts) -> Dataset:
    rng = np.random.default_rng(0)
    samples = pd.DataFrame({"stimulus_id": [f"s{i % 8}" for i in range(n)], "side": ["l", "r"] * (n // 2),
                            "onset_s": np.arange(n)[::-1] * 1.0})  # fmt: skip
    if run:
        samples["run"] = np.arange(n) // 10
    recording = Recording(rng.standard_normal((n, 3, 6)).astype(np.float32), samples,
                          pd.DataFrame({"name": list("abc")}), times_s=np.arange(6) / 10 - 0.2)  # fmt: skip
    return Dataset("toy", study=Study.of(recording), **facts)


def config(target="side", **more):
    return parse_decode_config(
        {"dataset": "matrix", "target": {"label": target}, "decoders": ["lda"], **more}
    )


def test_runs_stay_whole_where_there_are_runs():
    trials = trials_of(config(), dataset(run=True), None)
    assert trials.table["unit"].tolist() == [str(i // 10) for i in range(40)]
    assert trials.targets.names == ("l", "r")


def test_without_runs_successive_trials_stay_together_in_the_order_of_time():
    units = trials_of(config(), dataset(), None).table["unit"].tolist()
    # Onsets fall with the row: the last rows came first.
    assert units[-4:] == ["block 01"] * 4
    assert units[:4] == ["block 10"] * 4


def test_every_trial_may_be_a_unit():
    assert trials_of(config(split={"units": "trial"}), dataset(), None).table["unit"].nunique() == 40


def test_labels_of_stimuli_serve_where_samples_have_none():
    labels = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(8)], "kind": ["a", "b"] * 4})
    trials = trials_of(config("kind"), dataset(labels=labels), None)
    assert trials.labels("kind") == ["a", "b"] * 20


def test_only_the_asked_times_are_kept_with_both_bounds():
    trials = trials_of(config(crop_s=[-0.1, 0.2]), dataset(), None)
    np.testing.assert_allclose(trials.study["subject"].times_s, [-0.1, 0, 0.1, 0.2], atol=1e-12)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"target": "sides"}, "`target: label`: 'sides', did you mean 'side'"),
        ({"split": {"units": "runs"}}, "`split: units`: 'runs'"),
        ({"crop_s": [5, 6]}, "no time of 'subject' lies in 5 to 6 s; it has -0.2 to 0.3 s"),
    ],
)
def test_what_is_not_there_is_named(more, message):
    with pytest.raises(InputError, match=message):
        trials_of(config(**more), dataset(), None)


def test_dissimilarities_cannot_be_decoded():
    from alignkit.recordings.rdms import RDMs

    rdms = RDMs(np.ones((1, 3)), ["a", "b", "c"], pd.DataFrame({"subject": ["s"]}), measure="euclidean")
    with pytest.raises(InputError, match="'d' holds dissimilarities"):
        trials_of(config(), Dataset("d", rdms=rdms), None)
