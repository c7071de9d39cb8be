"""Rows of one layer, streamed to a zarr array of known length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..recordings._storage import rows_of


class LayerWriter:
    """Append rows; only whole chunks are written, so that none is compressed twice."""

    def __init__(self, path: Path, n_rows: int) -> None:
        self.path = path
        self.n_rows = n_rows
        self._array: Any = None
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._n_written = 0
        self._chunk = 0

    def append(self, rows: NDArray[np.float32]) -> None:
        """Take the next rows, (n, n_units)."""
        if self._array is None:
            self._create(rows.shape[1])
        self._waiting.append(rows)
        self._n_waiting += len(rows)
        while self._n_waiting >= self._chunk:
            self._write(self._chunk)

    def close(self) -> None:
        """Write what is left."""
        if self._n_waiting:
            self._write(self._n_waiting)

    def _create(self, n_units: int) -> None:
        import zarr

        shape = (self.n_rows, n_units)
        self._chunk = rows_of(shape, 4)
        self._array = zarr.create_array(
            str(self.path), shape=shape, dtype=np.float32, chunks=(self._chunk, n_units), overwrite=True
        )

    def _write(self, n_rows: int) -> None:
        together = np.concatenate(self._waiting)
        self._array[self._n_written : self._n_written + n_rows] = together[:n_rows]
        self._n_written += n_rows
        self._waiting = [together[n_rows:]]
        self._n_waiting = len(together) - n_rows
