"""Explainable variance, oracle correlations and the noise-ceiling signal-to-noise ratio from repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from ._leave_out import RowGroups, row_groups
from ._repeat_sums import (
    channel_blocks,
    conservative,
    conservative_sums,
    error_sums,
    estimate_from_sums,
    oracle,
    oracle_sums,
    share_explained,
    signal_share,
    signal_to_noise,
    trial_sums,
    variance_of_mean,
)
from .ceilings import mean_repeats
from .ceilings_estimates import NoiseCeilingSnr, NormalizedVariance, OracleCorrelation, SignalFraction
from .ceilings_repeats import check_repeats

Floats = NDArray[np.float64]

_ORACLES: dict[str, tuple[Callable[..., Floats], Callable[[Floats], Floats]]] = {
    "jackknife": (oracle_sums, oracle),
    "conservative": (conservative_sums, conservative),
}


def oracle_correlation(
    responses: ArrayLike,
    *,
    estimator: Literal["jackknife", "conservative"] = "jackknife",
    groups: Sequence[object] | None = None,
) -> OracleCorrelation:
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
    groups : sequence of length n_stimuli, optional
        Rows with the same label are left out together for the error bars: blocks of a film's time points,
        or near-copies of a picture. By default every row stands alone.

    Returns
    -------
    oracle : OracleCorrelation
        Correlations with *single* repeats, with error bars. Too low (jackknife: the other repeats are noisy)
        or too high (conservative: v holds noise) a ceiling for single repeats, and no ceiling at all for a
        mean over repeats.

    Raises
    ------
    InputError
        For an unknown estimator, a wrong shape, fewer than 4 stimuli with two repeats, or fewer than 2
        groups.

    References
    ----------
    Walker et al. (2019), Inception loops discover what excites neurons most, 10.1038/s41593-019-0517-x.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.standard_normal((500, 1, 1)) + rng.standard_normal((500, 4, 1))
    >>> oracle = oracle_correlation(responses)  # 0.61 expected: 1 / sqrt(2 (1 + 1/3))
    >>> [round(float(x[0]), 2) for x in (oracle.value, oracle.se)]
    [0.63, 0.02]
    """
    check_option("estimator", estimator, ("jackknife", "conservative"))
    values = check_repeats("responses", responses)
    sums, statistic = _ORACLES[estimator]
    value, se = estimate_from_sums(values, row_groups(groups, len(values)), sums, statistic)
    return OracleCorrelation(value, se, estimator, *_counts(values))


def explainable_variance(
    responses: ArrayLike, *, bias_correction: bool = True, groups: Sequence[object] | None = None
) -> SignalFraction:
    """Estimate the share of a single repeat's variance that all repeats have in common.

    Each repeat is z-scored over stimuli; the variance of their mean is EV. The mean of n noisy repeats
    varies even without a signal, so that the correction ``EV - (1 - EV) / (n - 1)`` takes that part out.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats of the same stimuli (or time points), complete: no NaN.
    bias_correction : bool, default=True
        Apply the correction.
    groups : sequence of length n_stimuli, optional
        Rows with the same label are left out together for the error bars. Neighbouring time points of a
        film or story are alike: give each block of them, such as 20 s, a label, or the bars are too short.

    Returns
    -------
    explainable : SignalFraction
        At most 1, higher is better; about 0, and below, without a signal (corrected). Ceiling of the
        explained variance (r2) of *single* repeats. NaN for channels constant in a repeat.

    Raises
    ------
    InputError
        For a wrong shape, NaN, fewer than two repeats or 4 stimuli, or fewer than 2 groups.

    Notes
    -----
    The correction is exact when the signal has the same gain in all repeats. The jackknife is in closed
    form, O(n_stimuli n_repeats^2 n_channels).

    References
    ----------
    Sahani, Linden (2003), How linear are auditory cortical responses?, NeurIPS 15.
    Dupre la Tour et al. (2025), The voxelwise encoding model framework, 10.1162/imag_a_00575.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.standard_normal((500, 1, 1)) + rng.standard_normal((500, 4, 1))
    >>> ceiling = explainable_variance(responses).to_ceiling(unit="r2")
    >>> round(float(ceiling.upper[0]), 2), ceiling.divides
    (0.52, 'single-repeat r2')
    """
    values = check_array("responses", responses, ndim=3, dtype=np.float64, min_rows=4)
    n_stimuli, n_repeats, n_channels = values.shape
    if n_repeats < 2:
        raise InputError(f"`responses` needs at least 2 repeats, got {n_repeats}. Use data with repeats.")
    rows = row_groups(groups, n_stimuli)
    parts = [variance_of_mean(values[:, :, block], rows) for block in channel_blocks(values)]
    value, se = (np.concatenate([part[i] for part in parts]) for i in range(2))
    if bias_correction:
        # The correction is a line in EV, so that its slope takes the error bar along.
        value, se = value - (1.0 - value) / (n_repeats - 1.0), se * n_repeats / (n_repeats - 1.0)
    name = "explainable variance, stimulus jackknife" + ("" if bias_correction else ", biased")
    counts = np.full(n_channels, n_stimuli), np.full(n_channels, float(n_repeats))
    return SignalFraction(value, se, name, *counts, bias_corrected=bias_correction)


def fraction_explainable_variance(
    responses: ArrayLike, *, groups: Sequence[object] | None = None
) -> SignalFraction:
    """Estimate FEV: the share of the single-trial variance that is not noise.

    ``(total - noise) / total`` with the variance within stimuli as noise (n - 1 in the denominator).

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats in any unit, NaN for missing ones. Stimuli with one repeat are left out.
    groups : sequence of length n_stimuli, optional
        Rows with the same label are left out together for the error bars. By default every row stands alone.

    Returns
    -------
    fraction : SignalFraction
        At most 1, below 0 where the noise estimate exceeds the total. NaN for constant channels.

    Raises
    ------
    InputError
        For a wrong shape, fewer than 4 stimuli with two repeats, or fewer than 2 groups.

    References
    ----------
    Cadena et al. (2019), Deep convolutional models improve predictions of macaque V1 responses to natural
    images, 10.1371/journal.pcbi.1006897.
    """
    values = check_repeats("responses", responses)
    return _fraction(values, row_groups(groups, len(values)))


def feve(
    responses: ArrayLike, predictions: ArrayLike, *, groups: Sequence[object] | None = None
) -> NormalizedVariance:
    """Compute the fraction of the explainable variance that predictions explain.

    ``1 - (MSE - noise) / (total - noise)``, the mean squared error being that of single trials.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Held-out single repeats, NaN for missing ones. Stimuli with one repeat are left out.
    predictions : array of shape (n_stimuli, n_channels)
        In the unit of the responses: gain and offset count.
    groups : sequence of length n_stimuli, optional
        Rows with the same label are left out together for the error bars. By default every row stands alone.

    Returns
    -------
    explained : NormalizedVariance
        1 for predictions as good as the noise allows, 0 for the mean; unbounded below, above 1 by chance.
        NaN where the variance holds no signal (total at most noise). Corrected for noise already: never
        divide it by a ceiling. The error bar takes the predictions as given.

    Raises
    ------
    InputError
        For shapes that do not fit, fewer than 4 stimuli with two repeats, or fewer than 2 groups.

    References
    ----------
    Cadena et al. (2019), 10.1371/journal.pcbi.1006897.
    """
    values = check_repeats("responses", responses)
    predicted = check_array("predictions", predictions, ndim=2, dtype=np.float64)
    if predicted.shape != (values.shape[0], values.shape[2]):
        raise InputError(
            f"`predictions` must have shape {(values.shape[0], values.shape[2])} (stimuli, channels), got "
            f"{predicted.shape}. Give one prediction per stimulus, not one per repeat."
        )
    rows = row_groups(groups, len(values))
    value, se = estimate_from_sums(values, rows, error_sums, share_explained, predicted)
    return NormalizedVariance(value, se, _fraction(values, rows))


def ncsnr(responses: ArrayLike, *, groups: Sequence[object] | None = None) -> NoiseCeilingSnr:
    """Estimate the noise-ceiling signal-to-noise ratio: standard deviation of signal over that of noise.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats in any unit, NaN for missing ones. Stimuli with one repeat are left out.
    groups : sequence of length n_stimuli, optional
        Rows with the same label are left out together for the error bars. By default every row stands alone.

    Returns
    -------
    ratio : NoiseCeilingSnr
        At least 0; 0 where the noise estimate exceeds the total variance, infinite without noise.

    Raises
    ------
    InputError
        For a wrong shape, fewer than 4 stimuli with two repeats, or fewer than 2 groups.

    References
    ----------
    Allen et al. (2022), A massive 7T fMRI dataset, 10.1038/s41593-021-00962-x.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.standard_normal((500, 1, 1)) + rng.standard_normal((500, 3, 1))
    >>> responses[100:, 2] = np.nan  # most pictures were shown twice only
    >>> ceiling = ncsnr(responses).to_ceiling(unit="r", n_repeats=[3] * 100 + [2] * 400)
    >>> round(float(ceiling.upper[0]), 2), round(float(ceiling.se_upper[0]), 2)  # 0.82 expected
    (0.81, 0.02)
    """
    values = check_repeats("responses", responses)
    rows = row_groups(groups, len(values))
    value, se = estimate_from_sums(values, rows, trial_sums, signal_to_noise)
    se = np.where(value > 0, se, np.nan)  # what is cut off at 0 has no error bar
    return NoiseCeilingSnr(value, se, _fraction(values, rows))


def ncsnr_ceiling(ratio: ArrayLike, *, n_repeats: int | ArrayLike) -> Floats:
    """Return the explained variance that a perfect model reaches with a mean over repeats.

    ``s**2 / (s**2 + 1/n)``; with unequal numbers of repeats, 1/n is its mean over stimuli.

    Parameters
    ----------
    ratio : float or array of shape (n_channels,)
        `value` of :func:`ncsnr`.
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
    repeats = mean_repeats(n_repeats)
    squared = np.asarray(ratio, dtype=np.float64) ** 2
    with np.errstate(invalid="ignore"):
        ceiling = squared / (squared + 1.0 / repeats)
    return np.where(np.isinf(squared), 1.0, ceiling)


def _counts(values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the stimuli with two repeats or more, and the harmonic mean of their repeats."""
    count = np.isfinite(values).sum(axis=1)
    used = count >= 2
    n_stimuli = used.sum(axis=0)
    return n_stimuli, n_stimuli / np.where(used, 1.0 / np.maximum(count, 1), 0.0).sum(axis=0)


def _fraction(values: Floats, rows: RowGroups | None) -> SignalFraction:
    value, se = estimate_from_sums(values, rows, trial_sums, signal_share)
    return SignalFraction(
        value, se, "total minus within-stimulus variance, stimulus jackknife", *_counts(values)
    )
