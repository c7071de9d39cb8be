"""What a noise ceiling is here: bounds with error bars, their unit, and what they may divide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError

Floats = NDArray[np.float64]
NOTHING = "nothing"


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
        The unit of the scores that may be divided by it, or ``"nothing"`` for bounds that scores are only
        to be compared with.
    """

    lower: Any
    upper: Any
    se_lower: Any
    se_upper: Any
    estimator: str
    unit: str
    divides: str


def normalize_score(score: ArrayLike, ceiling: Ceiling, *, unit: str) -> Any:
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
        The score's unit, such as ``"r"``, ``"r2"``, ``"rdm-pearson"`` or ``"cka"``.

    Returns
    -------
    normalized : float or ndarray
        ``score / ceiling``, 1 for a perfect model on average. NaN where the ceiling is NaN or not above 0.

    Raises
    ------
    InputError
        If the ceiling divides other scores or none, if it is a pair of different bounds, or if the shapes
        do not fit.

    Examples
    --------
    >>> ceiling = Ceiling(0.8, 0.8, 0.02, 0.02, "split-half", "r", "r")
    >>> normalize_score(0.4, ceiling, unit="r")
    0.5
    """
    if ceiling.divides == NOTHING:
        raise InputError(
            f"a score in {unit!r} cannot be divided by the ceiling {ceiling.estimator!r}: it is a pair of "
            "bounds to compare a score with, not a reliability. Show the score between its bounds instead."
        )
    if ceiling.divides != unit:
        raise InputError(
            f"a score in {unit!r} cannot be divided by a ceiling for scores in {ceiling.divides!r} "
            f"({ceiling.estimator}). Divide r by the square root of a reliability, and r2 by the "
            "reliability: `to_ceiling(unit=...)` gives either."
        )
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
