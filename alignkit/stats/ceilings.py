"""What a noise ceiling is here: bounds with error bars, their unit, and what they may divide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError

Floats = NDArray[np.float64]
NOTHING = "nothing"
SINGLE_REPEAT = "single-repeat"
_SAME_REPEATS = 1e-6


@dataclass(frozen=True)
class Ceiling:
    """How well the noise in the data lets any model do, with error bars and units.

    Attributes
    ----------
    lower, upper : float or ndarray of shape (n_channels,)
        The bounds, in `unit`. Equal where the ceiling is a point estimate and not a pair of bounds.
    se_lower, se_upper : float or ndarray of shape (n_channels,)
        Standard errors of the bounds. NaN where they cannot be had.
    estimator : str
        How it was estimated, for a report.
    unit : str
        Of the bounds: ``"r"``, ``"r2"``, ``"cka"``, or ``"rdm-"`` and the measure (``"rdm-spearman"``).
    divides : str
        The unit of the scores that may be divided by it: ``"r"`` and ``"r2"`` are scores of mean responses,
        ``"single-repeat r"`` and ``"single-repeat r2"`` of single ones. ``"nothing"`` for bounds that scores
        are only to be compared with.
    n_repeats : float, ndarray of shape (n_channels,) or None
        Repeats in the means that it is the ceiling of; with unequal counts their harmonic mean, as noise
        goes with 1/n. It divides scores of means over as many. None where repeats play no part, as in
        ceilings across subjects.
    """

    lower: Any
    upper: Any
    se_lower: Any
    se_upper: Any
    estimator: str
    unit: str
    divides: str
    n_repeats: Any = None


def normalize_score(
    score: ArrayLike, ceiling: Ceiling, *, unit: str, n_repeats: int | ArrayLike | None = None
) -> Any:
    """Divide a score by a ceiling of the same kind; refuse every other division.

    A correlation with a mean over repeats is divided by the square root of that mean's reliability, an
    explained variance by the reliability itself. The result is never clipped: a value above 1 says that
    the ceiling is noisy or not that of these data, and hiding it would hide that.

    Parameters
    ----------
    score : float or array of shape (..., n_channels)
        Scores of the same data that the ceiling was estimated on.
    ceiling : Ceiling
        Its `divides` must be `unit`.
    unit : str
        The score's unit, such as ``"r"``, ``"r2"``, ``"single-repeat r2"``, ``"rdm-pearson"`` or ``"cka"``.
    n_repeats : int or array of shape (n_stimuli,), optional
        Repeats in the mean responses that were scored, one count or one per stimulus. Where it is given,
        the ceiling must hold for as many.

    Returns
    -------
    normalized : float or ndarray
        ``score / ceiling``, 1 for a perfect model on average. NaN where the ceiling is NaN or not above 0.

    Raises
    ------
    InputError
        If the ceiling divides other scores or none, if it is a pair of different bounds, if it holds for
        another number of repeats, or if the shapes do not fit.

    Examples
    --------
    >>> ceiling = Ceiling(0.8, 0.8, 0.02, 0.02, "split-half", "r", "r")
    >>> normalize_score(0.4, ceiling, unit="r")
    0.5
    """
    if ceiling.divides == NOTHING:
        raise InputError(
            f"a score in {unit!r} cannot be divided by the ceiling {ceiling.estimator!r}: it gives "
            "bounds to compare a score with, not a reliability. Show the score beside its bounds instead."
        )
    if ceiling.divides != unit:
        raise InputError(
            f"a score in {unit!r} cannot be divided by a ceiling for scores in {ceiling.divides!r} "
            f"({ceiling.estimator}). Divide r by the square root of a reliability, and r2 by the "
            "reliability: `to_ceiling(unit=...)` gives either. Scores of single repeats and of means over "
            "repeats have ceilings of their own: `to_ceiling(n_repeats=...)`."
        )
    if n_repeats is not None:
        _check_same_repeats(ceiling, n_repeats)
    bound, values = np.asarray(ceiling.upper, dtype=float), np.asarray(score, dtype=float)
    if not np.array_equal(bound, np.asarray(ceiling.lower, dtype=float), equal_nan=True):
        raise InputError(
            f"the ceiling {ceiling.estimator!r} has different lower and upper bounds, so that it is not "
            "clear which one to divide by. Use a point estimate, such as a split-half reliability."
        )
    if bound.ndim and values.shape[-1:] != bound.shape:
        raise InputError(
            f"`score` must end in the ceiling's {bound.size} channels, got shape {values.shape}. "
            "Score and ceiling must be of the same channels in the same order."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(bound > 0, values / bound, np.nan)
    return float(result) if result.ndim == 0 else result


def mean_repeats(n_repeats: int | ArrayLike) -> float:
    """Return the harmonic mean of counts of repeats: what 1/n is on average over stimuli.

    Parameters
    ----------
    n_repeats : int or array of shape (n_stimuli,)
        Repeats per stimulus, at least 1.

    Returns
    -------
    mean : float
        At least 1.

    Raises
    ------
    InputError
        If a count is below 1, or none came.
    """
    counts = np.atleast_1d(np.asarray(n_repeats, dtype=np.float64))
    if counts.size == 0 or not ((counts >= 1) & np.isfinite(counts)).all():
        shown = f"{counts.min():g}" if counts.size else "none"
        raise InputError(
            f"`n_repeats` must be at least 1 for every stimulus, got {shown}. Leave out the stimuli "
            "without a response."
        )
    return float(1.0 / np.mean(1.0 / counts))


def divided_unit(unit: str, n_repeats: ArrayLike) -> str:
    """Return what a ceiling in `unit` for means over `n_repeats` divides."""
    single = bool((np.asarray(n_repeats, dtype=np.float64) == 1.0).all())
    return f"{SINGLE_REPEAT} {unit}" if single else unit


def _check_same_repeats(ceiling: Ceiling, n_repeats: int | ArrayLike) -> None:
    scored = mean_repeats(n_repeats)
    if ceiling.n_repeats is None:
        raise InputError(
            f"the ceiling {ceiling.estimator!r} is of no number of repeats, so `n_repeats` ({scored:g}) "
            "cannot be compared with it. Leave `n_repeats` out if the score is of the data of that ceiling."
        )
    held = np.asarray(ceiling.n_repeats, dtype=np.float64)
    if not np.allclose(held, scored, rtol=_SAME_REPEATS, equal_nan=False):
        shown = f"{held.min():g}" if held.min() == held.max() else f"{held.min():g} to {held.max():g}"
        raise InputError(
            f"the score is of means over {scored:g} repeats, the ceiling ({ceiling.estimator}) for {shown}. "
            "Take the ceiling for as many repeats as were scored: `to_ceiling(n_repeats=...)`."
        )
