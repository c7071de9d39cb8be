"""Rows of one layer in a zarr array of known length, chunked by stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from ..recordings._storage import rows_of


class LayerWriter:
    """A float32 array on disk that is written in whole groups of rows, so that no chunk is written twice.

    Parameters
    ----------
    path : Path
        Of the array; one that is there and fits is gone on with.
    n_rows : int
        Length of the first axis.
    row_shape : tuple of int
        Of one stimulus: (n_units,) or (n_units, n_times).
    rows_per_group : int
        Every write but the last starts and ends at a multiple of it.
    """

    def __init__(self, path: Path, n_rows: int, row_shape: tuple[int, ...], rows_per_group: int) -> None:
        self.path = path
        self.shape = (n_rows, *row_shape)
        self.chunk = _divisor(rows_per_group, most=rows_of((rows_per_group, *row_shape), 4))
        self._array: Any = None

    def create(self) -> None:
        """Make the array anew."""
        import zarr

        chunks = (self.chunk, *self.shape[1:])
        self._array = zarr.create_array(
            str(self.path), shape=self.shape, dtype=np.float32, chunks=chunks, overwrite=True
        )

    def open(self) -> None:
        """Go on with the array that is there.

        Raises
        ------
        InputError
            If it is missing, or another one.
        """
        import zarr

        try:
            self._array = zarr.open_array(str(self.path), mode="r+")
            found = (self._array.shape, self._array.chunks[0], self._array.dtype)
        # zarr has many errors for metadata that are missing, cut short or nonsense.
        except Exception as error:
            raise InputError(f"{self.path} cannot be opened ({error}).") from error
        if found != (self.shape, self.chunk, np.dtype(np.float32)):
            raise InputError(f"{self.path} holds shape {found[0]}, wanted {self.shape}.")

    def write(self, start: int, rows: NDArray[np.float32]) -> list[str]:
        """Write rows from `start` on and return the files that hold them, relative to the array's folder."""
        self._array[start : start + len(rows)] = rows
        chunks = range(start // self.chunk, -(-(start + len(rows)) // self.chunk))
        rest = "/0" * (len(self.shape) - 1)
        return [f"{self.path.name}/c/{number}{rest}" for number in chunks]


def _divisor(number: int, *, most: int) -> int:
    return next(size for size in range(min(most, number), 0, -1) if number % size == 0)
