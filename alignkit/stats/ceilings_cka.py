"""The noise ceiling of debiased linear CKA between a model and noisy mean responses."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError
from .ceilings import Ceiling
from .ceilings_repeats import jackknife_se

Floats = NDArray[np.float64]


def cka_ceiling(Y_half_a: ArrayLike, Y_half_b: ArrayLike, Y_mean: ArrayLike) -> Ceiling:
    """Estimate the debiased linear CKA of a perfect model with mean responses over repeats.

    ``sqrt(HSIC1(Y_a, Y_b) / HSIC1(Y_mean, Y_mean))`` with HSIC1 the unbiased (U-centred) estimator and
    linear kernels. Invariant to rotations, a common scale and offsets of the channels.

    Parameters
    ----------
    Y_half_a, Y_half_b : array of shape (n_stimuli, n_channels) or (n_splits, n_stimuli, n_channels)
        Mean responses over two halves of the repeats with no repeat in common; several random splits are
        averaged in the numerator.
    Y_mean : array of shape (n_stimuli, n_channels)
        Mean responses over all repeats, those that the model is compared with.

    Returns
    -------
    ceiling : Ceiling
        A point estimate in and for ``"cka"``, error bar by a jackknife over stimuli. NaN where the halves
        share no geometry (numerator not above 0).

    Raises
    ------
    InputError
        For shapes that do not fit or fewer than 5 stimuli.

    Notes
    -----
    Let S be the signal (n_stimuli, n_channels) with kernel K = SS', and Y = S + E with noise that is
    independent between stimuli and has mean 0. Off the diagonal, E[YY'] = K, and HSIC1 uses the
    off-diagonal entries only, so that E[HSIC1(K, YY')] = HSIC1(K, K). With independent halves every
    product of entries of Y_a Y_a' and Y_b Y_b' has as its mean the product of the entries of K, hence
    E[HSIC1(Y_a Y_a', Y_b Y_b')] = HSIC1(K, K). But E[HSIC1(YY', YY')] is larger, by the variance of the
    entries of YY'. A model that equals S has therefore the CKA
    HSIC1(K, K) / sqrt(HSIC1(K, K) HSIC1(YY', YY')), which is the root above, up to the bias that a ratio
    of unbiased terms has at small n. O(n_stimuli^2 n_channels), the jackknife included.

    References
    ----------
    Song et al. (2012), Feature selection via dependence maximization, JMLR 13 (eq. 5 for HSIC1).
    Kornblith et al. (2019), Similarity of neural network representations revisited, arXiv 1905.00414.
    """
    mean = check_array("Y_mean", Y_mean, ndim=2, dtype=np.float64, min_rows=5)
    halves_a = _splits("Y_half_a", Y_half_a, mean.shape)
    halves_b = _splits("Y_half_b", Y_half_b, mean.shape)
    if len(halves_a) != len(halves_b):
        raise InputError(
            f"`Y_half_a` and `Y_half_b` must have the same number of splits, got {len(halves_a)} and "
            f"{len(halves_b)}."
        )
    terms = [_hsic1(_kernel(a), _kernel(b)) for a, b in zip(halves_a, halves_b, strict=True)]
    numerator = np.mean([term[0] for term in terms])
    numerator_without = np.mean([term[1] for term in terms], axis=0)
    kernel = _kernel(mean)
    denominator, denominator_without = _hsic1(kernel, kernel)
    value = _root(numerator, denominator)
    se = float(jackknife_se(_root(numerator_without, denominator_without)))
    se = se if np.isfinite(value) else float("nan")
    name = f"split-half HSIC, {len(halves_a)} splits, jackknife over stimuli"
    return Ceiling(float(value), float(value), se, se, name, "cka", "cka")


def _root(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((top > 0) & (bottom > 0), np.sqrt(np.abs(top / bottom)), np.nan)


def _kernel(Y: Floats) -> Floats:
    centred = Y - Y.mean(axis=0)
    kernel = centred @ centred.T
    np.fill_diagonal(kernel, 0.0)
    return np.asarray(kernel, dtype=np.float64)


def _hsic1(K: Floats, L: Floats) -> tuple[float, Floats]:
    """Return HSIC1 of two kernels with empty diagonals, and those without each stimulus."""
    n = K.shape[0]
    product = K * L
    k, l_, kl = K.sum(axis=0), L.sum(axis=0), product.sum(axis=0)
    trace, sum_k, sum_l, joint = kl.sum(), k.sum(), l_.sum(), k @ l_
    whole = _combine(trace, sum_k, sum_l, joint, n)
    # Without stimulus i the row sums lose their entry i: sum over j != i of (k_j - K_ij)(l_j - L_ij).
    joint_without = joint - k * l_ - K @ l_ - L @ k + kl
    without = _combine(trace - 2 * kl, sum_k - 2 * k, sum_l - 2 * l_, joint_without, n - 1)
    return float(whole), np.asarray(without, dtype=np.float64)


def _combine(trace: Floats, sum_k: Floats, sum_l: Floats, joint: Floats, n: int) -> Floats:
    total = trace + sum_k * sum_l / ((n - 1) * (n - 2)) - 2.0 * joint / (n - 2)
    return np.asarray(total / (n * (n - 3)), dtype=np.float64)


def _splits(name: str, Y: ArrayLike, shape: tuple[int, ...]) -> Floats:
    halves = check_array(name, Y, ndim=(2, 3), dtype=np.float64)
    halves = halves[None] if halves.ndim == 2 else halves
    if halves.shape[1:] != shape:
        raise InputError(
            f"`{name}` must have the shape of `Y_mean`, {shape}, in each split, got {halves.shape[1:]}. "
            "Average the halves over the same stimuli and channels."
        )
    return halves
