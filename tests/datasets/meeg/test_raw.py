from __future__ import annotations

import logging
import shutil
from collections import Counter

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.meeg.raw import open_raw, open_raw_with_notes

mne = pytest.importorskip("mne")
# What the writers of the fixtures call.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Encountered small dimension"),
]
FORMATS = [".fif", ".edf", ".bdf", ".vhdr", ".set"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_back_volts_rate_channels_and_annotations(make_raw, save_raw, suffix):
    raw = make_raw()
    opened = open_raw(save_raw(raw, suffix))
    assert opened.ch_names == raw.ch_names
    assert opened.info["sfreq"] == 100.0
    assert opened.n_times == 2000
    # EDF holds 16 bits of the range that it was given.
    np.testing.assert_allclose(opened.get_data(), raw.get_data(), atol=2e-8)
    assert list(opened.annotations.description) == ["cat", "dog", "cat", "owl"] or suffix == ".vhdr"
    np.testing.assert_allclose(opened.annotations.onset, [1.0, 5.0, 12.0, 15.5], atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_cut_short_is_refused_in_every_format(make_raw, save_raw, suffix, share):
    path = save_raw(make_raw(), suffix)
    damaged = path.with_suffix(".eeg") if suffix == ".vhdr" else path
    content = damaged.read_bytes()
    # One byte less than a whole frame of BrainVision's four channels of 32 bits.
    length = int(share * len(content)) // 16 * 16 + (15 if suffix == ".vhdr" and share else 0)
    damaged.write_bytes(content[:length])
    with pytest.raises(InputError, match=r"cut short|no whole (EDF|BDF) header"):
        open_raw(path, preload=True)


def test_the_records_that_are_lost_are_counted(make_raw, save_raw):
    path = save_raw(make_raw(), ".edf")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError, match="its header promises 20 records, the file holds 16"):
        open_raw(path)


def test_brainvision_says_what_its_header_promises(make_raw, save_raw):
    path = save_raw(make_raw(), ".vhdr")
    path.write_text(path.read_text().replace("DataFormat=", "DataPoints=2500\nDataFormat="))
    with pytest.raises(InputError, match="2000 samples of 16 bytes, where a.vhdr promises 2500"):
        open_raw(path)


def test_missing_and_renamed_parts_are_named_with_what_to_do(make_raw, save_raw):
    path = save_raw(make_raw(), ".vhdr")
    for suffix, key in ((".vmrk", "MarkerFile"), (".eeg", "DataFile")):
        path.with_suffix(suffix).rename(path.with_suffix(".lost"))
        with pytest.raises(
            MissingDataError, match=f"names 'a{suffix}' as its {key}, which is not there. Put it"
        ):
            open_raw(path)
        path.with_suffix(".lost").rename(path.with_suffix(suffix))
    for file in (path, path.with_suffix(".eeg"), path.with_suffix(".vmrk")):
        file.rename(file.with_stem("b"))
    with pytest.raises(
        MissingDataError, match="b.eeg is there: the files were renamed. Write DataFile=b.eeg"
    ):
        open_raw(path.with_stem("b"))


def test_a_header_that_points_out_of_its_folder_is_refused(make_raw, save_raw):
    path = save_raw(make_raw(), ".vhdr")
    path.write_text(path.read_text().replace("DataFile=a.eeg", "DataFile=../a.eeg"))
    with pytest.raises(
        InputError, match=r"names '\.\./a\.eeg' as its DataFile, which lies outside its folder"
    ):
        open_raw(path)


def test_damaged_brainvision_headers_are_refused(make_raw, save_raw):
    path = save_raw(make_raw(), ".vhdr")
    whole, markers = path.read_text(), path.with_suffix(".vmrk").read_text()
    path.write_text(whole[: whole.index("NumberOfChannels")])
    with pytest.raises(InputError, match="has no 'NumberOfChannels'; the header is cut short"):
        open_raw(path)
    path.write_text("nothing\n")
    with pytest.raises(InputError, match="is no BrainVision header: its first line names no version"):
        open_raw(path)
    path.write_text(whole)
    path.with_suffix(".vmrk").write_text(markers[:60])
    with pytest.raises(InputError, match=r"a\.vmrk has no section \[Marker Infos\]; it is cut short"):
        open_raw(path)
    path.with_suffix(".vmrk").write_text(markers[: markers.index("Mk1=")])
    assert open_raw_with_notes(path)[1] == ("a.vmrk: no marker is in it.",)


def test_an_eeglab_file_without_its_data_or_with_less_of_them_is_refused(real_data, tmp_path):
    folder = real_data("eeg_oddball_eeglab")
    path = tmp_path / "eeglab_data.set"
    shutil.copy(folder / "eeglab_data.set", path)
    with pytest.raises(
        MissingDataError, match=r"set keeps its data in /\S*eeglab_data\.fdt, which is not there; put"
    ):
        open_raw(path)
    content = (folder / "eeglab_data.fdt").read_bytes()
    path.with_suffix(".fdt").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"promises 30504 samples of 32 channels, 15252 are there"):
        open_raw(path)


def test_epochs_and_evoked_responses_say_which_function_reads_them(make_raw, tmp_path):
    epochs = mne.make_fixed_length_epochs(make_raw(), 1.0, preload=True, verbose="error")
    epochs.save(tmp_path / "a-epo.fif", verbose="error")
    epochs.average().save(tmp_path / "a-ave.fif", verbose="error")
    with pytest.raises(InputError, match="holds epochs, not a continuous .* `alignkit.datasets.read_fif`"):
        open_raw(tmp_path / "a-epo.fif")
    with pytest.raises(InputError, match="holds evoked, not a continuous .* `alignkit.datasets.read_evoked`"):
        open_raw(tmp_path / "a-ave.fif")


def test_epochs_of_eeglab_are_refused(make_raw, tmp_path):
    epochs = mne.make_fixed_length_epochs(make_raw(), 1.0, preload=True, verbose="error")
    mne.export.export_epochs(tmp_path / "a.set", epochs, verbose="error")
    with pytest.raises(InputError, match="holds epochs, not .*`mne.read_epochs_eeglab`"):
        open_raw(tmp_path / "a.set")


def test_names_that_are_absent_unknown_or_parts_are_refused(make_raw, save_raw, tmp_path):
    path = save_raw(make_raw(), ".vhdr")
    with pytest.raises(MissingDataError, match=r"no\.edf does not exist"):
        open_raw(tmp_path / "no.edf")
    with pytest.raises(InputError, match=r"suffix '\.eeg'; a continuous recording is .*give the \.vhdr"):
        open_raw(path.with_suffix(".eeg"))
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"suffix '\.txt'; a continuous recording is \.fif"):
        open_raw(tmp_path / "a.txt")
    (tmp_path / "b.edf").mkdir()
    with pytest.raises(InputError, match=r"b\.edf is a folder; a recording in EDF format is a file"):
        open_raw(tmp_path / "b.edf")
    (tmp_path / "c.ds").touch()
    with pytest.raises(InputError, match=r"c\.ds is a file; a recording in CTF format is a folder"):
        open_raw(tmp_path / "c.ds")


@pytest.mark.parametrize("name", ["a.con", "a.sqd", "a.gdf", "a.cnt", "a.snirf", "a.fif", "a.set"])
def test_nonsense_is_refused_as_damaged(tmp_path, name):
    (tmp_path / name).write_bytes(b"no recording " * 300)
    with pytest.raises(InputError, match=rf"{name} cannot be (read as a|used)"):
        open_raw(tmp_path / name, preload=True)


def test_an_empty_ctf_folder_names_what_is_missing(tmp_path):
    (tmp_path / "a.ds").mkdir()
    with pytest.raises(InputError, match=r"a\.ds cannot be read as a CTF recording .*a\.res4 not found"):
        open_raw(tmp_path / "a.ds")


def test_channels_with_one_name_are_refused(make_raw, save_raw):
    path = save_raw(make_raw(), ".edf")
    content = bytearray(path.read_bytes())
    content[256 + 16 : 256 + 32] = content[256:272]
    path.write_bytes(content)
    with pytest.raises(InputError, match="channel names come more than once. .*found duplicates for: {'Fz'}"):
        open_raw(path)


def test_channels_of_several_rates_are_told(tmp_path):
    edfio = pytest.importorskip("edfio")
    rng = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(rng.standard_normal(rate * 10), rate, label=f"E{rate}", physical_dimension="uV")
        for rate in (100, 200)
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    raw, notes = open_raw_with_notes(tmp_path / "a.edf")
    assert raw.info["sfreq"] == 200.0
    assert notes[0] == "a.edf: channels were recorded at 100, 200 Hz; MNE brought all to the highest of them."


def test_markers_beyond_the_end_are_told_in_notes_and_in_the_log(make_raw, save_raw, caplog):
    path = save_raw(make_raw(), ".vhdr")
    data = path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[: 1000 * 16])
    with caplog.at_level(logging.WARNING):
        open_raw(path)
    assert "Omitted 2 annotation(s) that were outside data range" in caplog.text


def test_snirf_comes_in_the_units_of_light(tmp_path):
    write_snirf(tmp_path / "a.snirf")
    raw = open_raw(tmp_path / "a.snirf", preload=True)
    assert raw.get_channel_types() == ["fnirs_cw_amplitude"] * 2
    np.testing.assert_allclose(raw.get_data()[0], np.arange(100) + 1.0)
    assert raw.info["sfreq"] == pytest.approx(10.0)


def write_snirf(path):
    """Write one source and detector with two wavelengths, as the format's version 1.1 says."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["formatVersion"] = "1.1"
        nirs = file.create_group("nirs")
        tags = nirs.create_group("metaDataTags")
        for key, value in {
            "SubjectID": "s1",
            "MeasurementDate": "2020-01-01",
            "MeasurementTime": "12:00:00Z",
            "LengthUnit": "mm",
            "TimeUnit": "s",
            "FrequencyUnit": "Hz",
        }.items():
            tags[key] = value
        data = nirs.create_group("data1")
        data["dataTimeSeries"] = np.c_[np.arange(100) + 1.0, np.arange(100) + 2.0]
        data["time"] = np.arange(100) / 10
        for number in (1, 2):
            entry = data.create_group(f"measurementList{number}")
            for key, value in {"sourceIndex": 1, "detectorIndex": 1, "wavelengthIndex": number}.items():
                entry[key] = np.int32(value)
            entry["dataType"], entry["dataTypeIndex"] = np.int32(1), np.int32(1)
        probe = nirs.create_group("probe")
        probe["wavelengths"] = np.array([760.0, 850.0])
        probe["sourcePos3D"], probe["detectorPos3D"] = np.array([[0.0, 0, 90]]), np.array([[30.0, 0, 90]])
        probe["sourceLabels"], probe["detectorLabels"] = [np.array([b"S1"]), np.array([b"D1"])]


# ---- real files


@pytest.mark.parametrize(
    ("name", "n_channels", "rate", "seconds", "n_annotations"),
    [
        ("test.vhdr", 32, 1000.0, 7.9, 13),
        ("test.edf", 139, 512.0, 6.0, 5),
        ("test.bdf", 73, 2048.0, 1.0, 0),
        ("test_ctf_comp_raw.fif", 340, 480.0, 0.5, 0),
    ],
)
def test_the_real_files_are_what_their_readme_says(real_data, name, n_channels, rate, seconds, n_annotations):
    raw = open_raw(real_data("meeg_formats") / name, preload=True)
    assert len(raw.ch_names) == n_channels
    assert raw.info["sfreq"] == rate
    assert raw.n_times / rate == pytest.approx(seconds, abs=0.01)
    assert len(raw.annotations) == n_annotations
    assert np.isfinite(raw.get_data()).all()
    if name == "test_ctf_comp_raw.fif":
        assert Counter(raw.get_channel_types())["mag"] == 274
    if name == "test.edf":
        assert "stim" in raw.get_channel_types()


@pytest.mark.parametrize("name", ["test.vhdr", "test.edf", "test.bdf", "test_ctf_comp_raw.fif"])
def test_the_real_files_cut_in_half_are_refused(real_data, tmp_path, name):
    for file in real_data("meeg_formats").glob(name.split(".")[0] + ".*"):
        content = file.read_bytes()
        is_data = file.suffix in (".eeg", ".edf", ".bdf", ".fif")
        (tmp_path / file.name).write_bytes(content[: len(content) // 2 + 1] if is_data else content)
    with pytest.raises(InputError, match="cut short"):
        open_raw(tmp_path / name, preload=True)
