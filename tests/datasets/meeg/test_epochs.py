from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.meeg.epochs import recording_of_epochs, recording_of_raw
from alignkit.preprocessing.meeg.epoching import epochs_of_raw

mne = pytest.importorskip("mne")


@pytest.fixture
def epochs(make_raw, word_events):
    return epochs_of_raw(make_raw(), word_events, tmin_s=-0.1, tmax_s=0.4)


def test_epochs_become_samples_with_their_events(epochs):
    recording = recording_of_epochs(epochs, subject="s1")
    np.testing.assert_allclose(recording.data, epochs.get_data(), rtol=1e-6)
    assert recording.stimulus_ids == ["cat", "dog", "cat", "owl"]
    assert recording.samples["animacy"].to_list() == list("aabb")
    assert recording.samples["onset_s"].to_list() == [1.0, 5.0, 12.0, 15.5]
    assert (recording.subject, recording.modality, recording.unit) == ("s1", "eeg", "V")


def test_epochs_stay_as_they_were(epochs):
    before, names = epochs.get_data().copy(), list(epochs.ch_names)
    recording = recording_of_epochs(epochs, subject="s1", picks=["Pz", "Fz"], montage="easycap-M1")
    np.testing.assert_array_equal(epochs.get_data(), before)
    assert epochs.ch_names == names
    assert list(recording.channels["name"]) == ["Pz", "Fz"]
    np.testing.assert_allclose(recording.data, before[:, [2, 0]], rtol=1e-6)


def test_epochs_that_are_still_on_disk_are_read(make_raw):
    events = np.array([[100, 0, 1], [500, 0, 1]])
    lazy = mne.Epochs(
        make_raw(), events, {"cat": 1}, -0.1, 0.2, baseline=None, preload=False, verbose="error"
    )
    assert recording_of_epochs(lazy, subject="s1").stimulus_ids == ["cat", "cat"]
    assert not lazy.preload


def test_dropped_epochs_bad_channels_and_projectors_are_told(make_raw, word_events):
    raw = make_raw()
    raw._data[3, 510] = 1.0
    raw.info["bads"] = ["Cz"]
    raw.set_eeg_reference(projection=True, verbose="error")
    epochs = epochs_of_raw(raw, word_events, tmin_s=-0.1, tmax_s=0.4, reject={"eeg": 1e-3})
    notes = recording_of_epochs(epochs, subject="s1", notes=["before"]).notes
    assert notes == (
        "before",
        # The average reference brings the jump to every channel.
        "s1: epochs were dropped: 1 by amplitude (Fz in 1, Pz in 1, Oz in 1).",
        "s1: 1 channels marked bad were left out: Cz.",
        "s1: 1 signal-space projectors were applied: Average EEG reference.",
    )


def test_nan_is_refused_with_its_channels(epochs):
    epochs._data[1, 2, 5:8] = np.nan
    with pytest.raises(InputError, match=r"3 values of a file are NaN .* in 1 of 4 channels \(Pz\)"):
        recording_of_epochs(epochs, subject="s1", where="a file")


def test_no_epoch_left_tells_why(epochs):
    epochs.drop_bad({"eeg": 1e-9}, verbose="error")
    with pytest.raises(InputError, match="a file holds no epoch; all were dropped: 4 by amplitude"):
        recording_of_epochs(epochs, subject="s1", where="a file")


def test_sensors_without_positions_are_refused_or_done_without(make_raw, word_events):
    epochs = epochs_of_raw(make_raw(positions=False), word_events, tmin_s=-0.1, tmax_s=0.4)
    with pytest.raises(InputError, match="4 of 4 sensors of the epochs have no position"):
        recording_of_epochs(epochs, subject="s1")
    assert recording_of_epochs(epochs, subject="s1", montage="none").geometry is None


def test_time_points_become_samples_of_a_continuous_recording(make_raw):
    raw = make_raw()
    recording = recording_of_raw(raw, subject="s1", run=2)
    np.testing.assert_allclose(recording.data, raw.get_data().T, rtol=1e-6)
    assert recording.times_s is None
    assert recording.stimulus_ids[:2] == ["run-2_t0", "run-2_t1"]
    np.testing.assert_allclose(recording.samples["onset_s"], np.arange(2000) / 100)
    assert set(recording.samples["run"]) == {2}
    raw._data[0, 7] = np.inf
    with pytest.raises(InputError, match=r"1 values of a file are NaN or infinite, .*\(Fz\)"):
        recording_of_raw(raw, subject="s1", where="a file")
