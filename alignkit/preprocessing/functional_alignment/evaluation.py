"""How alike subjects are in a common space: inter-subject correlation, and matching of segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..._core.errors import InputError
from ...metrics.correlation import column_correlation
from ._rotations import check_subjects

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SegmentMatching:
    """How often a stretch of one subject's responses is found again in the others'.

    Attributes
    ----------
    accuracy : ndarray of shape (n_subjects,)
        Share of segments whose best match is the right one, in [0, 1].
    chance : float
        What guessing reaches: the mean of one over the number of candidates.
    n_segments : int
        Segments per subject.
    """

    accuracy: Floats
    chance: float
    n_segments: int


def intersubject_correlation(Xs: Sequence[ArrayLike]) -> Floats:
    """Correlate every subject's time course with the mean of the others', channel by channel.

    Parameters
    ----------
    Xs : sequence of arrays of shape (n_samples, n_channels)
        One per subject, in one space: the same channels or features.

    Returns
    -------
    r : ndarray of shape (n_subjects, n_channels)
        In [-1, 1]; NaN where a channel is constant. Fair only for samples that no map was fitted on.

    Raises
    ------
    InputError
        If there are fewer than 2 subjects, shapes differ, or there are NaN.

    Notes
    -----
    For ceilings of story listening, with error bars and the noise of the mean taken out, use
    :func:`alignkit.stats.leave_one_subject_out`.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 3))
    >>> intersubject_correlation([X, 2 * X, X + 1]).round(6).min()
    np.float64(1.0)
    """
    arrays = _one_space(Xs)
    total = np.sum(arrays, axis=0)
    return np.array([column_correlation(own, (total - own) / (len(arrays) - 1)) for own in arrays])


def segment_matching(Xs: Sequence[ArrayLike], *, width: int) -> SegmentMatching:
    """Find every segment of a subject's responses in the mean of the others'.

    A segment is `width` successive samples of all channels, z-scored by channel over all samples. It is
    matched to the segment of the others' mean with the highest correlation, among the right one and all that
    do not overlap it.

    Parameters
    ----------
    Xs : sequence of arrays of shape (n_samples, n_channels)
        One per subject, in one space, samples in order of time.
    width : int
        Samples per segment.

    Returns
    -------
    matching : SegmentMatching

    Raises
    ------
    InputError
        If there are fewer than 2 subjects, shapes differ, or fewer than 2 segments that do not overlap.

    References
    ----------
    Haxby JV et al. (2011). A common, high-dimensional model of the representational space in human ventral
    temporal cortex. Neuron, doi:10.1016/j.neuron.2011.08.026 (between-subject movie segment classification).

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((40, 3))
    >>> segment_matching([X, X, X], width=5).accuracy
    array([1., 1., 1.])
    """
    arrays = _one_space(Xs)
    n_samples = len(arrays[0])
    if not 1 <= width <= n_samples // 2:
        raise InputError(f"`width` must lie in 1..{n_samples // 2} for {n_samples} samples, got {width}.")
    total = np.sum(arrays, axis=0)
    n_segments = n_samples - width + 1
    apart = np.abs(np.subtract.outer(np.arange(n_segments), np.arange(n_segments)))
    overlaps = (apart > 0) & (apart < width)
    accuracy = []
    for own in arrays:
        likeness = _segments(own, width) @ _segments((total - own) / (len(arrays) - 1), width).T
        likeness[overlaps] = -np.inf
        accuracy.append(float(np.mean(likeness.argmax(axis=1) == np.arange(n_segments))))
    candidates = (~overlaps).sum(axis=1)
    return SegmentMatching(np.array(accuracy), float(np.mean(1 / candidates)), n_segments)


def _one_space(Xs: Sequence[ArrayLike]) -> list[Floats]:
    arrays = check_subjects(Xs)
    for subject, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise InputError(
                f"all subjects must have the same channels, but `Xs[0]` has {arrays[0].shape[1]} and "
                f"`Xs[{subject}]` has {array.shape[1]}. Align them to a common space first."
            )
    return arrays


def _segments(X: Floats, width: int) -> Floats:
    """Return every segment as a row of length 1 about 0, (n_segments, width * n_channels)."""
    spread = X.std(axis=0)
    scores = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    # (n_segments, n_channels, width)
    windows = sliding_window_view(scores, width, axis=0)
    rows = windows.reshape(len(windows), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.where(length > 0, length, 1.0)
    return unit
