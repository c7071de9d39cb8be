"""Brain-Score assemblies, in the layout of its published files, written by xarray and by us."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.exchange.brainscore import brainscore_subjects, read_brainscore, with_repetitions
from alignkit.datasets.exchange.brainscore_writing import write_brainscore
from alignkit.recordings import Recording

N_IMAGES, N_REPEATS = 3, 2
ANIMALS = ["Chabo", "Tito", "Chabo", "Tito", "Tito"]
DATA = np.random.default_rng(0).standard_normal((6, 5, 1)).astype(np.float32)


def assembly(data=DATA, **coords):
    """Return an assembly as the published ones are: neuroid first, levels as plain coordinates."""
    images = [f"im{number}" for number in range(N_IMAGES)] * N_REPEATS
    given = {
        "stimulus_id": ("presentation", images),
        "image_id": ("presentation", images),
        "object_name": ("presentation", ["car", "dog", "car"] * N_REPEATS),
        "repetition": ("presentation", [0, 0, 0, 1, 1, 1]),
        "neuroid_id": ("neuroid", [f"n{number}" for number in range(5)]),
        "animal": ("neuroid", ANIMALS),
        "region": ("neuroid", ["V4", "IT", "IT", "IT", "V4"]),
        "x": ("neuroid", np.linspace(0, 1, 5)),
        "time_bin_start": ("time_bin", [70] * data.shape[2]),
        "time_bin_end": ("time_bin", [170] * data.shape[2]),
        **coords,
    }
    given = {name: value for name, value in given.items() if value is not None}
    array = xr.DataArray(data, coords=given, dims=["presentation", "neuroid", "time_bin"], name="data")
    return array.transpose("neuroid", "presentation", "time_bin")


def save(path, array, **attrs):
    array.attrs.update(identifier="lab.Public", stimulus_set_identifier="lab.images", **attrs)
    array.to_netcdf(path, engine="h5netcdf", encoding={array.name or "data": {"zlib": True, "complevel": 9}})
    return path


def test_an_assembly_is_a_recording_with_its_coordinates(tmp_path):
    recording = read_brainscore(save(tmp_path / "a.nc", assembly()), modality="spikes")
    np.testing.assert_array_equal(recording.data, DATA[..., 0])
    assert recording.subject == "Chabo+Tito"
    assert recording.modality == "spikes"
    assert recording.stimulus_ids == ["im0", "im1", "im2"] * 2
    assert recording.samples["repetition"].to_list() == [1, 1, 1, 2, 2, 2]
    assert recording.samples["repetition_in_file"].to_list() == [0, 0, 0, 1, 1, 1]
    assert list(recording.samples) == ["stimulus_id", "repetition", "object_name", "repetition_in_file"]
    assert recording.channels["name"].to_list() == ["n0", "n1", "n2", "n3", "n4"]
    assert recording.rois == ["IT", "V4"]
    assert recording.notes == (
        "identifier: lab.Public.",
        "stimulus_set_identifier: lab.images.",
        "Responses are of the time from 70 to 170 ms after onset.",
    )


def test_one_animal_is_read_alone(tmp_path):
    path = save(tmp_path / "a.nc", assembly())
    assert brainscore_subjects(path) == ["Chabo", "Tito"]
    chabo = read_brainscore(path, subject="Chabo")
    np.testing.assert_array_equal(chabo.data, DATA[:, [0, 2], 0])
    assert chabo.channels["name"].to_list() == ["n0", "n2"]
    assert "animal" not in chabo.channels
    with pytest.raises(InputError, match="the subject 'Tita' is not in .*a.nc, did you mean 'Tito'"):
        read_brainscore(path, subject="Tita")


def test_older_files_call_the_stimulus_image_id(tmp_path):
    old = assembly(stimulus_id=None)
    recording = read_brainscore(save(tmp_path / "a.nc", old))
    assert recording.stimulus_ids == ["im0", "im1", "im2"] * 2
    assert "image_id" not in recording.samples


def test_time_bins_become_the_times_of_their_middles(tmp_path):
    data = np.random.default_rng(1).standard_normal((6, 5, 3)).astype(np.float32)
    bins = {"time_bin_start": ("time_bin", [0, 10, 20]), "time_bin_end": ("time_bin", [20, 30, 40])}
    recording = read_brainscore(save(tmp_path / "a.nc", assembly(data, **bins)))
    np.testing.assert_array_equal(recording.data, data)
    np.testing.assert_allclose(recording.times_s, [0.01, 0.02, 0.03])
    assert "Times are the middles of bins of 20 ms." in recording.notes


def test_an_unnamed_array_of_big_endian_integers_is_read(tmp_path):
    array = assembly().astype(">i4").rename(None)
    array.attrs["identifier"] = "x"
    array.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    recording = read_brainscore(tmp_path / "a.nc")
    np.testing.assert_array_equal(recording.data, DATA[..., 0].astype(int))
    assert recording.data.dtype == np.dtype("=f4")


def test_classic_netcdf_is_read_too(tmp_path):
    assembly().to_netcdf(tmp_path / "a.nc", engine="scipy")
    np.testing.assert_array_equal(read_brainscore(tmp_path / "a.nc").data, DATA[..., 0])


def test_netcdf4_of_another_writer_is_read(tmp_path):
    pytest.importorskip("netCDF4")
    assembly().to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    np.testing.assert_array_equal(read_brainscore(tmp_path / "a.nc").data, DATA[..., 0])


def with_holes():
    data = DATA.copy()
    data[:2, [1, 3, 4]] = np.nan
    data[5, 4] = np.nan
    return assembly(data)


def test_presentations_that_a_subject_did_not_see_are_left_out_and_told(tmp_path):
    path = save(tmp_path / "a.nc", with_holes())
    np.testing.assert_array_equal(read_brainscore(path, subject="Chabo").data, DATA[:, [0, 2], 0])
    tito = read_brainscore(path, subject="Tito", missing="drop-channels")
    np.testing.assert_array_equal(tito.data, DATA[2:, [1, 3], 0])
    assert tito.notes[-2:] == (
        "Tito: 2 presentations without any response were left out.",
        "Tito: 1 neuroids with NaN were left out.",
    )
    assert tito.samples["repetition"].to_list() == [1, 1, 2, 2][:1] + [1, 1, 2]
    fewer = read_brainscore(path, subject="Tito", missing="drop-samples")
    np.testing.assert_array_equal(fewer.data, DATA[2:5, [1, 3, 4], 0])


def test_holes_are_refused_unless_something_is_said_about_them(tmp_path):
    path = save(tmp_path / "a.nc", with_holes())
    with pytest.raises(InputError, match=r"3 of 6 presentations and 3 of 5 neuroids of Chabo\+Tito hold NaN"):
        read_brainscore(path)
    empty = save(tmp_path / "b.nc", assembly(np.full_like(DATA, np.nan)))
    with pytest.raises(InputError, match="nothing is left of Chabo with `missing` 'drop-samples'"):
        read_brainscore(empty, subject="Chabo", missing="drop-samples")
    with pytest.raises(InputError, match="`missing` is 'skip'"):
        read_brainscore(path, missing="skip")


def test_repetitions_count_from_one_within_a_stimulus():
    samples = pd.DataFrame({"stimulus_id": list("aabab"), "repetition": [7, 3, 0, 5, 1]})
    table = with_repetitions(samples)
    assert table["repetition"].to_list() == [3, 1, 1, 2, 2]
    assert table["repetition_in_file"].to_list() == [7, 3, 0, 5, 1]
    fine = pd.DataFrame({"stimulus_id": list("aab"), "repetition": [1, 2, 1]})
    assert list(with_repetitions(fine)) == ["stimulus_id", "repetition"]
    assert with_repetitions(samples[["stimulus_id"]])["repetition"].to_list() == [1, 2, 1, 3, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: a.rename(neuroid="unit"),
            "dimensions unit, presentation, time_bin; an assembly needs neuroid",
        ),
        (lambda a: a.expand_dims(eye=2), "beside presentation, neuroid and time_bin none may have several"),
        (lambda a: a.isel(presentation=slice(0)), r"an empty assembly of shape \(5, 0, 1\)"),
        (
            lambda a: a.drop_vars(["stimulus_id", "image_id"]),
            "needs the coordinate `stimulus_id`.*object_name",
        ),
        (lambda a: a.drop_vars("neuroid_id"), "needs the coordinate `neuroid_id`.*animal"),
        (
            lambda a: a.assign_coords(name=("neuroid", list("abcde"))),
            "both names of a coordinate of neuroid: name",
        ),
        (
            lambda a: xr.concat([a, a], "time_bin").drop_vars("time_bin_end"),
            "has 2 time bins but not their bounds",
        ),
        (lambda a: a.astype(str), "holds .* values, real numbers are wanted"),
    ],
)
def test_files_that_are_no_assemblies_are_refused(tmp_path, change, message):
    array = change(assembly()).rename("data")
    array.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=message):
        read_brainscore(tmp_path / "a.nc")


def test_an_entry_that_is_alone_in_its_dimension_is_taken_and_told(tmp_path):
    recording = read_brainscore(save(tmp_path / "a.nc", assembly().expand_dims(eye=1)))
    assert recording.notes[0] == "The dimension eye of the file has one entry and was left out."


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = save(tmp_path / "a.nc", assembly())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="a.nc cannot be read as netCDF .*damaged, cut short"):
        read_brainscore(path)
    (tmp_path / "b.nc").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="b.nc is no netCDF file"):
        read_brainscore(tmp_path / "b.nc")
    with pytest.raises(MissingDataError, match="c.nc does not exist"):
        read_brainscore(tmp_path / "c.nc")
    two = xr.Dataset({"a": ("x", [1, 2]), "b": ("x", [1, 2])})
    two.to_netcdf(tmp_path / "d.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="holds the arrays a, b; an assembly has one, `data`"):
        read_brainscore(tmp_path / "d.nc")


def test_links_to_other_files_are_not_followed(tmp_path):
    save(tmp_path / "other.nc", assembly())
    path = save(tmp_path / "a.nc", assembly())
    with h5py.File(path, "a") as file:
        del file["stimulus_id"]
        file["stimulus_id"] = h5py.ExternalLink(str(tmp_path / "other.nc"), "stimulus_id")
    with pytest.raises(InputError, match="the HDF5 link 'stimulus_id' of .*a.nc points to another file"):
        read_brainscore(path)


def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch):
    path = save(tmp_path / "a.nc", assembly())
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    with pytest.raises(MissingDataError, match=r'pip install "alignkit\[exchange\]"'):
        read_brainscore(path)


def test_importing_the_readers_loads_nothing_heavy():
    code = (
        "import sys; from alignkit.datasets.exchange import brainscore_dataset, rsatoolbox_dataset, images, "
        "mne_epochs; from alignkit.datasets.streaming import shards; print([m for m in ('xarray', 'h5py', "
        "'mne', 'nibabel', 'torch', 'zarr', 'rsatoolbox', 'h5netcdf') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def recorded(times_s=None):
    rng = np.random.default_rng(2)
    shape = (4, 3) if times_s is None else (4, 3, len(times_s))
    samples = pd.DataFrame(
        {
            "stimulus_id": list("abab"),
            "repetition": [1, 1, 2, 2],
            "new": [True, False] * 2,
            "rt_s": [0.1, np.nan] * 2,
        }
    )
    channels = pd.DataFrame({"name": ["n1", "n2", "n3"], "roi": ["V4", "IT", ""], "x_mm": [1.0, 2.0, np.nan]})
    data = rng.standard_normal(shape).astype(np.float32)
    return Recording(data, samples, channels, times_s=times_s, subject="PE", modality="spikes", unit="Hz")


@pytest.mark.parametrize("times_s", [None, np.array([0.05, 0.15, 0.25])])
def test_a_recording_comes_back_from_its_file(tmp_path, times_s):
    recording = recorded(times_s)
    write_brainscore(tmp_path / "a.nc", recording, identifier="lab.PE", stimulus_set_identifier="letters")
    back = read_brainscore(tmp_path / "a.nc")
    np.testing.assert_array_equal(back.data, recording.data)
    pd.testing.assert_frame_equal(back.samples, recording.samples, check_dtype=False)
    pd.testing.assert_frame_equal(back.channels, recording.channels, check_dtype=False)
    assert (back.subject, back.modality, back.unit) == ("PE", "spikes", "Hz")
    if times_s is not None:
        np.testing.assert_allclose(back.times_s, times_s)


def test_xarray_reads_what_is_written_as_brainscore_expects_it(tmp_path):
    recording = recorded(np.array([0.05, 0.15, 0.25]))
    write_brainscore(tmp_path / "a.nc", recording, identifier="lab.PE", stimulus_set_identifier="letters")
    with xr.open_dataarray(tmp_path / "a.nc") as array:
        assert array.name == "data"
        assert array.dims == ("presentation", "neuroid", "time_bin")
        assert array.attrs["identifier"] == "lab.PE"
        assert array.attrs["stimulus_set_identifier"] == "letters"
        # As Brain-Score gathers the coordinates of a dimension after loading.
        gathered = array.set_index(
            presentation=["stimulus_id", "repetition", "new", "rt_s"],
            neuroid=["neuroid_id", "region", "x_mm", "subject"],
            time_bin=["time_bin_start", "time_bin_end"],
        )
        np.testing.assert_array_equal(
            gathered.sel(stimulus_id="b", region="IT").squeeze().values, recording.data[[1, 3], 1]
        )
        np.testing.assert_array_equal(gathered.sel(time_bin=(100, 200)).values, recording.data[:, :, 1])


def test_given_bins_are_written_and_checked(tmp_path):
    options = {"identifier": "x", "stimulus_set_identifier": "y"}
    write_brainscore(tmp_path / "a.nc", recorded(), time_bins_s=[[0.07, 0.17]], **options)
    with xr.open_dataarray(tmp_path / "a.nc") as array:
        assert array.sizes["time_bin"] == 1
        assert array["time_bin_end"].values == 170
    times = np.array([0.1, 0.3])
    bins = [[0.0, 0.2], [0.2, 0.4]]
    write_brainscore(tmp_path / "b.nc", recorded(times), time_bins_s=bins, **options)
    np.testing.assert_allclose(read_brainscore(tmp_path / "b.nc").times_s, times)
    for wrong, message in (
        ([[0.0, 0.2]], r"must have shape \(2, 2\) with each end after its start, got shape \(1, 2\)"),
        ([[0.2, 0.0], [0.4, 0.2]], "each end after its start"),
        ([[0.0, 0.2], [0.4, 0.6]], "must have their middles at the `times_s`"),
    ):
        with pytest.raises(InputError, match=message):
            write_brainscore(tmp_path / "c.nc", recorded(times), time_bins_s=wrong, **options)
    for odd, message in (
        (np.array([0.1, 0.2, 0.5]), "not evenly spaced, so bins cannot be told"),
        (np.array([0.1]), "one time has no bin width"),
    ):
        with pytest.raises(InputError, match=message):
            write_brainscore(tmp_path / "c.nc", recorded(odd), **options)


@pytest.mark.parametrize(
    ("samples", "channels", "message"),
    [
        ({"unit": "x"}, {"unit": "Hz"}, "both have a column unit; .*Rename or drop"),
        ({"neuroid": "x"}, {}, "the column 'neuroid' has the name of a part of the assembly"),
        ({}, {"region": "IT"}, r"would get one name \(roi and region\)"),
    ],
)
def test_columns_that_an_assembly_cannot_hold_are_refused(tmp_path, samples, channels, message):
    recording = recorded()
    wrong = Recording(
        recording.data, recording.samples.assign(**samples), recording.channels.assign(**channels), unit="Hz"
    )
    with pytest.raises(InputError, match=message):
        write_brainscore(tmp_path / "a.nc", wrong, identifier="x", stimulus_set_identifier="y")
    assert not (tmp_path / "a.nc").exists()


def test_only_nc_files_are_written(tmp_path):
    with pytest.raises(InputError, match="ends in .nc, got 'a.h5'"):
        write_brainscore(tmp_path / "a.h5", recorded(), identifier="x", stimulus_set_identifier="y")
