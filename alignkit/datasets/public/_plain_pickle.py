"""Plain data out of pickled files, with nothing of the file being run.

A pickle is a small program. Here it may only build lists, tuples, dictionaries, sets, numbers, text and
numpy arrays of them: every name that it asks for is looked up in the short list below, whose entries are
constructors of ours. numpy's own ones are not handed out, since a forged dtype or array state can make numpy
read memory that is not its own.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file

_PLAIN_KINDS = "biufcSU"
_OBJECTS = "O"


def read_plain_pickle(path: str | Path) -> Any:
    """Read a pickle file that holds plain data.

    Parameters
    ----------
    path : str or Path
        A file that ``pickle.dump`` wrote, of any protocol.

    Returns
    -------
    value : Any
        Lists, tuples, dictionaries, sets, numbers, text, bytes, None, and numpy arrays and scalars of plain
        numbers or text; an array of objects holds such values again. An ``OrderedDict`` comes as a dict.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If the pickle asks for anything else (which is then not run), or is damaged.
    """
    path = require_file(path)
    with readable(path, "a pickle"), path.open("rb") as file:
        return _load(file, str(path))


def loads_plain_pickle(content: bytes, *, source: str) -> Any:
    """Read pickled bytes as :func:`read_plain_pickle` does; `source` names them in errors."""
    with readable(Path(source), "a pickle"):
        return _load(io.BytesIO(content), source)


def load_object_array(path: str | Path) -> Any:
    """Read an npy file, where it holds Python objects only if they are plain data.

    Parameters
    ----------
    path : str or Path
        What ``numpy.save`` wrote. Arrays of numbers or text are read as ``numpy.load`` reads them.

    Returns
    -------
    value : Any
        The array; of an array without dimensions (how ``numpy.save`` keeps a dictionary) what it holds.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is no npy file, is damaged, or its objects are not plain data.
    """
    path = require_file(path)
    with readable(path, "a NumPy array"), path.open("rb") as file:
        shape, dtype = _read_header(file)
        if not dtype.hasobject:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        value = _load(file, str(path))
    if not isinstance(value, np.ndarray) or value.shape != shape or dtype.kind != _OBJECTS:
        raise InputError(f"{path} holds something else than the array of objects that its header names.")
    return value.item() if value.ndim == 0 else value


def _read_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers: dict[tuple[int, int], Callable[[Any], Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"npy version {version}")
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _load(file: Any, source: str) -> Any:
    return _finished(_PlainUnpickler(file, source).load(), {})


class _Constructor:
    """A function that a pickle may call, and whose state it cannot change."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build

    def __call__(self, *args: Any) -> Any:
        return self._build(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a pickle sets the state of a function")


class _Type:
    """Stands for numpy's dtype while a pickle is read; only plain kinds."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, *_flags: Any) -> None:
        # The code is text such as "f8": anything longer could describe fields, shapes or metadata.
        is_short = isinstance(code, str) and code[:1] in _PLAIN_KINDS + _OBJECTS and code[1:].isdigit()
        if not is_short:
            raise ValueError(f"an array of the type {code!r}; numbers or text are wanted")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _version, order, subtype, names, fields, *_rest = state
        if (
            subtype is not None
            or names is not None
            or fields is not None
            or order not in ("<", ">", "|", "=")
        ):
            raise ValueError("an array with fields; numbers or text are wanted")
        if order in "<>":
            self.dtype = self.dtype.newbyteorder(order)

    def array(self, shape: Any, values: Any, *, fortran: bool) -> NDArray[Any]:
        """Return an array of this type; `values` are bytes, or the list of its objects."""
        size = tuple(int(n) for n in shape)
        if min(size, default=0) < 0:
            raise ValueError(f"an array of shape {size}")
        order: Literal["F", "C"] = "F" if fortran else "C"
        made: NDArray[Any]
        if self.dtype.kind == _OBJECTS:
            if not isinstance(values, list) or len(values) != prod(size):
                raise ValueError(f"an array of shape {size} without its {prod(size)} objects")
            made = np.empty(len(values), dtype=object)
            for place, value in enumerate(values):
                made[place] = value
            return np.reshape(made, size, order=order)
        content = values if isinstance(values, bytes | bytearray) else bytes(memoryview(values))
        if len(content) != prod(size) * self.dtype.itemsize:
            raise ValueError(f"an array of shape {size} and type {self.dtype} in {len(content)} bytes")
        if self.dtype.kind == "U" and self.dtype.itemsize:
            codes = np.frombuffer(content, dtype=np.dtype("u4").newbyteorder(self.dtype.byteorder))
            if codes.max(initial=0) > sys.maxunicode:
                raise ValueError("an array of text with numbers that are no characters")
        made = np.frombuffer(content, dtype=self.dtype)
        return np.reshape(made, size, order=order).copy(order="K")


class _Array:
    """Stands for an array until its state is read."""

    __slots__ = ("value",)
    # A pickle could put one into a set before it has a value.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: NDArray[Any] | None = None) -> None:
        self.value = value

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, values = state
        self.value = _as_type(kind).array(shape, values, fortran=bool(fortran))


def _as_type(kind: Any) -> _Type:
    if not isinstance(kind, _Type):
        raise ValueError("an array without its type")
    return kind


def _scalar(kind: Any, content: Any) -> Any:
    if _as_type(kind).dtype.kind == _OBJECTS or not isinstance(content, bytes):
        raise ValueError("a numpy scalar that is no number or text")
    return kind.array((1,), content, fortran=False)[0]


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    return _Array(_as_type(kind).array(shape, content, fortran=order == "F"))


def _latin_bytes(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin-1")


def _listed(build: Callable[[Any], Any]) -> _Constructor:
    def make(*content: Any) -> Any:
        if not all(isinstance(each, list | tuple | bytes) for each in content):
            raise ValueError("a container that is made of no list")
        return build(*content)

    return _Constructor(make)


_NDARRAY = _Constructor(lambda *_args: _Array())
_BUILTINS = {
    "set": _listed(set),
    "frozenset": _listed(frozenset),
    "bytearray": _listed(bytearray),
    "bytes": _listed(bytes),
    "list": _listed(list),
    "tuple": _listed(tuple),
    "dict": _Constructor(lambda: {}),
    "complex": _Constructor(lambda real, imaginary: complex(float(real), float(imaginary))),
}
_KNOWN: dict[tuple[str, str], _Constructor] = {
    ("collections", "OrderedDict"): _BUILTINS["dict"],
    ("_codecs", "encode"): _Constructor(_latin_bytes),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Constructor(_Type),
}
for _module in ("builtins", "__builtin__"):
    _KNOWN |= {(_module, _name): _made for _name, _made in _BUILTINS.items()}
for _module in ("numpy.core", "numpy._core"):
    _KNOWN[f"{_module}.multiarray", "_reconstruct"] = _NDARRAY
    _KNOWN[f"{_module}.multiarray", "scalar"] = _Constructor(_scalar)
    _KNOWN[f"{_module}.numeric", "_frombuffer"] = _Constructor(_from_buffer)


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that knows the names above and no other."""

    def __init__(self, file: Any, source: str) -> None:
        super().__init__(file)
        self._source = source

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the constructors above, or refuse."""
        known = _KNOWN.get((module, name))
        if known is None:
            raise InputError(
                f"{self._source} asks for {module}.{name}, which is no plain data; it was not run. Only "
                "lists, dictionaries, numbers, text and numpy arrays of them are read from a pickle. Save "
                "the data as plain arrays."
            )
        return known


def _finished(value: Any, done: dict[int, Any]) -> Any:
    """Put the arrays where their stand-ins are."""
    if id(value) in done:
        return done[id(value)][1]
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without values")
        array = value.value
        # The stand-in is kept beside its array: its id must stay its own until the end.
        done[id(value)] = (value, array)
        if array.dtype.kind == _OBJECTS:
            for place in np.ndindex(array.shape):
                array[place] = _finished(array[place], done)
        return array
    if isinstance(value, list | dict):
        done[id(value)] = (value, value)
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            value[key] = _finished(value[key], done)
        return value
    if isinstance(value, tuple):
        return tuple(_finished(each, done) for each in value)
    if isinstance(value, _Constructor | _Type):
        raise ValueError("a function or a type where data should be")
    return value
