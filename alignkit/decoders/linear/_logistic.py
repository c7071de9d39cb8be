"""Logistic regressions of many times and training parts at once.

Every one minimises ``sum_i loss_i + |w|^2 / (2 C)`` with the intercept left free.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ._logistic_steps import Problems, minimise

Floats = NDArray[np.float64]

_BLOCK_ELEMENTS = 2**19  # of a block of designs: 4 MiB, to stay in the cache


def solve_logistic(
    X: Floats, codes: NDArray[np.intp], *, n_classes: int, C: float, tol: float
) -> tuple[Floats, Floats]:
    """Fit a regression per time to the same samples.

    Parameters
    ----------
    X : ndarray of shape (n_times, n_samples, n_channels)
        In any unit; not changed.
    codes : ndarray of shape (n_samples,)
        Classes counted from 0, all of them there.
    n_classes : int
        At least 2; more than 2 are fitted with the softmax.
    C : float
        Weight of the losses against the penalty, above 0.
    tol : float
        Largest entry of the gradient, averaged over samples, of signals in units of their own spread.

    Returns
    -------
    coef : ndarray of shape (n_times, n_channels, n_outputs)
        One output for two classes, otherwise one per class; these add up to 0.
    intercept : ndarray of shape (n_times, n_outputs)
        Decision values at X = 0.
    """
    n_times, n_samples, n_channels = X.shape
    targets = _one_hot(codes, n_classes)
    coef = np.empty((n_times, n_channels, len(targets)))
    intercept = np.empty((n_times, len(targets)))
    n_unknowns = min(n_samples, n_channels) + 1
    for block in _blocks(n_times, n_samples * max(n_unknowns, n_channels)):
        means = X[block].mean(axis=1)
        centred = X[block] - means[:, None]
        basis = None
        if n_samples < n_channels:
            # The weights lie in the span of the samples, where the penalty is the same.
            basis, upper = np.linalg.qr(centred.swapaxes(1, 2))
            centred = np.ascontiguousarray(upper.swapaxes(1, 2))
        # In units of its own spread, so that the tolerance means the same for volts and z-scores.
        spread = np.sqrt(np.vecdot(centred, centred).mean(axis=1) / centred.shape[2])
        spread = np.where(spread > 0, spread, 1.0)[:, None, None]
        centred /= spread
        penalty = np.empty((len(means), 1, 1, n_unknowns))
        penalty[..., :-1] = 1.0 / (C * spread[..., None] ** 2)
        penalty[..., -1] = 0.0
        problems = Problems(_with_ones(centred), np.ones((1, 1, n_samples)), targets, penalty)
        found = minimise(problems, tol=tol)[:, 0]
        weights = found[..., :-1].swapaxes(1, 2) / spread
        coef[block] = weights if basis is None else basis @ weights
        intercept[block] = found[..., -1] - np.einsum("tc,tck->tk", means, coef[block])
    return coef, intercept


def solve_logistic_folds(
    X: Floats,
    codes: NDArray[np.intp],
    trainings: Sequence[NDArray[np.intp]],
    *,
    n_classes: int,
    C: float,
    standardize: bool,
    tol: float,
) -> tuple[Floats, Floats]:
    """Fit a regression per training part and time, all parts of a time together.

    Z-scoring by a training part is the same as a penalty per channel of that part's variance, so that all
    parts share one design. It is meant for more samples than channels.

    Parameters
    ----------
    X, codes, n_classes, C, tol
        See `solve_logistic`; of all samples.
    trainings : list of arrays of int
        Samples of each training part, every class among them.
    standardize : bool
        Penalise the weights of channels that are z-scored by the training part (a constant one gets 0).

    Returns
    -------
    coef : ndarray of shape (n_folds, n_times, n_channels, n_outputs)
        In the units of X.
    intercept : ndarray of shape (n_folds, n_times, n_outputs)
        Decision values at X = 0.
    """
    n_times, n_samples, n_channels = X.shape
    targets = _one_hot(codes, n_classes)
    weights = np.zeros((len(trainings), n_samples))
    for row, training in zip(weights, trainings, strict=True):
        np.add.at(row, training, 1.0)
    coef = np.empty((len(trainings), n_times, n_channels, len(targets)))
    intercept = np.empty((len(trainings), n_times, len(targets)))
    for block in _blocks(n_times, n_samples * n_channels):
        means = X[block].mean(axis=1)
        centred = X[block] - means[:, None]
        scales = np.sqrt(np.einsum("tnc,tnc->tc", centred, centred) / n_samples)
        scales[scales <= np.finfo(np.float64).eps * n_samples * np.abs(means)] = 1.0
        centred /= scales[:, None]
        penalty = np.empty((len(means), len(trainings), 1, n_channels + 1))
        penalty[..., 0, :-1] = (
            _variances(centred, weights) if standardize else 1.0 / scales[:, None] ** 2
        ) / C
        penalty[..., -1] = 0.0
        problems = Problems(_with_ones(centred), weights[:, None], targets, penalty)
        found = minimise(problems, tol=tol)
        raw = found[..., :-1] / scales[:, None, None]
        coef[:, block] = raw.transpose(1, 0, 3, 2)
        free = found[..., -1] - np.einsum("tc,tfkc->tfk", means, raw)
        intercept[:, block] = free.swapaxes(0, 1)
    return coef, intercept


def _variances(centred: Floats, weights: Floats) -> Floats:
    """Return variances in every training part, 1 for constant channels, (n_times, n_folds, n_channels)."""
    counts = weights.sum(axis=1)[:, None]
    means = (weights @ centred) / counts
    variances = (weights @ centred**2) / counts - means**2
    constant = variances <= (np.finfo(np.float64).eps * counts) * np.maximum(means**2, 1e-300)
    return np.where(constant, 1.0, variances)


def _one_hot(codes: NDArray[np.intp], n_classes: int) -> Floats:
    if n_classes == 2:
        return np.asarray(codes == 1, dtype=np.float64)[None]
    return np.asarray(codes == np.arange(n_classes)[:, None], dtype=np.float64)


def _with_ones(design: Floats) -> Floats:
    out = np.empty((*design.shape[:2], design.shape[2] + 1))
    out[..., :-1] = design
    out[..., -1] = 1.0
    return out


def _blocks(n_times: int, elements: int) -> list[slice]:
    step = max(1, _BLOCK_ELEMENTS // max(elements, 1))
    return [slice(start, min(start + step, n_times)) for start in range(0, n_times, step)]
