"""Area under the receiver operating characteristic, for many weightings of the same trials at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Curves:
    """Area under the curve of each class against the rest, averaged over classes.

    Parameters
    ----------
    values : ndarray of shape (n_trials, n_classes)
        Scores. Of two classes their difference is what is ranked.
    """

    def __init__(self, values: Floats) -> None:
        columns = [values[:, 1] - values[:, 0]] if values.shape[1] == 2 else list(values.T)
        self._classes = [1] if values.shape[1] == 2 else list(range(values.shape[1]))
        # Trials in rising order, and where each run of equal scores starts.
        self._order = [np.argsort(column, kind="stable") for column in columns]
        self._starts = [
            np.flatnonzero(np.concatenate([[True], np.diff(column[order]) > 0]))
            for column, order in zip(columns, self._order, strict=True)
        ]

    def __call__(self, member: Floats, weights: Floats) -> Floats:
        """Return the area for each row of weights, NaN where a class or its rest has no weight.

        Parameters
        ----------
        member : ndarray of shape (n_trials, n_classes)
            1 where a trial is of a class.
        weights : ndarray of shape (n_weights, n_trials)
            Of each trial.
        """
        areas = []
        for code, order, starts in zip(self._classes, self._order, self._starts, strict=True):
            inside = member[order, code]
            ordered = weights[:, order]
            positive = np.add.reduceat(ordered * inside, starts, axis=1)
            negative = np.add.reduceat(ordered * (1.0 - inside), starts, axis=1)
            below = np.cumsum(negative, axis=1) - negative
            pairs = positive.sum(axis=1) * negative.sum(axis=1)
            areas.append((positive * (below + negative / 2)).sum(axis=1) / pairs)
        return np.asarray(np.mean(areas, axis=0))
