"""Discriminants of many exchanges of labels and training parts, from sums that all of them share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ._discriminant import Shrinkage, ledoit_wolf, solve_covariances

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_BLOCK_ELEMENTS = 2**17  # of the covariances of a block: 1 MiB, to stay in the cache
# Sums of squares about the mean of all samples lose what a class has less variance than this share of all.
_LEAST_SHARE = 1e-4
# Smallest eigenvalue, as shrinkage bounds it, above which a system needs no closer look.
_SAFE_BOUND = 1e-5


def solve_exchanges(
    X: Floats,
    labels: Indices,
    trainings: Sequence[Indices],
    *,
    n_classes: int,
    shrinkage: Shrinkage,
    standardize: bool,
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fit a discriminant per exchange of labels, training part and time.

    Parameters
    ----------
    X : ndarray of shape (n_times, n_samples, n_channels)
        Of all samples; fewer channels than samples.
    labels : ndarray of int, shape (n_exchanges, n_samples)
        Classes counted from 0.
    trainings : sequence of arrays of int
        Samples of each training part.
    n_classes : int
        At least 2.
    shrinkage : "auto", float or None
        See `solve_discriminant`.
    standardize : bool
        Whether channels are z-scored by the training part, which matters to a number only.

    Returns
    -------
    coef : ndarray of shape (n_exchanges, n_folds, n_times, n_channels, n_outputs)
        In the units of X.
    intercept : ndarray of shape (n_exchanges, n_folds, n_times, n_outputs)
        Decision values at X = 0.
    sound : ndarray of bool, shape (n_exchanges,)
        False where a class has so little variance that rounding would show, or no sample in a training part;
        such an exchange is to be fitted by itself.
    """
    n_times, n_samples, n_channels = X.shape
    parts = [_Part(rows, n_samples) for rows in trainings]
    coef = np.empty((len(labels), len(parts), n_times, n_channels, n_classes))
    intercept = np.empty((len(labels), len(parts), n_times, n_classes))
    sound = np.ones(len(labels), dtype=bool)
    members = (labels[:, None] == np.arange(n_classes)[:, None]).astype(np.float64)
    step = max(1, _BLOCK_ELEMENTS // (n_classes * n_channels**2))
    for time, signals in enumerate(X):
        origin, unit = signals.mean(axis=0), signals.std(axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        design = _Design((signals - origin) / unit, None if standardize else 1.0 / unit)
        for start in range(0, len(labels), step):
            block = slice(start, start + step)
            for fold, part in enumerate(parts):
                sides, solved, shares, good = _fitted(design, members[block], part, shrinkage)
                sound[block] &= good
                raw = solved / unit[:, None]
                constant = np.log(shares) - 0.5 * np.einsum("eck,eck->ek", sides, solved)
                coef[block, fold, time] = raw
                intercept[block, fold, time] = constant - origin @ raw
    if n_classes == 2:
        return coef[..., 1:] - coef[..., :1], intercept[..., 1:] - intercept[..., :1], sound
    return coef, intercept, sound
