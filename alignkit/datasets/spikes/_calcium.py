"""Calcium traces averaged over bins around events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.spike_counts import TICKS_PER_SECOND, bin_edges, check_windows
from ._trials import Window

_BLOCK_ELEMENTS = 2**22


@dataclass(frozen=True)
class Traces:
    """Fluorescence of several cells.

    Attributes
    ----------
    values : ndarray of shape (n_frames, n_rois)
        In `unit`.
    times_s : ndarray of shape (n_frames,)
        When each frame was taken, rising.
    names : list of str
        A name per cell.
    unit : str
        Such as ``"dF/F"``.
    """

    values: NDArray[np.floating]
    times_s: NDArray[np.float64]
    names: list[str]
    unit: str


def without_missing(traces: Traces, place: str) -> tuple[Traces, tuple[str, ...]]:
    """Return the cells whose traces have no NaN, and a note on the others.

    Raises
    ------
    InputError
        If no cell is left, frames and times do not go together, or times do not rise.
    """
    n_frames, n_rois = traces.values.shape
    if len(traces.times_s) != n_frames:
        raise InputError(f"{place} has {n_frames} frames of traces, but {len(traces.times_s)} times.")
    steps = np.diff(traces.times_s)
    if not np.isfinite(traces.times_s).all() or (steps <= 0).any():
        row = int((~(steps > 0)).argmax()) + 1
        raise InputError(f"{place}: the times of frames must rise, but do not at frame {row}.")
    whole = np.isfinite(traces.values).all(axis=0)
    if whole.all():
        return traces, ()
    if not whole.any():
        raise InputError(f"{place}: the traces of all {n_rois} cells hold NaN.")
    left_out = [traces.names[i] for i in np.flatnonzero(~whole).tolist()]
    note = (
        f"{len(left_out)} of {n_rois} cells of {place} have NaN in their traces and were left out: "
        f"{', '.join(left_out[:5])}{' ...' if len(left_out) > 5 else ''}."
    )
    names = [traces.names[i] for i in np.flatnonzero(whole).tolist()]
    return Traces(traces.values[:, whole], traces.times_s, names, traces.unit), (note,)


def average_trials(
    traces: Traces, onsets_s: NDArray[np.float64], place: str, window: Window
) -> NDArray[np.float32]:
    """Return the mean of the frames in every bin, (n_samples, n_rois[, n_bins]).

    A frame belongs to the bin that holds its time, by the rule of
    :func:`alignkit.preprocessing.spike_counts.bin_spikes`.

    Raises
    ------
    InputError
        If a window leaves the recording, or a bin holds no frame.
    """
    start_s, stop_s, bin_s = window.start_s, window.stop_s, window.bin_s
    step = float(np.median(np.diff(traces.times_s)))
    check_windows(
        onsets_s,
        start_s=start_s,
        stop_s=stop_s,
        recorded_s=(float(traces.times_s[0]), float(traces.times_s[-1]) + step),
    )
    frames = np.rint(traces.times_s * TICKS_PER_SECOND).astype(np.int64)
    onsets = np.rint(onsets_s * TICKS_PER_SECOND).astype(np.int64)
    edges = onsets[:, None] + bin_edges(start_s=start_s, stop_s=stop_s, bin_s=bin_s)
    index = np.searchsorted(frames, edges, side="left")
    counts = np.diff(index, axis=1)
    if (counts == 0).any():
        width = bin_s if bin_s is not None else stop_s - start_s
        raise InputError(
            f"{place}: {int((counts == 0).sum())} of {counts.size} bins of {width:g} s hold no frame; frames "
            "are "
            f"{step:.3g} s apart. Make `bin_s` longer."
        )
    means = np.empty((len(onsets), traces.values.shape[1], counts.shape[1]), dtype=np.float32)
    columns = max(1, _BLOCK_ELEMENTS // len(frames))
    for first in range(0, means.shape[1], columns):
        block = traces.values[:, first : first + columns].astype(np.float64)
        # About the middle, so that differences of running sums keep their digits.
        middle = block.mean(axis=0)
        sums = np.vstack([np.zeros((1, block.shape[1])), np.cumsum(block - middle, axis=0)])
        # (n_samples, n_bins, n_rois in the block)
        mean = (sums[index[:, 1:]] - sums[index[:, :-1]]) / counts[:, :, None] + middle
        means[:, first : first + columns] = mean.transpose(0, 2, 1)
    return means if bin_s is not None else means[:, :, 0]
