"""Power laws in the tails of distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..._core.checks import check_array
from ..._core.errors import InputError
from .._arrays import torch_too
from .._rounding import ROUNDING, check_range
from ._patterns import Floats


@dataclass(frozen=True)
class PowerLawTail:
    """A power law ``density ~ x^-alpha`` fitted to the values from `x_min` on.

    Attributes
    ----------
    alpha : float
        The exponent, above 1; smaller is heavier-tailed.
    alpha_error : float
        Its standard error, ``(alpha - 1) / sqrt(n_tail)``, with `x_min` taken as known.
    x_min : float
        Where the tail begins: the value that leaves the least Kolmogorov-Smirnov distance.
    ks_distance : float
        That distance, from 0 to 1. Above about ``1.4 / sqrt(n_tail)`` the tail is no power law.
    n_tail : int
        Values in the tail.
    """

    alpha: float
    alpha_error: float
    x_min: float
    ks_distance: float
    n_tail: int


@torch_too
def fit_power_law_tail(values: ArrayLike, *, x_min: float | None = None, min_tail: int = 2) -> PowerLawTail:
    """Fit the tail of a distribution by a power law, by maximum likelihood.

    ``alpha = 1 + k / sum ln(x_i / x_min)`` over the k values from `x_min` on.

    Parameters
    ----------
    values : array of shape (n_values,)
        Positive numbers.
    x_min : float, optional
        Start of the tail, above 0. By default each value is tried and the one with the least
        Kolmogorov-Smirnov distance taken.
    min_tail : int, default=2
        Fewest values of a tail, at least 2. Short tails fit by chance: 50 and more are to be trusted.

    Returns
    -------
    fit : PowerLawTail
        The exponent, its error and the tail.

    Raises
    ------
    InputError
        If a value is not positive, there are fewer than `min_tail` in the tail, or all of it are equal.

    Notes
    -----
    O(n_values^2) time, O(n_values) memory. The exponent is biased upwards by about ``(alpha - 1) / n_tail``.

    References
    ----------
    Clauset A, Shalizi CR, Newman MEJ (2009). Power-law distributions in empirical data,
    doi:10.1137/070710111.

    Examples
    --------
    >>> values = (1 - np.random.default_rng(0).random(5000)) ** (-1 / 1.5)
    >>> round(fit_power_law_tail(values, x_min=1.0).alpha, 4)
    2.5026
    """
    given = np.sort(check_array("values", values, ndim=1, dtype=np.float64))
    check_range("values", given)
    if given[0] <= 0:
        raise InputError(f"`values` must be positive, but the smallest is {given[0]:.3g}. Drop values of 0.")
    if not min_tail >= 2:
        raise InputError(f"`min_tail` must be at least 2, got {min_tail}.")
    if x_min is not None and not 0 < x_min < np.inf:
        raise InputError(f"`x_min` must be above 0 and finite, got {x_min:g}.")
    tail = given if x_min is None else given[given >= x_min]
    if len(tail) < min_tail:
        raise InputError(f"the tail needs at least {min_tail} values, got {len(tail)} of {len(given)}.")
    logs = np.log(tail)
    fits = [] if x_min is None else [_tail_from(logs, float(np.log(x_min)))]
    if x_min is None:
        starts = np.flatnonzero(np.diff(logs, prepend=-np.inf) > 0)
        fits = [_tail_from(logs[k:], logs[k]) for k in starts if len(logs) - k >= min_tail]
    distance, alpha, start, n_tail = min(fits, key=lambda fit: fit[0])
    if not np.isfinite(alpha):
        raise InputError(f"all {n_tail} values of the tail are equal: no power law is to be seen in them.")
    return PowerLawTail(
        alpha=alpha,
        alpha_error=(alpha - 1) / float(np.sqrt(n_tail)),
        x_min=float(np.exp(start)),
        ks_distance=distance,
        n_tail=n_tail,
    )


def _tail_from(logs: Floats, start: float) -> tuple[float, float, float, int]:
    """Return KS distance, alpha, start and length of a tail that is given by sorted logs."""
    above = logs - start
    n_tail, total = len(logs), float(above.sum())
    # Logarithms that differ by the rounding of the values alone tell of no tail.
    if above.max() <= ROUNDING:
        return float("inf"), float("inf"), start, n_tail
    alpha = 1 + n_tail / total
    theory = -np.expm1(-(alpha - 1) * above)
    steps = np.arange(n_tail + 1) / n_tail
    distance = max(float((theory - steps[:-1]).max()), float((steps[1:] - theory).max()))
    return distance, alpha, start, n_tail
