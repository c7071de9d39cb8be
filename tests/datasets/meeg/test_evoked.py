from __future__ import annotations

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.meeg.evoked import read_evoked

mne = pytest.importorskip("mne")


@pytest.fixture
def path(tmp_path):
    info = mne.create_info(["Fz", "Cz", "Pz"], 100.0, "eeg").set_montage("biosemi64")
    evokeds = [
        mne.EvokedArray(1e-6 * np.full((3, 11), k), info, tmin=-0.05, comment=name, nave=10 * k)
        for k, name in enumerate(("cat", "dog"), start=1)
    ]
    mne.write_evokeds(tmp_path / "a-ave.fif", evokeds, verbose="error")
    return tmp_path / "a-ave.fif"


def test_conditions_are_samples_with_the_number_of_their_trials(path):
    recording = read_evoked(path, subject="s1")
    assert recording.stimulus_ids == ["cat", "dog"]
    assert recording.samples["n_repetitions"].to_list() == [10, 20]
    np.testing.assert_allclose(recording.data[1], 2e-6, rtol=1e-6)
    np.testing.assert_allclose(recording.times_s, np.arange(-5, 6) / 100, atol=1e-8)
    assert (recording.unit, recording.modality) == ("V", "eeg")


def test_conditions_are_chosen_in_order(path):
    assert read_evoked(path, subject="s1", conditions=["dog", "cat"]).stimulus_ids == ["dog", "cat"]
    with pytest.raises(InputError, match="has no condition 'dg', did you mean 'dog'"):
        read_evoked(path, subject="s1", conditions=["dg"])


def test_conditions_that_differ_in_times_or_share_a_name_are_refused(path, tmp_path):
    first, second = mne.read_evokeds(path, verbose="error")
    mne.write_evokeds(tmp_path / "b-ave.fif", [first, second.copy().crop(0.0, 0.04)], verbose="error")
    with pytest.raises(InputError, match="'cat' and 'dog' of .* differ in channels or times"):
        read_evoked(tmp_path / "b-ave.fif", subject="s1")
    second.comment = "cat"
    mne.write_evokeds(tmp_path / "c-ave.fif", [first, second], verbose="error")
    with pytest.raises(InputError, match="conditions of .* must be unique, .*'cat'"):
        read_evoked(tmp_path / "c-ave.fif", subject="s1")


def test_damaged_and_missing_files_are_refused(path, tmp_path):
    content = path.read_bytes()
    for share in (0.0, 0.3, 0.6, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(
            InputError, match=r"a-ave\.fif cannot be (read as MNE evoked|used: it is cut short)"
        ):
            read_evoked(path, subject="s1")
    with pytest.raises(MissingDataError, match=r"no-ave\.fif does not exist"):
        read_evoked(tmp_path / "no-ave.fif", subject="s1")


def test_the_real_evoked_responses_are_what_their_readme_says(real_data):
    path = real_data("meeg_formats") / "test-ave.fif.gz"
    recording = read_evoked(path, subject="sample")
    assert recording.stimulus_ids == ["Left Auditory", "Right Auditory", "Left visual", "Right visual"]
    kinds = recording.channels["kind"].value_counts()
    assert (kinds["grad"], kinds["mag"]) == (204, 102)
    assert recording.unit == "mixed"
    assert set(recording.channels["unit"]) == {"T/m", "T", "V"}
    assert recording.times_s[[0, -1]].round(1).tolist() == [-0.2, 0.5]
    assert 1 / np.diff(recording.times_s).mean() == pytest.approx(600.6, abs=0.1)
    assert recording.modality == "meg+eeg"
