from __future__ import annotations

import shutil

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError, UnknownNameError
from alignkit.datasets.public.oddball_eeglab import load_oddball_eeglab

pytest.importorskip("mne")


def test_the_p3_is_the_published_one(real_data):
    real_data("eeg_oddball_eeglab")
    dataset = load_oddball_eeglab(verify=True, eyes=True)
    recording = dataset.study["S01"]
    assert recording.data.shape == (80, 32, 129)
    pz = 1e6 * recording.data[:, recording.channels["name"].to_list().index("Pz")].mean(axis=0)
    assert pz.max() == pytest.approx(29.9, abs=0.1)
    assert recording.times_s[pz.argmax()] == pytest.approx(0.430, abs=0.005)
    even, odd = recording.data[::2].mean(axis=0), recording.data[1::2].mean(axis=0)
    assert np.corrcoef(even.ravel(), odd.ravel())[0, 1] == pytest.approx(0.833, abs=0.002)
    assert recording.channels[["x_mm", "y_mm", "z_mm"]].notna().all(axis=None)
    assert recording.unit == "V"


def test_squares_at_two_places_are_two_stimuli_and_eyes_are_left_out(real_data):
    real_data("eeg_oddball_eeglab")
    dataset = load_oddball_eeglab()
    recording = dataset.study["S01"]
    assert recording.samples["stimulus_id"].value_counts().to_dict() == {"square-1": 40, "square-2": 40}
    assert dataset.conditions == "stimulus_id"
    assert not {"EOG1", "EOG2"} & set(recording.channels["name"])
    presses = load_oddball_eeglab(events="rt").study["S01"]
    assert (presses.n_samples, set(presses.stimulus_ids)) == (74, {"rt"})


def test_what_is_missing_or_unknown_is_refused(real_data, tmp_path):
    folder = real_data("eeg_oddball_eeglab")
    shutil.copy(folder / "eeglab_data.set", tmp_path)
    with pytest.raises(MissingDataError, match=r"is not whole: eeglab_data\.fdt is missing"):
        load_oddball_eeglab(path=tmp_path)
    with pytest.raises(UnknownNameError, match="`events` is 'squares', did you mean 'square'"):
        load_oddball_eeglab(events="squares")


def test_a_file_with_other_events_is_refused(real_data, tmp_path):
    mne = pytest.importorskip("mne")
    raw = mne.io.RawArray(np.zeros((2, 1000)), mne.create_info(["Fz", "Cz"], 100.0, "eeg"), verbose="error")
    raw.set_montage("biosemi64").set_annotations(mne.Annotations([1.0, 2.0], [0.0, 0.0], ["a", "b"]))
    mne.export.export_raw(tmp_path / "eeglab_data.set", raw, verbose="error")
    (tmp_path / "eeglab_data.fdt").touch()
    with pytest.raises(
        InputError, match="(holds the events a, b; get the file again|cannot be read as an EEGLAB)"
    ):
        load_oddball_eeglab(path=tmp_path)
