"""Rows of a recording that may lie on disk, each chunk read once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from ..recordings.recording import Recording


def read_rows(recording: Recording, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return rows of a recording, shape (n_rows, n_channels[, n_times]), as a copy.

    Rows that stand scattered in a chunk cost one reading of it, and one chunk at a time is in memory.

    Parameters
    ----------
    recording : Recording
        In memory or on disk.
    rows : ndarray of shape (n_rows,)
        In any order.

    Raises
    ------
    InputError
        If a row holds NaN or infinity, which is not known of data on disk before they are read.
    """
    data = recording.data
    if isinstance(data, np.ndarray):
        return np.asarray(data[rows], dtype=np.float32)
    out = np.empty((len(rows), *data.shape[1:]), dtype=np.float32)
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    # What has no chunks is read by runs of neighbours.
    apart = np.diff(wanted // int(data.chunks[0])) > 0 if hasattr(data, "chunks") else np.diff(wanted) > 1
    for places in np.split(order, np.flatnonzero(apart) + 1):
        if len(places):
            first, last = int(rows[places[0]]), int(rows[places[-1]])
            out[places] = np.asarray(data[first : last + 1])[rows[places] - first]
    bad = ~np.isfinite(out.reshape(len(out), -1)).all(1)
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {len(out)} trials of {recording.subject!r} hold NaN or infinity, the "
            f"first in row {int(rows[bad].min())} of the recording. Leave these trials out."
        )
    return out


def read_with_times(recording: Recording, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the same of shape (n_rows, n_channels, n_times), with one time where the recording has none."""
    values = read_rows(recording, rows)
    return values.reshape(*values.shape[:2], -1)
