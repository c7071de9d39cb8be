"""Pickles are read as data, never as programs."""

from __future__ import annotations

import collections
import os
import pickle

import numpy as np
import pytest

from alignkit._core.errors import InputError, MissingDataError
from alignkit.datasets.public._plain_pickle import (
    load_object_array,
    loads_plain_pickle,
    read_plain_pickle,
)

PLAIN = {
    "preprocessed_eeg_data": np.arange(24, dtype=np.float64).reshape(2, 3, 4),
    "ch_names": ["Pz", "P3"],
    "times": np.linspace(-0.2, 0.8, 5).astype(np.float32),
    "columns": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    "names": np.array(["a", "bé"]),
    "bytes": b"\x00\xff",
    "empty": (b"", [], {}, set(), ()),
    "set": {1, 2},
    "frozen": frozenset({"x"}),
    "scalar": np.float32(1.5),
    "big": np.int64(2**40),
    "truth": np.bool_(True),
    "complex": 1 + 2j,
    "nothing": None,
    "nested": [({"k": np.array([True, False])},)],
    "objects": np.array([np.arange(2), "text", None], dtype=object),
}


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape or type(b) is not np.ndarray:
            return False
        if a.dtype == object:
            return all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        return np.array_equal(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_come_back_as_they_were_whatever_the_protocol(tmp_path, protocol):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(PLAIN, protocol=protocol))
    assert same(PLAIN, read_plain_pickle(tmp_path / "x.pkl"))


def test_arrays_of_numpy_1_are_read_under_their_old_names(tmp_path):
    content = pickle.dumps(PLAIN, protocol=2)
    assert b"numpy._core" in content
    assert same(PLAIN, loads_plain_pickle(content.replace(b"numpy._core", b"numpy.core"), source="x"))


def test_arrays_can_be_written_to_and_shared_values_stay_shared():
    array, row = np.arange(3.0), [1]
    first, second, (third, fourth) = loads_plain_pickle(pickle.dumps([array, array, (row, row)]), source="x")
    first += 1
    assert first is second and third is fourth


def test_a_list_that_holds_itself_is_read():
    ring: list[object] = [np.arange(2)]
    ring.append(ring)
    made = loads_plain_pickle(pickle.dumps(ring), source="x")
    assert made[1] is made and np.array_equal(made[0], [0, 1])


def test_an_ordered_dictionary_comes_as_a_dictionary():
    ordered = collections.OrderedDict([("b", 1), ("a", 2)])
    made = loads_plain_pickle(pickle.dumps(ordered), source="x")
    assert type(made) is dict and list(made.items()) == [("b", 1), ("a", 2)]


def test_npy_files_with_a_dictionary_or_objects_are_read(tmp_path):
    np.save(tmp_path / "mapping.npy", {0: "Unknown", 1: "V1v"}, allow_pickle=True)
    assert load_object_array(tmp_path / "mapping.npy") == {0: "Unknown", 1: "V1v"}
    objects = np.empty((2, 2), dtype=object)
    objects[:] = [["a", 1], [None, "b"]]
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    made = load_object_array(tmp_path / "objects.npy")
    assert made.shape == (2, 2) and made.tolist() == [["a", 1], [None, "b"]]
    np.save(tmp_path / "plain.npy", np.arange(3))
    assert load_object_array(tmp_path / "plain.npy").tolist() == [0, 1, 2]


class _Runs:
    def __init__(self, function, *args) -> None:
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def _getattr_chain(folder) -> bytes:
    # getattr(getattr(builtins, "__import__")("os"), "system")(...) by hand.
    return (
        b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR(S'touch "
        + os.fsencode(folder / "ran")
        + b"'\ntR."
    )


def _dotted(folder) -> bytes:
    # Protocol 4 looks names up piece by piece: numpy -> "ndarray.__class__".
    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    return b"\x80\x04" + text("numpy") + text("ndarray.__class__") + b"\x93."


def _instance(folder) -> bytes:
    return b"(S'touch " + os.fsencode(folder / "ran") + b"'\nios\nsystem\n."


ATTACKS = {
    "os.system": lambda folder: pickle.dumps(_Runs(os.system, f"touch {folder / 'ran'}")),
    "posix.system in a list": lambda folder: pickle.dumps([1, _Runs(os.system, f"touch {folder / 'ran'}")]),
    "eval": lambda folder: pickle.dumps(_Runs(eval, f"open({str(folder / 'ran')!r}, 'w')")),
    "exec": lambda folder: pickle.dumps(_Runs(exec, f"open({str(folder / 'ran')!r}, 'w')")),
    "open": lambda folder: pickle.dumps(_Runs(open, str(folder / "ran"), "w")),
    "getattr": _getattr_chain,
    "dotted name": _dotted,
    "instance opcode": _instance,
    "numpy function": lambda folder: pickle.dumps(_Runs(np.save, str(folder / "ran"), 1)),
    "class": lambda folder: pickle.dumps(collections.Counter("a")),
    "record array": lambda folder: pickle.dumps(np.rec.array([(1, 2.0)])),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_plain_data_is_refused_and_nothing_runs(tmp_path, attack):
    content = ATTACKS[attack](tmp_path)
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"x.pkl asks for [\w.]+, which is no plain data; it was not run"):
        read_plain_pickle(tmp_path / "x.pkl")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


def test_an_attack_inside_an_npy_file_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array(_Runs(os.system, f"touch {tmp_path / 'ran'}"), dtype=object))
    with pytest.raises(InputError, match="x.npy asks for posix.system.*not run"):
        load_object_array(tmp_path / "x.npy")
    assert not (tmp_path / "ran").exists()


def forged(type_code: bytes, type_state: bytes, state: bytes) -> bytes:
    """Return an array's pickle with a state of one's own (protocol 0, by hand)."""
    return (
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I1\ntcnumpy\ndtype\n(S'" + type_code + b"'\nI0\nI1\ntR" + type_state + state + b"tb."
    )


@pytest.mark.parametrize(
    ("type_code", "type_state", "state", "message"),
    [
        # Raw bytes as objects would be addresses.
        (b"O8", b"(I3\nS'|'\nNNNI-1\nI-1\nI63\ntb", b"I00\nS'AAAAAAAA'\n", "without its 1 objects"),
        (b"V8", b"(I3\nS'|'\nNNNI8\nI1\nI0\ntb", b"I00\nS'AAAAAAAA'\n", "the type 'V8'"),
        (b"O8,i4", b"", b"I00\nS'AAAAAAAA'\n", "the type 'O8,i4'"),
        (b"f8", b"(I3\nS'<'\nN(S'a'\nt(dI8\nI1\nI0\ntb", b"I00\nS'AAAAAAAA'\n", "array with fields"),
        (b"f8", b"", b"I00\nS'AAAA'\n", "cannot be read as a pickle"),
        # Four letters as one character beyond the last that there is.
        (b"U1", b"", b"I00\nc_codecs\nencode\n(S'AAAA'\nS'latin1'\ntR", "numbers that are no characters"),
    ],
)
def test_forged_arrays_are_refused(type_code, type_state, state, message):
    with pytest.raises(InputError, match=message):
        loads_plain_pickle(forged(type_code, type_state, state), source="forged")


@pytest.mark.parametrize(
    "content",
    [
        # A constructor given a state, kept as data, or put into a set; an array without a state.
        b"cbuiltins\nset\n(S'_build'\nS'x'\ndb.",
        b"cnumpy\ndtype\n.",
        b"\x80\x04\x8f(cnumpy._core.multiarray\n_reconstruct\n)R\x90.",
        b"cnumpy._core.multiarray\n_reconstruct\n(tR.",
        # A set made of a number, a huge buffer, bytes in another encoding, and a persistent id.
        b"cbuiltins\nset\n(I3\ntR.",
        b"cbuiltins\nbytearray\n(I999999999999\ntR.",
        b"c_codecs\nencode\n(S'abc'\nS'zip'\ntR.",
        b"Pwhatever\n.",
    ],
)
def test_tricks_with_what_is_admitted_are_refused(content):
    with pytest.raises(InputError, match="x cannot be read as a pickle"):
        loads_plain_pickle(content, source="x")


def test_damaged_and_missing_files_are_named(tmp_path):
    content = pickle.dumps(PLAIN)
    (tmp_path / "cut.pkl").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut.pkl cannot be read as a pickle .*cut short"):
        read_plain_pickle(tmp_path / "cut.pkl")
    np.save(tmp_path / "cut.npy", {"a": 1}, allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-5])
    with pytest.raises(InputError, match="cut.npy cannot be read as a NumPy array"):
        load_object_array(tmp_path / "cut.npy")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(InputError, match="text.npy cannot be read as a NumPy array"):
        load_object_array(tmp_path / "text.npy")
    with pytest.raises(MissingDataError, match="none.pkl does not exist"):
        read_plain_pickle(tmp_path / "none.pkl")


def test_an_npy_file_whose_payload_is_another_thing_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", {"a": 1}, allow_pickle=True)
    header = (tmp_path / "x.npy").read_bytes()[:128]
    (tmp_path / "x.npy").write_bytes(header + pickle.dumps([1, 2]))
    with pytest.raises(InputError, match="something else than the array of objects that its header names"):
        load_object_array(tmp_path / "x.npy")
