from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS
from alignkit.datasets.meeg.fif import load_fif, read_fif
from alignkit.datasets.meeg.subject_files import find_subject_files, find_subject_runs
from alignkit.recordings import Recording

mne = pytest.importorskip("mne")
# MNE handles metadata with a call that newer versions of pandas deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")

IDS = ["face1", "face2", "house1", "face1", "house1", "face2"]


def make(kind="eeg", *, metadata=True, positions=True, n_epochs=6, seed=0):
    montage = mne.channels.make_standard_montage("biosemi16")
    info = mne.create_info(montage.ch_names, 100.0, kind)
    if positions and kind == "eeg":
        info.set_montage(montage)
    scale = 1e-5 if kind == "eeg" else 1e-13
    data = scale * np.random.default_rng(seed).standard_normal((6, 16, 41))
    table = pd.DataFrame({"stimulus_id": IDS, "category": [i[:-1] for i in IDS], "rt": np.arange(6) / 10})
    codes = np.array([1 if i.startswith("face") else 2 for i in IDS])
    events = np.c_[np.arange(6) * 100, np.zeros(6, int), codes]
    epochs = mne.EpochsArray(
        data,
        info,
        events,
        -0.1,
        {"face": 1, "house": 2},
        metadata=table if metadata else None,
        verbose="error",
    )
    return epochs[:n_epochs]


def save(epochs, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    epochs.save(path, overwrite=True, verbose="error")
    return path


@pytest.fixture
def path(tmp_path):
    return save(make(), tmp_path / "sub-01" / "eeg" / "sub-01_task-x_epo.fif")


def test_data_times_and_units_come_back_as_they_were_saved(path):
    recording = read_fif(path, subject="sub-01")
    np.testing.assert_allclose(recording.data, make().get_data(), rtol=1e-5)
    np.testing.assert_allclose(recording.times_s, np.arange(-10, 31) / 100)
    assert (recording.modality, recording.unit) == ("eeg", "V")
    assert set(recording.channels["kind"]) == {"eeg"}
    assert set(recording.channels["unit"]) == {"V"}
    assert recording.stimulus_ids == IDS


def test_metadata_become_sample_columns_and_repetitions_are_counted(path):
    samples = read_fif(path, subject="sub-01").samples
    assert samples["event"].to_list() == ["face", "face", "house", "face", "house", "face"]
    assert samples["repetition"].to_list() == [1, 1, 1, 2, 2, 2]
    np.testing.assert_allclose(samples["rt"], np.arange(6) / 10)


def test_positions_are_millimetres_in_head_coordinates(path):
    channels = read_fif(path, subject="sub-01").channels.set_index("name")
    assert channels.loc["Fp1" if "Fp1" in channels.index else "AF3", "y_mm"] > 50
    assert channels.loc["Oz" if "Oz" in channels.index else "O1", "y_mm"] < -50
    assert channels.loc["Cz", "z_mm"] > 80


def test_magnetometers_are_moved_from_the_device_to_the_head(tmp_path):
    epochs = make("mag")
    for number, channel in enumerate(epochs.info["chs"]):
        channel["loc"][:] = [0.01 * number, 0.02, 0.1, *np.eye(3).ravel()]
    shift = np.eye(4)
    shift[:3, 3] = [0.0, 0.0, 0.04]
    with epochs.info._unlock():
        epochs.info["dev_head_t"] = mne.transforms.Transform("meg", "head", shift)
    recording = read_fif(save(epochs, tmp_path / "sub-01_epo.fif"), subject="sub-01")
    np.testing.assert_allclose(recording.channels["z_mm"], 140, rtol=1e-5)
    np.testing.assert_allclose(recording.channels["x_mm"], 10 * np.arange(16), atol=1e-4)
    assert (recording.modality, recording.unit) == ("meg", "T")


def test_without_the_column_the_names_of_events_are_the_stimuli(tmp_path):
    recording = read_fif(save(make(metadata=False), tmp_path / "a_epo.fif"), subject="a")
    assert recording.stimulus_ids == ["face", "face", "house", "face", "house", "face"]


def test_another_column_can_name_the_stimuli(path):
    assert read_fif(path, subject="a", stimulus_column="category").stimulus_ids[2] == "house"


def test_times_are_cut_and_resampled(path):
    cut = read_fif(path, subject="a", tmin_s=0.0, tmax_s=0.2)
    np.testing.assert_allclose(cut.times_s, np.arange(21) / 100, atol=1e-9)
    whole = read_fif(path, subject="a")
    np.testing.assert_array_equal(cut.data, whole.data[:, :, 10:31])
    slow = read_fif(path, subject="a", resample_hz=50.0)
    np.testing.assert_allclose(np.diff(slow.times_s), 0.02)


def test_channels_are_picked_by_name_or_type_and_bad_ones_left_out_with_a_note(tmp_path):
    epochs = make()
    epochs.info["bads"] = ["Cz"]
    path = save(epochs, tmp_path / "a_epo.fif")
    recording = read_fif(path, subject="a")
    assert "Cz" not in set(recording.channels["name"])
    assert recording.notes == ("a: 1 channels marked bad were left out: Cz.",)
    named = read_fif(path, subject="a", picks=["Cz", "O1"])
    assert set(named.channels["name"]) == {"Cz", "O1"}


def test_a_recording_survives_saving_with_its_sensors(path, tmp_path):
    recording = read_fif(path, subject="sub-01")
    recording.save(tmp_path / "saved")
    again = Recording.load(tmp_path / "saved")
    assert again.digest == recording.digest
    assert again.geometry.info["ch_names"] == recording.geometry.info["ch_names"]


def test_sensors_without_positions_are_refused_unless_told_what_to_do(tmp_path):
    path = save(make(positions=False), tmp_path / "a_epo.fif")
    with pytest.raises(InputError, match="16 of 16 sensors of .* have no position .*Set `montage`"):
        read_fif(path, subject="a")
    placed = read_fif(path, subject="a", montage="biosemi16")
    assert placed.channels["x_mm"].notna().all()
    bare = read_fif(path, subject="a", montage="none")
    assert bare.geometry is None
    assert bare.channels["x_mm"].isna().all()
    with pytest.raises(InputError, match="`montage` is 'biosemi61', did you mean"):
        read_fif(path, subject="a", montage="biosemi61")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_named_as_damaged(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"_epo\.fif cannot be read as MNE epochs .* damaged, cut short"):
        read_fif(path, subject="a")


def test_a_raw_recording_is_refused_as_no_epochs(tmp_path):
    raw = mne.io.RawArray(np.zeros((2, 100)), mne.create_info(2, 100.0, "eeg"), verbose="error")
    raw.save(tmp_path / "a_raw.fif", verbose="error")
    with pytest.raises(InputError, match="cannot be read as MNE epochs"):
        read_fif(tmp_path / "a_raw.fif", subject="a")


def test_a_file_without_epochs_is_refused(tmp_path):
    path = save(make(n_epochs=0), tmp_path / "a_epo.fif")
    with pytest.raises(InputError, match="holds no epoch"):
        read_fif(path, subject="a")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"no_epo\.fif does not exist"):
        read_fif(tmp_path / "no_epo.fif", subject="a")


def test_an_unknown_column_lists_close_matches(path):
    with pytest.raises(InputError, match="no column 'categry', did you mean 'category'"):
        read_fif(path, subject="a", stimulus_column="categry")


def test_an_epoch_without_a_stimulus_is_refused_with_its_number(tmp_path):
    epochs = make()
    epochs.metadata.loc[epochs.metadata.index[4], "stimulus_id"] = ""
    path = save(epochs, tmp_path / "a_epo.fif")
    with pytest.raises(InputError, match="epoch 4 of .* has no 'stimulus_id'"):
        read_fif(path, subject="a")


def test_picks_that_leave_nothing_say_what_there_is(path):
    with pytest.raises(InputError, match="`picks` 'mag' leaves no channel of .* channels of type eeg"):
        read_fif(path, subject="a", picks="mag")


@pytest.mark.parametrize(("tmin", "tmax"), [(-0.5, 0.1), (0.0, 0.9), (0.2, 0.1)])
def test_times_outside_the_epochs_are_refused_with_what_there_is(path, tmin, tmax):
    with pytest.raises(InputError, match=f"is {tmin:g} to {tmax:g} s, but .* holds -0.1 to 0.3 s"):
        read_fif(path, subject="a", tmin_s=tmin, tmax_s=tmax)


def test_a_sampling_frequency_must_be_positive(path):
    with pytest.raises(InputError, match="`resample_hz` must be above 0, got 0"):
        read_fif(path, subject="a", resample_hz=0.0)


def test_a_dataset_has_every_subject_its_images_and_labels(tmp_path, path):
    save(make(seed=1), tmp_path / "sub-02" / "eeg" / "sub-02_task-x_epo.fif")
    (tmp_path / "stimuli").mkdir()
    for name in ("face1", "face2", "house1", "unseen"):
        Image.new("RGB", (8, 8)).save(tmp_path / "stimuli" / f"{name}.png")
    dataset = DATASETS["fif"](folder=tmp_path)
    assert dataset.subjects == ["sub-01", "sub-02"]
    assert dataset.stimuli.stimulus_ids == ["face1", "face2", "house1"]
    assert dataset.labels.set_index("stimulus_id").loc["house1"].to_list() == ["house"]
    assert any("unseen" in note for note in dataset.notes)
    assert len(dataset.files) == 2
    assert load_fif(folder=tmp_path, subjects=["02"]).subjects == ["sub-02"]


def test_a_pattern_names_subjects_wherever_it_says_so(tmp_path):
    for name in ("subject04", "subject11"):
        save(make(), tmp_path / f"{name}-epo.fif")
    found = find_subject_files(tmp_path, "subject{subject}-epo.fif")
    assert {name: file.name for name, file in found.items()} == {
        "04": "subject04-epo.fif",
        "11": "subject11-epo.fif",
    }


def test_a_subject_named_twice_in_a_pattern_must_be_the_same(tmp_path):
    for folder, name in (("sub-01", "sub-01_a_epo.fif"), ("sub-02", "sub-01_b_epo.fif")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    found = find_subject_files(tmp_path, "sub-{subject}/sub-{subject}_*_epo.fif")
    assert list(found) == ["sub-01"]


def test_missing_and_doubled_subjects_are_named(tmp_path, path):
    with pytest.raises(MissingDataError, match="of 'sub-03', .*Known: sub-01"):
        load_fif(folder=tmp_path, subjects=["03"])
    with pytest.raises(MissingDataError, match=r"the folder .*nowhere does not exist"):
        load_fif(folder=tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match="holds no file"):
        load_fif(folder=tmp_path, pattern="{subject}.fif")
    save(make(), path.with_name("sub-01_task-y_epo.fif"))
    with pytest.raises(InputError, match="'sub-01' has 2 files .*narrow `pattern` to one"):
        load_fif(folder=tmp_path)


@pytest.mark.parametrize("pattern", ["../sub-{subject}_epo.fif", "/sub-{subject}_epo.fif"])
def test_a_pattern_out_of_the_folder_is_refused(tmp_path, pattern):
    with pytest.raises(InputError, match="`pattern` must stay inside the folder"):
        find_subject_files(tmp_path, pattern)


@pytest.mark.parametrize(
    ("pattern", "subjects"), [("*_epo.fif", None), ("*_epo.fif", ["1", "2"]), ([], ["1"])]
)
def test_files_without_a_subject_in_their_names_are_of_one_named_subject(tmp_path, pattern, subjects):
    with pytest.raises(InputError, match="must hold '{subject}', or `subjects` name the one subject"):
        find_subject_runs(tmp_path, pattern, subjects)
    for name in ("b.fif", "a.fif", "c[1].fif"):
        (tmp_path / name).touch()
    found = find_subject_runs(tmp_path, ["b.fif", "c[[]1].fif"], ["s01"])
    assert [path.name for path in found["s01"]] == ["b.fif", "c[1].fif"]
    assert [path.name for path in find_subject_runs(tmp_path, "?.fif", ["s01"])["s01"]] == ["a.fif", "b.fif"]


def test_unknown_conditions_are_refused(tmp_path, path):
    with pytest.raises(InputError, match="`conditions` is 'taste'"):
        load_fif(folder=tmp_path, conditions="taste")


def test_the_real_word_epochs_hold_the_n400(real_data):
    folder = real_data("eeg_n400_words")
    dataset = load_fif(folder=folder, pattern="subject{subject}-epo.fif", stimulus_column="association")
    recording = dataset.study["04"]
    assert recording.data.shape == (200, 32, 60)
    assert recording.samples["stimulus_id"].nunique() == 200
    assert (recording.modality, recording.unit) == ("eeg", "V")
    window = (recording.times_s >= 0.3) & (recording.times_s <= 0.5)
    pz = recording.data[:, recording.channels["name"].to_list().index("Pz")][:, window].mean(axis=1) * 1e6
    related = (recording.samples["event"] == "related").to_numpy()
    assert pz[related].mean() == pytest.approx(1.67, abs=0.02)
    assert pz[~related].mean() == pytest.approx(-1.92, abs=0.02)
    assert recording.channels[["x_mm", "y_mm", "z_mm"]].notna().all(axis=None)


def test_the_real_word_epochs_fall_back_to_the_names_of_events(real_data):
    recording = read_fif(real_data("eeg_n400_words") / "subject04-epo.fif", subject="04")
    assert set(recording.stimulus_ids) == {"related", "unrelated"}


def test_a_link_that_leaves_the_folder_is_refused_for_the_subjects_that_are_read(tmp_path):
    outside = save(make(), tmp_path / "else" / "a_epo.fif")
    folder = tmp_path / "data"
    save(make(), folder / "sub-01" / "sub-01_epo.fif")
    (folder / "sub-02").mkdir()
    (folder / "sub-02" / "sub-02_epo.fif").symlink_to(outside)
    assert load_fif(folder=folder, subjects=["01"]).subjects == ["sub-01"]
    with pytest.raises(InputError, match=r"sub-02_epo\.fif is a link that leaves .*; copy the file into it"):
        load_fif(folder=folder)


def test_a_rate_above_that_of_the_file_is_refused(path):
    with pytest.raises(InputError, match=r"`resample_hz` is 200, above the 100 Hz of .*_epo\.fif"):
        read_fif(path, subject="a", resample_hz=200.0)


def test_channels_that_are_all_bad_are_told(tmp_path):
    epochs = make()
    epochs.info["bads"] = list(epochs.ch_names)
    path = save(epochs, tmp_path / "a_epo.fif")
    with pytest.raises(InputError, match=r"all 16 channels that `picks` 'data' finds in .* are marked bad"):
        read_fif(path, subject="a")
    assert read_fif(path, subject="a", picks=epochs.ch_names[:2]).n_channels == 2


def test_subjects_of_different_rates_or_times_are_noted(tmp_path):
    save(make(), tmp_path / "sub-01" / "sub-01_epo.fif")
    save(make(seed=1), tmp_path / "sub-02" / "sub-02_epo.fif")
    assert not any("differ" in note for note in load_fif(folder=tmp_path).notes)
    save(make(seed=1).resample(50.0), tmp_path / "sub-02" / "sub-02_epo.fif")
    wanted = "sub-01 100 Hz from -0.1 to 0.3 s; sub-02 50 Hz from -0.1 to "
    assert any(
        "differ in sampling rate" in note and wanted in note for note in load_fif(folder=tmp_path).notes
    )
