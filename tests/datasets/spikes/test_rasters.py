from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.spikes.rasters import load_rasters, read_rasters

LABELS = ["b", "a", "a", "b", "a", "b"]
WINDOW = {"start_s": 0.0, "stop_s": 0.01}


def cells(values):
    array = np.empty((1, len(values)), dtype=object)
    array[0] = values
    return array


def write_unit(path, spikes, labels=LABELS, *, onset=6, extra=None, site=None):
    info = {"session_ID": 7.0, "unit": "A"} | (
        {} if onset is None else {"alignment_event_time": float(onset)}
    )
    fields = {"stimulus_ID": cells(labels)} | {key: cells(value) for key, value in (extra or {}).items()}
    savemat(
        path,
        {"raster_data": spikes, "raster_labels": fields, "raster_site_info": info if site is None else site},
        oned_as="row",
    )


@pytest.fixture
def folder(tmp_path):
    """Two units, six trials of 20 ms; unit 2 has one spike per trial, at 3 ms after onset."""
    rng = np.random.default_rng(0)
    write_unit(tmp_path / "u1_raster_data.mat", rng.integers(0, 2, (6, 20)).astype(np.uint8))
    second = np.zeros((6, 20), np.uint8)
    second[:, 5 + 3] = 1
    write_unit(tmp_path / "u2_raster_data.mat", second)
    return tmp_path


def test_trials_of_a_condition_stand_side_by_side_in_each_units_order(folder):
    recording = read_rasters(folder, **WINDOW)
    rng = np.random.default_rng(0)
    spikes = rng.integers(0, 2, (6, 20))[:, 5:15].sum(axis=1)
    assert recording.stimulus_ids == ["a", "a", "a", "b", "b", "b"]
    assert recording.samples["repetition"].to_list() == [1, 2, 3, 1, 2, 3]
    np.testing.assert_array_equal(recording.data[:, 0], spikes[[1, 2, 4, 0, 3, 5]])
    np.testing.assert_array_equal(recording.data[:, 1], 1)
    assert recording.channels["name"].to_list() == ["u1", "u2"]
    assert recording.channels["site_session_ID"].to_list() == [7, 7]
    assert set(recording.channels["unit"]) == {"spikes"}
    assert "pseudo-population" in recording.notes[0]


def test_bins_are_half_open_and_count_from_the_onset_column(folder):
    recording = read_rasters(folder, start_s=-0.005, stop_s=0.015, bin_s=0.001)
    # Column 6 begins at onset; the spike in column 9 lies in [3 ms, 4 ms).
    assert recording.data[0, 1].nonzero()[0].tolist() == [8]
    assert recording.times_s[8] == pytest.approx(0.0035)
    coarse = read_rasters(folder, start_s=-0.005, stop_s=0.015, bin_s=0.005)
    np.testing.assert_array_equal(recording.data.reshape(6, 2, 4, 5).sum(axis=3), coarse.data)
    np.testing.assert_array_equal(
        coarse.data.sum(axis=2), read_rasters(folder, start_s=-0.005, stop_s=0.015).data
    )
    moved = read_rasters(folder, start_s=0.0, stop_s=0.01, bin_s=0.001, onset_sample=9)
    assert moved.data[0, 1].nonzero()[0].tolist() == [0]


def test_a_zip_reads_like_its_folder_and_nothing_is_unpacked(folder, tmp_path_factory):
    archive = tmp_path_factory.mktemp("zip") / "units.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("units/", "")
        file.writestr("__MACOSX/units/._u1_raster_data.mat", b"x")
        for path in sorted(folder.glob("*.mat"), reverse=True):
            file.write(path, f"units/{path.name}")
    there = read_rasters(archive, **WINDOW)
    np.testing.assert_array_equal(there.data, read_rasters(folder, **WINDOW).data)
    assert [path.name for path in archive.parent.iterdir()] == ["units.zip"]


@pytest.mark.parametrize("name", ["../u1.mat", "/u1.mat", "a/../../u1.mat", "..\\u1.mat", "C:u1.mat"])
def test_names_that_leave_the_archive_are_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        file.writestr(name, b"x")
    with pytest.raises(InputError, match="a name that leaves the archive; not read"):
        read_rasters(tmp_path / "bad.zip", **WINDOW)


def test_units_with_fewer_trials_set_the_common_number_and_the_note_says_so(folder):
    write_unit(folder / "u3_raster_data.mat", np.ones((5, 20), np.uint8), LABELS[:5])
    recording = read_rasters(folder, **WINDOW)
    assert recording.stimulus_ids == ["a", "a", "a", "b", "b"]
    assert recording.n_channels == 3
    assert recording.notes[1].startswith("2 of 17 trials were left out")
    assert "2 to 3 per stimulus. 1 of 3 units have fewer trials than others." in recording.notes[1]


def test_a_number_of_repeats_leaves_out_the_units_that_have_fewer(folder):
    write_unit(folder / "u3_raster_data.mat", np.ones((5, 20), np.uint8), LABELS[:5])
    recording = read_rasters(folder, **WINDOW, n_repeats=3)
    assert recording.channels["name"].to_list() == ["u1", "u2"]
    assert recording.n_samples == 6
    assert recording.notes[1] == (
        "1 of 3 units have fewer than 3 trials of some stimulus and were left out: u3."
    )
    two = read_rasters(folder, **WINDOW, n_repeats=2)
    assert (two.n_samples, two.n_channels) == (4, 3)
    with pytest.raises(InputError, match="`n_repeats` is 4, but no unit .* the most that a unit has is 3"):
        read_rasters(folder, **WINDOW, n_repeats=4)
    with pytest.raises(InputError, match="`n_repeats` must be at least 1, got 0"):
        read_rasters(folder, **WINDOW, n_repeats=0)


def test_a_unit_without_a_stimulus_is_an_error_unless_it_may_be_left_out(folder):
    write_unit(folder / "u3_raster_data.mat", np.ones((2, 20), np.uint8), ["b", "b"])
    with pytest.raises(InputError, match="1 of 3 units have no trial of some stimulus: u3 none of 'a'"):
        read_rasters(folder, **WINDOW)
    assert read_rasters(folder, **WINDOW, n_repeats=1).n_channels == 2


def test_labels_that_belong_to_the_stimulus_become_columns_and_categories(tmp_path):
    spikes = np.ones((6, 20), np.uint8)
    write_unit(tmp_path / "u1.mat", spikes, [*"bacbac"], extra={"side": [*"lrlrlr"], "place": [*"xyyxyy"]})
    with pytest.raises(InputError, match="`stimulus_label`: stimulus_ID, side, place"):
        read_rasters(tmp_path, **WINDOW)
    dataset = load_rasters(path=tmp_path, **WINDOW, stimulus_label="stimulus_ID")
    assert list(dataset.study["subject"].samples.columns) == ["stimulus_id", "repetition", "place"]
    assert dataset.labels["place"].to_list() == ["y", "x", "y"]
    assert [path.name for path in dataset.files] == ["u1.mat"]
    with pytest.raises(InputError, match="`stimulus_label` is 'stimulus', did you mean 'stimulus_ID'"):
        read_rasters(tmp_path, **WINDOW, stimulus_label="stimulus")


def test_a_single_trial_is_a_trial(tmp_path):
    write_unit(tmp_path / "u1.mat", np.ones((1, 20), np.uint8), ["a"])
    assert read_rasters(tmp_path, **WINDOW).data.tolist() == [[10.0]]


def test_numbers_as_labels_are_text_without_a_point(tmp_path):
    write_unit(tmp_path / "u1.mat", np.ones((3, 20), np.uint8), [1.0, 2.0, 1.0])
    assert read_rasters(tmp_path, **WINDOW).stimulus_ids == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"start_s": -0.006, "stop_s": 0.0},
            "holds -0.005 to 0.015 s from onset, the window is -0.006 to 0 s",
        ),
        (
            {"start_s": 0.0, "stop_s": 0.016},
            "the window is 0 to 0.016 s. Shorten it, or check `onset_sample`",
        ),
        ({"start_s": 0.0, "stop_s": 0.0105}, "must be whole steps of the rasters .0.001 s each."),
        ({"start_s": 0.0, "stop_s": 0.01, "bin_s": 0.0025}, "must be whole steps of the rasters"),
        ({"start_s": 0.0, "stop_s": 0.01, "sample_s": 0.0}, "must be whole steps of the rasters .0 s each."),
    ],
)
def test_windows_that_do_not_fit_the_raster_are_refused(folder, options, message):
    with pytest.raises(InputError, match=message):
        read_rasters(folder, **options)


def test_without_a_time_of_onset_it_has_to_be_given(tmp_path):
    write_unit(tmp_path / "u1.mat", np.ones((2, 20), np.uint8), ["a", "b"], onset=None)
    with pytest.raises(InputError, match="does not say when the stimulus came.*`onset_sample`"):
        read_rasters(tmp_path, **WINDOW)
    assert read_rasters(tmp_path, **WINDOW, onset_sample=1).data.tolist() == [[10.0], [10.0]]


def test_files_that_are_no_rasters_are_refused(tmp_path):
    good = np.ones((2, 20))
    for spikes, labels, message in (
        (good * 0.5, ["a", "b"], "must hold whole numbers of spikes"),
        (good * np.nan, ["a", "b"], "must hold whole numbers of spikes"),
        (-good, ["a", "b"], "must hold numbers of spikes, got -1"),
        (good, ["a", "b", "a"], "raster_labels.stimulus_ID has 3 entries, raster_data has 2 trials"),
        (np.ones((2, 20, 3)), ["a", "b"], r"shape \(n_trials, n_times\), got float64 of shape \(2, 20, 3\)"),
    ):
        write_unit(tmp_path / "u1.mat", spikes, labels)
        with pytest.raises(InputError, match=message):
            read_rasters(tmp_path, **WINDOW)
    savemat(tmp_path / "u1.mat", {"x": 1.0})
    with pytest.raises(InputError, match="it has no 'raster_data'. It holds x"):
        read_rasters(tmp_path, **WINDOW)
    savemat(tmp_path / "u1.mat", {"raster_data": good, "raster_labels": 3.0})
    with pytest.raises(InputError, match="raster_labels must be a struct"):
        read_rasters(tmp_path, **WINDOW)
    (tmp_path / "u1.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600))
    with pytest.raises(InputError, match="is a MATLAB 7.3 file; save it in MATLAB with '-v7'"):
        read_rasters(tmp_path, **WINDOW)
    (tmp_path / "u1.mat").write_bytes(b"nothing")
    with pytest.raises(InputError, match="u1.mat cannot be read as a MATLAB file"):
        read_rasters(tmp_path, **WINDOW)


def test_places_without_units_are_named(tmp_path):
    with pytest.raises(MissingDataError, match="nowhere does not exist; give a folder or a zip"):
        read_rasters(tmp_path / "nowhere", **WINDOW)
    with pytest.raises(InputError, match="holds no MATLAB file"):
        read_rasters(tmp_path, **WINDOW)
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="cut.zip cannot be read as a zip of MATLAB rasters"):
        read_rasters(tmp_path / "cut.zip", **WINDOW)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("readme.txt", "x")
    (tmp_path / "other.zip").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="other.zip holds no MATLAB file"):
        read_rasters(tmp_path / "other.zip", **WINDOW)


def test_two_units_of_one_name_are_refused(folder, tmp_path_factory):
    archive = tmp_path_factory.mktemp("zip") / "units.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for place in ("day1", "day2"):
            file.write(folder / "u1_raster_data.mat", f"{place}/u1_raster_data.mat")
    with pytest.raises(InputError, match="units of .*units.zip` must be unique.*'u1'"):
        read_rasters(archive, **WINDOW)


def test_images_go_with_the_stimuli(folder, tmp_path_factory):
    from PIL import Image

    images = tmp_path_factory.mktemp("images")
    for name in "ab":
        Image.new("RGB", (4, 4)).save(images / f"{name}.png")
    dataset = load_rasters(path=folder, **WINDOW, stimuli=images)
    assert dataset.stimuli.stimulus_ids == ["a", "b"]
    assert dataset.labels is None
