from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS
from alignkit.datasets.meeg.meeg import load_meeg

pytest.importorskip("mne")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def folder(tmp_path, make_raw, save_raw, word_events):
    """Two subjects with two runs each, and their events, in the layout of BIDS."""
    for subject in ("01", "02"):
        for run in ("1", "2"):
            place = tmp_path / f"sub-{subject}" / "eeg"
            stem = f"sub-{subject}_task-words_run-{run}"
            raw = make_raw(annotated=False, seed=int(subject) * 10 + int(run))
            save_raw(raw, ".edf", stem=f"{stem}_eeg", folder=place)
            word_events.to_csv(place / f"{stem}_events.tsv", sep="\t", index=False)
    return tmp_path


OPTIONS = {
    "pattern": "sub-{subject}/eeg/*_eeg.edf",
    "events": "sub-{subject}/eeg/*_events.tsv",
    "montage": "biosemi64",
}


def test_a_dataset_has_every_subject_run_and_label(folder):
    dataset = DATASETS["meeg"](folder=folder, **OPTIONS)
    assert dataset.subjects == ["sub-01", "sub-02"]
    recording = dataset.study["sub-02"]
    assert recording.n_samples == 8
    assert recording.samples["run"].to_list() == [1] * 4 + [2] * 4
    assert len(dataset.files) == 8
    assert dataset.stimuli is None
    assert np.abs(recording.data.mean(axis=0))[2].argmax() == 40


def test_one_subject_is_read_without_the_others(folder):
    for path in (folder / "sub-02" / "eeg").glob("*.edf"):
        path.write_bytes(b"damaged")
    assert load_meeg(folder=folder, subjects=["01"], **OPTIONS).subjects == ["sub-01"]
    with pytest.raises(InputError, match="sub-02.*has no whole EDF header"):
        load_meeg(folder=folder, **OPTIONS)


def test_cleaning_is_written_flat(folder):
    dataset = load_meeg(
        folder=folder,
        subjects=["01"],
        high_pass_hz=0.5,
        low_pass_hz=40.0,
        notch_hz=[30.0],
        reference="average",
        resample_hz=80.0,
        baseline_s=(-0.2, 0.0),
        bad_channels=["Oz"],
        reject_eeg_v=1.0,
        tmax_s=0.4,
        **OPTIONS,
    )
    recording = dataset.study["sub-01"]
    assert recording.n_channels == 3
    assert np.diff(recording.times_s).mean() == pytest.approx(1 / 80)
    assert np.abs(recording.data.mean(axis=1)).max() < 1e-10
    with pytest.raises(InputError, match="none of the 4 events .* 4 by amplitude"):
        load_meeg(folder=folder, reject_eeg_v=1e-9, **OPTIONS)
    with pytest.raises(InputError, match="`reject` names channels of type 'grad'"):
        load_meeg(folder=folder, reject_grad_t_per_m=1e-9, **OPTIONS)


def test_images_are_matched_by_name(folder):
    (folder / "stimuli").mkdir()
    for name in ("cat", "dog", "owl"):
        Image.new("RGB", (8, 8)).save(folder / "stimuli" / f"{name}.png")
    dataset = load_meeg(folder=folder, **OPTIONS)
    assert dataset.stimuli.stimulus_ids == ["cat", "dog", "owl"]


def test_a_story_is_kept_whole(folder):
    dataset = load_meeg(
        folder=folder, pattern=OPTIONS["pattern"], montage="biosemi64", epochs=False, resample_hz=50.0
    )
    assert dataset.study["sub-01"].data.shape == (2000, 4)
    assert dataset.labels is None


def test_runs_without_their_events_and_missing_subjects_are_refused(folder):
    (folder / "sub-01" / "eeg" / "sub-01_task-words_run-2_events.tsv").unlink()
    with pytest.raises(InputError, match="'sub-01' has 2 runs but 1 tables of events; narrow"):
        load_meeg(folder=folder, **OPTIONS)
    with pytest.raises(MissingDataError, match="of 'sub-07'"):
        load_meeg(folder=folder, subjects=["07"], **OPTIONS)
    with pytest.raises(InputError, match="`conditions` is 'taste'"):
        load_meeg(folder=folder, subjects=["02"], conditions="taste", **OPTIONS)


@pytest.mark.parametrize("limit", [-1.0, 0.0, float("nan")])
def test_limits_of_rejection_that_are_not_above_zero_are_refused(folder, limit):
    with pytest.raises(InputError, match=r"`reject` of 'eeg' channels must be above 0, got (-1|0|nan)"):
        load_meeg(folder=folder, reject_eeg_v=limit, **OPTIONS)


def test_subjects_of_different_rates_are_noted(tmp_path, make_raw, save_raw):
    for sub, sfreq in (("01", 100.0), ("02", 200.0)):
        raw = make_raw(sfreq=sfreq)
        save_raw(raw, ".fif", stem=f"sub-{sub}", folder=tmp_path / f"sub-{sub}")
    for epochs in (True, False):
        notes = load_meeg(folder=tmp_path, epochs=epochs).notes
        assert any("sub-01 100 Hz" in note and "sub-02 200 Hz" in note for note in notes)
    notes = load_meeg(folder=tmp_path, epochs=False, resample_hz=100.0).notes
    assert not any("differ" in note for note in notes)
