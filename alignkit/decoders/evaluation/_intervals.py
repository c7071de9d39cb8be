"""Intervals of means over units that were drawn: stimuli, runs, subjects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm
from scipy.stats import t as student

from ..._core.errors import InputError

Floats = NDArray[np.float64]
_ELEMENTS = 1 << 23
# With fewer hits (or misses) than this the bootstrap of a share is too narrow.
_FEW = 10
# Of a unit, at the best and at the worst score there is, which the units drawn may have missed by chance.
_UNSEEN = 0.25


class Interval(NamedTuple):
    """Lower and upper limits, one of each per score."""

    low: Floats
    high: Floats


def bootstrap_means(
    values: Floats, draws: Floats, *, rates: NDArray[np.bool_], bounds: Floats, confidence: float
) -> Interval:
    """Return bias-corrected and accelerated (BCa, Efron 1987) bootstrap intervals of the mean over units.

    Parameters
    ----------
    values : ndarray of shape (n_units, n_scores)
        Of each unit.
    draws : ndarray of shape (n_bootstraps, n_scores)
        Of :func:`drawn_means`; without any the limits are NaN.
    rates : ndarray of shape (n_scores,)
        Which scores are shares in [0, 1]. Where such a mean stands for fewer than ten hits or misses, its
        interval covers that of Clopper and Pearson as well (with the effective number of units of Korn and
        Graubard 1998), since a bootstrap of no hit at all has no width. The interval of other scores covers
        Student's with a quarter of a unit more at either bound: few reciprocal ranks say much of their mean,
        and a bootstrap of units without a single best one is too low.
    bounds : ndarray of shape (2, n_scores)
        The least and the largest score of a unit.
    confidence : float
        Such as 0.95.
    """
    n_units, n_scores = values.shape
    if not len(draws):
        return Interval(*np.full((2, n_scores), np.nan))
    estimate, variance = values.mean(axis=0), values.var(axis=0, ddof=1 if n_units > 1 else 0)
    binary = estimate * (1.0 - estimate)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(rates & (binary > 0), n_units * binary / variance, n_units)
    found = percentiles(
        estimate,
        draws,
        effective=np.where(rates, effective, np.inf),
        confidence=confidence,
        acceleration=_acceleration(values),
    )
    if n_units < 2:
        return found
    low, high = (_with_unseen(values, bound, confidence)[end] for end, bound in enumerate(bounds))
    low, high = (
        np.maximum(np.minimum(low, found.low), bounds[0]),
        np.minimum(np.maximum(high, found.high), bounds[1]),
    )
    return Interval(np.where(rates, found.low, low), np.where(rates, found.high, high))


def _with_unseen(values: Floats, bound: Floats, confidence: float) -> Interval:
    """Return Student's interval as if a part of a unit more had been drawn, at `bound`."""
    n = len(values) + _UNSEEN
    mean = (values.sum(axis=0) + _UNSEEN * bound) / n
    squares = ((values - mean) ** 2).sum(axis=0) + _UNSEEN * (bound - mean) ** 2
    half = student.ppf((1 + confidence) / 2, len(values) - 1) * np.sqrt(squares / (n - 1) / n)
    return Interval(mean - half, mean + half)


def drawn_means(values: Floats, *, n_bootstraps: int, seed: int) -> Floats:
    """Return means over draws of units, shape (n_bootstraps, n_scores)."""
    n_units, n_scores = values.shape
    rng = np.random.default_rng(seed)
    means = np.empty((n_bootstraps, n_scores))
    block = max(1, _ELEMENTS // n_units)
    even = np.full(n_units, 1.0 / n_units)
    for start in range(0, n_bootstraps, block):
        stop = min(start + block, n_bootstraps)
        means[start:stop] = rng.multinomial(n_units, even, size=stop - start) @ values / n_units
    return means


def percentiles(
    estimate: Floats,
    draws: Floats,
    *,
    effective: Floats,
    confidence: float,
    acceleration: Floats | None = None,
) -> Interval:
    """Return limits of draws that hold the estimate, widened for shares of few hits.

    `effective` is how many yes-or-no units each share is worth; infinity for what is not to be widened. With
    the `acceleration` of each score the limits are BCa, without it plain percentiles.
    """
    tail = (1.0 - confidence) / 2.0
    if acceleration is None:
        low, high = np.quantile(draws, [tail, 1.0 - tail], axis=0)
    else:
        low, high = _bca(estimate, draws, acceleration, tail)
    worth = np.where(np.isfinite(effective), effective, 1.0)
    hits, misses = np.clip(estimate, 0.0, 1.0) * worth, np.clip(1.0 - estimate, 0.0, 1.0) * worth
    few = np.isfinite(effective) & (np.minimum(hits, misses) < _FEW)
    # The quantiles of a beta distribution with a parameter of 0 are at its end.
    exact_low = np.where(hits > 0, beta.ppf(tail, np.maximum(hits, 1e-9), misses + 1), 0.0)
    exact_high = np.where(misses > 0, beta.ppf(1.0 - tail, hits + 1, np.maximum(misses, 1e-9)), 1.0)
    low = np.where(few, np.minimum(low, exact_low), low)
    high = np.where(few, np.maximum(high, exact_high), high)
    return Interval(np.minimum(low, estimate), np.maximum(high, estimate))


def _bca(estimate: Floats, draws: Floats, acceleration: Floats, tail: float) -> tuple[Floats, Floats]:
    # Draws that equal the estimate count half on either side, as scores are discrete.
    below = (draws < estimate).mean(axis=0) + (draws == estimate).mean(axis=0) / 2
    bias = norm.ppf(np.clip(below, 1 / (len(draws) + 1), 1 - 1 / (len(draws) + 1)))
    limits = []
    for share in (tail, 1.0 - tail):
        moved = bias + norm.ppf(share)
        levels = norm.cdf(bias + moved / (1.0 - acceleration * moved))
        limits.append(
            np.array([np.quantile(column, level) for column, level in zip(draws.T, levels, strict=True)])
        )
    return limits[0], limits[1]


def _acceleration(values: Floats) -> Floats:
    away = values - values.mean(axis=0)
    size = (away**2).sum(axis=0) ** 1.5
    # Units that do not differ have no skewness.
    return np.asarray((away**3).sum(axis=0) / (6.0 * np.where(size > 0, size, np.inf)))


def student_interval(
    values: Floats, *, confidence: float, shares: NDArray[np.bool_] | bool = True, folds: bool = False
) -> Interval:
    """Return Student's interval of the mean over units.

    Parameters
    ----------
    values : ndarray of shape (n_units, n_scores)
        Of each unit.
    confidence : float
        Such as 0.95.
    shares : ndarray of bool, shape (n_scores,), or bool, default=True
        Which scores are cut to [0, 1].
    folds : bool, default=False
        Whether units are folds of a cross-validation, which share training data: the variance of the mean is
        raised from 1 / k to 1 / k + 1 / (k - 1) (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).
    """
    n_units = len(values)
    if n_units < 2:
        raise InputError("an interval over units needs at least 2 units, got 1; split into more of them.")
    share = 1 / n_units + (1 / (n_units - 1) if folds else 0.0)
    mean = values.mean(axis=0)
    half = student.ppf((1 + confidence) / 2, n_units - 1) * values.std(axis=0, ddof=1) * np.sqrt(share)
    low, high = mean - half, mean + half
    return Interval(
        np.where(shares, np.clip(low, 0.0, 1.0), low), np.where(shares, np.clip(high, 0.0, 1.0), high)
    )


def check_confidence(confidence: float) -> None:
    """Refuse what is no share between 0 and 1."""
    if not 0 < confidence < 1:
        raise InputError(f"`confidence` must lie between 0 and 1, such as 0.95, got {confidence:g}.")
