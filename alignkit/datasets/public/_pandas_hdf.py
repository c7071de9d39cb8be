"""Tables that pandas wrote to HDF5, read in parts and without pandas: nothing of the file is run.

pandas keeps a table in blocks of columns of one type. In its "fixed" format a block is an array
``block0_values`` (rows x columns) with the columns' names in ``block0_items``; in its "table" format it is a
field ``values_block_0`` of the rows of one array, with the names in an attribute. Names of mixed types are
pickled by the writer; they are read as plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ._hdf5 import find_item, open_hdf5
from ._plain_pickle import loads_plain_pickle


@dataclass(frozen=True, eq=False)
class Block:
    """Some columns of a table: their names, and a function that reads rows, (n_rows, n_columns)."""

    names: list[str]
    read: Callable[[int, int], Any]


@dataclass(frozen=True, eq=False)
class Frame:
    """A table of an open file.

    Attributes
    ----------
    n_rows : int
        Its length.
    blocks : list of Block
        Its columns of numbers, in no particular order.
    """

    n_rows: int
    blocks: list[Block]

    @property
    def columns(self) -> list[str]:
        """Names of the columns of numbers, as text."""
        return [name for block in self.blocks for name in block.names]

    def read(self, columns: Sequence[str], start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return rows `start` to `stop` of some columns, (n_rows, n_columns), in the order of `columns`.

        Raises
        ------
        InputError
            If there is no such column (close matches listed).
        """
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        place = {name: number for number, name in enumerate(columns)}
        missing = [name for name in columns if name not in set(self.columns)]
        if missing:
            raise InputError(f"a column is {missing[0]!r}, {did_you_mean(missing[0], self.columns[:20])}")
        parts = []
        for block in self.blocks:
            own = [(place[name], number) for number, name in enumerate(block.names) if name in place]
            if own:
                to, origin = (list(each) for each in zip(*own, strict=True))
                parts.append((to, np.asarray(block.read(start, stop))[:, origin]))
        values = np.empty((stop - start, len(columns)), dtype=np.result_type(*(part for _, part in parts)))
        for to, part in parts:
            values[:, to] = part
        return values


@contextmanager
def open_frame(path: str | Path) -> Iterator[Frame]:
    """Open the one table of a file that ``DataFrame.to_hdf`` wrote.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it holds no table or several, or is damaged.
    """
    with open_hdf5(path) as file:
        tables = [name for name in file if b"frame" in _bytes(find_item(file, name).attrs.get("pandas_type"))]
        if len(tables) != 1:
            raise InputError(
                f"{path} should hold one table written by pandas, found {len(tables)}: "
                f"{', '.join(tables) or ', '.join(file) or 'nothing'}."
            )
        name = tables[0]
        is_rows = _bytes(find_item(file, name).attrs["pandas_type"]) == b"frame_table"
        yield _of_rows(file, name) if is_rows else _of_blocks(file, name)


def _of_blocks(file: Any, name: str) -> Frame:
    n_rows = None
    blocks = []
    for number in range(int(find_item(file, name).attrs["nblocks"])):
        values = find_item(file, f"{name}/block{number}_values")
        if values.dtype.kind not in "fiub" or values.ndim != 2:
            # Text and objects: columns that hold no numbers are not offered.
            continue
        is_transposed = bool(values.attrs.get("transposed", True))
        names = _names(find_item(file, f"{name}/block{number}_items"), file.filename)
        blocks.append(Block(names, _reader(values, is_transposed)))
        length, width = values.shape if is_transposed else values.shape[::-1]
        if width != len(names) or (n_rows is not None and n_rows != length):
            raise InputError(
                f"{file.filename}: block {number} has {values.shape} values for {len(names)} columns."
            )
        n_rows = int(length)
    return _checked(Frame(n_rows or 0, blocks), file.filename)


def _of_rows(file: Any, name: str) -> Frame:
    table = find_item(file, f"{name}/table")
    blocks = []
    for field in table.dtype.names or ():
        kind = table.attrs.get(f"{field}_kind")
        base = table.dtype[field].base
        if kind is None or field == "index" or base.kind not in "fiub":
            continue
        names = [str(each) for each in loads_plain_pickle(_bytes(kind), source=file.filename)]
        blocks.append(Block(names, _field_reader(table, field, len(names))))
    return _checked(Frame(int(table.shape[0]), blocks), file.filename)


def _reader(values: Any, is_transposed: bool) -> Callable[[int, int], Any]:
    if is_transposed:
        return lambda start, stop: values[start:stop]
    return lambda start, stop: values[:, start:stop].T


def _field_reader(table: Any, field: str, width: int) -> Callable[[int, int], Any]:
    return lambda start, stop: table.fields(field)[start:stop].reshape(stop - start, width)


def _names(items: Any, source: str) -> list[str]:
    if _bytes(items.attrs.get("PSEUDOATOM")) == b"object":
        pickled = bytes(np.asarray(items[0], dtype=np.uint8))
        return [str(each) for each in np.ravel(loads_plain_pickle(pickled, source=source))]
    values = items[...]
    return [each.decode() if isinstance(each, bytes) else str(each) for each in values.tolist()]


def _checked(frame: Frame, source: str) -> Frame:
    if not frame.n_rows or not frame.blocks:
        raise InputError(f"{source}: the table has no rows, or no column of numbers.")
    return frame


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value) if value is not None else b""
