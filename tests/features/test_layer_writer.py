from __future__ import annotations

import numpy as np
import pytest
import zarr

from alignkit.features import _layer_writer
from alignkit.features._layer_writer import LayerWriter


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
def test_rows_come_out_as_they_went_in_whatever_chunks_and_batches(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(_layer_writer, "rows_of", lambda shape, itemsize: chunk)
    rows = np.random.default_rng(0).standard_normal((11, 5)).astype(np.float32)
    writer = LayerWriter(tmp_path / "a.zarr", 11)
    for start, stop in ((0, 2), (2, 3), (3, 9), (9, 11)):
        writer.append(rows[start:stop])
    writer.close()
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "a.zarr"), mode="r")[...], rows)


def test_only_whole_chunks_are_written_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(_layer_writer, "rows_of", lambda shape, itemsize: 4)
    writer = LayerWriter(tmp_path / "a.zarr", 6)
    rows = np.ones((3, 2), np.float32)
    writer.append(rows)
    assert zarr.open_array(str(tmp_path / "a.zarr"), mode="r")[...].sum() == 0
    writer.append(rows)
    assert zarr.open_array(str(tmp_path / "a.zarr"), mode="r")[...].sum() == 8
    writer.close()
    assert zarr.open_array(str(tmp_path / "a.zarr"), mode="r")[...].sum() == 12
