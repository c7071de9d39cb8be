"""The two-factor jackknife: errors of scores that resampling with copies would bias."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from .._core.progress import track
from .._core.threads import fixed_threads
from .resampling import BootstrapScores, of_difference, summarise

Floats = NDArray[np.float64]
MIN_BLOCKS = 5


def two_factor_jackknife(
    score: Callable[[NDArray[np.bool_]], Floats],
    n_subjects: int,
    n_stimuli: int,
    *,
    n_blocks: int = 40,
    confidence: float = 0.95,
) -> BootstrapScores:
    """Leave blocks of stimuli out in turn, and combine with the spread over subjects.

    No stimulus is ever drawn twice, so that scores which look at pairs (debiased CKA, tau) stay unbiased.
    With v_r the variance of the mean over subjects, v_p the jackknife variance of the mean score over
    stimuli, v_1 the mean jackknife variance of one subject's score, and R subjects::

        V = v_r + v_p - (v_1 - v_p) / (R - 1)

    and at least the larger of v_r and v_p: the last term is the interaction of subjects and stimuli, which
    both others hold. With one subject, V = v_p.

    Parameters
    ----------
    score : callable
        ``score(keep)`` takes a mask of shape (n_stimuli,) and returns scores of shape (n_subjects, n_models).
    n_subjects, n_stimuli : int
        Sizes of the sample.
    n_blocks : int, default=40
        Blocks that are left out in turn: every k-th stimulus; at most one per stimulus.
    confidence : float, default=0.95
        Coverage of the intervals, in (0, 1).

    Returns
    -------
    result : BootstrapScores
        As of the bootstrap; `n_bootstrap` counts the blocks. NaN for models whose score is undefined.

    Raises
    ------
    InputError
        For fewer than 5 stimuli, or a score that is undefined without some block.

    References
    ----------
    Efron, Stein (1981), The jackknife estimate of variance, 10.1214/aos/1176345462.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).standard_normal(30)
    >>> result = two_factor_jackknife(lambda keep: values[keep].mean()[None, None], 1, 30)
    >>> bool(np.isclose(result.se[0], values.std(ddof=1) / np.sqrt(30)))
    True
    """
    if n_stimuli < MIN_BLOCKS:
        raise InputError(f"`n_stimuli` must be at least {MIN_BLOCKS} for a jackknife, got {n_stimuli}.")
    blocks = np.arange(n_stimuli) % min(n_blocks, n_stimuli)
    base = np.asarray(score(np.ones(n_stimuli, dtype=bool)), dtype=np.float64)
    defined = np.asarray(np.isfinite(base).all(axis=0), dtype=np.bool_)
    kept = base[:, defined]
    count = int(blocks.max()) + 1
    left_out = np.empty((count, *kept.shape))
    with fixed_threads(1):
        for block in track(range(count), "jackknife"):
            left_out[block] = np.asarray(score(blocks != block))[:, defined]
    if not np.isfinite(left_out).all():
        raise InputError("the score is undefined without some stimuli: too little varies. Use more stimuli.")
    by_stimuli = _covariance(left_out.mean(axis=1))
    by_subjects = interaction = np.zeros_like(by_stimuli)
    if n_subjects > 1:
        within = np.mean([_covariance(left_out[:, s]) for s in range(n_subjects)], axis=0)
        by_subjects = np.cov(kept, rowvar=False).reshape(by_stimuli.shape) / n_subjects
        interaction = (within - by_stimuli) / (n_subjects - 1)
    parts = (by_subjects, by_stimuli, interaction)
    dof = (min(n_subjects, count) if n_subjects > 1 else count) - 1
    return summarise(
        kept.mean(axis=0),
        _combine(*(np.diag(part) for part in parts)),
        _combine(*(of_difference(part) for part in parts)),
        defined,
        dof=dof,
        confidence=confidence,
        sizes=(n_subjects, n_stimuli),
        draws=(count, 0),
    )


def _covariance(left_out: Floats) -> Floats:
    """Return the jackknife covariance of scores, shape (n_models, n_models)."""
    count = len(left_out)
    centred = left_out - left_out.mean(axis=0)
    return np.asarray((count - 1.0) / count * (centred.T @ centred), dtype=np.float64)


def _combine(by_subjects: Floats, by_stimuli: Floats, interaction: Floats) -> Floats:
    return np.maximum(by_subjects + by_stimuli - interaction, np.maximum(by_subjects, by_stimuli))
