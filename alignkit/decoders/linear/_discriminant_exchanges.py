"""Discriminants of many exchanges of labels, from sums over samples that exchanges and folds share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._discriminant import Shrinkage, ledoit_wolf, solve_each
from .over_times import is_constant

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Sums of squares about the mean of all samples lose digits where a class has less of the variance than this.
_LEAST_SHARE = 1e-3
# Smallest eigenvalue of a correlation, as shrinkage bounds it, above which a system needs no closer look.
_SAFE_BOUND = 1e-5


@dataclass(frozen=True, eq=False)
class _Training:
    """A training part, and who belongs to which class there."""

    rows: Indices
    others: Indices
    members: Floats  # (n_exchanges * n_classes, n_rows)
    away: Floats  # of the other samples, without the last class: (n_exchanges * (n_classes - 1), n_others)
    counts: Floats  # (n_exchanges, n_classes)


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
        Of all samples.
    labels : ndarray of int, shape (n_exchanges, n_samples)
        Classes counted from 0, each of them in each training part.
    trainings : sequence of arrays of int
        Samples of each training part.
    n_classes : int
        At least 2.
    shrinkage : "auto", float or None
        See `solve_discriminant`.
    standardize : bool
        Whether a mean variance is that of channels z-scored by the training part.

    Returns
    -------
    coef : ndarray of shape (n_exchanges, n_folds, n_times, n_channels, n_outputs)
        In the units of X.
    intercept : ndarray of shape (n_exchanges, n_folds, n_times, n_outputs)
        Decision values at X = 0.
    sound : ndarray of bool, shape (n_exchanges,)
        False where a class has so little variance that rounding would show: to be fitted by itself.
    """
    n_times, n_samples, n_channels = X.shape
    n_exchanges = len(labels)
    members = (labels[:, None] == np.arange(n_classes)[:, None]).astype(np.float64)
    parts = [_training(members, rows) for rows in trainings]
    first = members[:, :-1].reshape(-1, n_samples)
    coef = np.empty((n_exchanges, len(parts), n_times, n_channels, n_classes))
    intercept = np.empty((n_exchanges, len(parts), n_times, n_classes))
    sound = np.ones(n_exchanges, dtype=bool)
    values = np.empty((n_samples, n_channels + n_channels**2))
    for time, signals in enumerate(X):
        origin, variances = signals.mean(axis=0), signals.var(axis=0)
        constant = is_constant(variances, origin, n_samples)
        unit = np.sqrt(np.where(constant, 1.0, variances))
        x = values[:, :n_channels]
        x[:] = np.where(constant, 0.0, (signals - origin) / unit)
        np.multiply(x[:, :, None], x[:, None], out=values[:, n_channels:].reshape(n_samples, n_channels, -1))
        of_all = first @ values
        for fold, part in enumerate(parts):
            means, covariances = _moments(values, of_all, part, n_classes)
            total = x[part.rows].std(axis=0) if standardize else 1.0 / unit
            shrunk, good, bound = _pooled(x, constant, means, covariances, part, shrinkage, total)
            solved = _solved(shrunk, means.swapaxes(1, 2), shrinkage, bound)
            raw = solved / unit[:, None]
            shares = np.log(part.counts / len(part.rows))
            coef[:, fold, time] = raw
            intercept[:, fold, time] = (
                shares - 0.5 * np.einsum("ekc,eck->ek", means, solved) - np.einsum("c,eck->ek", origin, raw)
            )
            sound &= good
    if n_classes == 2:
        return coef[..., 1:] - coef[..., :1], intercept[..., 1:] - intercept[..., :1], sound
    return coef, intercept, sound


def _training(members: Floats, rows: Indices) -> _Training:
    n_samples = members.shape[2]
    others = np.setdiff1d(np.arange(n_samples), rows)
    inside = np.ascontiguousarray(members[:, :, rows])
    away = np.ascontiguousarray(members[:, :-1, others])
    return _Training(
        rows, others, inside.reshape(-1, len(rows)), away.reshape(-1, len(others)), inside.sum(axis=2)
    )


def _moments(values: Floats, of_all: Floats, part: _Training, n_classes: int) -> tuple[Floats, Floats]:
    """Return means (n_exchanges, n_classes, n_channels) and covariances of classes in a training part."""
    n_exchanges = len(part.counts)
    sums = np.empty((n_exchanges, n_classes, values.shape[1]))
    # What is in no test part is in the training part, and the last class has what the others leave.
    found = (of_all - part.away @ values[part.others]).reshape(n_exchanges, n_classes - 1, -1)
    sums[:, :-1] = found
    sums[:, -1] = values[part.rows].sum(axis=0) - found.sum(axis=1)
    sums /= part.counts[..., None]
    n_channels = int(np.sqrt(values.shape[1]))
    means = sums[..., :n_channels]
    covariances = sums[..., n_channels:].reshape(n_exchanges, n_classes, n_channels, n_channels)
    covariances -= means[..., :, None] * means[..., None, :]
    return means, covariances


def _pooled(
    x: Floats,
    constant: NDArray[np.bool_],
    means: Floats,
    covariances: Floats,
    part: _Training,
    shrinkage: Shrinkage,
    total: Floats,
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Return pooled shrunk covariances, where they are sound, and how small their eigenvalues can be."""
    n_channels = x.shape[1]
    index = np.arange(n_channels)
    variances = covariances[..., index, index]
    good = np.asarray(((variances > _LEAST_SHARE) | constant).all(axis=(1, 2)))
    variances = np.where(constant, 0.0, np.maximum(variances, _LEAST_SHARE))
    if shrinkage is None:
        weight, target = np.zeros(variances.shape[:2]), np.zeros_like(variances)
    elif shrinkage == "auto":
        weight, trace = _weights(x, means, covariances, variances, part)
        target = (trace / n_channels)[..., None] * variances
    else:
        weight = np.full(variances.shape[:2], float(shrinkage))
        unit = np.where(total > 0, total, 1.0)
        target = (variances / unit**2).mean(axis=2)[..., None] * unit**2
    shares = part.counts / len(part.rows)
    pooled = np.einsum("ek,ekcd->ecd", shares * (1.0 - weight), covariances)
    added = np.einsum("ek,ekc->ec", shares * weight, target)
    pooled[:, index, index] += added
    bound = (added / np.where(constant, 1.0, pooled[:, index, index]))[:, ~constant].min(axis=1, initial=1.0)
    # A constant channel has no say, but must not make the system singular.
    pooled[:, constant, constant] = 1.0
    return pooled, good, bound


def _weights(
    x: Floats, means: Floats, covariances: Floats, variances: Floats, part: _Training
) -> tuple[Floats, Floats]:
    """Return the Ledoit-Wolf weight of every class, and the trace of its scaled covariance."""
    n_exchanges, n_classes, n_channels = means.shape
    inverse = np.divide(1.0, variances, out=np.ones_like(variances), where=variances > 0)
    # The squared length of a scaled sample, sum_c (x_c - m_c)^2 / v_c, is linear in its squares and values.
    terms = np.empty((n_exchanges, n_classes, 2 * n_channels + 1))
    terms[..., :n_channels] = inverse
    terms[..., n_channels:-1] = -2.0 * means * inverse
    terms[..., -1] = (means**2 * inverse).sum(axis=2)
    own = x[part.rows]
    design = np.concatenate([own**2, own, np.ones((len(own), 1))], axis=1)
    lengths = terms.reshape(-1, terms.shape[2]) @ design.T
    lengths *= part.members
    fourth = np.vecdot(lengths, lengths).reshape(n_exchanges, n_classes) / part.counts
    roots = np.sqrt(inverse)
    scaled = covariances * roots[..., :, None]
    scaled *= roots[..., None, :]
    trace = (variances * inverse).sum(axis=2)
    flat = scaled.reshape(n_exchanges, n_classes, -1)
    power = np.vecdot(flat, flat)
    return ledoit_wolf(trace, power, fourth, n_samples=part.counts, n_channels=n_channels), trace


def _solved(pooled: Floats, sides: Floats, shrinkage: Shrinkage, bound: Floats) -> Floats:
    """Return pooled^-1 sides."""
    safe = bound > _SAFE_BOUND
    if not safe.all():
        out = np.empty_like(sides)
        out[safe] = np.linalg.solve(pooled[safe], sides[safe])
        out[~safe] = solve_each(pooled[~safe], sides[~safe], shrinkage)
        return out
    return np.asarray(np.linalg.solve(pooled, sides), dtype=np.float64)
