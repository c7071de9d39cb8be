from __future__ import annotations

import numpy as np
import pytest
import zarr

from alignkit._core.errors import InputError
from alignkit.features import _layer_writer
from alignkit.features._layer_writer import LayerWriter


@pytest.mark.parametrize("shape", [(5,), (5, 3)])
@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_groups_of_rows_come_out_as_they_went_in_whatever_the_chunks(tmp_path, monkeypatch, most, shape):
    monkeypatch.setattr(_layer_writer, "rows_of", lambda shape, itemsize: most)
    rows = np.random.default_rng(0).standard_normal((11, *shape)).astype(np.float32)
    writer = LayerWriter(tmp_path / "a.zarr", 11, shape, rows_per_group=4)
    writer.create()
    files = [name for start in (0, 4, 8) for name in writer.write(start, rows[start : start + 4])]
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "a.zarr"), mode="r")[...], rows)
    there = {p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("a.zarr/c/**/*") if p.is_file()}
    assert sorted(files) == sorted(there)


def test_a_chunk_is_a_whole_part_of_a_group_so_that_none_is_written_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(_layer_writer, "rows_of", lambda shape, itemsize: 20)
    assert LayerWriter(tmp_path / "a", 1000, (5,), rows_per_group=96).chunk == 16


def test_an_array_that_is_missing_or_another_one_is_not_gone_on_with(tmp_path):
    writer = LayerWriter(tmp_path / "a.zarr", 6, (5,), rows_per_group=3)
    with pytest.raises(InputError, match="a.zarr cannot be opened"):
        writer.open()
    LayerWriter(tmp_path / "a.zarr", 6, (4,), rows_per_group=3).create()
    with pytest.raises(InputError, match=r"a.zarr holds shape \(6, 4\), wanted \(6, 5\)"):
        writer.open()
