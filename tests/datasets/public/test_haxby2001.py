from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import detrend

from alignkit._core.errors import InputError
from alignkit.datasets import load_haxby2001
from alignkit.datasets.public.haxby2001 import CATEGORIES


def labels_of_run(run):
    """One block of two volumes for each category, with a volume of rest around it."""
    order = np.roll(CATEGORIES, run)
    return ["rest"] + [label for category in order for label in (category, category, "rest")]


@pytest.fixture
def folder(tmp_path, save_image):
    """Twelve runs in the published layout, with a pattern per category."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((len(CATEGORIES), 4, 3, 1))
    lines, volumes = [], []
    for run in range(12):
        for label in labels_of_run(run):
            signal = 0 if label == "rest" else 20 * patterns[CATEGORIES.index(label)]
            volumes.append(500 + signal + rng.standard_normal((4, 3, 1)))
            lines.append(f"{label} {run}\n")
    save_image(tmp_path / "bold.nii.gz", np.stack(volumes, axis=-1).round().astype(np.int16), tr_s=2.5)
    save_image(tmp_path / "mask.nii.gz", np.ones((4, 3, 1), np.int16))
    (tmp_path / "attributes_literal.txt").write_text("".join(lines))
    return tmp_path


def leave_one_run_out_accuracy(recording):
    """Classify each run's blocks by their correlation with the other runs' mean patterns."""
    labels, runs = recording.samples["stimulus_id"].to_numpy(), recording.samples["run"].to_numpy()
    names, hits = np.unique(labels), []
    for run in np.unique(runs):
        test = runs == run
        means = np.stack([recording.data[~test & (labels == name)].mean(axis=0) for name in names])
        likeness = np.corrcoef(recording.data[test], means)[: test.sum(), test.sum() :]
        hits += list(names[likeness.argmax(axis=1)] == labels[test])
    return np.mean(hits)


def test_a_sample_is_a_block_and_a_repetition_a_run(folder):
    dataset = load_haxby2001(path=folder)
    recording = dataset.study["sub001"]
    assert recording.n_samples == 96
    assert recording.samples["run"].to_list()[:9] == [0] * 8 + [1]
    assert (recording.samples["repetition"] == recording.samples["run"] + 1).all()
    assert dataset.conditions == "stimulus_id"
    assert leave_one_run_out_accuracy(recording) == 1.0


def test_labels_say_what_the_categories_are(folder):
    labels = load_haxby2001(path=folder).labels.set_index("stimulus_id")
    assert set(labels.index[labels["animacy"] == "animate"]) == {"cat", "face"}
    assert set(labels.index[labels["face"] == "face"]) == {"face"}
    assert set(labels.index[labels["intact"] == "scrambled"]) == {"scrambledpix"}


def test_blocks_that_are_lost_or_doubled_are_refused(folder):
    path = folder / "attributes_literal.txt"
    lines = path.read_text().splitlines()
    first = lines.index("shoe 3")
    lines[first] = lines[first + 1] = "rest 3"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="one block of each of 8 categories in 12 runs, found 95 blocks"):
        load_haxby2001(path=folder)
    with pytest.raises(InputError, match="`layout` is 'openfmr', did you mean 'openfmri'"):
        load_haxby2001(path=folder, layout="openfmr")


def test_the_real_set_is_the_published_one(real_data):
    real_data("haxby2001")
    recording = load_haxby2001(verify=True).study["sub001"]
    assert repr(recording) == "Recording(sub001, fmri, z: 96 samples of 8 stimuli; 530 channels)"
    assert recording.notes == ()
    assert (recording.samples.groupby(["run", "stimulus_id"]).size() == 1).all()
    assert recording.samples["duration_s"].unique().tolist() == [22.5]
    assert recording.geometry.shape == (40, 20, 1)
    percent = load_haxby2001(standardize="percent").study["sub001"]
    assert (percent.n_channels, percent.unit) == (530, "percent signal change")
    assert 0.1 < percent.data.std() < 5


def test_real_categories_are_told_apart_across_runs_and_shuffled_ones_are_not(real_data):
    real_data("haxby2001")
    recording = load_haxby2001().study["sub001"]
    assert leave_one_run_out_accuracy(recording) >= 0.604
    rng = np.random.default_rng(0)
    shuffled = recording.samples.copy()
    shuffled["stimulus_id"] = shuffled.groupby("run")["stimulus_id"].transform(rng.permutation)
    null = type(recording)(recording.data, shuffled, recording.channels)
    assert leave_one_run_out_accuracy(null) < 0.25


def test_both_real_layouts_hold_the_same_blocks(real_data):
    folder = real_data("haxby2001")
    if not (folder / "openfmri").is_dir():
        pytest.skip("the OpenfMRI layout of haxby2001 is not there")
    one = load_haxby2001().study["sub001"]
    two = load_haxby2001(layout="openfmri").study["sub001"]
    np.testing.assert_array_equal(one.data, two.data)
    assert one.stimulus_ids == two.stimulus_ids
    assert (two.samples["run"] == one.samples["run"] + 1).all()


def test_the_real_labels_follow_the_response_so_that_no_delay_is_added(real_data):
    folder = real_data("haxby2001")
    nib = pytest.importorskip("nibabel")
    mask = np.asarray(nib.load(folder / "mask.nii.gz").dataobj) > 0
    series = np.asarray(nib.load(folder / "bold.nii.gz").dataobj)[mask].T.astype(float)
    lines = [line.split() for line in (folder / "attributes_literal.txt").read_text().splitlines()]
    labels, runs = np.array([line[0] for line in lines]), np.array([line[1] for line in lines])
    for run in np.unique(runs):
        series[runs == run] = detrend(series[runs == run], axis=0)
    onsets = [k for k in range(1, len(labels)) if labels[k] != "rest" and labels[k - 1] == "rest"]
    onsets = [k for k in onsets if 5 <= k < len(labels) - 15 and runs[k - 5] == runs[k + 13]]
    course = np.stack([series[[k + lag for k in onsets]].mean(axis=0) for lag in range(-4, 13)])
    main = np.linalg.svd(course - course.mean(axis=0))[0][:, 0]
    main *= np.sign(main[6])
    # Lag 0 is index 4: below the mean before a block's first label, above from it on, below after its last.
    assert (main[:4] < 0).all()
    assert (main[4:13] > 0).all()
    assert (main[14:] < 0).all()
