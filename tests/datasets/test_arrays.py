"""Arrays out of files that several readers share: what is read, and what is never opened or run."""

from __future__ import annotations

import json
import warnings

import h5py
import numpy as np
import pytest
import zarr
from scipy.io import savemat

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets._arrays import check_links, choose_array, read_array, read_names

DATA = np.arange(12.0).reshape(4, 3)
IDS = ["cat", "dog", "cat", "été"]


def store(path, *, zarr_format=3, **options):
    array = zarr.create_array(path, data=DATA, chunks=(2, 3), zarr_format=zarr_format, **options)
    assert array.shape == DATA.shape
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_of_one_array_is_read_whatever_its_name(tmp_path, zarr_format):
    path = store(tmp_path / "features", zarr_format=zarr_format)
    np.testing.assert_array_equal(read_array(path, ndims=(2,)), DATA)


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": None},
        {"compressors": zarr.codecs.BloscCodec(cname="lz4")},
        {"compressors": zarr.codecs.GzipCodec()},
        {"shards": (4, 3)},
        {"serializer": zarr.codecs.BytesCodec(endian="big")},
        {"filters": zarr.codecs.TransposeCodec(order=(1, 0))},
    ],
)
def test_plain_codecs_are_read(tmp_path, options):
    np.testing.assert_array_equal(read_array(store(tmp_path / "a.zarr", **options), ndims=(2,)), DATA)


def test_older_stores_with_compressors_and_filters_are_read(tmp_path):
    import numcodecs

    path = store(
        tmp_path / "a.zarr",
        zarr_format=2,
        compressors=numcodecs.Zlib(),
        filters=[numcodecs.Delta(dtype="f8")],
    )
    np.testing.assert_array_equal(read_array(path, ndims=(2,)), DATA)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", [str, "<U5"])
def test_texts_beside_the_data_are_read(tmp_path, zarr_format, dtype):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    group.create_array("data", data=DATA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = group.create_array("stimulus_id", shape=(4,), dtype=dtype)
    ids[:] = np.array(IDS, dtype=object if dtype is str else dtype)
    assert read_names(tmp_path / "a.zarr", ("stimulus_id",)) == IDS
    np.testing.assert_array_equal(read_array(tmp_path / "a.zarr", ndims=(2,)), DATA)
    with pytest.raises(InputError, match="stimulus_id is a .*, an array of numbers is wanted"):
        read_array(tmp_path / "a.zarr", variable="stimulus_id", ndims=(1,))


class Trap:
    """Would leave a mark if it were unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_a_pickle_codec_is_refused_before_anything_is_decoded(tmp_path):
    import numcodecs

    path = tmp_path / "a.zarr"
    path.mkdir()
    facts = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "dtype": "|O",
        "fill_value": None,
        "order": "C",
        "compressor": None,
        "filters": [{"id": "pickle", "protocol": 4}],
    }
    (path / ".zarray").write_text(json.dumps(facts))
    trap = np.array([Trap(tmp_path / "mark")], dtype=object)
    (path / "0").write_bytes(numcodecs.Pickle().encode(trap))
    with pytest.raises(
        InputError, match="stored with the codec 'pickle', which may run code or is not known"
    ):
        read_array(path, ndims=(1,))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("where", ["codecs", "inside of a shard", "as a name"])
def test_unknown_codecs_of_version_three_are_refused_wherever_they_are(tmp_path, where):
    path = store(tmp_path / "a.zarr", shards=(4, 3))
    facts = json.loads((path / "zarr.json").read_text())
    odd = {"name": "numcodecs.pickle", "configuration": {}}
    if where == "inside of a shard":
        facts["codecs"][0]["configuration"]["codecs"].append(odd)
    else:
        facts["codecs"].append(odd if where == "codecs" else "my.codec")
    (path / "zarr.json").write_text(json.dumps(facts))
    with pytest.raises(
        InputError, match="stored with the codec '(numcodecs.pickle|my.codec)', which may run"
    ):
        read_array(path, ndims=(2,))


def test_consolidated_metadata_cannot_say_otherwise(tmp_path):
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("data", data=DATA)
    said = {"metadata": {".zgroup": {"zarr_format": 2}}, "zarr_consolidated_format": 1}
    said["metadata"]["data/.zarray"] = json.loads((path / "data" / ".zarray").read_text()) | {
        "filters": [{"id": "pickle"}]
    }
    (path / ".zmetadata").write_text(json.dumps(said))
    np.testing.assert_array_equal(read_array(path, ndims=(2,)), DATA)


CODECS = {
    "blosc 2": {"zarr_format": 2, "compressors": "auto"},
    "blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4")},
    "zstd": {"compressors": zarr.codecs.ZstdCodec()},
    "nothing": {"compressors": None},
    "shard": {"compressors": None, "shards": (4, 3)},
}


@pytest.mark.parametrize("name", CODECS)
def test_a_chunk_that_is_cut_short_anywhere_is_refused(tmp_path, name):
    path = store(tmp_path / "a.zarr", **CODECS[name])
    chunk = path / ("0.0" if name == "blosc 2" else "c/0/0")
    content = chunk.read_bytes()
    for length in range(0, len(content), 3):
        chunk.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cannot be read as a zarr store|the chunk .* is damaged"):
            read_array(path, ndims=(2,))


def test_a_link_out_of_the_store_is_refused(tmp_path):
    path = store(tmp_path / "a.zarr", compressors=None)
    chunk = path / "c" / "0" / "0"
    (tmp_path / "secret").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match=r"c/0/0 is a link that leads out of the store"):
        read_array(path, ndims=(2,))


def test_folders_that_are_no_stores_are_told_apart(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match="a.zarr is no zarr store: it has neither zarr.json"):
        read_array(tmp_path / "a.zarr", ndims=(2,))
    (tmp_path / "plain").mkdir()
    with pytest.raises(MissingDataError, match="plain is a folder, a file is wanted"):
        read_array(tmp_path / "plain", ndims=(2,))
    path = store(tmp_path / "b.zarr")
    (path / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="b.zarr cannot be read as a zarr store"):
        read_array(path, ndims=(2,))


def test_several_arrays_of_a_store_are_listed(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("early", data=DATA)
    group.create_array("later/late", data=DATA)
    with pytest.raises(
        InputError, match=r"several arrays that would do.*early \(4 x 3 float64\); later/late"
    ):
        read_array(tmp_path / "a.zarr", ndims=(2,))
    assert choose_array(tmp_path / "a.zarr", variable="early", ndims=(2,)) == "early"
    np.testing.assert_array_equal(read_array(tmp_path / "a.zarr", variable="later/late", ndims=(2,)), DATA)


def test_texts_of_matlab_are_read_from_cells_and_rows_of_characters(tmp_path):
    plain = ["cat", "dog", "cat", "ox"]
    savemat(tmp_path / "cell.mat", {"data": DATA, "stimulus_id": np.array(plain, dtype=object)})
    savemat(tmp_path / "char.mat", {"data": DATA, "stimulus_id": np.array(plain)})
    for name in ("cell.mat", "char.mat"):
        assert read_names(tmp_path / name, ("stimulus_id",)) == plain
    with h5py.File(tmp_path / "v73.mat", "w") as file:
        cells = file.create_dataset("stimulus_id", (1, 4), dtype=h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        for number, text in enumerate(plain):
            cell = file.create_dataset(
                f"#refs#/{number}", data=np.array([[ord(c)] for c in text], dtype="u2")
            )
            cells[0, number] = cell.ref
    assert read_names(tmp_path / "v73.mat", ("stimulus_id",)) == plain
    with h5py.File(tmp_path / "v73.mat", "a") as file:
        file["stimulus_id"][0, 1] = file.create_dataset("#refs#/x", data=np.ones((2, 2))).ref
    with pytest.raises(InputError, match="holds other things than text"):
        read_names(tmp_path / "v73.mat", ("stimulus_id",))


def test_links_of_hdf5_files_are_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/fine"] = DATA
    check_links(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["group/far"] = h5py.ExternalLink("b.h5", "x")
    with pytest.raises(InputError, match="the HDF5 link 'group/far' of .*a.h5 points to another file"):
        check_links(tmp_path / "a.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("outside", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
    with pytest.raises(InputError, match="the HDF5 array 'outside' of"):
        check_links(tmp_path / "c.h5")
