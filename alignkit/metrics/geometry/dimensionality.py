"""How many directions the responses fill: participation ratio and effective rank."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ...solvers.algebra import multiply, singular_values
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range, constant_along
from ..similarity.kernel_alignment import centred_gram
from ._patterns import Floats, centred_patterns, load_patterns

EffectiveRankMethod = Literal["covariance", "rankme"]


@torch_too
def participation_ratio(X: ArrayLike, *, corrected: bool = False, device: str | None = None) -> float:
    """Count the directions that carry the variance: ``(sum of eigenvalues)^2 / sum of squared eigenvalues``.

    The eigenvalues are those of the covariance between units. Unchanged by rotations, shifts and a common
    scale.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses, one row per stimulus.
    corrected : bool, default=False
        Replace the sum of squared eigenvalues by an estimate without bias from the number of samples. It
        needs 4 samples.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the matrix product is computed.

    Returns
    -------
    dimension : float
        From 1 to min(n_samples - 1, n_units). With `corrected` also above, and NaN where the estimated sum
        of squares is 0 or less, which only few samples can bring about.

    Raises
    ------
    InputError
        If X holds NaN, has too few rows, no units, or no variance.

    Notes
    -----
    No eigenvalue is computed: ``tr(C)^2 / ||C||^2`` of the smaller Gram matrix, O(n p min(n, p)).

    The plain ratio is too low with few samples: ``1 / PR = 1 / PR_true + 1 / (n - 1)`` on average for
    isotropic responses, so that 50 directions look like 14 from 20 samples, 33 from 100 and 48 from 1,000.
    Compare systems at equal sample counts, or use `corrected`. What trials add as noise stays in both; see
    :func:`signal_participation_ratio`.

    References
    ----------
    Gao P et al. (2017). A theory of multineuronal dimensionality, doi:10.1101/214262.
    Himeno T, Yamada T (2014). Estimations for some functions of covariance matrix in high dimension,
    doi:10.1016/j.jmva.2014.04.020 (the unbiased sum of squares).

    Examples
    --------
    >>> participation_ratio([[1, 0], [-1, 0], [0, 1], [0, -1]])
    2.0
    """
    deviations = centred_patterns(X, min_rows=4 if corrected else 2)
    n_samples, n_units = deviations.shape
    sides = (deviations, deviations.T) if n_samples <= n_units else (deviations.T, deviations)
    product = multiply(*sides, device=device)
    total, squares = float(np.trace(product)), float(np.vdot(product, product))
    if corrected:
        n = n_samples
        fourth = float((np.einsum("ij,ij->i", deviations, deviations) ** 2).sum())
        squares = ((n - 1) * (n - 2) * squares + total**2 - n * (n - 1) * fourth) / (n * (n - 2) * (n - 3))
        total, squares = total / (n - 1), squares / (n - 1)
    return total**2 / squares if squares > 0 else float("nan")


@torch_too
def signal_participation_ratio(trials: ArrayLike, *, device: str | None = None) -> float:
    """Count the directions that carry the variance which repeats of the stimuli share.

    The participation ratio of the signal covariance. Trace and sum of squares are estimated from products of
    different repeats and different stimuli only, where neither trial noise nor the number of stimuli biases
    them.

    Parameters
    ----------
    trials : array of shape (n_repeats, n_stimuli, n_units)
        Responses; the noise of different repeats is independent. At least 2 repeats of 4 stimuli.
    device : str, optional
        See :func:`participation_ratio`.

    Returns
    -------
    dimension : float
        0 or more, about 1 to n_units; NaN where the signal's sum of squares is estimated as 0 or less: no
        signal is to be seen in these trials.

    Raises
    ------
    InputError
        If there are fewer than 2 repeats or 4 stimuli, NaN, or no variance.

    Notes
    -----
    With K the products between the stimuli of one repeat and those of another, the sum of squares is
    estimated by the U-statistic of ``K_ij K_ji``, in which each noise vector comes once. The square of the
    trace keeps a small bias upwards.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 50))
    >>> trials = signal + rng.standard_normal((2, 300, 50))
    >>> round(participation_ratio(signal), 1), round(participation_ratio(trials.mean(axis=0)), 1)
    (2.0, 3.0)
    >>> round(signal_participation_ratio(trials), 1)
    2.0
    """
    values = check_array("trials", trials, ndim=3, dtype=np.float64, min_rows=2)
    n_repeats, n_stimuli, n_units = values.shape
    if n_stimuli < 4 or n_units == 0:
        raise InputError(f"`trials` needs at least 4 stimuli and 1 unit, got shape {values.shape}.")
    check_range("trials", values)
    deviations = values - values.mean(axis=1, keepdims=True)
    largest = np.abs(deviations).max()
    if constant_along(values, axis=1).all():
        raise InputError("all stimuli of `trials` have equal responses: there is no variance to describe.")
    deviations /= largest
    totals, squares = [], []
    for first in range(n_repeats):
        for second in range(first + 1, n_repeats):
            K = multiply(deviations[first], deviations[second].T, device=device)
            totals.append(np.trace(K) / (n_stimuli - 1))
            squares.append(_crossed_squares(K))
    total, square = float(np.mean(totals)), float(np.mean(squares))
    return total**2 / square if square > 0 else float("nan")


@torch_too
def effective_rank(
    X: ArrayLike,
    *,
    method: EffectiveRankMethod = "rankme",
    epsilon: float = 0.0,
    device: str | None = None,
) -> float:
    """Compute the exponential of the entropy of a spectrum: how many directions there are, softly counted.

    - ``"rankme"``: of the singular values of X as it is, neither centred nor squared.
    - ``"covariance"``: of the eigenvalues of the covariance between units. A lower number: squares are less
      even.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses, one row per stimulus.
    method : {"rankme", "covariance"}, default="rankme"
        Whose entropy, see above.
    epsilon : float, default=0.0
        Added to each share, as the RankMe paper does (1e-7) so that none is 0. It adds to the result
        (0.06 % for 1,000 directions); here a share of 0 counts 0 without it.
    device : str, optional
        Where the singular values are computed.

    Returns
    -------
    rank : float
        From 1 to min(n_samples, n_units), for "covariance" also at most n_samples - 1. Unchanged by
        rotations and a common scale; by shifts only for "covariance".

    Raises
    ------
    InputError
        If X holds NaN, has no units, is all zero (for "covariance": has no variance), or `epsilon` < 0.

    Notes
    -----
    It grows with the number of samples: compare at equal counts (the paper uses 25,600).

    References
    ----------
    Garrido Q et al. (2023). RankMe, doi:10.48550/arXiv.2210.02885. Roy O, Vetterli M (2007). The effective
    rank, doi:10.5281/zenodo.40382.

    Examples
    --------
    >>> round(effective_rank(np.diag([1.0, 1.0, 1.0, 0.0])), 12)
    3.0
    """
    check_option("method", method, get_args(EffectiveRankMethod))
    if not 0 <= epsilon < np.inf:
        raise InputError(f"`epsilon` must be 0 or more and finite, got {epsilon:g}.")
    if method == "covariance":
        values = singular_values(centred_patterns(X), device=device) ** 2
    else:
        patterns = load_patterns(X, min_rows=1)
        largest = np.abs(patterns).max()
        if largest == 0:
            raise InputError("`X` is all zero: it has no singular values to share out.")
        values = singular_values(patterns / largest, device=device)
    shares = values / values.sum() + epsilon
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _crossed_squares(K: Floats) -> float:
    """Return the U-statistic of K_ij K_ji under centring, for products K of two sets of the same stimuli."""
    n = len(K)
    hollow = K - np.diag(np.diag(K))
    even = centred_gram((hollow + hollow.T) / 2)
    odd = (hollow - hollow.T) / 2
    means = odd.sum(axis=1) / n
    odd = odd - means[:, None] + means
    # Each part over the dimension of the space that centring leaves it: n (n - 3) / 2, (n - 1) (n - 2) / 2.
    return float(np.vdot(even, even) / (n * (n - 3)) - np.vdot(odd, odd) / ((n - 1) * (n - 2)))


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "patterns",
        "range": (1.0, float("inf")),
        "higher_is_closer": None,
        "unit": "dimensions",
    }
    moves = ("permutation", "rotation", "scale", "shift", "stimulus-permutation")
    still = ("permutation", "rotation", "scale", "stimulus-permutation")
    gao = "Gao et al. 2017, doi:10.1101/214262"
    himeno = "Himeno & Yamada 2014, doi:10.1016/j.jmva.2014.04.020"
    METRICS.register(
        "participation-ratio",
        invariant_to=moves,
        paper=gao,
        summary="how many directions carry the variance; too low with few samples",
        **shared,
    )(participation_ratio)
    METRICS.register(
        "corrected-participation-ratio",
        invariant_to=moves,
        paper=himeno,
        summary="the same without the bias from the number of samples",
        **{**shared, "range": (0.0, float("inf"))},
    )(partial(participation_ratio, corrected=True))
    METRICS.register(
        "effective-rank",
        invariant_to=still,
        paper="Garrido et al. 2023, doi:10.48550/arXiv.2210.02885",
        summary="RankMe: exponential entropy of the singular values of the responses as they are",
        **shared,
    )(effective_rank)
    METRICS.register(
        "covariance-effective-rank",
        invariant_to=moves,
        paper="Roy & Vetterli 2007, doi:10.5281/zenodo.40382",
        summary="exponential entropy of the eigenvalues of the covariance",
        **shared,
    )(partial(effective_rank, method="covariance"))


_register()
