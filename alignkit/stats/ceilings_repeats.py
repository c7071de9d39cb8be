"""Noise ceilings from repeated presentations: split-half reliability, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from .._core.random import RandomState, as_generator
from ._leave_out import RowGroups, row_groups, sum_groups
from .ceilings import Ceiling, divided_unit, mean_repeats

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_BLOCK_ELEMENTS = 1 << 22
_ROUNDING = 1e-12


@dataclass(frozen=True)
class SplitHalfReliability:
    """Split-half reliability of every channel.

    Attributes
    ----------
    half_r : ndarray of shape (n_channels,)
        Correlation over stimuli between the means of two halves of the repeats, mean over the splits.
    reliability : ndarray of shape (n_channels,)
        Spearman-Brown ``2 r / (1 + r)``: the reliability of the mean over both halves, on the scale of an
        explained variance (r squared). NaN where `half_r` is not above 0: such a channel has no ceiling.
    ceiling_r : ndarray of shape (n_channels,)
        Its square root: the correlation that a perfect model reaches with that mean.
    se_half_r, se, se_ceiling_r : ndarray of shape (n_channels,)
        Standard errors of `half_r`, `reliability` and `ceiling_r`, by a jackknife over stimuli.
    half_r_sd : ndarray of shape (n_channels,)
        Standard deviation of the half correlation over the splits.
    n_stimuli : ndarray of shape (n_channels,)
        Stimuli with at least two repeats.
    n_splits : int
        Random splits.
    n_repeats : ndarray of shape (n_channels,)
        Repeats in the mean that `reliability` is of: the harmonic mean over stimuli of ``2 * floor(k / 2)``.
    """

    half_r: Floats
    reliability: Floats
    ceiling_r: Floats
    se_half_r: Floats
    se: Floats
    se_ceiling_r: Floats
    half_r_sd: Floats
    n_stimuli: NDArray[np.intp]
    n_splits: int
    n_repeats: Floats

    def to_ceiling(self, *, unit: str = "r", n_repeats: int | ArrayLike | None = None) -> Ceiling:
        """Return the ceiling for scores in `unit` of means over repeats.

        Parameters
        ----------
        unit : {"r", "r2"}, default="r"
            ``"r"`` gives the square root of the reliability, for correlations with the mean over repeats;
            ``"r2"`` the reliability, for explained variances of it.
        n_repeats : int or array of shape (n_scored_stimuli,), optional
            Repeats in the means that were scored, one count or one per stimulus, stimuli shown once among
            them. By default those of the two halves together (`n_repeats` of this result): one less than
            all repeats where their number is odd.

        Returns
        -------
        ceiling : Ceiling
            A point estimate per channel (both bounds are equal).

        Raises
        ------
        InputError
            For another unit, or a count below 1.

        Notes
        -----
        Another number of repeats goes through Spearman-Brown once more, which takes the noise to be the
        same in all repeats, and the stimuli that were shown once to be like those that were repeated.
        """
        check_option("unit", unit, ("r", "r2"))
        estimator = f"split-half, Spearman-Brown, {self.n_splits} random splits, stimulus jackknife"
        if n_repeats is None:
            value, se = (self.ceiling_r, self.se_ceiling_r) if unit == "r" else (self.reliability, self.se)
            return Ceiling(
                value, value, se, se, estimator, unit, divided_unit(unit, self.n_repeats), self.n_repeats
            )
        wanted = mean_repeats(n_repeats)
        return scaled_ceiling(self.reliability, self.se, wanted / self.n_repeats, wanted, unit, estimator)


def split_half_reliability(
    responses: ArrayLike,
    *,
    n_splits: int = 20,
    groups: Sequence[object] | None = None,
    random_state: RandomState = 0,
) -> SplitHalfReliability:
    """Estimate the reliability of mean responses from random halves of the repeats.

    For each split the k repeats of a stimulus give two random halves of ``floor(k / 2)`` repeats. Their
    means are correlated over stimuli, the correlations are averaged over the splits, and Spearman-Brown
    takes the average to the double number of repeats. Invariant to a gain and an offset per channel.

    Parameters
    ----------
    responses : array of shape (n_stimuli, n_repeats, n_channels)
        Single repeats in any unit. NaN marks a missing repeat, for all channels or for some.
    n_splits : int, default=20
        Random splits.
    groups : sequence of length n_stimuli, optional
        Rows with the same label are left out together for the error bars: blocks of a film's time points,
        or near-copies of a picture. By default every row stands alone.
    random_state : int, Generator or None, default=0
        Source of the splits. All channels of a repeat go to the same half.

    Returns
    -------
    result : SplitHalfReliability
        Per channel; reliabilities in (0, 1] or NaN, higher is better.

    Raises
    ------
    InputError
        For a wrong shape, infinite values, fewer than 4 stimuli with at least two repeats, or fewer than 2
        groups.

    Notes
    -----
    The numbers of repeats may differ between stimuli; those with one repeat are left out. With an odd k one
    repeat of the stimulus is left out of every split, so that the reliability of the mean over all k
    repeats is a little higher than what is returned. ``result.to_ceiling(n_repeats=counts)`` gives the
    ceiling of the means over all repeats, stimuli shown once included. Error bars come from leaving one
    stimulus out of everything, in closed form; what the finite number of splits adds is
    ``half_r_sd / sqrt(n_splits)`` at most and is not included.

    References
    ----------
    Spearman (1910), Correlation calculated from faulty data, 10.1111/j.2044-8295.1910.tb00206.x.
    Brown (1910), Some experimental results in the correlation of mental abilities,
    10.1111/j.2044-8295.1910.tb00207.x.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((500, 1, 1))
    >>> result = split_half_reliability(signal + rng.standard_normal((500, 4, 1)))
    >>> float(result.reliability[0].round(2))  # 0.8 expected: 1 / (1 + 1/4)
    0.81
    """
    values = check_repeats("responses", responses)
    if n_splits < 1:
        raise InputError(f"`n_splits` must be at least 1, got {n_splits}.")
    generator = as_generator(random_state)
    n_stimuli, n_repeats, n_channels = values.shape
    rows = row_groups(groups, n_stimuli)
    keys = generator.random((n_splits, n_stimuli, n_repeats))
    block = max(1, _BLOCK_ELEMENTS // max(1, n_stimuli * n_repeats))
    starts = range(0, n_channels, block)
    parts = [
        _split_half(values[:, :, s : s + block], keys, rows) for s in track(starts, "split-half ceilings")
    ]
    half_r, sd, se_half, reliability, se, ceiling_r, se_ceiling = (
        np.concatenate([part[i] for part in parts]) for i in range(7)
    )
    pairs = np.isfinite(values).sum(axis=1) // 2
    counted = (pairs > 0).sum(axis=0)
    repeats = counted / np.where(pairs > 0, 0.5 / np.maximum(pairs, 1), 0.0).sum(axis=0)
    return SplitHalfReliability(
        half_r, reliability, ceiling_r, se_half, se, se_ceiling, sd, counted, n_splits, repeats
    )


def spearman_brown(half_r: ArrayLike, *, factor: float | ArrayLike = 2.0) -> Floats:
    """Return the reliability of `factor` times the data, ``k r / (1 + (k - 1) r)``.

    Parameters
    ----------
    half_r : float or array
        Reliability of the data as they are, such as the correlation between two halves, in [-1, 1].
    factor : float or array, default=2
        How many times as many data; below 1 for fewer.

    Returns
    -------
    reliability : ndarray
        In (0, 1], or NaN where r is not above 0.

    References
    ----------
    Spearman (1910), 10.1111/j.2044-8295.1910.tb00206.x; Brown (1910), 10.1111/j.2044-8295.1910.tb00207.x.

    Examples
    --------
    >>> spearman_brown([0.5, -0.1]).round(3).tolist()
    [0.667, nan]
    >>> float(spearman_brown(0.25, factor=3))
    0.5
    """
    r, k = np.asarray(half_r, dtype=np.float64), np.asarray(factor, dtype=np.float64)
    return np.where(r > 0, k * r / np.where(r > 0, 1.0 + (k - 1.0) * r, 1.0), np.nan)


def scaled_ceiling(
    reliability: Floats, se: Floats, factor: float | Floats, n_repeats: float, unit: str, estimator: str
) -> Ceiling:
    """Return the ceiling of `factor` times the data, its error bar to first order; NaN without a signal."""
    value = spearman_brown(reliability, factor=factor)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = se * factor / (1.0 + (factor - 1.0) * reliability) ** 2
        error = np.where(np.isnan(value), np.nan, error)
        if unit == "r":
            value, error = np.sqrt(value), error / (2.0 * np.sqrt(value))
    return Ceiling(value, value, error, error, estimator, unit, divided_unit(unit, n_repeats), n_repeats)


def jackknife_se(leave_one_out: Floats, used: Bools | None = None) -> Floats:
    """Return the jackknife standard error over the first axis, of the entries in `used`."""
    kept = np.ones(leave_one_out.shape, dtype=bool) if used is None else used
    n = kept.sum(axis=0)
    values = np.where(kept, leave_one_out, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(kept, (values - values.sum(axis=0) / n) ** 2, 0.0).sum(axis=0)
        return np.asarray(np.where(n > 1, np.sqrt((n - 1.0) / n * squares), np.nan), dtype=np.float64)


def check_repeats(name: str, responses: ArrayLike, *, min_stimuli: int = 4) -> Floats:
    """Return (n_stimuli, n_repeats, n_channels) float64 with NaN for missing repeats, or refuse."""
    values = check_array(name, responses, ndim=3, dtype=np.float64, finite=False)
    if np.isinf(values).any():
        raise InputError(
            f"`{name}` holds {int(np.isinf(values).sum())} infinite value(s). Mark missing as NaN."
        )
    usable = (np.isfinite(values).sum(axis=1) >= 2).sum(axis=0)
    if values.shape[2] == 0 or usable.min() < min_stimuli:
        worst = int(usable.argmin()) if usable.size else 0
        raise InputError(
            f"`{name}` needs at least {min_stimuli} stimuli with two repeats or more in every channel, got "
            f"{int(usable[worst]) if usable.size else 0} in channel {worst}. Drop that channel, or use data "
            "with repeats."
        )
    return values


def _split_half(values: Floats, keys: Floats, rows: RowGroups | None) -> tuple[Floats, ...]:
    """Return half_r, its sd and se, reliability and se, ceiling and se for a block of channels."""
    present = np.isfinite(values)
    filled = np.where(present, values, 0.0)
    half = present.sum(axis=1) // 2  # (n_stimuli, n_channels)
    used = half > 0
    shared = bool((present == present[:, :, :1]).all())
    groups_used = used if rows is None else sum_groups(used, rows) > 0
    draws, left_out = [], np.zeros(groups_used.shape)
    for key in keys:
        first, second = _half_means(filled, present[:, :, :1] if shared else present, half, key)
        r, without = _correlation_and_jackknife(first, second, used, rows)
        draws.append(r)
        left_out += without
    left_out /= len(draws)
    half_r = np.mean(draws, axis=0)
    reliability = spearman_brown(half_r)
    # Without one stimulus a weak channel may fall to 0 or below: its error bar is then unknown, not small.
    without_sb = spearman_brown(left_out)
    se_reliability = jackknife_se(without_sb, groups_used)
    se_ceiling = jackknife_se(np.sqrt(without_sb), groups_used)
    undefined = np.isnan(reliability)
    se_reliability[undefined] = np.nan
    se_ceiling[undefined] = np.nan
    sd = np.std(draws, axis=0, ddof=1) if len(draws) > 1 else np.full(half_r.shape, np.nan)
    se_half = jackknife_se(left_out, groups_used)
    return half_r, sd, se_half, reliability, se_reliability, np.sqrt(reliability), se_ceiling


def _half_means(filled: Floats, present: Bools, half: NDArray[np.intp], key: Floats) -> tuple[Floats, Floats]:
    """Return the means of two random halves, (n_stimuli, n_channels) each."""
    keyed = np.where(present, key[:, :, None], np.inf)
    rank = keyed.argsort(axis=1).argsort(axis=1)
    size = half[:, None, :1] if present.shape[2] == 1 else half[:, None, :]
    count = np.maximum(half, 1)
    halves = ((rank < size) & present, (rank >= size) & (rank < 2 * size) & present)
    if present.shape[2] == 1:
        sums = [np.einsum("sr,src->sc", mask[:, :, 0].astype(np.float64), filled) for mask in halves]
    else:
        sums = [np.where(mask, filled, 0.0).sum(axis=1) for mask in halves]
    return sums[0] / count, sums[1] / count


def _correlation_and_jackknife(
    a: Floats, b: Floats, used: Bools, rows: RowGroups | None
) -> tuple[Floats, Floats]:
    """Return the correlation of each column over `used` rows, and those without each group of rows."""
    n = used.sum(axis=0)
    a, b = np.where(used, a, 0.0), np.where(used, b, 0.0)
    # What rounding leaves of a constant column is not variance.
    floor_a, floor_b = _ROUNDING**2 * (a * a).sum(axis=0), _ROUNDING**2 * (b * b).sum(axis=0)
    a, b = np.where(used, a - a.sum(axis=0) / n, 0.0), np.where(used, b - b.sum(axis=0) / n, 0.0)
    squares = (a * a, b * b, a * b)
    aa, bb, ab = (each.sum(axis=0) for each in squares)
    counts, sum_a, sum_b, *inner = (sum_groups(each, rows) for each in (used, a, b, *squares))
    rest = n - counts
    with np.errstate(invalid="ignore", divide="ignore"):
        # Sums of squares without a group, around the mean without it.
        aa_out = aa - inner[0] - sum_a * sum_a / rest
        bb_out = bb - inner[1] - sum_b * sum_b / rest
        ab_out = ab - inner[2] - sum_a * sum_b / rest
        r = np.where((aa > floor_a) & (bb > floor_b), ab / np.sqrt(aa * bb), np.nan)
        defined = (aa_out > _ROUNDING * aa) & (bb_out > _ROUNDING * bb)
        without = np.where(defined, ab_out / np.sqrt(aa_out * bb_out), np.nan)
    return np.clip(r, -1.0, 1.0), np.clip(without, -1.0, 1.0)
