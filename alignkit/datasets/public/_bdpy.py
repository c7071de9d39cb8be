"""The HDF5 files of bdpy: one matrix, and for each of its columns what it is.

The present writer names them ``dataset`` and ``metadata``, an older one ``dataSet`` and ``metaData``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ._hdf5 import find_array, find_item, open_hdf5

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class BrainData:
    """A bdpy file that is open.

    Attributes
    ----------
    keys : list of str
        What the columns may be, such as ``"VoxelData"``, ``"ROI_V1"``, ``"DataType"``.
    values : ndarray of shape (n_keys, n_columns)
        1 where a column is that; a number where the key carries one (``"voxel_x"``); NaN elsewhere.
    rows : Any
        The matrix, not yet read, (n_rows, n_columns).
    source : str
        The file, for errors.
    """

    keys: list[str]
    values: NDArray[np.float64]
    rows: Any
    source: str

    def numbers(self, key: str) -> NDArray[np.float64]:
        """Return what a key says of each column, (n_columns,).

        Raises
        ------
        InputError
            If there is no such key (close matches listed).
        """
        if key not in self.keys:
            raise InputError(f"{self.source}: a key is {key!r}, {did_you_mean(key, self.keys)}")
        return np.asarray(self.values[self.keys.index(key)], dtype=np.float64)

    def is_in(self, key: str) -> NDArray[np.bool_]:
        """Return which columns a key selects, (n_columns,)."""
        return np.asarray(self.numbers(key) == 1, dtype=np.bool_)

    def read(self, columns: NDArray[np.bool_], rows: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Return (n_rows, n_selected) of the matrix, in its own type; at most 64 MiB beside that are used."""
        place = np.flatnonzero(columns)
        rows = np.arange(self.rows.shape[0]) if rows is None else rows
        made = np.empty((len(rows), len(place)), dtype=self.rows.dtype)
        if not len(place):
            return made
        first, last = int(place[0]), int(place[-1]) + 1
        step = max(1, _BLOCK_BYTES // (self.rows.dtype.itemsize * (last - first)))
        for start in range(0, self.rows.shape[0], step):
            wanted = np.flatnonzero((rows >= start) & (rows < start + step))
            if len(wanted):
                block = self.rows[start : start + step, first:last]
                made[wanted] = block[rows[wanted] - start][:, place - first]
        return made

    def label(self, *keys: str) -> NDArray[np.float64]:
        """Return the one column that the first of `keys` that is there selects, in double precision.

        Raises
        ------
        InputError
            If none of them is there, or several columns are selected.
        """
        key = next((key for key in keys if key in self.keys), keys[0])
        columns = self.is_in(key)
        if columns.sum() != 1:
            raise InputError(f"{self.source}: {key!r} selects {int(columns.sum())} columns, one is wanted.")
        return np.asarray(self.read(columns)[:, 0], dtype=np.float64)


@contextmanager
def open_bdpy(path: str | Path) -> Iterator[BrainData]:
    """Open a bdpy file of either writer.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged, or its parts do not fit each other.
    """
    with open_hdf5(path) as file:
        matrix, facts = ("dataset", "metadata") if "dataset" in file else ("dataSet", "metaData")
        rows = find_array(file, matrix, ndim=2)
        keys = [_text(key) for key in find_item(file, f"{facts}/key")[...].ravel().tolist()]
        values = np.asarray(find_array(file, f"{facts}/value", ndim=2)[...], dtype=np.float64)
        if values.shape != (len(keys), rows.shape[1]) or rows.dtype.kind != "f":
            raise InputError(
                f"{path}: {len(keys)} keys and a matrix ({rows.dtype}) of shape {rows.shape} do not go with "
                f"`value` of shape {values.shape}; keys x columns is wanted."
            )
        yield BrainData(keys, values, rows, str(path))


def _text(key: Any) -> str:
    return key.decode("utf-8") if isinstance(key, bytes) else str(key)
