from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets import read_matrix
from alignkit.datasets._tables import label_table, partition_of, read_table


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_ids_stay_text_as_they_are_written(tmp_path, suffix):
    text = "stimulus_id,value\n001,1.5\nNA,n/a\n 7 ,2\n"
    path = write(tmp_path / f"t{suffix}", text.replace(",", "\t") if suffix == ".tsv" else text)
    table = read_table(path, needs=["stimulus_id"])
    assert table["stimulus_id"].to_list() == ["001", "NA", "7"]
    np.testing.assert_array_equal(table["value"], [1.5, np.nan, 2])


def test_parquet_and_a_byte_order_mark_are_read(tmp_path):
    pd.DataFrame({"stimulus_id": [1, 2], "x": [0.5, 1]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["stimulus_id"].to_list() == ["1", "2"]
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfstimulus_id\na\n")
    assert list(read_table(path).columns) == ["stimulus_id"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,x\na,1\n", "needs a column 'stimulus_id', it has id, x"),
        ("stimulus_id,x\na,1\n,2\n", "'stimulus_id' is empty in data row 2"),
        ("stimulus_id,x\n", "has no rows"),
        ("stimulus_id,x,x\na,1,2\n", "must be unique, .*'x'"),
        ("stimulus_id,x\na,1,2\nb,1,2\n", r"more cells than its first line has columns \(2\)"),
        ("", "cannot be read as a table"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_table(write(tmp_path / "t.csv", text), needs=["stimulus_id"])


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(MissingDataError, match="t.csv does not exist"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(MissingDataError, match="is a folder, a file is wanted"):
        read_table(tmp_path)
    with pytest.raises(InputError, match=r"has the suffix '.xlsx'; a table is .csv"):
        read_table(write(tmp_path / "t.xlsx", ""))
    with pytest.raises(InputError, match="t.parquet cannot be read as a table"):
        read_table(write(tmp_path / "t.parquet", "PAR1"))


def test_labels_are_the_columns_that_sort_stimuli():
    samples = pd.DataFrame(
        {
            "stimulus_id": list("aabbcc"),
            "repetition": [1, 2] * 3,
            "animate": [True, True, True, True, False, False],
            "living": ["y", "y", "y", "y", "n", "n"],
            "name": ["ant", "ant", "bee", "bee", "cup", "cup"],
            "shown": "yes",
            "rt": [0.1, 0.1, 0.2, 0.2, 0.1, 0.1],
            "response": ["l", "r"] * 3,
        }
    )
    labels = label_table(samples)
    assert list(labels.columns) == ["stimulus_id", "animate"]
    assert labels["animate"].to_list() == [True, True, False]
    assert label_table(samples[["stimulus_id", "repetition", "shown"]]) is None


def test_partitions_ignore_what_labels_are_called():
    assert partition_of(["x", "y", "x"]) == partition_of([1, 0, 1]) != partition_of(["x", "x", "y"])


def test_an_index_column_and_a_missing_header_are_refused(tmp_path):
    indexed = tmp_path / "indexed.csv"
    indexed.write_text(",a,b\n0,1,2\n1,3,4\n")
    with pytest.raises(InputError, match="a column without a name. If it is a row index"):
        read_matrix(indexed)
    bare = tmp_path / "bare.csv"
    bare.write_text("1.5,2\n3,4\n")
    with pytest.raises(InputError, match="holds numbers only, but it must name the columns"):
        read_matrix(bare)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "stimulus_id;onset_s\na;1\n", "seems to be separated by semicolons.*'stimulus_id;onset_s'"),
        ("a.csv", "stimulus_id\tonset_s\na\t1\n", "seems to be separated by tabs"),
        ("a.tsv", "stimulus_id,onset_s\na,1\n", "seems to be separated by commas"),
    ],
)
def test_another_separator_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)
