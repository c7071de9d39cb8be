"""FreeSurfer's MGH files: values per vertex, opened and closed in one place."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import readable, require_file


@contextmanager
def open_mgh(path: str | Path) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Open an ``.mgh`` or ``.mgz`` file: what slices are read from, and its shape.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged, or reading fails inside.
    """
    import nibabel as nib

    path = require_file(path)
    opened = gzip.open if path.suffix == ".mgz" else open
    # nibabel leaves a file that it opened by name to the garbage collector.
    with readable(path, "an MGH surface file"), opened(path, "rb") as file:
        image: Any = nib.MGHImage.from_stream(file)
        yield image.dataobj, tuple(int(n) for n in image.shape)


def read_mgh(path: str | Path) -> NDArray[Any]:
    """Return the one value of each vertex, shape (n_vertices,)."""
    with open_mgh(path) as (values, _):
        return np.asarray(values, dtype=np.float64).ravel()
