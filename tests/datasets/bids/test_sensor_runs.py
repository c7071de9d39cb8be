"""load_bids on MEG, EEG and iEEG written by mne-bids: what BIDS says of channels, positions and events "
"counts."""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.bids.bids import load_bids

mne_bids = pytest.importorskip("mne_bids")
mne = pytest.importorskip("mne")

RATE = 100.0
N_SECONDS = 24
ONSETS = tuple(2.0 + 2 * k for k in range(10))
NAMES = {
    "eeg": ["Fz", "Cz", "Pz", "Oz", "C3", "C4"],
    "meg": ["MEG 0111", "MEG 0121", "MEG 0131", "MEG 0141"],
    "ieeg": ["LA1", "LA2", "LA3", "RB1", "RB2"],
}
KIND = {"eeg": "eeg", "meg": "mag", "ieeg": "seeg"}
SCALE = {"eeg": 1e-5, "meg": 1e-12, "ieeg": 1e-4}
RUNS = [(sub, ses, run) for sub in ("01", "02") for ses in ("a", "b") for run in (1, 2)]
# Enough for what does not hang on their number.
SOME = [("01", "a", 1), ("01", "b", 2), ("02", "a", 1), ("02", "a", 2)]
WINDOW = {"tmin_s": -0.2, "tmax_s": 0.5}


def order_of(seed):
    return np.random.default_rng(seed).permutation(np.repeat(["cat", "dog"], 5))


def raw_of(datatype, sub, seed, *, rate=RATE, names=None):
    """Noise, and from 0.1 to 0.3 s after a dog a bump on the first channel, whose height is the subject's."""
    names = NAMES[datatype] if names is None else names
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((len(names), int(N_SECONDS * rate))) * 0.1
    for onset, name in zip(ONSETS, order_of(seed), strict=True):
        if name == "dog":
            data[0, int((onset + 0.1) * rate) : int((onset + 0.3) * rate)] += 1.0 + int(sub)
    info = mne.create_info(names, rate, KIND[datatype])
    info["line_freq"] = 50.0
    raw = mne.io.RawArray(data * SCALE[datatype], info, verbose="error")
    if datatype == "meg":
        for number, channel in enumerate(raw.info["chs"]):
            channel["loc"][:3] = [0.05 * np.cos(number), 0.05 * np.sin(number), 0.1]
            channel["loc"][3:] = np.eye(3).ravel()
        raw.info["dev_head_t"] = mne.transforms.Transform("meg", "head", np.eye(4))
    return raw


def montage_of(datatype):
    if datatype == "eeg":
        return mne.channels.make_standard_montage(
            "colin27_1020" if mne.__version__ >= "1.13" else "standard_1020"
        )
    places = {name: np.array([0.02 * k, 0.01, 0.03]) for k, name in enumerate(NAMES["ieeg"], start=1)}
    return mne.channels.make_dig_montage(places, coord_frame="mni_tal")


def write_runs(root, datatype, file_format, *, runs=RUNS, rates=None, names=None):
    # What mne-bids warns of while it writes is of no concern here; what is read must be quiet.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _write_runs(root, datatype, file_format, runs, rates or {}, names or {})


def _write_runs(root, datatype, file_format, runs, rates, names):
    for number, (sub, ses, run) in enumerate(runs, start=1):
        rate = rates.get((sub, ses, run), RATE)
        raw = raw_of(datatype, sub, number, rate=rate, names=names.get((sub, ses, run)))
        if datatype != "meg":
            raw.set_montage(montage_of(datatype), on_missing="ignore", verbose="error")
        path = mne_bids.BIDSPath(subject=sub, session=ses, task="see", run=run, datatype=datatype, root=root)
        options = {"format": file_format, "allow_preload": True}
        if datatype == "meg":
            place = Path(root).parent / "written_raw.fif"
            raw.save(place, overwrite=True, verbose="error")
            raw, options = mne.io.read_raw_fif(place, verbose="error"), {}
        mne_bids.write_raw_bids(raw, path, overwrite=True, verbose="error", **options)
        rows = ["onset\tduration\ttrial_type\tanswer"]
        for onset, name in zip(ONSETS, order_of(number), strict=True):
            rows.append(f"{onset}\tn/a\t{name}\tn/a")
            rows.append(f"{onset + 0.7}\tn/a\tpress\tleft")
        events = path.copy().update(suffix="events", extension=".tsv").fpath
        events.write_text("\n".join(rows) + "\n")
    return Path(root)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a function that writes a data set once and hands out copies."""
    kept = {}

    def write(folder, datatype, file_format, runs=SOME):
        key = (datatype, file_format, len(runs))
        if key not in kept:
            place = tmp_path_factory.mktemp("written") / "ds"
            kept[key] = write_runs(place, datatype, file_format, runs=runs)
        return shutil.copytree(kept[key], folder / "ds")

    return write


STIMULI_ONLY = {"trial_types": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("datatype", "file_format", "unit"),
    [("eeg", "BrainVision", "V"), ("eeg", "EDF", "V"), ("meg", "FIF", "T"), ("ieeg", "BrainVision", "V")],
)
def test_sessions_and_runs_are_joined_and_the_planted_response_is_found(
    written, tmp_path, datatype, file_format, unit
):
    folder = written(tmp_path, datatype, file_format, RUNS)
    dataset = load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)
    assert dataset.subjects == ["sub-01", "sub-02"]
    for sub in ("01", "02"):
        recording = dataset.study[f"sub-{sub}"]
        assert (recording.modality, recording.unit, recording.n_samples) == (datatype, unit, 40)
        assert sorted(recording.channels["name"]) == sorted(NAMES[datatype])
        found = recording.samples[["session", "task", "run", "run_in_session"]].drop_duplicates()
        assert found.to_numpy().tolist() == [
            ["a", "see", 1, 1], ["a", "see", 2, 2], ["b", "see", 3, 1], ["b", "see", 4, 2]
        ]  # fmt: skip
        means = recording.average_repetitions().align(["cat", "dog"])
        first = recording.channels["name"].to_list().index(NAMES[datatype][0])
        bump = means.data[1] - means.data[0]
        inside = (means.times_s > 0.12) & (means.times_s < 0.28)
        height = (1.0 + int(sub)) * SCALE[datatype]
        np.testing.assert_allclose(bump[first, inside].mean(), height, rtol=0.1)
        others = np.delete(bump[:, inside].mean(axis=1), first)
        assert np.abs(others).max() < 0.1 * height
        assert np.abs(bump[first, means.times_s < 0.05].mean()) < 0.1 * height
        places = recording.channels[["x_mm", "y_mm", "z_mm"]].to_numpy()
        assert np.isfinite(places).all()
        assert np.abs(places).max() < 200
    assert recording.samples["repetition"].max() == 20


def test_channels_that_bids_marks_bad_in_one_run_are_left_out_of_all(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    path = next(folder.rglob("sub-01_ses-b_task-see_run-2_channels.tsv"))
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    table.loc[table["name"] == "Oz", "status"] = "bad"
    table.to_csv(path, sep="\t", index=False)
    dataset = load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY)
    assert "Oz" not in dataset.study["sub-01"].channels["name"].to_list()
    assert "sub-01: 1 channels that are bad in some run were left out of all: Oz." in dataset.notes
    both = load_bids(folder=folder, interpolate=True, **WINDOW, **STIMULI_ONLY)
    assert "Oz" in both.study["sub-01"].channels["name"].to_list()
    assert any("1 bad channels were interpolated: Oz" in note for note in both.notes)


def test_types_and_units_are_those_of_the_channels_table(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    for path in folder.rglob("*_channels.tsv"):
        path.write_text(path.read_text().replace("Fz\tEEG", "Fz\tEOG"))
    names = load_bids(folder=folder, **WINDOW, **STIMULI_ONLY).study["sub-01"].channels["name"].to_list()
    assert "Fz" not in names
    assert len(names) == 5


def test_cleaning_is_done_before_the_cut(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    options = {"folder": folder, "subjects": ["01"], "sessions": ["a"], **WINDOW, **STIMULI_ONLY}
    recording = load_bids(
        **options, resample_hz=50.0, reference="average", low_pass_hz=20.0, baseline_s=(-0.2, 0.0)
    ).study["sub-01"]
    np.testing.assert_allclose(np.diff(recording.times_s), 1 / 50.0)
    np.testing.assert_allclose(recording.data.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(recording.data[:, :, recording.times_s <= 0].mean(axis=2), 0, atol=1e-9)
    with pytest.raises(
        InputError, match="none of the 10 events of sub-01_ses-a_task-see_run-1 gave an epoch"
    ):
        load_bids(**options, reject_eeg_v=1e-9)
    with pytest.raises(InputError, match="`delay_s` is not for the datatype 'eeg'; leave it out"):
        load_bids(**options, delay_s=5.0)


def test_without_epochs_every_time_point_is_a_sample(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    dataset = load_bids(folder=folder, subjects=["02"], epochs=False, resample_hz=20.0)
    recording = dataset.study["sub-02"]
    assert recording.data.shape == (2 * N_SECONDS * 20, 6)
    assert recording.times_s is None
    assert recording.samples["run"].unique().tolist() == [1, 2]
    assert recording.samples["onset_s"].iloc[21] == pytest.approx(1.05)


def test_events_outside_the_recording_and_missing_ones_are_named(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    path = next(folder.rglob("sub-02_ses-a_task-see_run-2_events.tsv"))
    path.write_text(path.read_text() + "99.0\tn/a\tcat\tn/a\n")
    with pytest.raises(InputError, match="1 of 11 events lie outside sub-02_ses-a_task-see_run-2 of 24 s"):
        load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)
    path.unlink()
    with pytest.raises(MissingDataError, match="1 of 4 runs have no events.tsv: sub-02_ses-a_task-see_run-2"):
        load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)
    dataset = load_bids(folder=folder, missing_events="skip", **WINDOW, **STIMULI_ONLY)
    assert dataset.study["sub-02"].n_samples == 10


def test_runs_whose_recording_is_gone_are_named(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    path = next(folder.rglob("sub-02_ses-a_task-see_run-2_events.tsv"))
    header = path.with_name(path.name.replace("_events.tsv", "_eeg.vhdr"))
    header.rename(header.with_name(header.name.replace("_eeg", "_EEG")))
    with pytest.raises(MissingDataError, match="1 events.tsv have no series of the same run: .*_EEG.vhdr"):
        load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)


def test_mixed_sampling_rates_are_refused_unless_brought_to_one(tmp_path):
    runs = RUNS[:2]
    folder = write_runs(tmp_path / "ds", "eeg", "BrainVision", runs=runs, rates={runs[1]: 200.0})
    with pytest.raises(
        InputError, match="different sampling rates: .*run-1 100 Hz, .*run-2 200 Hz. Set `resample_hz`"
    ):
        load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)
    recording = load_bids(folder=folder, resample_hz=100.0, **WINDOW, **STIMULI_ONLY).study["sub-01"]
    assert recording.n_samples == 20


def test_runs_with_other_channels_are_refused_and_another_order_is_fine(tmp_path):
    runs = RUNS[:2]
    names = {runs[1]: ["Cz", "Fz", "Pz", "Oz", "C3", "F4"]}
    folder = write_runs(tmp_path / "ds", "eeg", "BrainVision", runs=runs, names=names)
    with pytest.raises(
        InputError, match=r"run-2 has other channels than .*run-1: 2 are in one of them only \(C4, F4\)"
    ):
        load_bids(folder=folder, montage="none", **WINDOW, **STIMULI_ONLY)
    shutil.rmtree(folder)
    names = {runs[1]: ["Fz", "Oz", "Pz", "Cz", "C3", "C4"]}
    folder = write_runs(tmp_path / "ds", "eeg", "BrainVision", runs=runs, names=names)
    recording = load_bids(folder=folder, **WINDOW, **STIMULI_ONLY).study["sub-01"]
    other = load_bids(folder=folder, runs=[2], **WINDOW, **STIMULI_ONLY).study["sub-01"]
    place = [other.channels["name"].to_list().index(name) for name in recording.channels["name"]]
    np.testing.assert_array_equal(recording.data[10:], other.data[:, place])


def test_a_copied_recording_and_a_wrong_sampling_rate_are_refused(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    one, two = sorted((folder / "sub-02" / "ses-a").rglob("*_eeg.eeg"))
    shutil.copy(one, two)
    with pytest.raises(InputError, match="hold the same data, byte for byte"):
        load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)
    sidecar = next((folder / "sub-01").rglob("*run-1_eeg.json"))
    sidecar.write_text(
        sidecar.read_text().replace('"SamplingFrequency": 100.0', '"SamplingFrequency": 250.0')
    )
    with pytest.raises(InputError, match="has 100 samples per second but 250 in its sidecar"):
        load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY)


def test_channels_tables_that_name_other_channels_are_refused(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    for path in folder.rglob("*_channels.tsv"):
        path.write_text(path.read_text().replace("C3", "C33"))
    with pytest.raises(InputError, match="cannot be read as eeg of BIDS.*channels.tsv"):
        load_bids(folder=folder, **WINDOW, **STIMULI_ONLY)


def test_named_channels_may_be_all_that_runs_share(tmp_path):
    runs = RUNS[:2]
    names = {runs[1]: ["Fz", "Cz", "Pz", "Oz", "C3", "F4"]}
    folder = write_runs(tmp_path / "ds", "eeg", "BrainVision", runs=runs, names=names)
    options = {"folder": folder, "montage": "none", **WINDOW, **STIMULI_ONLY}
    recording = load_bids(picks=["Fz", "Cz"], **options).study["sub-01"]
    assert recording.channels["name"].to_list() == ["Fz", "Cz"]
    with pytest.raises(InputError, match="has other channels than"):
        load_bids(**options)


def test_runs_without_a_good_channel_in_common_are_refused(written, tmp_path):
    folder = written(tmp_path, "eeg", "BrainVision")
    for path, bad in zip(
        sorted(folder.glob("sub-02/**/*_channels.tsv")), (NAMES["eeg"][:3], NAMES["eeg"][3:]), strict=True
    ):
        table = pd.read_csv(path, sep="\t", keep_default_na=False)
        table["status"] = ["bad" if name in bad else "good" for name in table["name"]]
        table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="no channel of sub-02 is good in every run; see the channels.tsv"):
        load_bids(folder=folder, subjects=["02"], **WINDOW, **STIMULI_ONLY)


def test_missing_tables_and_other_frames_are_noted(written, tmp_path):
    folder = written(tmp_path / "eeg", "eeg", "BrainVision")
    next(folder.glob("sub-01/ses-a/**/*_channels.tsv")).unlink()
    notes = load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY).notes
    assert any("sub-01_ses-a_task-see_run-1 has no channels.tsv: types and bad" in note for note in notes)
    folder = written(tmp_path / "ieeg", "ieeg", "BrainVision", RUNS)
    dataset = load_bids(folder=folder, subjects=["01"], runs=[1], sessions=["a"], **WINDOW, **STIMULI_ONLY)
    note = "sub-01: sub-01_ses-a_task-see_run-1: positions are mni_tal coordinates, not those of the head."
    assert note in dataset.notes
    places = dataset.study["sub-01"].channels[["x_mm", "y_mm", "z_mm"]].to_numpy()
    np.testing.assert_allclose(places, [[20 * k, 10, 30] for k in range(1, 6)], atol=1e-3)


def test_a_head_that_moved_between_runs_is_noted(tmp_path):
    runs = RUNS[:2]
    folder = write_runs(tmp_path / "ds", "meg", "FIF", runs=runs)
    path = next(folder.rglob("*run-2_meg.fif"))
    raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
    raw.info["dev_head_t"]["trans"][2, 3] = 0.03
    raw.save(path, overwrite=True, verbose="error")
    notes = load_bids(folder=folder, **WINDOW, **STIMULI_ONLY).notes
    assert any("Sensors lie up to 30 mm apart between runs, relative to the head" in note for note in notes)


def test_calibration_files_and_empty_rooms_are_no_runs(written, tmp_path):
    folder = written(tmp_path, "meg", "FIF")
    place = folder / "sub-01" / "ses-a" / "meg"
    source = next(place.glob("*_meg.fif"))
    shutil.copy(source, place / "sub-01_ses-a_acq-crosstalk_meg.fif")
    (folder / "sub-emptyroom" / "ses-2020" / "meg").mkdir(parents=True)
    shutil.copy(source, folder / "sub-emptyroom/ses-2020/meg/sub-emptyroom_ses-2020_task-noise_meg.fif")
    assert load_bids(folder=folder, **WINDOW, **STIMULI_ONLY).subjects == ["sub-01", "sub-02"]


def test_without_mne_bids_the_error_says_how_to_get_it(tmp_path, plant, monkeypatch):
    plant(
        tmp_path,
        {
            "dataset_description.json": {"Name": "x", "BIDSVersion": "1.9.0"},
            "sub-01/eeg/sub-01_task-see_eeg.set": "x" * 500,
            "sub-01/eeg/sub-01_task-see_events.tsv": "onset\tduration\ttrial_type\n1\t0\tcat\n",
        },
    )
    monkeypatch.setitem(sys.modules, "mne_bids", None)
    with pytest.raises(MissingDataError, match=r'needs mne-bids; pip install "alignkit\[bids\]"'):
        load_bids(folder=tmp_path)


def test_a_real_recording_shows_its_p3_after_a_way_through_bids(real_data, tmp_path):
    source = real_data("eeg_oddball_eeglab") / "eeglab_data.set"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_eeglab(source, verbose="error")
        raw.info["line_freq"] = 60.0
        path = mne_bids.BIDSPath(subject="01", task="attend", datatype="eeg", root=tmp_path / "ds")
        mne_bids.write_raw_bids(raw, path, overwrite=True, verbose="error")
    dataset = load_bids(
        folder=tmp_path / "ds",
        trial_types=["square"],
        high_pass_hz=0.5,
        low_pass_hz=30.0,
        tmin_s=-0.2,
        tmax_s=0.8,
        baseline_s=(-0.2, 0.0),
    )
    recording = dataset.study["sub-01"]
    assert recording.n_samples == 80
    mean = recording.data.mean(axis=0)[recording.channels["name"].to_list().index("Pz")]
    late = recording.times_s > 0.25
    assert mean[late].max() * 1e6 == pytest.approx(29.9, abs=2.0)
    assert recording.times_s[late][mean[late].argmax()] == pytest.approx(0.43, abs=0.02)


def test_units_of_the_channels_table_that_contradict_the_file_are_noted(written, tmp_path):
    folder = written(tmp_path, "eeg", "EDF")
    path = next(folder.rglob("sub-01_ses-a_task-see_run-1_channels.tsv"))
    before = load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY)
    assert not any("another unit" in note for note in before.notes)
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    table.loc[table["name"] == "Oz", "units"] = "mV"
    table.to_csv(path, sep="\t", index=False)
    after = load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY)
    wanted = (
        "channels.tsv gives 1 channels another unit than the recording's file, which counts: Oz mV, in the"
    )
    assert any(wanted in note for note in after.notes)
    np.testing.assert_array_equal(after.study["sub-01"].data, before.study["sub-01"].data)


def test_a_status_that_bids_does_not_know_is_refused(written, tmp_path):
    folder = written(tmp_path, "eeg", "EDF")
    path = next(folder.rglob("sub-01_ses-a_task-see_run-1_channels.tsv"))
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    table.loc[table["name"] == "Oz", "status"] = "awful"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=r"1 channels a status that is none of good, bad .*Oz 'awful'"):
        load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY)


def test_volts_are_told_from_microvolts_in_bids(written, tmp_path):
    folder = written(tmp_path, "eeg", "EDF")
    for path in folder.rglob("sub-01*_eeg.edf"):
        content = bytearray(path.read_bytes())
        n_signals = int(content[252:256])
        start = 256 + 96 * n_signals
        content[start : start + 8 * n_signals] = content[start : start + 8 * n_signals].replace(b"uV", b"V ")
        path.write_bytes(content)
    with pytest.raises(InputError, match="values like microvolts stored as V"):
        load_bids(folder=folder, subjects=["01"], **WINDOW, **STIMULI_ONLY)


def test_an_eeglab_file_of_bids_whose_data_lie_elsewhere_is_refused(tmp_path, real_data):
    scipy_io = pytest.importorskip("scipy.io")
    source = real_data("eeg_oddball_eeglab")
    shutil.copy(source / "eeglab_data.fdt", tmp_path / "secret.fdt")
    eeg = scipy_io.loadmat(source / "eeglab_data.set", struct_as_record=False, squeeze_me=True)["EEG"]
    fields = {name: getattr(eeg, name) for name in eeg._fieldnames}
    fields.update(data="../../../secret.fdt", datfile="../../../secret.fdt")
    path = tmp_path / "ds" / "sub-01" / "eeg" / "sub-01_task-see_eeg.set"
    path.parent.mkdir(parents=True)
    scipy_io.savemat(path, {"EEG": fields}, appendmat=False)
    (tmp_path / "ds" / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    events = path.with_name("sub-01_task-see_events.tsv")
    events.write_text("onset\tduration\ttrial_type\n1.0\tn/a\tcat\n3.0\tn/a\tdog\n")
    with pytest.raises(InputError, match=r"as its EEG\.data, which lies outside its folder"):
        load_bids(folder=tmp_path / "ds", montage="none", **WINDOW)
