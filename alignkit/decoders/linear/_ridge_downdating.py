"""Ridge regressions of many times and training parts from one Gram matrix per time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from ..._core.errors import InputError
from .over_times import channel_scales, is_constant, neighbours_as_slice

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Weights = tuple[Floats, Floats]

# A training variance that is a smaller share of all than this has lost too many digits to the subtraction.
_LEAST_SHARE = 1e-6


class _Sums(NamedTuple):
    """Sums over some rows of centred channels and targets."""

    n_rows: int
    gram: Floats  # (n_channels, n_channels), lower triangle, Fortran order
    cross: Floats  # (n_channels, n_outputs)
    channels: Floats  # (n_channels,)
    targets: Floats  # (n_outputs,)

    @classmethod
    def of(cls, X: Floats, y: Floats) -> _Sums:
        return cls(len(X), blas.dsyrk(1.0, X.T, lower=1), X.T @ y, X.sum(axis=0), y.sum(axis=0))

    def plus(self, other: _Sums, sign: int = 1) -> _Sums:
        return _Sums(
            self.n_rows + sign * other.n_rows,
            self.gram + other.gram if sign > 0 else self.gram - other.gram,
            self.cross + sign * other.cross,
            self.channels + sign * other.channels,
            self.targets + sign * other.targets,
        )

    def less(self, other: _Sums) -> _Sums:
        return self.plus(other, -1)


def solve_penalised(X: Floats, y: Floats, alpha: float) -> Floats:
    """Return the ridge weights of centred data, solved for channels or samples, whichever are fewer.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Of mean 0.
    y : ndarray of shape (n_samples, n_outputs)
        Of mean 0.
    alpha : float
        Penalty, above 0.

    Returns
    -------
    coef : ndarray of shape (n_channels, n_outputs)
        Minimises ``|y - X coef|^2 + alpha |coef|^2``.
    """
    primal = X.shape[1] <= X.shape[0]
    gram = blas.dsyrk(1.0, X.T, lower=1, trans=0 if primal else 1)
    _diagonal(gram)[:] += alpha
    return _solve(gram, X.T @ y) if primal else np.asarray(X.T @ _solve(gram, y))


def weights_of_folds(
    signals: Floats, targets: Floats, trainings: Sequence[Indices], *, alpha: float, standardize: bool
) -> list[Weights]:
    """Solve every training part at every time; the Gram of a part is that of all, less the rest's.

    Parameters
    ----------
    signals : ndarray of shape (n_times, n_samples, n_channels)
        As they came.
    targets : ndarray of shape (n_samples, n_outputs)
        As they came.
    trainings : sequence of arrays of int
        Different rows of each training part, at least as many as there are channels.
    alpha : float
        Penalty, above 0.
    standardize : bool
        Whether the penalty is on weights of z-scored channels.

    Returns
    -------
    weights : list of (coef, intercept)
        Of shape (n_times, n_channels, n_outputs) and (n_times, n_outputs), in the units of the signals.

    Notes
    -----
    With D the standard deviations of the training part and G its centred Gram, the weights w of z-scored
    channels solve ``(D^-1 G D^-1 + alpha I) w = D^-1 X'y``. Those in the units of the signals, v = D^-1 w,
    therefore solve ``(G + alpha D^2) v = X'y``, and no matrix has to be scaled.
    """
    n_times, n_samples, n_channels = signals.shape
    rests = [np.setdiff1d(np.arange(n_samples), rows) for rows in trainings]
    places = [neighbours_as_slice(rows) for rows in rests]
    # Where each sample is left out once, the Grams of what is left out add up to that of all.
    once = np.array_equal(np.sort(np.concatenate(rests)), np.arange(n_samples))
    shape = (len(trainings), n_times, n_channels, targets.shape[1])
    coef, intercept = np.empty(shape), np.empty((shape[0], shape[1], shape[3]))
    y_mean = targets.mean(axis=0)
    y = targets - y_mean
    for time, raw in enumerate(signals):
        means = raw.mean(axis=0)
        X = raw - means
        left_out = [_Sums.of(X[rows], y[rows]) for rows in places]
        whole = reduce(_Sums.plus, left_out) if once else _Sums.of(X, y)
        spread = _diagonal(whole.gram)
        silent = is_constant(spread / n_samples, means, n_samples)
        for fold, rest in enumerate(left_out):
            part = whole.less(rest)
            own = _diagonal(part.gram) - part.channels**2 / part.n_rows
            if (own < _LEAST_SHARE * spread)[~silent].any():
                rows = trainings[fold]
                found = _directly(raw[rows], targets[rows], alpha, standardize)
            else:
                found = _from_sums(part, own, silent, alpha, standardize, means, y_mean)
            coef[fold, time], intercept[fold, time] = found
    return list(zip(coef, intercept, strict=True))


def _from_sums(
    part: _Sums,
    spread: Floats,
    silent: NDArray[np.bool_],
    alpha: float,
    standardize: bool,
    means: Floats,
    y_mean: Floats,
) -> Weights:
    n_rows = part.n_rows
    gram = blas.dsyr(-1.0 / n_rows, part.channels, lower=1, a=part.gram, overwrite_a=1)
    cross = part.cross - np.outer(part.channels, part.targets / n_rows)
    _diagonal(gram)[:] += alpha * spread / n_rows if standardize else alpha
    if silent.any():
        cross[silent] = 0.0
        gram[silent] = gram[:, silent] = 0.0
        _diagonal(gram)[silent] = 1.0
    coef = _solve(gram, cross)
    return coef, y_mean + part.targets / n_rows - (means + part.channels / n_rows) @ coef


def _directly(raw: Floats, targets: Floats, alpha: float, standardize: bool) -> Weights:
    means, scales = (values[0] for values in channel_scales(raw[None]))
    scales = scales if standardize else np.ones_like(scales)
    y_mean = targets.mean(axis=0)
    coef = solve_penalised((raw - means) / scales, targets - y_mean, alpha) / scales[:, None]
    return coef, y_mean - means @ coef


def _diagonal(matrix: Floats) -> Floats:
    return matrix.ravel(order="K")[:: len(matrix) + 1]


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solve with the lower triangle of a positive definite matrix, which is overwritten."""
    _, solution, failed = lapack.dposv(matrix, right, lower=1, overwrite_a=1)
    if failed:
        raise InputError(
            "the channels depend on each other so closely that the ridge regression has no solution in "
            "float64. Use a larger `alpha`, or scale the signals (`standardize=True`)."
        )
    return np.asarray(solution)
