"""What every measure of one representation asks of its patterns and of their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_same_samples
from ..._core.errors import InputError
from .._labels import unique_labels
from .._rounding import equal_rows

Floats = NDArray[np.float64]


def load_patterns(X: ArrayLike, *, min_rows: int, name: str = "X") -> Floats:
    """Return patterns as float64, after checking that there are rows enough and at least one unit."""
    patterns = check_array(name, X, ndim=2, dtype=np.float64, min_rows=min_rows)
    if patterns.shape[1] == 0:
        raise InputError(f"`{name}` has no units, got shape {patterns.shape}.")
    return patterns


def centred_patterns(X: ArrayLike, *, min_rows: int = 2) -> Floats:
    """Return patterns less their mean over the largest deviation, so that squares keep their range."""
    patterns = load_patterns(X, min_rows=min_rows)
    deviations = patterns - patterns.mean(axis=0)
    if equal_rows(patterns, deviations):
        raise InputError(f"all {len(patterns)} rows of `X` are equal: there is no variance to describe.")
    return np.asarray(deviations / np.abs(deviations).max())


def load_labelled(
    X: ArrayLike, labels: ArrayLike, *, min_rows: int
) -> tuple[Floats, NDArray[np.generic], list[NDArray[np.intp]]]:
    """Return patterns, the sorted names of two or more classes, and the rows of each (`min_rows` or more)."""
    patterns = load_patterns(X, min_rows=2)
    classes = np.asarray(labels)
    if classes.ndim != 1:
        raise InputError(f"`labels` must have one entry per row of `X`, got shape {classes.shape}.")
    check_same_samples("X", patterns, "labels", classes)
    names, members = unique_labels("labels", classes)
    if len(names) < 2:
        raise InputError(f"`labels` must name at least 2 classes, got {len(names)}.")
    counts = np.bincount(members)
    if counts.min() < min_rows:
        raise InputError(
            f"every class needs at least {min_rows} samples, but {int((counts < min_rows).sum())} of "
            f"{len(names)} have fewer, the first {names[np.argmax(counts < min_rows)]!s}. Drop those classes."
        )
    return patterns, names, [np.flatnonzero(members == k) for k in range(len(names))]
