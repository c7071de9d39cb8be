"""The two-factor bootstrap: how sure a mean score is, over new subjects and new stimuli."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from .._core.errors import InputError
from .._core.progress import track
from .._core.random import RandomState, as_generator
from .._core.threads import fixed_threads

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]
MIN_DISTINCT_STIMULI = 3
_MAX_ATTEMPTS = 20
# Two models that differ by rounding only have no difference to test.
_SAME = 1e-10


@dataclass(frozen=True)
class BootstrapScores:
    """Mean scores of models with their uncertainty, and every difference between two models.

    Attributes
    ----------
    estimate : ndarray of shape (n_models,)
        Mean score over subjects, of the data as they are.
    se : ndarray of shape (n_models,)
        Standard error over the factors in `resampled`.
    ci_low, ci_high : ndarray of shape (n_models,)
        Confidence interval ``estimate -+ t se``; it always holds its estimate.
    confidence : float
        Nominal coverage of the interval.
    dof : int
        Degrees of freedom of t: the smaller number of subjects and stimuli, less one.
    difference : ndarray of shape (n_models, n_models)
        Row minus column.
    difference_se, difference_t, difference_p : ndarray of shape (n_models, n_models)
        With the covariance of both scores; p is two-sided and not corrected for the number of pairs. NaN on
        the diagonal (t, p) and for models whose scores are equal up to rounding.
    resampled : {"subjects and stimuli", "stimuli"}
        What the inference generalises to.
    n_subjects, n_stimuli : int
        Sizes of the sample.
    n_bootstrap : int
        Draws used.
    n_rejected : int
        Draws replaced because a score was undefined or fewer than 3 stimuli were distinct.
    """

    estimate: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    confidence: float
    dof: int
    difference: Floats
    difference_se: Floats
    difference_t: Floats
    difference_p: Floats
    resampled: str
    n_subjects: int
    n_stimuli: int
    n_bootstrap: int
    n_rejected: int


def two_factor_bootstrap(
    score: Score,
    n_subjects: int,
    n_stimuli: int,
    *,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    random_state: RandomState = 0,
) -> BootstrapScores:
    """Resample stimuli, and subjects where there are several, and combine their variances.

    With v_r, v_p and v_b the bootstrap variances of the mean score under resampled subjects, stimuli, and
    both, and R subjects and P stimuli::

        V = R/(R-1) v_r + P/(P-1) v_p - RP/((R-1)(P-1)) (v_b - v_r - v_p)

    and at least the larger one of the first two terms. Plain resampling of both counts the interaction of
    subjects and stimuli (and the noise) about three times. With one subject, V = P/(P-1) v_p.

    Parameters
    ----------
    score : callable
        ``score(weights)`` takes how often each stimulus occurs, float64 of shape (n_stimuli,), and returns
        scores of shape (n_subjects, n_models). All ones give the scores as they are. Two copies of a
        stimulus must not be compared with each other.
    n_subjects, n_stimuli : int
        Sizes of the sample.
    n_bootstrap : int, default=1000
        Draws of stimuli.
    confidence : float, default=0.95
        Coverage of the intervals, in (0, 1).
    random_state : int, Generator or None, default=0
        Source of the draws.

    Returns
    -------
    result : BootstrapScores
        NaN for models whose score is undefined in the data as they are.

    Raises
    ------
    InputError
        For sizes that cannot be resampled, a score of another shape, or a score that is undefined in
        nearly every draw.

    Notes
    -----
    Only stimuli are drawn. Subjects enter a mean linearly, so that the variance over draws of subjects is
    known for every draw of stimuli: v_r is the variance over subjects divided by R, and v_b - v_p is its
    mean over the draws. This is what ever more draws of subjects converge to. With fitted models, what
    their fit varies by is not included.

    References
    ----------
    Schuett et al. (2023), Statistical inference on representational geometries, 10.7554/eLife.82566.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> values = rng.standard_normal((8, 40)) + 1.0  # mean over stimuli as the score of one model
    >>> result = two_factor_bootstrap(lambda w: (values @ w / w.sum())[:, None], 8, 40)
    >>> bool(result.ci_low[0] < values.mean() < result.ci_high[0]), result.dof
    (True, 7)
    """
    _check_sizes(n_subjects, n_stimuli, n_bootstrap, confidence)
    base = _scores(score, np.ones(n_stimuli), n_subjects)
    defined = np.asarray(np.isfinite(base).all(axis=0), dtype=np.bool_)
    if not defined.any():
        raise InputError(
            f"the score is undefined for all {base.shape[1]} models. Check for constant RDMs or predictions."
        )
    base = base[:, defined]
    with fixed_threads(1):
        means, within, n_rejected = _draw(
            score, base, defined, n_stimuli, n_bootstrap, as_generator(random_state)
        )
    subjects = _covariance_of_mean(base)
    centred = means - means.mean(axis=0)
    parts = _Parts(
        subjects, centred.T @ centred / (n_bootstrap - 1.0), within - subjects, n_subjects, n_stimuli
    )
    return summarise(
        base.mean(axis=0),
        parts.variances(),
        parts.difference_variances(),
        defined,
        dof=(min(n_subjects, n_stimuli) if n_subjects > 1 else n_stimuli) - 1,
        confidence=confidence,
        sizes=(n_subjects, n_stimuli),
        draws=(n_bootstrap, n_rejected),
    )


def summarise(
    estimate: Floats,
    variance: Floats,
    difference_variance: Floats,
    defined: NDArray[np.bool_],
    *,
    dof: int,
    confidence: float,
    sizes: tuple[int, int],
    draws: tuple[int, int],
) -> BootstrapScores:
    """Turn the variances of the defined models' mean scores into intervals and tests by Student's t.

    Parameters
    ----------
    estimate, variance : ndarray of shape (n_defined,)
        Mean scores and the variances of these means.
    difference_variance : ndarray of shape (n_defined, n_defined)
        Variances of the differences between two means.
    defined : ndarray of bool, shape (n_models,)
        Which models these are; the others become NaN.
    dof : int
        Degrees of freedom.
    confidence : float
        Coverage of the intervals, in (0, 1).
    sizes, draws : tuple of two int
        Subjects and stimuli; draws used and draws replaced.

    Returns
    -------
    result : BootstrapScores
        With all models.
    """
    se, difference_se = np.sqrt(variance), np.sqrt(difference_variance)
    half_width = float(student_t.ppf(0.5 + confidence / 2.0, dof)) * se
    difference = estimate[:, None] - estimate[None, :]
    tested = difference_se > _SAME
    t = np.where(tested, difference / np.where(tested, difference_se, 1.0), np.nan)
    return BootstrapScores(
        estimate=_spread_out(estimate, defined),
        se=_spread_out(se, defined),
        ci_low=_spread_out(estimate - half_width, defined),
        ci_high=_spread_out(estimate + half_width, defined),
        confidence=confidence,
        dof=dof,
        difference=_spread_out(difference, defined),
        difference_se=_spread_out(difference_se, defined),
        difference_t=_spread_out(t, defined),
        difference_p=_spread_out(2.0 * student_t.sf(np.abs(t), dof), defined),
        resampled="subjects and stimuli" if sizes[0] > 1 else "stimuli",
        n_subjects=sizes[0],
        n_stimuli=sizes[1],
        n_bootstrap=draws[0],
        n_rejected=draws[1],
    )


@dataclass(frozen=True)
class _Parts:
    """Covariances of the models' mean scores by what was resampled, and their combination."""

    subjects: Floats
    stimuli: Floats
    interaction: Floats
    n_subjects: int
    n_stimuli: int

    def variances(self) -> Floats:
        return self._combine(np.diag(self.subjects), np.diag(self.stimuli), np.diag(self.interaction))

    def difference_variances(self) -> Floats:
        parts = (self.subjects, self.stimuli, self.interaction)
        return self._combine(*(of_difference(part) for part in parts))

    def _combine(self, subjects: Floats, stimuli: Floats, interaction: Floats) -> Floats:
        stimuli = stimuli * self.n_stimuli / (self.n_stimuli - 1.0)
        if self.n_subjects == 1:
            return np.maximum(stimuli, 0.0)
        factor = self.n_subjects / (self.n_subjects - 1.0)
        subjects = subjects * factor
        both = factor * self.n_stimuli / (self.n_stimuli - 1.0)
        corrected = subjects + stimuli - both * interaction
        # More than one source of variance cannot make a mean surer than one of them alone.
        return np.maximum(corrected, np.maximum(np.maximum(subjects, stimuli), 0.0))


def _draw(
    score: Score,
    base: Floats,
    defined: NDArray[np.bool_],
    n_stimuli: int,
    n_bootstrap: int,
    generator: np.random.Generator,
) -> tuple[Floats, Floats, int]:
    """Return the mean score of each draw, the mean variance over subjects / R, and draws replaced."""
    means = np.empty((n_bootstrap, base.shape[1]))
    within = np.zeros((base.shape[1], base.shape[1]))
    attempts = 0
    chances = np.full(n_stimuli, 1.0 / n_stimuli)
    for draw in track(range(n_bootstrap), "bootstrap"):
        while True:
            attempts += 1
            if attempts > _MAX_ATTEMPTS * n_bootstrap:
                raise InputError(
                    f"the score is undefined in most bootstrap draws ({attempts - 1 - draw} of "
                    f"{attempts - 1}): with {n_stimuli} stimuli too little varies. Use more stimuli, or "
                    "leave out models that differ between few of them."
                )
            weights = generator.multinomial(n_stimuli, chances).astype(np.float64)
            if np.count_nonzero(weights) < MIN_DISTINCT_STIMULI:
                continue
            values = _scores(score, weights, len(base))[:, defined]
            if not np.isnan(values).any():
                break
        means[draw] = values.mean(axis=0)
        within += _covariance_of_mean(values)
    return means, within / n_bootstrap, attempts - n_bootstrap


def _covariance_of_mean(values: Floats) -> Floats:
    """Return the bootstrap covariance of the mean over subjects, exactly."""
    centred = values - values.mean(axis=0)
    return np.asarray(centred.T @ centred / len(values) ** 2, dtype=np.float64)


def of_difference(covariance: Floats) -> Floats:
    """Return the variance of every difference, (n_models, n_models), from the covariance of the scores."""
    variance = np.diag(covariance)
    return np.asarray(variance[:, None] + variance[None, :] - 2.0 * covariance, dtype=np.float64)


def _spread_out(values: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Return `values` of the defined models among NaN for the others."""
    whole = np.full((defined.size,) * values.ndim, np.nan)
    whole[np.ix_(*[defined] * values.ndim)] = values
    return whole


def _scores(score: Score, weights: Floats, n_subjects: int) -> Floats:
    values = np.asarray(score(weights), dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != n_subjects:
        raise InputError(
            f"`score` must return an array of shape ({n_subjects}, n_models), got {values.shape}. "
            "Return one row per subject."
        )
    return values


def _check_sizes(n_subjects: int, n_stimuli: int, n_bootstrap: int, confidence: float) -> None:
    if n_subjects < 1:
        raise InputError(f"`n_subjects` must be at least 1, got {n_subjects}.")
    if n_stimuli < 2 * MIN_DISTINCT_STIMULI:
        raise InputError(
            f"`n_stimuli` must be at least {2 * MIN_DISTINCT_STIMULI} for a bootstrap, got {n_stimuli}. "
            "With so few stimuli use a permutation test."
        )
    if n_bootstrap < 2:
        raise InputError(f"`n_bootstrap` must be at least 2, got {n_bootstrap}. Use some hundreds.")
    if not 0.0 < confidence < 1.0:
        raise InputError(f"`confidence` must lie between 0 and 1, got {confidence}. Use 0.95 for 95 %.")
