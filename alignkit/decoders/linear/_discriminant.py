"""Linear discriminant analysis with shrunk covariances, many times at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

Floats = NDArray[np.float64]
Shrinkage = float | Literal["auto"] | None

_BLOCK_ELEMENTS = 2**19  # of the signals of a block: 4 MiB, to stay in the cache
# Directions whose variance within classes, of channels scaled to 1, is below this carry rounding only; it is
# the square of what scikit-learn's solver by singular values takes.
_NO_VARIANCE = 1e-8
_SAFE_CONDITION = 1e-7


def solve_discriminant(
    X: Floats, codes: NDArray[np.intp], *, n_classes: int, shrinkage: Shrinkage
) -> tuple[Floats, Floats]:
    """Fit a discriminant per time to the same samples.

    Parameters
    ----------
    X : ndarray of shape (n_times, n_samples, n_channels)
        In any unit; not changed.
    codes : ndarray of shape (n_samples,)
        Classes counted from 0, all of them there.
    n_classes : int
        At least 2.
    shrinkage : "auto", float or None
        Of every class's covariance towards its mean variance: by the Ledoit-Wolf lemma on channels that are
        z-scored in the class, by a number in [0, 1], or not at all.

    Returns
    -------
    coef : ndarray of shape (n_times, n_channels, n_outputs)
        One output for two classes (the log-odds of the second), otherwise one per class: the log of its
        density times its prior, but for what classes share.
    intercept : ndarray of shape (n_times, n_outputs)
        Decision values at X = 0.
    """
    n_times, n_samples, n_channels = X.shape
    counts = np.bincount(codes, minlength=n_classes)
    priors = counts / n_samples
    order = np.argsort(codes, kind="stable")
    classes = np.split(order, np.cumsum(counts)[:-1])
    coef = np.empty((n_times, n_channels, n_classes))
    means = np.stack([X[:, rows].mean(axis=1) for rows in classes], axis=1)
    # Without shrinkage classes are told apart about their common mean, which changes no difference.
    origin = (priors @ means)[:, None] if shrinkage is None else np.zeros((n_times, 1, n_channels))
    sides = (means - origin).swapaxes(1, 2)
    for block in _blocks(n_times, n_channels * n_samples):
        centred = [X[block, rows] - means[block, code, None] for code, rows in enumerate(classes)]
        if n_channels > n_samples:
            coef[block] = _solve_wide(centred, priors, sides[block], shrinkage)
            continue
        covariance = np.zeros((len(means[block]), n_channels, n_channels))
        for prior, samples in zip(priors, centred, strict=True):
            covariance += prior * _shrunk(samples, shrinkage)
        coef[block] = solve_each(covariance, sides[block], shrinkage)
    intercept = np.log(priors) - 0.5 * np.einsum("tck,tck->tk", sides, coef) - (origin @ coef)[:, 0]
    if n_classes == 2:
        return coef[..., 1:] - coef[..., :1], intercept[..., 1:] - intercept[..., :1]
    return coef, intercept


def ledoit_wolf(
    trace: Floats, power: Floats, fourth: Floats, *, n_samples: Floats | int, n_channels: int
) -> Floats:
    """Return the weight of the mean variance that the Ledoit-Wolf lemma gives.

    Parameters
    ----------
    trace, power : ndarray
        Sum of the covariance's diagonal, and of its squared entries.
    fourth : ndarray
        Mean over samples, which are centred, of the fourth power of their length.
    n_samples : ndarray or int
        How many.
    n_channels : int
        Of the covariance.

    Returns
    -------
    weight : ndarray
        In [0, 1].

    References
    ----------
    Ledoit O, Wolf M (2004). A well-conditioned estimator for large-dimensional covariance matrices. Journal
    of Multivariate Analysis, doi:10.1016/S0047-259X(03)00096-4.
    """
    if n_channels == 1:
        return np.zeros_like(trace)
    # Per channel: how far the covariance is from a multiple of the identity, and how much of that is error.
    spread = (power - trace**2 / n_channels) / n_channels
    error = (fourth - power) / (n_samples * n_channels)
    error = np.minimum(error, spread)
    return np.asarray(np.divide(error, spread, out=np.zeros_like(error), where=error != 0))


def _shrunk(centred: Floats, shrinkage: Shrinkage) -> Floats:
    """Return the shrunk covariance of one class, (n_times, n_channels, n_channels)."""
    n_samples, n_channels = centred.shape[1:]
    covariance = centred.swapaxes(1, 2) @ centred
    covariance /= n_samples
    if shrinkage is None:
        return covariance
    index = np.arange(n_channels)
    variances = covariance[:, index, index]
    if shrinkage == "auto":
        scales = _scales(variances)
        scaled = covariance / (scales[:, :, None] * scales[:, None])
        squares = (centred**2 @ (1.0 / scales**2)[..., None])[..., 0]
        trace = scaled[:, index, index].sum(axis=1)
        weight = ledoit_wolf(
            trace,
            np.vecdot(scaled, scaled).sum(axis=1),
            np.vecdot(squares, squares) / n_samples,
            n_samples=n_samples,
            n_channels=n_channels,
        )
        target = (trace / n_channels)[:, None] * scales**2
    else:
        weight = np.full(len(covariance), float(shrinkage))
        target = variances.mean(axis=1)[:, None]
    covariance *= (1.0 - weight)[:, None, None]
    covariance[:, index, index] += weight[:, None] * target
    return covariance


def solve_each(covariance: Floats, sides: Floats, shrinkage: Shrinkage) -> Floats:
    """Return covariance^-1 sides of a stack, leaving out directions in which classes have no variance."""
    index = np.arange(covariance.shape[1])
    variances = covariance[:, index, index]
    scales = _scales(variances)
    correlation = covariance / (scales[:, :, None] * scales[:, None])
    # A channel that is constant within every class is left out, not taken for one that tells them apart.
    correlation[:, index, index] = 1.0
    scaled = np.where(variances[..., None] > 0, sides / scales[..., None], 0.0)
    norms = np.abs(correlation).sum(axis=1).max(axis=1)
    solved = np.empty_like(scaled)
    for out, matrix, side, norm in zip(solved, correlation, scaled, norms, strict=True):
        factor, found, failed = lapack.dposv(matrix, side, lower=True)
        if not failed and lapack.dpocon(factor, norm, uplo="L")[0] > _SAFE_CONDITION:
            out[:] = found
            continue
        values, vectors = np.linalg.eigh(matrix)
        kept = values > _smallest(values, shrinkage)
        out[:] = (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ side)
    return np.asarray(solved / scales[..., None])


def _solve_wide(centred: list[Floats], priors: Floats, sides: Floats, shrinkage: Shrinkage) -> Floats:
    """Return the same for more channels than samples, without a matrix of channels by channels.

    The covariance is diagonal but for as many directions as there are samples (Woodbury's identity).
    """
    n_channels = sides.shape[1]
    diagonal, parts = np.zeros((len(sides), n_channels)), []
    for prior, samples in zip(priors, centred, strict=True):
        n_samples = samples.shape[1]
        variances = np.einsum("tnc,tnc->tc", samples, samples) / n_samples
        weight = np.zeros(len(sides))
        if shrinkage == "auto":
            scales = _scales(variances)
            scaled = samples / scales[:, None]
            gram = scaled @ scaled.swapaxes(1, 2)
            squares = np.diagonal(gram, axis1=1, axis2=2)
            trace = squares.sum(axis=1) / n_samples
            weight = ledoit_wolf(
                trace,
                np.vecdot(gram, gram).sum(axis=1) / n_samples**2,
                np.vecdot(squares, squares) / n_samples,
                n_samples=n_samples,
                n_channels=n_channels,
            )
            diagonal += (prior * weight * trace / n_channels)[:, None] * scales**2
        elif shrinkage is not None:
            weight = np.full(len(sides), float(shrinkage))
            diagonal += prior * weight[:, None] * variances.mean(axis=1)[:, None]
        parts.append(samples * np.sqrt(prior * (1.0 - weight) / n_samples)[:, None, None])
    rows = np.concatenate(parts, axis=1)
    shrunk = (diagonal > 0).all()
    scales = np.sqrt(diagonal) if shrunk else _scales(np.einsum("tnc,tnc->tc", rows, rows))
    rows /= scales[:, None]
    scaled = sides / scales[..., None]
    seen = rows @ scaled
    gram = rows @ rows.swapaxes(1, 2)
    if shrunk:
        index = np.arange(gram.shape[1])
        gram[:, index, index] += 1.0
        return np.asarray((scaled - rows.swapaxes(1, 2) @ np.linalg.solve(gram, seen)) / scales[..., None])
    values, vectors = np.linalg.eigh(gram)
    kept = values > np.stack([_smallest(each, shrinkage) for each in values])[:, None]
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=kept)
    inside = vectors @ (inverse[..., None] ** 2 * (vectors.swapaxes(1, 2) @ seen))
    return np.asarray((rows.swapaxes(1, 2) @ inside) / scales[..., None])


def _smallest(values: Floats, shrinkage: Shrinkage) -> np.float64:
    """Return the variance down to which a direction counts."""
    rounding = np.finfo(np.float64).eps * len(values) * values[-1]
    return np.float64(_NO_VARIANCE if shrinkage is None else rounding)


def _scales(variances: Floats) -> Floats:
    return np.sqrt(np.where(variances > 0, variances, 1.0))


def _blocks(n_times: int, elements: int) -> list[slice]:
    step = max(1, _BLOCK_ELEMENTS // max(elements, 1))
    return [slice(start, min(start + step, n_times)) for start in range(0, n_times, step)]
