"""The engine that hands runs, one at a time, to whatever makes samples of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from alignkit.datasets.fmri._responses import Responses
from alignkit.datasets.fmri._runs import RunOptions, SeriesFile, read_responses
from alignkit.datasets.fmri._usable import Usable


def test_a_model_of_its_own_gets_raw_runs_with_events_and_confounds(tmp_path, save_events):
    rng = np.random.default_rng(0)
    series = [100 + rng.standard_normal((30, 4)).astype(np.float32) for _ in range(2)]
    files = [
        SeriesFile(Path(f"ses-a_run-{k + 1}_bold.nii"), 30, lambda k=k: series[k], 2.0) for k in range(2)
    ]
    confounds = []
    for k in range(2):
        confounds.append(tmp_path / f"{k}.tsv")
        pd.DataFrame({"csf": rng.standard_normal(30)}).to_csv(confounds[k], sep="\t", index=False)
    events = [save_events(tmp_path / f"e{k}.tsv", [(10, 2, "cat"), (40, 2, "dog")]) for k in range(2)]
    seen = []

    def model(runs):
        seen.extend(runs)
        samples = pd.DataFrame({"stimulus_id": ["cat", "dog"]})
        return Responses(np.stack([run.series.mean(axis=0) for run in seen]), samples, ("Fitted.",))

    options = RunOptions(
        "sub-01", events=events, confounds=confounds, confound_columns=["csf"], drop_volumes=3
    )
    usable = Usable(4, what="voxels")
    found = read_responses(files, options, usable, respond=model, clean=False)
    assert (len(found.samples), found.notes, usable.keep().sum()) == (2, ("Fitted.",), 4)
    for number, run in enumerate(seen):
        np.testing.assert_array_equal(run.series, series[number][3:])
        assert (run.run, run.session, run.first_volume, run.start_s) == (number + 1, "a", 3, 6.0)
        assert run.events["onset_s"].to_list() == [10, 40]
        assert run.confounds.shape == (27, 1)
    cleaned = []
    read_responses(files, options, usable, respond=lambda runs: cleaned.extend(runs) or model([]))
    assert np.abs(cleaned[0].series.mean()) < 1e-4


def test_runs_are_read_one_at_a_time():
    order = []

    def reader(k):
        def read():
            order.append(f"read {k}")
            return np.random.default_rng(k).standard_normal((10, 3)).astype(np.float32)

        return read

    def model(runs):
        for run in runs:
            order.append(f"use {run.run}")
        return Responses(np.zeros((1, 3), np.float32), pd.DataFrame({"stimulus_id": ["a"]}))

    files = [SeriesFile(Path(f"run-{k}_bold.nii"), 10, reader(k), 2.0) for k in (1, 2)]
    options = RunOptions("sub-01", average="volume", standardize="zscore")
    read_responses(files, options, Usable(3, what="voxels"), respond=model)
    assert order == ["read 1", "use 1", "read 2", "use 2"]
