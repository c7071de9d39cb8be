"""One run's time courses: drift and confounds taken out together, and the rest scaled."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError

Detrend = Literal["linear", "none"]
Standardize = Literal["percent", "zscore", "none"]
# Columns are scaled to unit length: below this a direction is the rounding of its neighbours.
_RANK_TOLERANCE = 1e-9
# Columns are cleaned in blocks of about this many numbers, so that a whole brain needs no copies of itself.
_BLOCK_SIZE = 500_000


def clean_run(
    series: ArrayLike,
    *,
    tr_s: float,
    confounds: ArrayLike | None = None,
    detrend: Detrend = "linear",
    high_pass_hz: float | None = None,
    standardize: Standardize = "percent",
) -> NDArray[np.float32]:
    """Take drift and confounds out of one run's time courses, and scale what is left.

    Line, cosines and confounds are one least-squares fit, and the residuals are what is left. Filtering
    first and regressing confounds out afterwards would bring back what the filter took away [1]_.

    Parameters
    ----------
    series : array-like of shape (n_volumes, n_channels)
        Of one run, evenly sampled, in the scanner's unit.
    tr_s : float
        Time between volumes in seconds.
    confounds : array-like of shape (n_volumes, n_confounds), optional
        In any unit; columns that are constant, or sums of others, do no harm.
    detrend : {"linear", "none"}
        Whether a line is taken out. The mean always is; ``standardize="none"`` gives it back.
    high_pass_hz : float, optional
        Also take out the cosines that are slower than this (the discrete cosine set of SPM).
    standardize : {"percent", "zscore", "none"}
        Percent of the run's mean, standard deviations of the residuals (n - 1 in the denominator), or the
        series' own unit.

    Returns
    -------
    cleaned : ndarray of shape (n_volumes, n_channels)
        float32. NaN throughout in channels that cannot be used: not finite, constant, or nothing but drift
        and confounds.

    Raises
    ------
    InputError
        If lengths differ, confounds are not finite, the filter is no frequency below half the sampling rate,
        or so much is taken out that nothing could be left.

    References
    ----------
    .. [1] Lindquist MA, Geuter S, Wager TD, Caffo BS (2019). Modular preprocessing pipelines can reintroduce
       artifacts into fMRI data. Human Brain Mapping 40:2358. doi:10.1002/hbm.24528

    Examples
    --------
    >>> import numpy as np
    >>> times = np.arange(6)[:, None]
    >>> clean_run(100 + 5 * times + [[1], [-1], [0], [0], [-1], [1]], tr_s=2.0, standardize="none").ravel()
    array([113.5, 111.5, 112.5, 112.5, 111.5, 113.5], dtype=float32)
    """
    check_option("detrend", detrend, ("linear", "none"))
    check_option("standardize", standardize, ("percent", "zscore", "none"))
    values = check_array("series", series, ndim=2, finite=False, min_rows=2)
    basis = _basis(len(values), tr_s, confounds, detrend=detrend, high_pass_hz=high_pass_hz)
    cleaned = np.empty(values.shape, dtype=np.float32)
    width = max(1, _BLOCK_SIZE // len(values))
    for first in range(0, values.shape[1], width):
        # A copy, which may be written to.
        block = values[:, first : first + width].astype(np.float64)
        cleaned[:, first : first + width] = _clean(block, basis, standardize)
    return cleaned


def cosine_drift(n_volumes: int, *, tr_s: float, high_pass_hz: float) -> NDArray[np.float64]:
    """Return the cosines that are slower than a frequency, without the constant.

    Parameters
    ----------
    n_volumes : int
        Length of the run.
    tr_s : float
        Time between volumes in seconds.
    high_pass_hz : float
        In hertz.

    Returns
    -------
    drift : ndarray of shape (n_volumes, n_cosines)
        Orthonormal columns: half a cycle, one cycle, one and a half, and so on. None at all where the run is
        too short for one that is slower.

    Raises
    ------
    InputError
        If the frequency is not between 0 and half the sampling rate.

    Examples
    --------
    >>> cosine_drift(100, tr_s=2.0, high_pass_hz=0.01).shape
    (100, 4)
    """
    if not tr_s > 0:
        raise InputError(f"`tr_s` must be a time in seconds above 0, got {tr_s}.")
    if not 0 < high_pass_hz < 0.5 / tr_s:
        raise InputError(
            f"`high_pass_hz` must be above 0 and below {0.5 / tr_s:g} Hz, half the sampling rate of one "
            f"volume in {tr_s:g} s, got {high_pass_hz}."
        )
    # Without the slack, a product such as 2 * 100 * 0.01 * 2 may round to just below a whole number.
    n_cosines = min(n_volumes - 1, int(np.floor(2 * n_volumes * high_pass_hz * tr_s + 1e-9)))
    phase = np.pi * (np.arange(n_volumes) + 0.5) / n_volumes
    return np.asarray(np.sqrt(2 / n_volumes) * np.cos(np.outer(phase, np.arange(1, n_cosines + 1))))


def _basis(
    n_volumes: int,
    tr_s: float,
    confounds: ArrayLike | None,
    *,
    detrend: str,
    high_pass_hz: float | None,
) -> NDArray[np.float64]:
    """Return orthonormal columns that span everything that is taken out beside the mean."""
    parts = []
    if detrend == "linear":
        parts.append(np.linspace(-1, 1, n_volumes)[:, None])
    if high_pass_hz is not None:
        parts.append(cosine_drift(n_volumes, tr_s=tr_s, high_pass_hz=high_pass_hz))
    if confounds is not None:
        given = check_array("confounds", confounds, ndim=2, dtype=np.float64)
        if len(given) != n_volumes:
            raise InputError(
                f"`confounds` has {len(given)} rows but `series` has {n_volumes} volumes; they must be of "
                "one run."
            )
        parts.append(given)
    design = np.concatenate([np.empty((n_volumes, 0)), *parts], axis=1)
    level = np.abs(design).max(axis=0, initial=0)
    design = design - design.mean(axis=0)
    length = np.linalg.norm(design, axis=0)
    varies = length > _RANK_TOLERANCE * level
    design = design[:, varies] / length[varies]
    if not design.shape[1]:
        return np.empty((n_volumes, 0))
    basis, singular, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, singular > _RANK_TOLERANCE * singular[0]]
    if basis.shape[1] >= n_volumes - 1:
        raise InputError(
            f"drift and confounds have {basis.shape[1]} independent columns and the run {n_volumes} volumes: "
            "nothing would be left. Choose fewer confounds, or a lower `high_pass_hz`."
        )
    return np.asarray(basis, dtype=np.float64)


def _clean(series: NDArray[np.float64], basis: NDArray[np.float64], standardize: str) -> NDArray[np.float64]:
    largest = np.abs(series).max(axis=0)
    usable = np.isfinite(largest)
    series[:, ~usable] = 0
    mean = series.mean(axis=0)
    cleaned = series - mean
    cleaned -= basis @ (basis.T @ cleaned)
    # What is left of pure drift is the rounding of single precision.
    usable &= np.ptp(cleaned, axis=0) > 1e-6 * np.where(usable, largest, 0)
    if standardize == "none":
        cleaned += mean
    elif standardize == "percent":
        usable &= mean != 0
        cleaned *= 100 / np.where(usable, mean, 1)
    else:
        cleaned /= np.where(usable, cleaned.std(axis=0, ddof=1), 1)
    cleaned[:, ~usable] = np.nan
    return np.asarray(cleaned, dtype=np.float64)
