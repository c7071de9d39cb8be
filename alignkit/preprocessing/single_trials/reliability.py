"""Signal to noise of responses to repeated stimuli, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from ..._core.checks import check_array
from ..._core.errors import InputError
from ...stats.ceilings_variance import ncsnr_ceiling

_BLOCK_ELEMENTS = 2**22
# What rounding leaves of equal values, as a share of the squares.
_ROUNDING = 1e-24


def ncsnr_of_trials(
    betas: ArrayLike, stimulus_ids: Sequence[str], *, sessions: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Estimate the noise-ceiling signal-to-noise ratio of single-trial responses.

    Standard deviation of what repeats of a stimulus share over the standard deviation of what they do not.
    Stimuli may be shown any number of times; those shown once are left out. The number is that of
    :func:`alignkit.stats.ncsnr`, without an error bar, of a row per trial.

    Parameters
    ----------
    betas : array of shape (n_trials, n_voxels)
        Responses, in any unit. A voxel of NaN stays NaN.
    stimulus_ids : sequence of length n_trials
        What was shown.
    sessions : sequence of length n_trials, optional
        Responses are z-scored within each first, so that gains and offsets of days are not taken for
        noise.

    Returns
    -------
    ratio : ndarray of shape (n_voxels,)
        At least 0; 0 where the noise estimate exceeds the total variance, NaN for a constant voxel.

    Raises
    ------
    InputError
        If lengths differ or fewer than 4 stimuli have two repeats.

    References
    ----------
    Allen EJ et al. (2022). A massive 7T fMRI dataset to bridge cognitive neuroscience and artificial
    intelligence. Nature Neuroscience, doi:10.1038/s41593-021-00962-x.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shown = np.repeat(np.arange(500), 3)
    >>> betas = rng.standard_normal((500, 1))[shown] + rng.standard_normal((1500, 1))
    >>> ncsnr_of_trials(betas, shown).round(1)  # 1 expected
    array([1.])
    """
    values = check_array("betas", betas, ndim=2, finite=False)
    codes = _codes("stimulus_ids", stimulus_ids, len(values))
    days = None if sessions is None else _codes("sessions", sessions, len(values))
    counts = np.bincount(codes)
    if (counts >= 2).sum() < 4:
        raise InputError(
            f"ncsnr needs at least 4 stimuli with two trials or more, got {int((counts >= 2).sum())} of "
            f"{len(counts)}. It cannot be known without repeats."
        )
    used = counts[codes] >= 2
    stimuli = np.unique(codes[used], return_inverse=True)[1]
    known = np.flatnonzero(np.isfinite(values).all(axis=0))
    found = np.full(values.shape[1], np.nan)
    step = max(1, _BLOCK_ELEMENTS // len(values))
    for start in range(0, len(known), step):
        block = known[start : start + step]
        part = values[:, block].astype(np.float64)
        if days is not None:
            part = _z_scored(part, days)
        found[block] = _ratio(part[used], stimuli)
    return found


def noise_ceiling_of(ncsnr: ArrayLike, n: int | ArrayLike) -> NDArray[np.float64]:
    """Return the R2 that a perfect model reaches with the mean over `n` trials of each stimulus.

    ``s**2 / (s**2 + 1/n)``; see :func:`alignkit.stats.ncsnr_ceiling`.

    Parameters
    ----------
    ncsnr : float or array of shape (n_voxels,)
        Ratios from :func:`ncsnr`.
    n : int or array of shape (n_stimuli,)
        Trials in the means that are predicted, one number or one per stimulus; then 1/n is its mean.

    Returns
    -------
    ceiling : ndarray
        In [0, 1] (a hundredth of the published per cent); its square root for a correlation.

    Raises
    ------
    InputError
        If a count is below 1.

    Examples
    --------
    >>> noise_ceiling_of([1.0, 0.5], 4).round(3).tolist()
    [0.8, 0.5]
    """
    return ncsnr_ceiling(ncsnr, n_repeats=n)


def _codes(name: str, labels: Sequence[str], n_trials: int) -> NDArray[np.intp]:
    if len(labels) != n_trials:
        raise InputError(f"`{name}` must have a label for each of {n_trials} trials, got {len(labels)}.")
    codes, _ = pd.factorize(np.asarray(labels))
    return np.asarray(codes, dtype=np.intp)


def _ratio(values: NDArray[np.float64], stimuli: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the ratio of standard deviations, each stimulus in the noise as often as it was shown."""
    n = len(values)
    counts = np.bincount(stimuli).astype(np.float64)
    centred = values - values.mean(axis=0)
    total = np.einsum("kv,kv->v", centred, centred)
    rows = csr_array((np.ones(n), (stimuli, np.arange(n))), shape=(len(counts), n))
    within = centred - ((rows @ centred) / counts[:, None])[stimuli]
    noise = (counts / (counts - 1.0))[stimuli] @ within**2 / n
    level = np.einsum("kv,kv->v", values, values)
    signal = np.maximum(total / (n - 1.0) - noise, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(signal / np.where(noise > _ROUNDING * total, noise, 0.0))
    return np.where(total > _ROUNDING * level, ratio, np.nan)


def _z_scored(values: NDArray[np.float64], sessions: NDArray[np.intp]) -> NDArray[np.float64]:
    scored = np.zeros_like(values)
    for session in np.unique(sessions):
        here = sessions == session
        sd = values[here].std(axis=0)
        scored[here] = (values[here] - values[here].mean(axis=0)) / np.where(sd > 0, sd, 1.0)
    return scored
