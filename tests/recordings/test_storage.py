from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from alignkit import Recording
from alignkit._core.errors import InputError, MissingDataError
from alignkit.recordings._storage import open_array, read_facts, read_table, rows_of, write_array, write_facts


def test_rows_of_a_chunk_fill_the_target_and_never_none():
    assert rows_of((1000, 1024), 4, target_bytes=2**20) == 256
    assert rows_of((10, 1024), 4) == 10
    assert rows_of((5, 10**9), 4) == 1
    assert rows_of((0, 3), 4) == 1


def test_an_array_of_several_chunks_comes_back_the_same(tmp_path):
    array = np.arange(35, dtype=np.float32).reshape(7, 5)
    write_array(tmp_path / "a.zarr", array, rows_per_chunk=2)
    np.testing.assert_array_equal(open_array(tmp_path / "a.zarr")[3:6], array[3:6])


def test_facts_of_another_kind_format_or_a_damaged_file_are_refused(tmp_path):
    write_facts(tmp_path, "Study", {"subjects": []})
    with pytest.raises(InputError, match="holds a 'Study', wanted a 'RDMs'"):
        read_facts(tmp_path, "RDMs")
    path = tmp_path / "container.json"
    path.write_text(json.dumps({"alignkit": "RDMs", "format": 99}))
    with pytest.raises(InputError, match="has format 99, this alignkit reads 1"):
        read_facts(tmp_path, "RDMs")
    path.write_text('{"alignkit": ')
    with pytest.raises(InputError, match="container.json is damaged"):
        read_facts(tmp_path, "RDMs")


def test_lost_and_damaged_parts_are_named(tmp_path):
    with pytest.raises(MissingDataError, match="t.parquet is missing"):
        read_table(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="t.parquet cannot be read as parquet"):
        read_table(tmp_path / "t.parquet")
    with pytest.raises(MissingDataError, match="a.zarr is missing"):
        open_array(tmp_path / "a.zarr")


def test_a_save_that_fails_leaves_the_old_one_and_no_rubbish(tmp_path):
    good = Recording.from_arrays(np.eye(2), ["a", "b"])
    good.save(tmp_path / "rec")
    bad = Recording(good.data, good.samples.assign(x=[object(), 1]), good.channels)
    with pytest.raises(Exception, match="object"):
        bad.save(tmp_path / "rec")
    pd.testing.assert_frame_equal(Recording.load(tmp_path / "rec").samples, good.samples, check_dtype=False)
    assert [path.name for path in tmp_path.iterdir()] == ["rec"]
