from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr

from alignkit._core.errors import InputError
from alignkit.decoders._reading import read_rows, read_with_times
from alignkit.recordings import Recording


class Counting:
    """A zarr array that counts how often it is sliced."""

    def __init__(self, array: zarr.Array) -> None:
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, array.chunks
        self.n_reads = 0

    def __getitem__(self, key: object) -> np.ndarray:
        self.n_reads += 1
        return np.asarray(self.array[key])


@pytest.fixture
def on_disk(tmp_path) -> tuple[np.ndarray, Recording]:
    data = np.random.default_rng(0).standard_normal((50, 3, 4)).astype(np.float32)
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=data.shape, dtype="float32", chunks=(8, 3, 4))
    array[...] = data
    plain = Recording.from_arrays(data, [f"s{i}" for i in range(50)], times_s=np.arange(4) / 10)
    return data, Recording(Counting(array), plain.samples, plain.channels, times_s=plain.times_s)


def test_scattered_rows_are_the_same_from_disk_and_each_chunk_is_read_once(on_disk) -> None:
    data, recording = on_disk
    rows = np.random.default_rng(1).permutation(50)[:30]
    assert np.array_equal(read_rows(recording, rows), data[rows])
    assert recording.data.n_reads == len(np.unique(rows // 8))


def test_a_row_asked_for_twice_comes_twice(on_disk) -> None:
    data, recording = on_disk
    rows = np.array([9, 3, 9, 3])
    assert np.array_equal(read_rows(recording, rows), data[rows])


def test_what_has_no_chunks_is_read_by_runs_of_neighbours(on_disk) -> None:
    data, recording = on_disk
    del recording.data.chunks
    rows = np.array([20, 4, 3, 21, 22])
    assert np.array_equal(read_rows(recording, rows), data[rows])
    assert recording.data.n_reads == 2


def test_what_is_read_is_not_the_recording(on_disk) -> None:
    data, recording = on_disk
    wanted = data.copy()
    for each in (recording, replace(recording, data=data)):
        read_rows(each, np.arange(50))[:] = 0
        assert np.array_equal(read_rows(each, np.arange(50)), wanted)


def test_responses_without_times_get_one() -> None:
    recording = Recording.from_arrays(np.eye(3), ["a", "b", "c"])
    assert read_rows(recording, np.array([1])).tolist() == [[0, 1, 0]]
    assert read_with_times(recording, np.array([1])).tolist() == [[[0], [1], [0]]]


def test_a_trial_on_disk_that_holds_nan_is_named(tmp_path) -> None:
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=(6, 2), dtype="float32", chunks=(3, 2))
    array[...] = np.ones((6, 2), dtype=np.float32)
    array[4, 1] = np.nan
    plain = Recording.from_arrays(np.ones((6, 2)), list("abcdef"), subject="anna")
    recording = Recording(array, plain.samples, plain.channels, subject="anna")
    with pytest.raises(InputError, match="1 of 3 trials of 'anna' hold NaN or infinity, the first in row 4"):
        read_rows(recording, np.array([5, 4, 0]))
