"""Blocks of a real subject: one slice, 12 runs, one block of 22.5 s of each of 8 categories per run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.preprocessing.single_trials.responses import fit_single_trials

TR_S = 2.5
# The published onsets follow the response, not the picture: see alignkit.datasets, haxby2001.
RESPONSE_S = 5.0


@pytest.fixture(scope="module")
def blocks():
    nibabel = pytest.importorskip("nibabel")
    from alignkit._core.folders import data_folders

    root = next((f / "haxby2001" for f in data_folders() if (f / "haxby2001" / "openfmri").is_dir()), None)
    if root is None:
        pytest.skip("the real data 'haxby2001' are in no folder of ALIGNKIT_DATA")
    mask = np.asarray(nibabel.load(root / "mask.nii.gz").dataobj) != 0
    runs, events = [], []
    for path in sorted((root / "openfmri" / "sub001" / "BOLD").glob("task001_run*/bold_1slice.nii.gz")):
        series = np.asarray(nibabel.load(path).dataobj)[mask].T.astype(np.float64)
        time = np.vander(np.arange(len(series)), 2)
        left = series - time @ np.linalg.lstsq(time, series, rcond=None)[0]
        # Correlations over voxels are of standard deviations, as with the block averages of the data set.
        runs.append(series / left.std(axis=0))
        table = pd.read_csv(path.with_name("bold_events.tsv"), sep="\t")
        names = {"onset": "onset_s", "duration": "duration_s", "trial_type": "stimulus_id"}
        events.append(table.rename(columns=names))
    return runs, events


def block_averages(runs, events):
    means = []
    for series, table in zip(runs, events, strict=True):
        time = np.vander(np.arange(len(series)), 2)
        left = series - time @ np.linalg.lstsq(time, series, rcond=None)[0]
        starts = np.arange(len(series)) * TR_S
        for onset, duration in zip(table["onset_s"], table["duration_s"], strict=True):
            means.append(left[(starts >= onset) & (starts < onset + duration)].mean(axis=0))
    return np.array(means)


def accuracy(patterns, names, runs, test_runs):
    """Return how often a pattern correlates best with its category's mean over all other runs."""
    hits = []
    categories = np.unique(names)
    for run in test_runs:
        means = [patterns[(runs != run) & (names == name)].mean(axis=0) for name in categories]
        for row in np.flatnonzero(runs == run):
            r = [np.corrcoef(patterns[row], mean)[0, 1] for mean in means]
            hits.append(categories[np.argmax(r)] == names[row])
    return hits


def held_out_accuracy(runs, events, per_fit, **options):
    """Return the leave-one-run-out accuracy of responses whose hyper-parameters never saw the test runs."""
    hits = []
    for start in range(0, 12, per_fit):
        test_runs = range(start, start + per_fit)
        tables = [
            table.assign(
                onset_s=table["onset_s"] - RESPONSE_S,
                stimulus_id=("test " if run in test_runs else "") + table["stimulus_id"],
            )
            for run, table in enumerate(events)
        ]
        hold_out = sorted({name for run in test_runs for name in tables[run]["stimulus_id"]})
        found = fit_single_trials(runs, tables, tr_s=TR_S, unit="data", hold_out=hold_out, **options)
        names = found.trials["stimulus_id"].str.removeprefix("test ").to_numpy()
        number = found.trials["run"].to_numpy() - 1
        hits += accuracy(found.betas, names, number, test_runs)
    assert len(hits) == 96
    return float(np.mean(hits))


def test_responses_tell_categories_apart_better_than_block_averages(blocks):
    runs, events = blocks
    names = np.concatenate([table["stimulus_id"] for table in events])
    number = np.repeat(np.arange(12), 8)
    plain = np.mean(accuracy(block_averages(runs, events), names, number, range(12)))
    assert plain == pytest.approx(0.604, abs=0.03)
    ols = {"hrf": "canonical", "denoise": False, "fractions": None}
    canonical = held_out_accuracy(runs, events, 12, **ols)
    shrunk = held_out_accuracy(runs, events, 4, hrf="canonical", denoise=False)
    denoised = held_out_accuracy(runs, events, 4, hrf="canonical", fractions=None)
    # Measured: .625, .615, .677 and .802; chance is .125.
    assert canonical == pytest.approx(plain, abs=0.05)
    assert shrunk > canonical
    assert denoised > plain + 0.1


@pytest.mark.slow
def test_all_stages_chosen_without_the_test_run(blocks):
    runs, events = blocks
    ols = {"hrf": "canonical", "denoise": False, "fractions": None}
    found = {
        "canonical": held_out_accuracy(runs, events, 12, **ols),
        "library": held_out_accuracy(runs, events, 1, denoise=False, fractions=None),
        "shrunk": held_out_accuracy(runs, events, 1, denoise=False),
        "all": held_out_accuracy(runs, events, 1),
    }
    assert found["library"] >= found["canonical"] - 0.03
    assert found["shrunk"] >= found["library"]
    assert found["all"] > found["shrunk"] + 0.1
