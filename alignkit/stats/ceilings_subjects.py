"""Ceilings across subjects for time courses of one story or film: inter-subject correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from .._core.progress import track
from .ceilings import NOTHING, Ceiling
from .ceilings_repeats import jackknife_se, spearman_brown

Floats = NDArray[np.float64]
GROUP_MEAN = "group-mean"
_BLOCK_ELEMENTS = 1 << 22
_ESTIMATES = ("lower", "upper", "included", "mean_r")


@dataclass(frozen=True)
class SubjectCeiling:
    """What subjects who heard or saw the same say about each other's time courses.

    Every subject's time course is z-scored first. The first three are means over subjects of a correlation
    with one subject's time course, in rising order but for noise: `lower`, `upper`, `included`.

    Attributes
    ----------
    lower : ndarray of shape (n_channels,)
        Leave-one-subject-out correlation: with the mean of the others. What the others' mean, a noisy model
        of the shared response, reaches. In [-1, 1].
    upper : ndarray of shape (n_channels,)
        `lower` with the noise in the others' mean taken out: what a perfect model of the shared response
        reaches. Above 0, above 1 by chance; NaN where subjects do not correlate above 0.
    included : ndarray of shape (n_channels,)
        Correlation with the mean of all, the subject included: no single time course has a higher mean
        correlation with these subjects. In [0, 1].
    mean_r : ndarray of shape (n_channels,)
        Correlation that a perfect model of the shared response reaches with the *mean* time course of all
        subjects. NaN where subjects do not correlate above 0.
    se_lower, se_upper, se_included, se_mean_r : ndarray of shape (n_channels,)
        Standard errors by a jackknife over subjects, each left out of both sides. NaN with too few subjects.
    lower_by_subject, upper_by_subject : ndarray of shape (n_subjects, n_channels)
        The terms of the means: for the score of one subject.
    subjects : tuple of str
        Their names, in order.
    n_times : int
        Time points.
    """

    lower: Floats
    upper: Floats
    included: Floats
    mean_r: Floats
    se_lower: Floats
    se_upper: Floats
    se_included: Floats
    se_mean_r: Floats
    lower_by_subject: Floats
    upper_by_subject: Floats
    subjects: tuple[str, ...]
    n_times: int

    def to_ceiling(self, *, unit: str = "r", of: Literal["subject", "mean"] = "subject") -> Ceiling:
        """Return the ceiling to divide a correlation with time courses by.

        Parameters
        ----------
        unit : {"r"}, default="r"
            There is no other: a mean of correlations has no square that is a share of variance.
        of : {"subject", "mean"}, default="subject"
            ``"subject"`` (`upper`) for the mean over subjects of the correlation with each one's own time
            course; ``"mean"`` (`mean_r`) for the correlation with the mean time course of all of them.

        Returns
        -------
        ceiling : Ceiling
            A point estimate per channel. It divides ``"r"``, or ``"group-mean r"``.

        Raises
        ------
        InputError
            For another unit or another `of`.
        """
        check_option("of", of, ("subject", "mean"))
        if unit != "r":
            raise InputError(
                f"`unit` must be 'r' for a ceiling across subjects, got {unit!r}: it is a mean of "
                "correlations. Score with r."
            )
        subject = of == "subject"
        value, se = (self.upper, self.se_upper) if subject else (self.mean_r, self.se_mean_r)
        what = "each subject's time course" if subject else "the mean time course"
        name = f"inter-subject correlation, {what}, {len(self.subjects)} subjects, subject jackknife"
        return Ceiling(value, value, se, se, name, unit, unit if subject else f"{GROUP_MEAN} {unit}")

    def to_bounds(self) -> Ceiling:
        """Return bounds to show a mean correlation over subjects between; they divide nothing.

        Returns
        -------
        ceiling : Ceiling
            In ``"r"``, per channel, as for RDMs: `lower` without and `included` (as the upper bound) with
            the subject in the mean.
        """
        name = f"leave-one-subject-out, {len(self.subjects)} subjects, subject jackknife"
        return Ceiling(self.lower, self.included, self.se_lower, self.se_included, name, "r", NOTHING)


def leave_one_subject_out(
    time_courses: ArrayLike, *, subjects: Sequence[str] | None = None
) -> SubjectCeiling:
    """Correlate each subject's time course with the mean of the others, and correct for its noise.

    With C the matrix of correlations between subjects, n of them, and s a subject::

        lower_s  = sum_j C_sj / sqrt(sum_ij C_ij)      i, j among the n - 1 others
        upper_s  = mean_j C_sj / sqrt(mean_ij C_ij)    the same, i and j unequal
        included = sqrt(sum_ij C_ij) / n               i, j among all
        mean_r   = sqrt(n c / (1 + (n - 1) c))         c the mean of C_ij over all unequal i and j

    Parameters
    ----------
    time_courses : array of shape (n_subjects, n_times, n_channels)
        Responses to the same story or film at the same times, slow drifts removed before, in any unit. No
        NaN: cut all subjects to the times that all have.
    subjects : sequence of str, length n_subjects, optional
        Names, for messages.

    Returns
    -------
    ceiling : SubjectCeiling
        Per channel, with error bars. `to_ceiling` gives what may divide a score, `to_bounds` what a score
        may be compared with.

    Raises
    ------
    InputError
        For fewer than 3 subjects, fewer than 4 times, a wrong shape, NaN, or a subject with a constant
        channel.

    Notes
    -----
    Let the time course of subject s be a_s g(t) plus noise of its own, of variance 1 in all. A model equal
    to g reaches a_s; C_ij is a_i a_j on average. `lower` is a_s times the correlation of the others' mean
    with g, hence too low; dividing by that correlation, known from how the others correlate among
    themselves (the standardised alpha, Spearman-Brown for n - 1 subjects), leaves a_s. This is the ceiling
    of a model of what subjects *share*: responses to the story that are one subject's own count as noise,
    and an encoder fitted to that subject may predict them and pass it.

    The correlations of the subjects with each other's means hang together, so that their standard deviation
    over ``sqrt(n)`` is no standard error of the mean: in simulations with 8 to 27 subjects it was 0.65 to
    0.83 of the true spread. The jackknife leaves a subject out of both sides; its bars of 1.96 standard
    errors held the truth in 91 % (8 subjects) to 98 % of the cases. It says how far the result would move
    with other subjects and the same story, and assumes nothing of the time points.
    O(n_subjects^2 n_times n_channels).

    References
    ----------
    Hasson et al. (2004), Intersubject synchronization of cortical activity during natural vision,
    10.1126/science.1089506.
    Lerner et al. (2011), Topographic mapping of a hierarchy of temporal receptive windows using a narrated
    story, 10.1523/JNEUROSCI.3684-10.2011.
    Nili et al. (2014), A toolbox for representational similarity analysis, 10.1371/journal.pcbi.1003553.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> heard = rng.standard_normal((300, 1)) + 2 * rng.standard_normal((20, 300, 1))
    >>> found = leave_one_subject_out(heard)  # a model of the shared part reaches 1 / sqrt(1 + 4) = 0.45
    >>> [round(float(x[0]), 2) for x in (found.lower, found.upper, found.included)]
    [0.41, 0.45, 0.49]
    """
    values = check_array("time_courses", time_courses, ndim=3, finite=False)
    names = _names(subjects, values.shape[0])
    _check_time_courses(values, names)
    n_subjects, n_times, n_channels = values.shape
    size = max(1, _BLOCK_ELEMENTS // max(n_subjects * n_times, n_subjects * n_subjects))
    blocks = [slice(start, start + size) for start in range(0, n_channels, size)]
    parts = [
        _of_matrix(_between_subjects(values[:, :, b])) for b in track(blocks, "ceilings across subjects")
    ]
    found = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    return SubjectCeiling(**found, subjects=names, n_times=n_times)


def _names(subjects: Sequence[str] | None, n_subjects: int) -> tuple[str, ...]:
    names = tuple(map(str, range(n_subjects) if subjects is None else subjects))
    if len(names) != n_subjects:
        raise InputError(
            f"`subjects` must name the {n_subjects} subjects of `time_courses`, got {len(names)}."
        )
    return names


def _check_time_courses(values: NDArray[np.floating], names: tuple[str, ...]) -> None:
    n_subjects, n_times, n_channels = values.shape
    if n_subjects < 3 or n_times < 4 or n_channels < 1:
        raise InputError(
            "`time_courses` must hold at least 3 subjects, 4 times and 1 channel, got shape "
            f"{values.shape} (n_subjects, n_times, n_channels)."
        )
    missing = ~np.isfinite(values)
    if missing.any():
        subject, time, channel = (int(i) for i in np.argwhere(missing)[0])
        raise InputError(
            f"`time_courses` holds {int(missing.sum())} NaN or infinite value(s) in "
            f"{int(missing.any(axis=(1, 2)).sum())} subject(s), the first in subject {names[subject]!r} at "
            f"time {time}, channel {channel}. Keep the times that all subjects have, or drop that one."
        )
    constant = np.ptp(values, axis=1) == 0
    if constant.any():
        subject, channel = (int(i) for i in np.argwhere(constant)[0])
        raise InputError(
            f"`time_courses` of subject {names[subject]!r} is constant in channel {channel} "
            f"({int(constant.sum())} such time course(s), in {int(constant.any(axis=1).sum())} subject(s) "
            f"and {int(constant.any(axis=0).sum())} channel(s)). Drop those subjects or channels."
        )


def _between_subjects(values: NDArray[np.floating]) -> Floats:
    """Return the correlations between subjects, (n_subjects, n_subjects, n_channels)."""
    x = values.astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    x /= np.sqrt((x * x).sum(axis=1, keepdims=True))
    x = x.transpose(2, 0, 1)  # (n_channels, n_subjects, n_times)
    return np.ascontiguousarray((x @ x.transpose(0, 2, 1)).transpose(1, 2, 0))


def _of_matrix(between: Floats) -> dict[str, Floats]:
    """Return the estimates of one block of channels, as they are named in the result."""
    n = between.shape[0]
    pairs = between.copy()
    pairs[np.arange(n), np.arange(n)] = 0.0
    row = pairs.sum(axis=1)  # of each subject with the others, (n_subjects, n_channels)
    whole = row.sum(axis=0)
    lower, corrected = _by_subject(row, whole, n)
    result = {"lower_by_subject": lower, "upper_by_subject": corrected}
    result.update(zip(_ESTIMATES, _over_subjects(lower, corrected, whole, n), strict=True))
    # Without subject k, the others' sums lose their entry k, (k, n_subjects, n_channels).
    whole_out = whole - 2.0 * row
    lower_out, corrected_out = _by_subject(row[None] - pairs, whole_out[:, None], n - 1)
    left = np.arange(n)
    lower_out[left, left] = corrected_out[left, left] = 0.0
    left_out = _over_subjects(lower_out, corrected_out, whole_out, n - 1)
    for name, values in zip(_ESTIMATES, left_out, strict=True):
        result[f"se_{name}"] = np.where(np.isfinite(result[name]), jackknife_se(values), np.nan)
    return result


def _by_subject(row: Floats, whole: Floats, n: int) -> tuple[Floats, Floats]:
    """Return each subject's correlation with the others' mean, and that without the mean's noise.

    `row` holds each subject's summed correlations with the n - 1 others, `whole` its sum over all n.
    """
    others = n - 1
    among = whole - 2.0 * row  # over ordered pairs of the others
    with np.errstate(invalid="ignore", divide="ignore"):
        # The variance of the others' summed time courses cannot be below 0 but by rounding.
        spread = others + among
        lower = np.where(spread > 1e-12, row / np.sqrt(np.maximum(spread, 0.0)), np.nan)
        shared = among / (others * (others - 1.0)) if others > 1 else np.full_like(among, np.nan)
        corrected = np.where(shared > 0, row / others / np.sqrt(np.abs(shared)), np.nan)
    return lower, corrected


def _over_subjects(lower: Floats, corrected: Floats, whole: Floats, n: int) -> tuple[Floats, ...]:
    """Return `lower`, `upper`, `included` and `mean_r`; the sums run over n subjects."""
    shared = whole / (n * (n - 1.0))
    mean_corrected = corrected.sum(axis=-2) / n
    return (
        lower.sum(axis=-2) / n,
        np.where(shared > 0, mean_corrected, np.nan),
        np.sqrt(np.maximum(n + whole, 0.0)) / n,
        np.sqrt(spearman_brown(shared, factor=n)),
    )
