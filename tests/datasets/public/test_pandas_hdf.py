"""What pandas writes to HDF5 is read without pandas; pandas is the oracle."""

from __future__ import annotations

import os
import pickle
import warnings

import h5py
import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.public._pandas_hdf import open_frame

pytest.importorskip("tables")


def table(names: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((7, 4)).astype(np.float32), columns=range(4))
    frame.insert(2, "voxel_id", np.arange(7)[::-1])
    frame.insert(4, "weight", rng.standard_normal(7))
    if names == "text":
        frame.columns = [str(column) for column in frame.columns]
    return frame


def write(path, frame: pd.DataFrame, **options) -> None:
    with warnings.catch_warnings():
        # pandas warns that names of mixed types are pickled: that is the case that is wanted here.
        warnings.simplefilter("ignore")
        frame.to_hdf(path, key="ResponseData", **options)


@pytest.mark.parametrize("names", ["mixed", "text"])
@pytest.mark.parametrize("options", [{"format": "fixed"}, {"format": "table"}, {"complevel": 5}])
def test_columns_and_rows_are_those_of_pandas(tmp_path, names, options):
    frame = table(names)
    write(tmp_path / "x.h5", frame, **options)
    frame.columns = [str(column) for column in frame.columns]
    with open_frame(tmp_path / "x.h5") as found:
        assert found.n_rows == 7 and set(found.columns) == set(frame.columns)
        for column in frame:
            assert np.array_equal(found.read([column])[:, 0], frame[column])
        wanted = ["3", "voxel_id", "0", "weight"]
        assert np.array_equal(found.read(wanted, 2, 5), frame[wanted].to_numpy()[2:5])
        with pytest.raises(InputError, match="a column is 'voxel', did you mean 'voxel_id'"):
            found.read(["voxel"])


def test_columns_of_text_are_left_out_and_the_others_read(tmp_path):
    frame = table("text").assign(concept=list("abcdefg"))
    write(tmp_path / "x.h5", frame, format="fixed")
    with open_frame(tmp_path / "x.h5") as found:
        assert "concept" not in found.columns and found.n_rows == 7
        assert np.array_equal(found.read(["0"])[:, 0], frame["0"])


def test_names_that_would_run_code_are_refused_and_nothing_runs(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    write(tmp_path / "x.h5", table("mixed"), format="fixed")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        items = file["ResponseData/block0_items"]
        items[0] = np.frombuffer(pickle.dumps(Runs()), dtype=np.uint8)
    with (
        pytest.raises(InputError, match="asks for posix.system, which is no plain data"),
        open_frame(tmp_path / "x.h5"),
    ):
        pass
    assert not (tmp_path / "ran").exists()


def test_files_without_one_table_are_refused(tmp_path):
    with pytest.raises(MissingDataError, match="none.h5 does not exist"), open_frame(tmp_path / "none.h5"):
        pass
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.arange(3)
    with (
        pytest.raises(InputError, match="one table written by pandas, found 0: data"),
        open_frame(tmp_path / "x.h5"),
    ):
        pass
    frame = table("text")
    frame.to_hdf(tmp_path / "two.h5", key="a")
    frame.to_hdf(tmp_path / "two.h5", key="b")
    with (
        pytest.raises(InputError, match="one table written by pandas, found 2: a, b"),
        open_frame(tmp_path / "two.h5"),
    ):
        pass
    frame[["0"]].astype(str).to_hdf(tmp_path / "text.h5", key="a")
    with (
        pytest.raises(InputError, match="no rows, or no column of numbers"),
        open_frame(tmp_path / "text.h5"),
    ):
        pass
    write(tmp_path / "x.h5", frame, mode="w")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        values = file["ResponseData/block0_values"][:, :1]
        del file["ResponseData/block0_values"]
        file["ResponseData/block0_values"] = values
    with pytest.raises(InputError, match=r"block 0 has \(7, 1\) values for"), open_frame(tmp_path / "x.h5"):
        pass
