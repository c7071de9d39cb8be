"""Sums over stimuli that estimates from repeats are functions of, so that leaving some out costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .._core.progress import track
from ._leave_out import RowGroups, sum_groups
from .ceilings_repeats import jackknife_se

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.intp]
_BLOCK_ELEMENTS = 1 << 22
_ROUNDING = 1e-12


def channel_blocks(values: Floats) -> list[slice]:
    """Return runs of channels that bound the memory of what is made on the way."""
    size = max(1, _BLOCK_ELEMENTS // max(1, values.shape[0] * values.shape[1]))
    return [slice(start, start + size) for start in range(0, values.shape[2], size)]


def estimate_from_sums(
    values: Floats,
    rows: RowGroups | None,
    sums: Callable[..., Floats],
    statistic: Callable[[Floats], Floats],
    predicted: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return a function of sums over stimuli, and its jackknife standard error, block by block.

    `sums` (n_sums, n_stimuli, n_channels) add up over stimuli to what `statistic` takes, so that leaving
    stimuli out is one subtraction.
    """
    parts = []
    for block in track(channel_blocks(values), "error bars of ceilings"):
        part = values[:, :, block]
        present = np.isfinite(part)
        present &= present.sum(axis=1, keepdims=True) >= 2
        count = present.sum(axis=1)
        # Sums of squares around 0 would lose the digits of a channel far from it.
        centre = np.where(present, part, 0.0).sum(axis=(0, 1)) / count.sum(axis=0)
        centred = np.where(present, part - centre, 0.0)
        others = () if predicted is None else (predicted[:, block] - centre,)
        stack = sums(centred, present, count, *others)
        whole = stack.sum(axis=1)
        low, high = (np.where(present, part, fill) for fill in (np.inf, -np.inf))
        constant = low.min(axis=(0, 1)) == high.max(axis=(0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(constant, np.nan, statistic(whole))
            left_out = statistic(whole[:, None] - sum_groups(stack, rows, axis=1))
            se = jackknife_se(left_out, sum_groups(count > 0, rows) > 0)
        parts.append((value, np.where(np.isfinite(value), se, np.nan)))
    value, se = (np.concatenate([part[i] for part in parts]) for i in range(2))
    return value, se


def oracle_sums(values: Floats, present: Bools, count: Counts) -> Floats:
    """Stack what the jackknife oracle needs: n and the sums of x, y, xx, yy, xy, with y the others' mean."""
    others = (values.sum(axis=1, keepdims=True) - values) / np.maximum(count - 1.0, 1.0)[:, None]
    others = np.where(present, others, 0.0)
    products = (values, others, values * values, others * others, values * others)
    return np.stack([count.astype(np.float64), *(each.sum(axis=1) for each in products)])


def oracle(sums: Floats) -> Floats:
    """Correlate single responses with the mean of the others, from `oracle_sums`."""
    n, x, y, xx, yy, xy = sums
    squares = _squares_around_mean(xx, x, n) * _squares_around_mean(yy, y, n)
    return np.asarray((xy - x * y / n) / np.sqrt(squares), dtype=np.float64)


def conservative_sums(values: Floats, present: Bools, count: Counts) -> Floats:
    """Stack what the conservative oracle needs: used or not, mean, squared mean, variance within."""
    means = values.sum(axis=1) / np.maximum(count, 1)
    within = np.where(present, (values - means[:, None]) ** 2, 0.0).sum(axis=1) / np.maximum(count, 1)
    return np.stack([(count > 0).astype(np.float64), means, means * means, within])


def conservative(sums: Floats) -> Floats:
    """Return the conservative oracle, from `conservative_sums`."""
    n, mean, square, within = sums
    between = square / n - (mean / n) ** 2
    return np.asarray(np.sqrt(between / (between + within / n)), dtype=np.float64)


def trial_sums(values: Floats, present: Bools, count: Counts) -> Floats:
    """Stack what the variances need of every stimulus: n, sum, squares, variance within times n."""
    means = values.sum(axis=1) / np.maximum(count, 1)
    squares = np.where(present, (values - means[:, None]) ** 2, 0.0).sum(axis=1)
    # A stimulus counts in the total as often as it was shown, so it must in the noise as well.
    noise = squares / np.maximum(count - 1.0, 1.0) * count
    return np.stack([count.astype(np.float64), values.sum(axis=1), (values * values).sum(axis=1), noise])


def error_sums(values: Floats, present: Bools, count: Counts, predicted: Floats) -> Floats:
    """Stack `trial_sums` and the squared errors of predictions."""
    error = np.where(present, (values - predicted[:, None]) ** 2, 0.0).sum(axis=1)
    return np.concatenate([trial_sums(values, present, count), error[None]])


def _total_and_noise(sums: Floats) -> tuple[Floats, Floats]:
    """Return the variance of all trials and the mean variance within stimuli, both weighted by trials."""
    n, value, square, noise = sums[:4]
    total, within = _squares_around_mean(square, value, n) / (n - 1.0), noise / n
    # What rounding leaves of equal repeats is not noise.
    return total, np.where(within > _ROUNDING**2 * total, within, 0.0)


def _squares_around_mean(square: Floats, value: Floats, n: Floats) -> Floats:
    """Return the sum of squares around the mean; NaN where all that is left of it is rounding."""
    around = square - value * value / n
    return np.where(around > _ROUNDING * square, around, np.nan)


def signal_share(sums: Floats) -> Floats:
    """Return (total - noise) / total, from `trial_sums`."""
    total, noise = _total_and_noise(sums)
    return np.asarray((total - noise) / total, dtype=np.float64)


def signal_to_noise(sums: Floats) -> Floats:
    """Return the ratio of standard deviations, from `trial_sums`."""
    total, noise = _total_and_noise(sums)
    return np.asarray(np.sqrt(np.maximum(total - noise, 0.0) / noise), dtype=np.float64)


def share_explained(sums: Floats) -> Floats:
    """Return the share of the explainable variance explained, from `error_sums`."""
    total, noise = _total_and_noise(sums)
    return np.where(total > noise, 1.0 - (sums[4] / sums[0] - noise) / (total - noise), np.nan)


def variance_of_mean(values: Floats, rows: RowGroups | None) -> tuple[Floats, Floats]:
    """Return the variance of the mean of z-scored repeats, and its jackknife standard error."""
    n_stimuli, n_repeats, _ = values.shape
    constant = np.ptp(values, axis=0) == 0
    x = values - values.mean(axis=0)
    squares = np.where(constant, np.nan, (x * x).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (x / np.sqrt(squares / n_stimuli)).mean(axis=1).var(axis=0)
        sums = sum_groups(x, rows)
        counts = sum_groups(np.ones(n_stimuli), rows)
        rest = (n_stimuli - counts)[:, None, None]
        without = squares - sum_groups(x * x, rows) - sums * sums / rest
        scale = 1.0 / np.sqrt(np.where(without > _ROUNDING * squares, without, np.nan) / rest)
    # With s the scales without a group g, (s . mean)^2 summed over the other rows is
    # s'Ss - sum over g of (s'x_t)^2 - (s'd)^2 / rest, with S = X'X and d the group's sum.
    # (n_channels, n_stimuli or n_groups, n_repeats)
    x, scale, sums = (each.transpose(2, 0, 1) for each in (x, scale, sums))
    whole = ((scale @ (x.transpose(0, 2, 1) @ x)) * scale).sum(axis=2)
    own = scale if rows is None else scale[:, rows.codes]
    inside = sum_groups((own * x).sum(axis=2) ** 2, rows, axis=1)
    shift = (scale * sums).sum(axis=2) ** 2 / rest[:, 0, 0]
    left_out = (whole - inside - shift) / (n_repeats**2 * rest[:, 0, 0])  # (n_channels, n_groups)
    return value, jackknife_se(left_out.T)
