"""The dataset `matrix`: every format it promises, and every way in which its parts may not fit."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from PIL import Image
from scipy.io import savemat

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import DATASETS, read_matrix
from alignkit.recordings import Recording

DATA = np.arange(12, dtype=np.float64).reshape(4, 3) / 8
IDS = ["cat", "dog", "cat", "007"]


def load(**options):
    return DATASETS["matrix"](**options)


def write_mat73(path, **arrays):
    """Write as MATLAB does for -v7.3: HDF5 with a 512-byte header, axes reversed, classes as attributes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            stored = file.create_dataset(name, data=np.asarray(array).T)
            stored.attrs["MATLAB_class"] = np.bytes_("double")
        text = file.create_dataset("info", data=np.array([[72], [105]], dtype=np.uint16))
        text.attrs["MATLAB_class"] = np.bytes_("char")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.csv"
    pd.DataFrame({"stimulus_id": IDS, "repetition": [1, 1, 2, 1], "animate": [1, 1, 1, 0]}).to_csv(
        path, index=False
    )
    return path


@pytest.fixture
def npy(tmp_path):
    np.save(tmp_path / "rec.npy", DATA)
    return tmp_path / "rec.npy"


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("cat", "dog", "007", "extra"):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path / "images"


def write(path, kind):
    if kind == "npy":
        np.save(path, DATA)
    elif kind == "npz":
        np.savez(path, data=DATA, times=np.arange(3), more=np.ones((2, 2)))
    elif kind == "mat":
        savemat(path, {"data": DATA, "more": np.ones((2, 2)), "note": "text"})
    elif kind == "mat73":
        write_mat73(path, data=DATA, more=np.ones((2, 2)))
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["data"] = DATA
            file["group/more"] = np.ones((2, 2))
    elif kind.startswith("zarr"):
        group = zarr.open_group(path, mode="w", zarr_format=int(kind[-1]))
        group.create_array("data", data=DATA, chunks=(2, 3))
        group.create_array("group/more", data=np.ones((2, 2)))
    elif kind == "parquet":
        pd.DataFrame(DATA, columns=["a", "b", "c"]).to_parquet(path)
    else:
        pd.DataFrame(DATA, columns=["a", "b", "c"]).to_csv(
            path, index=False, sep="," if kind == "csv" else "\t"
        )
    return path


FORMATS = {
    "npy": "r.npy",
    "npz": "r.npz",
    "mat": "r.mat",
    "mat73": "r73.mat",
    "h5": "r.h5",
    "zarr2": "r2.zarr",
    "zarr3": "r3.zarr",
    "csv": "r.csv",
    "tsv": "r.tsv",
    "parquet": "r.parquet",
}


@pytest.mark.parametrize(("kind", "name"), FORMATS.items())
def test_every_format_gives_the_same_matrix(tmp_path, samples, kind, name):
    path = write(tmp_path / name, kind)
    np.testing.assert_array_equal(read_matrix(path), DATA)
    recording = load(recording=path, samples=samples).study["subject"]
    np.testing.assert_array_equal(recording.data, DATA.astype(np.float32))
    assert recording.stimulus_ids == IDS
    expected = ["a", "b", "c"] if kind in ("csv", "tsv", "parquet") else ["c0", "c1", "c2"]
    assert recording.channels["name"].to_list() == expected


@pytest.mark.parametrize(("kind", "name"), FORMATS.items())
def test_a_file_cut_short_is_named(tmp_path, kind, name):
    path = write(tmp_path / name, kind)
    cut = path
    if kind.startswith("zarr"):
        cut = path / ("data/0.0" if kind == "zarr2" else "data/c/0/0")
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) * 2 // 3] if kind not in ("csv", "tsv") else b"")
    with pytest.raises(InputError, match=rf"{name}.* (cannot be read as .*damaged, cut short|is damaged)"):
        read_matrix(path)


@pytest.mark.parametrize("kind", ["npz", "mat", "mat73", "h5", "zarr2", "zarr3"])
def test_one_variable_of_several_can_be_chosen(tmp_path, kind):
    path = write(tmp_path / FORMATS[kind], kind)
    name = "group/more" if kind == "h5" or kind.startswith("zarr") else "more"
    np.testing.assert_array_equal(read_matrix(path, variable=name), np.ones((2, 2)))
    with pytest.raises(InputError, match="has no variable 'dat', did you mean 'data'"):
        read_matrix(path, variable="dat")


def test_without_a_name_the_only_matrix_is_taken_and_several_are_listed(tmp_path):
    np.savez(tmp_path / "one.npz", rates=DATA, times=np.arange(3))
    np.testing.assert_array_equal(read_matrix(tmp_path / "one.npz"), DATA)
    savemat(tmp_path / "one.mat", {"rates": DATA, "times": np.arange(3.0), "n": 5.0})
    np.testing.assert_array_equal(read_matrix(tmp_path / "one.mat"), DATA)
    np.savez(tmp_path / "two.npz", rates=DATA, noise=DATA, times=np.arange(3))
    with pytest.raises(InputError, match=r"several arrays that would do.*rates \(4 x 3 float64\); noise"):
        read_matrix(tmp_path / "two.npz")
    np.savez(tmp_path / "none.npz", times=np.arange(3), names=np.array(["a"]))
    with pytest.raises(InputError, match=r"no array that would do.*times \(3 int64\)"):
        read_matrix(tmp_path / "none.npz")


def test_ids_beside_the_data_make_a_samples_table_unnecessary(tmp_path):
    np.savez(tmp_path / "r.npz", data=DATA, stimulus_id=np.array(IDS))
    assert load(recording=tmp_path / "r.npz").study["subject"].stimulus_ids == IDS
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["data"] = DATA
        file["stimulus_id"] = np.array(IDS, dtype=object)
    assert load(recording=tmp_path / "r.h5").study["subject"].stimulus_ids == IDS
    pd.DataFrame(DATA).assign(stimulus_id=IDS, run=1).to_csv(tmp_path / "r.csv", index=False)
    recording = load(recording=tmp_path / "r.csv").study["subject"]
    assert recording.stimulus_ids == IDS
    assert recording.n_channels == 3
    assert recording.samples["run"].to_list() == [1] * 4


def test_labels_come_from_the_samples(npy, samples):
    labels = load(recording=npy, samples=samples).labels
    assert labels.to_dict("list") == {"stimulus_id": ["cat", "dog", "007"], "animate": [1, 1, 0]}


def test_channels_and_facts_come_through(tmp_path, npy, samples):
    (tmp_path / "channels.csv").write_text("name,roi\nn1,V4\nn2,\nn3,IT\n")
    dataset = load(
        recording=npy,
        samples=samples,
        channels=tmp_path / "channels.csv",
        subject="PE",
        modality="spikes",
        unit="Hz",
    )
    assert dataset.rois == ["IT", "V4"]
    assert repr(dataset.study["PE"]) == (
        "Recording(PE, spikes, Hz: 4 samples of 3 stimuli; 3 channels; regions IT, V4)"
    )
    assert dataset.files == (npy, samples, tmp_path / "channels.csv")


def test_transpose_exchanges_samples_and_channels(tmp_path, samples):
    np.save(tmp_path / "t.npy", DATA.T)
    with pytest.raises(InputError, match=r"has 3 rows \(shape \(3, 4\)\) .* have 4.*set `transpose: true`"):
        load(recording=tmp_path / "t.npy", samples=samples)
    recording = load(recording=tmp_path / "t.npy", samples=samples, transpose=True).study["subject"]
    np.testing.assert_array_equal(recording.data, DATA)
    pd.DataFrame(DATA.T).to_csv(tmp_path / "t.csv", index=False)
    recording = load(recording=tmp_path / "t.csv", samples=samples, transpose=True).study["subject"]
    np.testing.assert_array_equal(recording.data, DATA)


def test_a_third_axis_is_time(tmp_path, samples):
    np.save(tmp_path / "epochs.npy", np.ones((4, 3, 5)))
    options = {"recording": tmp_path / "epochs.npy", "samples": samples}
    recording = load(**options, sfreq_hz=10.0, tmin_s=-0.2).study["subject"]
    np.testing.assert_allclose(recording.times_s, [-0.2, -0.1, 0, 0.1, 0.2], atol=1e-15)
    with pytest.raises(InputError, match=r"shape \(4, 3, 5\).*`sfreq_hz`, got None"):
        load(**options)


def test_images_are_matched_by_stem_and_extra_ones_are_noted(npy, samples, images):
    dataset = load(recording=npy, samples=samples, stimuli=images)
    assert dataset.stimuli.stimulus_ids == ["cat", "dog", "007"]
    assert dataset.notes == ("1 images without a response were left out: extra.",)


def test_responses_without_an_image_are_named(npy, samples, images):
    (images / "dog.png").unlink()
    with pytest.raises(InputError, match="1 of 3 stimuli with responses have no image in .*: dog"):
        load(recording=npy, samples=samples, stimuli=images)


def test_ids_with_a_suffix_get_a_hint(tmp_path, npy, images):
    (tmp_path / "s.csv").write_text("stimulus_id\ncat.png\ndog.png\ncat.png\n007.png\n")
    with pytest.raises(InputError, match="the file's name without its suffix"):
        load(recording=npy, samples=tmp_path / "s.csv", stimuli=images)


def test_conditions_must_be_a_column(npy, samples):
    assert load(recording=npy, samples=samples, conditions="animate").conditions == "animate"
    with pytest.raises(InputError, match="`conditions` is 'block', the samples have .* animate"):
        load(recording=npy, samples=samples, conditions="block")


def _object_npy(path):
    np.save(path, np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


def _object_npz(path):
    np.savez(path, data=np.array([[{"a": 1}]], dtype=object), allow_pickle=True)


def _linked_h5(path):
    with h5py.File(path.parent / "other.h5", "w") as file:
        file["data"] = DATA
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout(DATA.shape, dtype="f8")
        layout[...] = h5py.VirtualSource(path.parent / "other.h5", "data", DATA.shape)
        file.create_virtual_dataset("data", layout)


@pytest.mark.parametrize(
    ("name", "save", "message"),
    [
        ("r.npy", _object_npy, "holds Python objects, which are never unpickled"),
        ("r.npz", _object_npz, "data holds Python objects, which are never unpickled"),
        ("r.npy", lambda p: np.save(p, DATA + 1j), "holds complex128 values.*real part or its modulus"),
        ("r.mat", lambda p: savemat(p, {"data": DATA + 1j}), "data holds complex128 values"),
        ("r.npy", lambda p: np.save(p, np.array([["a"]])), "r is a <U1, an array of numbers is wanted"),
        ("r.mat", lambda p: savemat(p, {"data": {"x": 1}}), "data is a struct, an array of numbers"),
        ("r.npy", lambda p: np.save(p, np.ones(4)), r"must have 2 or 3 dimensions, got shape \(4,\)"),
        ("r.h5", _linked_h5, "points to another file, which is not followed"),
        ("r.csv", lambda p: p.write_text("a,b\n1,x\n2,3\n"), "'b' holds text .'x'., numbers are wanted"),
        ("r.csv", lambda p: p.write_text("stimulus_id\na\n"), "has no channel columns"),
        ("r.txt", lambda p: p.write_text("1 2"), "suffix '.txt'; a matrix is one of .npy"),
    ],
)
def test_files_without_real_numbers_are_refused(tmp_path, name, save, message):
    save(tmp_path / name)
    with pytest.raises(InputError, match=message):
        read_matrix(tmp_path / name)


def test_a_missing_file_is_named(tmp_path, samples):
    with pytest.raises(MissingDataError, match="rec.npz does not exist"):
        load(recording=tmp_path / "rec.npz", samples=samples)


def test_nan_is_counted_and_placed(tmp_path, samples):
    bad = DATA.copy()
    bad[2, 1] = np.nan
    np.save(tmp_path / "r.npy", bad)
    with pytest.raises(InputError, match=r"`r.npy` holds 1 NaN .* the first at index \(2, 1\)"):
        load(recording=tmp_path / "r.npy", samples=samples)


def test_values_beyond_single_precision_are_refused_and_not_made_infinite(tmp_path, samples):
    np.save(tmp_path / "r.npy", DATA + 1e300)
    with pytest.raises(InputError, match="holds 12 numbers that do not fit float32"):
        load(recording=tmp_path / "r.npy", samples=samples)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("stimulus_id\ncat\ndog\n", "has 4 rows .* but the samples have 2. Give a table"),
        ("id\na\nb\nc\nd\n", "needs a column 'stimulus_id'"),
        ("stimulus_id,repetition\na,1\nb,1\na,1\nb,2\n", "same presentation twice: .*'a'.*1"),
    ],
)
def test_samples_that_do_not_fit_are_refused(tmp_path, npy, table, message):
    (tmp_path / "s.csv").write_text(table)
    with pytest.raises(InputError, match=message):
        load(recording=npy, samples=tmp_path / "s.csv")


def test_rows_without_a_stimulus_are_refused(tmp_path, npy, samples):
    with pytest.raises(InputError, match="does not say which stimulus each row belongs to; give `samples`"):
        load(recording=npy)
    np.savez(tmp_path / "r.npz", data=DATA, stimulus_id=np.array(["x", "y", "x", "z"]))
    with pytest.raises(InputError, match="name different stimuli for the rows"):
        load(recording=tmp_path / "r.npz", samples=samples)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name\nn1\n", "has 1 rows but .* has 3 channels"),
        ("name\nn1\nn1\nn2\n", "`channels.name` must be unique, .*'n1'"),
        ("label\na\nb\nc\n", "needs a column 'name'"),
    ],
)
def test_channels_that_do_not_fit_are_refused(tmp_path, npy, samples, table, message):
    (tmp_path / "c.csv").write_text(table)
    with pytest.raises(InputError, match=message):
        load(recording=npy, samples=samples, channels=tmp_path / "c.csv")


def save_as(folder, kind, data):
    """Save an array and its ids in one file, in any format that has room for both; return the options."""
    path = folder / FORMATS[kind]
    if kind == "npy":
        np.save(path, data)
    elif kind == "npz":
        np.savez(path, data=data, stimulus_id=np.array(IDS))
    elif kind == "mat":
        savemat(path, {"data": data, "stimulus_id": np.array(IDS, dtype=object)})
    elif kind == "mat73":
        write_mat73(path, data=data)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["data"] = data
            file["stimulus_id"] = np.array(IDS, dtype=object)
    elif kind.startswith("zarr"):
        group = zarr.open_group(path, mode="w", zarr_format=int(kind[-1]))
        group.create_array("data", data=data, chunks=(2, *data.shape[1:]))
        ids = group.create_array("stimulus_id", shape=(len(IDS),), dtype=str)
        ids[:] = np.array(IDS, dtype=object)
    (folder / "ids.csv").write_text("stimulus_id\n" + "\n".join(IDS) + "\n")
    return {"recording": path} | ({"samples": folder / "ids.csv"} if kind in ("npy", "mat73") else {})


ARRAYS = [kind for kind in FORMATS if kind not in ("csv", "tsv", "parquet")]
CUBE = np.random.default_rng(0).standard_normal((4, 3, 5))
# What a format may hold, and what it is read as.
STORED = {
    "double": CUBE,
    "single": CUBE.astype(np.float32),
    "big-endian": CUBE.astype(">f8"),
    "integer": (CUBE * 100).astype(np.int16),
    "unsigned": (CUBE * 100).astype(np.int64).clip(0).astype(np.uint8),
    "Fortran order": np.asfortranarray(CUBE),
    "a slice": np.repeat(CUBE, 2, axis=1)[:, ::2],
}


@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("kind", ARRAYS)
def test_every_format_gives_the_identical_recording(tmp_path, kind, stored):
    data = STORED[stored]
    wanted = Recording.from_arrays(data, IDS, times_s=np.arange(5) / 100 - 0.02, unit="Hz")
    options = save_as(tmp_path, kind, data)
    made = load(**options, sfreq_hz=100.0, tmin_s=-0.02, unit="Hz").study["subject"]
    assert made.digest == wanted.digest
    assert made.data.dtype == np.dtype("=f4")
    flat = save_as(tmp_path, kind, data[:, :, 0])
    assert load(**flat).study["subject"].digest == Recording.from_arrays(data[:, :, 0], IDS).digest


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_tables_give_the_identical_recording_but_for_the_names_they_hold(tmp_path, samples, kind):
    path = write(tmp_path / FORMATS[kind], kind)
    wanted = Recording.from_arrays(DATA, IDS, channel_names=["a", "b", "c"])
    (tmp_path / "ids.csv").write_text("stimulus_id\n" + "\n".join(IDS) + "\n")
    assert load(recording=path, samples=tmp_path / "ids.csv").study["subject"].digest == wanted.digest


@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
@pytest.mark.parametrize("kind", [kind for kind in ARRAYS if kind != "mat73"])
def test_complex_numbers_and_holes_are_refused_in_every_format(tmp_path, kind):
    options = save_as(tmp_path, kind, DATA * (1 + 1j))
    with pytest.raises(InputError, match="holds complex128 values, real numbers are wanted.*modulus"):
        load(**options)
    holes = DATA.copy()
    holes[1, 2] = np.nan
    with pytest.raises(InputError, match=r"holds 1 NaN .*the first at index \(1, 2\)"):
        load(**save_as(tmp_path, kind, holes))


@pytest.mark.parametrize("kind", ARRAYS)
def test_a_transposed_array_is_recognised_in_every_format(tmp_path, kind):
    options = save_as(tmp_path, kind, DATA.T)
    with pytest.raises(InputError, match="With its first two axes exchanged it would fit"):
        load(**options)
    turned = load(**options, transpose=True).study["subject"]
    np.testing.assert_array_equal(turned.data, DATA.astype(np.float32))


def test_holes_of_a_table_are_refused_whatever_pandas_makes_of_them(tmp_path, samples):
    (tmp_path / "r.csv").write_text("a,b\n1,2\n3,\n5,6\n7,8\n")
    pd.DataFrame({"a": pd.array([1, None, 3, 4], dtype="Int64")}).to_parquet(tmp_path / "r.parquet")
    for name, index in (("r.csv", r"\(1, 1\)"), ("r.parquet", r"\(1, 0\)")):
        with pytest.raises(InputError, match=rf"`{name}` holds 1 NaN .* at index {index}"):
            load(recording=tmp_path / name, samples=samples)


def test_a_column_of_objects_that_are_no_numbers_is_named(tmp_path, samples):
    pd.DataFrame({"a": [1.0, 2.0], "b": [[1], [2]]}).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(InputError, match="the column 'b' holds text"):
        read_matrix(tmp_path / "r.parquet")


def test_zarr_chunks_that_are_not_stored_are_told(tmp_path, samples):
    path = write(tmp_path / "r.zarr", "zarr3")
    assert load(recording=path, samples=samples).notes == ()
    (path / "data" / "c" / "1" / "0").unlink()
    dataset = load(recording=path, samples=samples)
    np.testing.assert_array_equal(dataset.study["subject"].data[2:], 0)
    assert dataset.notes == (
        "1 of 2 chunks of r.zarr are not stored and were read as 0.0, which zarr allows on purpose; "
        "chunks that got lost or were never written would look the same.",
    )


def test_the_files_of_a_zarr_store_are_listed_so_that_they_can_be_digested(tmp_path, samples):
    path = write(tmp_path / "r.zarr", "zarr3")
    files = load(recording=path, samples=samples).files
    assert path / "data" / "zarr.json" in files
    assert path / "data" / "c" / "0" / "0" in files
    assert files[-1] == samples
    assert all(file.is_file() for file in files)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("onset_s", [1.0, "early", 2.0, 3.0], "'onset_s' must hold numbers, got 'early' in data row 2"),
        ("repetition", [1, 1, "x", 1], "'repetition' must hold numbers, got 'x' in data row 3"),
        ("repetition", [1, 1, -1.5, 1], "'repetition' must be a whole number, .*got -1.5 in data row 3"),
        ("repetition", [1, 1, 2.5, 1], "'repetition' must be a whole number, .*got 2.5 in data row 3"),
        ("duration_s", ["inf", 1, 1, 1], "'duration_s' must hold numbers, got inf in data row 1"),
    ],
)
def test_columns_of_numbers_refuse_text_and_name_the_row(tmp_path, npy, column, values, message):
    path = tmp_path / "table.csv"
    pd.DataFrame({"stimulus_id": IDS, column: values}).to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        load(recording=npy, samples=path)
    inside = tmp_path / "inside.csv"
    pd.DataFrame({"stimulus_id": IDS, column: values, "c": range(4)}).to_csv(inside, index=False)
    with pytest.raises(InputError, match=message):
        load(recording=inside)


def test_places_of_channels_are_numbers(tmp_path, npy, samples):
    path = tmp_path / "channels.csv"
    pd.DataFrame({"name": list("abc"), "x_mm": [1.0, "left", 3.0]}).to_csv(path, index=False)
    with pytest.raises(InputError, match="'x_mm' must hold numbers, got 'left' in data row 2"):
        load(recording=npy, samples=samples, channels=path)


def test_a_rate_that_is_none_or_not_used_is_told(tmp_path, npy, samples):
    np.save(tmp_path / "cube.npy", np.ones((4, 3, 5)))
    with pytest.raises(InputError, match="`sfreq_hz`, got inf"):
        load(recording=tmp_path / "cube.npy", samples=samples, sfreq_hz=float("inf"))
    with pytest.raises(InputError, match="`tmin_s` must be a time in seconds, got nan"):
        load(recording=tmp_path / "cube.npy", samples=samples, sfreq_hz=10.0, tmin_s=float("nan"))
    assert load(recording=npy, samples=samples).notes == ()
    (note,) = load(recording=npy, samples=samples, sfreq_hz=10.0).notes
    assert "no time axis (shape (4, 3)): `sfreq_hz` and `tmin_s` were not used" in note


def test_chunks_of_hdf5_that_were_never_written_are_noted(tmp_path, samples):
    with h5py.File(tmp_path / "part.h5", "w") as file:
        array = file.create_dataset("data", (4, 3), chunks=(2, 3), dtype="f4")
        array[:2] = DATA[:2]
    (note,) = load(recording=tmp_path / "part.h5", samples=samples).notes
    assert "1 of 2 chunks of part.h5 are not stored and were read as 0.0, which HDF5" in note
    with h5py.File(tmp_path / "never.h5", "w") as file:
        file.create_dataset("data", (4, 3), dtype="f4")
    assert "1 of 1 chunks" in load(recording=tmp_path / "never.h5", samples=samples).notes[0]
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file.create_dataset("data", data=DATA, chunks=(2, 3))
    assert load(recording=tmp_path / "whole.h5", samples=samples).notes == ()


def test_numbers_beyond_single_precision_are_not_called_nan(tmp_path, samples):
    data = DATA.copy()
    data[1, 2] = 1e300
    np.save(tmp_path / "large.npy", data)
    message = r"1 numbers that do not fit float32 \(beyond 3.4e38\), the first is 1e\+300 at \(1, 2\)"
    with pytest.raises(InputError, match=message):
        load(recording=tmp_path / "large.npy", samples=samples)
