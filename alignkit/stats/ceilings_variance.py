"""Explainable variance, oracle correlations and the noise-ceiling signal-to-noise ratio from repeats."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .ceilings_repeats import check_repeats

Floats = NDArray[np.float64]


def oracle_correlation(
    responses: ArrayLike, *, estimator: Literal["jackknife", "conservative"] = "jackknife"
) -> Floats:
    """Estimate how well the repeats themselves predict a single repeat, per channel.

    ``"jackknife"`` correlates every single response with the mean of the other repeats of its stimulus.
    ``"conservative"`` is ``sqrt(v / (v + e))`` with v the variance of the stimulus means and e the mean
    variance within stimuli, both of the sample as it is.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats in any unit, NaN for missing ones. Stimuli with one repeat are left out.
    estimator : {"jackknife", "conservative"}, default="jackknife"
        The formula.

    Returns
    -------
    oracle : ndarray of shape (n_channels,)
        A correlation with *single* repeats, up to 1, higher is better; NaN for constant channels. It is too
        low (jackknife: the other repeats are noisy) or too high (conservative: v holds noise) a ceiling for
        single repeats, and no ceiling at all for a mean over repeats.

    Raises
    ------
    InputError
        For an unknown estimator, a wrong shape, or fewer than 4 stimuli with two repeats.

    References
    ----------
    Walker et al. (2019), Inception loops discover what excites neurons most, 10.1038/s41593-019-0517-x.
    """
    check_option("estimator", estimator, ("jackknife", "conservative"))
    values, present, count = _repeats(responses)
    sums = values.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if estimator == "conservative":
            means = sums / count
            within = np.where(present, (values - means[:, None]) ** 2, 0.0).sum(axis=1) / count
            kept = count > 0
            n = kept.sum(axis=0)
            grand = np.where(kept, means, 0.0).sum(axis=0) / n
            between = np.where(kept, (means - grand) ** 2, 0.0).sum(axis=0) / n
            noise = np.where(kept, within, 0.0).sum(axis=0) / n
            return np.asarray(np.sqrt(between / (between + noise)), dtype=np.float64)
        others = np.where(present, (sums[:, None] - values) / (count[:, None] - 1.0), 0.0)
        n_trials = present.sum(axis=(0, 1))
        x = np.where(present, values - values.sum(axis=(0, 1)) / n_trials, 0.0)
        y = np.where(present, others - others.sum(axis=(0, 1)) / n_trials, 0.0)
        norms = np.sqrt((x * x).sum(axis=(0, 1)) * (y * y).sum(axis=(0, 1)))
        return np.asarray((x * y).sum(axis=(0, 1)) / norms, dtype=np.float64)


def explainable_variance(responses: ArrayLike, *, bias_correction: bool = True) -> Floats:
    """Estimate the share of a single repeat's variance that all repeats have in common.

    Each repeat is z-scored over stimuli; the variance of their mean is EV. The mean of n noisy repeats
    varies even without a signal, so that the correction ``EV - (1 - EV) / (n - 1)`` takes that part out.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats of the same stimuli (or time points), complete: no NaN.
    bias_correction : bool, default=True
        Apply the correction.

    Returns
    -------
    explainable : ndarray of shape (n_channels,)
        At most 1, higher is better; about 0, and below, without a signal (corrected). Ceiling of the
        explained variance (r2) of *single* repeats. NaN for channels constant in a repeat.

    Raises
    ------
    InputError
        For a wrong shape, NaN, or fewer than two repeats.

    References
    ----------
    Sahani, Linden (2003), How linear are auditory cortical responses?, NeurIPS 15.
    Dupre la Tour et al. (2025), The voxelwise encoding model framework, 10.1162/imag_a_00575.
    """
    values = check_array("responses", responses, ndim=3, dtype=np.float64)
    n_repeats = values.shape[1]
    if n_repeats < 2:
        raise InputError(f"`responses` needs at least 2 repeats, got {n_repeats}. Use data with repeats.")
    centred = values - values.mean(axis=0)
    constant = np.ptp(values, axis=0) == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(constant, np.nan, centred / centred.std(axis=0))
    explained = scores.mean(axis=1).var(axis=0)
    corrected = explained - (1.0 - explained) / (n_repeats - 1.0) if bias_correction else explained
    return np.asarray(corrected, dtype=np.float64)


def fraction_explainable_variance(responses: ArrayLike) -> Floats:
    """Estimate FEV: the share of the single-trial variance that is not noise.

    ``(total - noise) / total`` with the variance within stimuli as noise (n - 1 in the denominator).

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats in any unit, NaN for missing ones. Stimuli with one repeat are left out.

    Returns
    -------
    fraction : ndarray of shape (n_channels,)
        At most 1, below 0 where the noise estimate exceeds the total. NaN for constant channels.

    Raises
    ------
    InputError
        For a wrong shape or fewer than 4 stimuli with two repeats.

    References
    ----------
    Cadena et al. (2019), Deep convolutional models improve predictions of macaque V1 responses to natural
    images, 10.1371/journal.pcbi.1006897.
    """
    total, noise = _variances(*_repeats(responses))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total - noise) / total, dtype=np.float64)


def feve(responses: ArrayLike, predictions: ArrayLike) -> Floats:
    """Compute the fraction of the explainable variance that predictions explain.

    ``1 - (MSE - noise) / (total - noise)``, the mean squared error being that of single trials.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Held-out single repeats, NaN for missing ones. Stimuli with one repeat are left out.
    predictions : array of shape (n_stimuli, n_channels)
        In the unit of the responses: gain and offset count.

    Returns
    -------
    fraction : ndarray of shape (n_channels,)
        1 for predictions as good as the noise allows, 0 for the mean; unbounded below, above 1 by chance.
        NaN where the variance holds no signal (total at most noise). Corrected for noise already: never
        divide it by a ceiling.

    Raises
    ------
    InputError
        For shapes that do not fit, or fewer than 4 stimuli with two repeats.

    References
    ----------
    Cadena et al. (2019), 10.1371/journal.pcbi.1006897.
    """
    values, present, count = _repeats(responses)
    predicted = check_array("predictions", predictions, ndim=2, dtype=np.float64)
    if predicted.shape != (values.shape[0], values.shape[2]):
        raise InputError(
            f"`predictions` must have shape {(values.shape[0], values.shape[2])} (stimuli, channels), got "
            f"{predicted.shape}. Give one prediction per stimulus, not one per repeat."
        )
    total, noise = _variances(values, present, count)
    squares = np.where(present, (values - predicted[:, None]) ** 2, 0.0)
    error = squares.sum(axis=(0, 1)) / count.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > noise, 1.0 - (error - noise) / (total - noise), np.nan)


def ncsnr(responses: ArrayLike) -> Floats:
    """Estimate the noise-ceiling signal-to-noise ratio: standard deviation of signal over that of noise.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats in any unit, NaN for missing ones. Stimuli with one repeat are left out.

    Returns
    -------
    ratio : ndarray of shape (n_channels,)
        At least 0; 0 where the noise estimate exceeds the total variance, infinite without noise.

    Raises
    ------
    InputError
        For a wrong shape or fewer than 4 stimuli with two repeats.

    References
    ----------
    Allen et al. (2022), A massive 7T fMRI dataset, 10.1038/s41593-021-00962-x.
    """
    total, noise = _variances(*_repeats(responses))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(np.maximum(total - noise, 0.0) / noise), dtype=np.float64)


def ncsnr_ceiling(ratio: ArrayLike, *, n_repeats: int | ArrayLike) -> Floats:
    """Return the explained variance that a perfect model reaches with a mean over repeats.

    ``s**2 / (s**2 + 1/n)``; with unequal numbers of repeats, 1/n is its mean over stimuli.

    Parameters
    ----------
    ratio : float or array of shape (n_channels,)
        From :func:`ncsnr`.
    n_repeats : int or array of shape (n_stimuli,)
        Repeats in the means that are predicted, the same for all stimuli or one count per stimulus.

    Returns
    -------
    ceiling : ndarray
        In [0, 1], unit r2 (a hundredth of the published per cent); its square root for a correlation.

    Raises
    ------
    InputError
        If a count is below 1.

    References
    ----------
    Allen et al. (2022), 10.1038/s41593-021-00962-x.

    Examples
    --------
    >>> float(ncsnr_ceiling(1.0, n_repeats=3))
    0.75
    """
    counts = np.atleast_1d(np.asarray(n_repeats, dtype=np.float64))
    if counts.size == 0 or not (counts >= 1).all():
        shown = counts.min() if counts.size else "none"
        raise InputError(f"`n_repeats` must be at least 1 for every stimulus, got {shown}.")
    squared = np.asarray(ratio, dtype=np.float64) ** 2
    with np.errstate(invalid="ignore"):
        ceiling = squared / (squared + np.mean(1.0 / counts))
    return np.where(np.isinf(squared), 1.0, ceiling)


def _repeats(responses: ArrayLike) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """Return values with 0 for what is missing, what is present, and repeats per stimulus and channel."""
    values = check_repeats("responses", responses)
    present = np.isfinite(values)
    present &= present.sum(axis=1, keepdims=True) >= 2
    return np.where(present, values, 0.0), present, present.sum(axis=1)


def _variances(values: Floats, present: NDArray[np.bool_], count: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return the variance of all trials and the mean variance within stimuli, both weighted by trials."""
    n_trials = count.sum(axis=0)
    grand = values.sum(axis=(0, 1)) / n_trials
    total = np.where(present, (values - grand) ** 2, 0.0).sum(axis=(0, 1)) / (n_trials - 1.0)
    means = values.sum(axis=1) / np.maximum(count, 1)
    squares = np.where(present, (values - means[:, None]) ** 2, 0.0).sum(axis=1)
    # A stimulus counts in the total as often as it was shown, so it must in the noise as well.
    noise = (squares / np.maximum(count - 1.0, 1.0) * count).sum(axis=0) / n_trials
    return total, noise
