"""Logistic regressions of two classes under many exchanges of labels, by Newton's method all at once.

Where labels are exchanged weights are small, so that full Newton steps from the intercept alone reach the
optimum in two or three; with few channels the Hessians of all exchanges are one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_MAX_STEPS = 12


def solve_exchanges(
    X: Floats, labels: Indices, trainings: Sequence[Indices], *, C: float, standardize: bool, tol: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fit a regression per exchange of labels, training part and time.

    Parameters
    ----------
    X : ndarray of shape (n_times, n_samples, n_channels)
        Of all samples, in any unit.
    labels : ndarray of int, shape (n_exchanges, n_samples)
        0 or 1, both in each training part.
    trainings : sequence of arrays of int
        Samples of each training part.
    C, standardize, tol
        See `solve_logistic_folds`.

    Returns
    -------
    coef : ndarray of shape (n_exchanges, n_folds, n_times, n_channels, 1)
        In the units of X.
    intercept : ndarray of shape (n_exchanges, n_folds, n_times, 1)
        Decision values at X = 0.
    found : ndarray of bool, shape (n_exchanges,)
        False where full steps did not lead to it, as where classes are nearly apart: to be fitted by itself.
    """
    n_times, _, n_channels = X.shape
    coef = np.empty((len(labels), len(trainings), n_times, n_channels, 1))
    intercept = np.empty((len(labels), len(trainings), n_times, 1))
    found = np.ones(len(labels), dtype=bool)
    targets = [np.ascontiguousarray(labels[:, rows], dtype=np.float64) for rows in trainings]
    for time, signals in enumerate(X):
        for fold, rows in enumerate(trainings):
            own = signals[rows]
            means, spread = own.mean(axis=0), own.std(axis=0)
            constant = spread <= np.finfo(np.float64).eps * len(own) * np.abs(means)
            unit = np.where(constant, 1.0, spread)
            design = np.ones((len(own), n_channels + 1))
            design[:, :-1] = np.where(constant, 0.0, (own - means) / unit)
            penalty = np.zeros(n_channels + 1)
            penalty[:-1] = (1.0 if standardize else 1.0 / unit**2) / C
            unknowns, done = _newton(design, targets[fold], penalty, tol)
            raw = unknowns[:, :-1] / unit
            coef[:, fold, time, :, 0] = raw
            intercept[:, fold, time, 0] = unknowns[:, -1] - raw @ means
            found &= done
    return coef, intercept, found


def _newton(design: Floats, targets: Floats, penalty: Floats, tol: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return unknowns (n_problems, n_unknowns), the intercept last, and which of them are the optimum."""
    n_samples, n_unknowns = design.shape
    rows, columns = np.triu_indices(n_unknowns)
    products = design[:, rows] * design[:, columns]
    unknowns = np.zeros((len(targets), n_unknowns))
    shares = targets.mean(axis=1)
    unknowns[:, -1] = np.log(shares / (1.0 - shares))
    # At the start probabilities are the shares of classes, whatever the sample.
    gradient = (shares[:, None] - targets) @ design
    curvature = np.outer(shares * (1.0 - shares), products.sum(axis=0))
    done = np.zeros(len(targets), dtype=bool)
    left = np.arange(len(targets))
    worst = np.full(len(targets), np.inf)
    for _ in range(_MAX_STEPS):
        unknowns[left] -= _steps(curvature, gradient, penalty, rows, columns)
        margins = unknowns[left] @ design.T
        # Beyond 700 the exponential overflows, and the probability is 0 or 1 either way.
        chances = 1.0 / (1.0 + np.exp(-np.clip(margins, -700.0, 700.0, out=margins)))
        gradient = (chances - targets[left]) @ design + penalty * unknowns[left]
        size = np.abs(gradient).max(axis=1) / n_samples
        done[left] = size <= tol
        # What grew is not on its way; what a full step does not bring nearer is left to a method with care.
        going = (size > tol) & (size < worst[left])
        worst[left] = size
        left = left[going]
        if not len(left):
            break
        chances = chances[going]
        chances -= chances**2
        curvature, gradient = chances @ products, gradient[going]
    return unknowns, done


def _steps(curvature: Floats, gradient: Floats, penalty: Floats, rows: Indices, columns: Indices) -> Floats:
    hessian = np.empty((len(curvature), len(penalty), len(penalty)))
    hessian[:, rows, columns] = curvature
    hessian[:, columns, rows] = curvature
    index = np.arange(len(penalty))
    hessian[:, index, index] += penalty
    # Samples that are all certain leave the intercept without curvature.
    hessian[:, -1, -1] += np.finfo(np.float64).eps * hessian[:, index, index].max(axis=1)
    return np.asarray(np.linalg.solve(hessian, gradient[..., None])[..., 0])
