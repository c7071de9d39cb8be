"""Betas of a real subject: one slice, 12 runs with one block of 22.5 s of each of 8 categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.datasets import read_bold
from alignkit.datasets.fmri.single_trials import SingleTrialOptions

OLS = SingleTrialOptions(hrf="canonical", denoise=False, ridge=False)
# The published onsets follow the response, not the picture: see the data set haxby2001.
RESPONSE_S = 5.0


@pytest.fixture
def betas(real_data, tmp_path):
    """Return a function that reads betas; categories of test runs bear other names."""
    folder = real_data("haxby2001")
    bold = sorted((folder / "openfmri/sub001/BOLD").glob("task001_run*/bold_1slice.nii.gz"))
    if not bold:
        pytest.skip("the OpenfMRI layout of haxby2001 is not there")

    def read(test_runs=(), **options):
        events = []
        for number, path in enumerate(bold, start=1):
            table = pd.read_csv(path.with_name("bold_events.tsv"), sep="\t")
            table["onset"] -= RESPONSE_S
            if number in test_runs:
                table["trial_type"] = "test " + table["trial_type"]
            events.append(tmp_path / f"run-{number}_events.tsv")
            table.to_csv(events[-1], sep="\t", index=False)
        mask = folder / "mask.nii.gz"
        return read_bold(bold, events=events, mask=mask, average="betas", **options)

    return read


def hits(recording, test_runs, names=None):
    """Tell which blocks correlate best with the mean of their category in all other runs."""
    if names is None:
        names = recording.samples["stimulus_id"].str.removeprefix("test ").to_numpy()
    run = recording.samples["run"].to_numpy()
    categories = np.unique(names)
    found = []
    for test in test_runs:
        means = [recording.data[(run != test) & (names == name)].mean(axis=0) for name in categories]
        shown = recording.data[run == test]
        likeness = np.corrcoef(shown, means)[: len(shown), len(shown) :]
        found += list(categories[likeness.argmax(axis=1)] == names[run == test])
    return found


def test_categories_are_told_apart_by_betas_of_z_scored_runs(betas):
    recording = betas(standardize="zscore", glm=OLS)
    assert repr(recording) == "Recording(subject, fmri, z: 96 samples of 8 stimuli; 530 channels)"
    runs = range(1, 13)
    # Measured: .615 (block averages .625); chance is .125.
    assert np.mean(hits(recording, runs)) >= 0.58
    rng = np.random.default_rng(0)
    shuffled = recording.samples.groupby("run")["stimulus_id"].transform(rng.permutation).to_numpy()
    assert np.mean(hits(recording, runs, shuffled)) < 0.25
    # In per cent, voxels with large signals outweigh the others: .344.
    assert np.mean(hits(betas(standardize="percent", glm=OLS), runs)) < 0.5


def test_denoising_that_never_saw_the_test_runs_helps(betas):
    found = []
    for first in (1, 5, 9):
        test_runs = range(first, first + 4)
        names = ["bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe"]
        glm = SingleTrialOptions(hrf="canonical", ridge=False, hold_out=[f"test {name}" for name in names])
        recording = betas(test_runs, standardize="zscore", glm=glm)
        assert any("8 stimuli were held out: no volume until 20 s" in note for note in recording.notes)
        found += hits(recording, test_runs)
    assert len(found) == 96
    # Measured: .802.
    assert np.mean(found) >= 0.74


@pytest.mark.slow
def test_all_stages_that_never_saw_the_test_runs_help_most(betas):
    found = []
    for first in (1, 5, 9):
        test_runs = range(first, first + 4)
        trained = betas(test_runs).samples["stimulus_id"]
        held_out = sorted({name for name in trained if name.startswith("test ")})
        glm = SingleTrialOptions(hold_out=held_out)
        found += hits(betas(test_runs, standardize="zscore", glm=glm), test_runs)
    # Measured: .865.
    assert np.mean(found) >= 0.8
