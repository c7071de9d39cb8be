from __future__ import annotations

import numpy as np
import pandas as pd

from alignkit._core.hashing import digest_array, digest_file, digest_files, digest_json, digest_table


def test_an_array_digest_knows_values_shape_and_dtype():
    a = np.arange(6.0)
    assert digest_array(a) == digest_array(a.copy())
    assert digest_array(a) == digest_array(np.arange(12.0)[::2] / 2)
    different = [a.reshape(2, 3), a.astype(np.float32), a + np.finfo(float).eps * 8, -a]
    assert len({digest_array(x) for x in [a, *different]}) == 5


def test_an_empty_array_has_a_digest():
    assert digest_array(np.zeros((0, 3))) != digest_array(np.zeros((3, 0)))


def test_json_digests_ignore_the_order_of_keys_only():
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json([1, 2]) != digest_json([2, 1])


def test_a_table_digest_ignores_the_index_but_not_names_or_order():
    table = pd.DataFrame({"x": [0.1, 0.2], "y": ["a", "b"]})
    assert digest_table(table) == digest_table(table.set_axis([5, 6]))
    assert digest_table(table) != digest_table(table.rename(columns={"x": "z"}))
    assert digest_table(table) != digest_table(table.iloc[::-1])


def test_file_digests_are_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_file(path) == known
    other = tmp_path / "b"
    other.write_bytes(b"abd")
    assert digest_files([path, other]) == digest_files([other, path]) != digest_files([path])
