"""Slow drifts and the ends of runs taken out, every run by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option
from .._core.errors import InputError
from ..stats.blocks import run_slices

Drift = Literal["polynomial", "cosine", "savgol"]


def detrend_runs(
    data: ArrayLike,
    runs: ArrayLike | Sequence[object] | None = None,
    *,
    drift: Drift = "polynomial",
    degree: int = 3,
    cutoff_s: float = 128.0,
    tr_s: float | None = None,
    standardize: bool = True,
) -> NDArray[np.floating[Any]]:
    """Take slow drifts out of every run, and z-score it.

    Each run is treated by itself, from its own rows alone: nothing passes between runs, so that it may be
    done before the runs are split into training and test part. It is *not* neutral for folds that cut
    through a run.

    Parameters
    ----------
    data : array of shape (n_samples, n_channels)
        Responses, or features that shall be treated like them. float32 is kept.
    runs : sequence of length n_samples, optional
        The run of each sample; by default all are one run. The samples of a run follow one another.
    drift : {"polynomial", "cosine", "savgol"}, default="polynomial"
        Project out polynomials up to `degree`, or discrete cosines slower than 1 / `cutoff_s` (and the
        mean), or subtract what a Savitzky-Golay filter of `degree` and of a window of `cutoff_s` leaves.
    degree : int, default=3
        Of the polynomials; 0 takes out the mean alone. Not used by "cosine".
    cutoff_s : float, default=128.0
        Slowest period that stays ("cosine") or length of the window ("savgol"), in seconds; not used by
        "polynomial".
    tr_s : float, optional
        Time between samples, in seconds; needed for "cosine" and "savgol".
    standardize : bool, default=True
        Divide every channel of every run by its standard deviation (over n_samples). Otherwise the unit of
        the data stays.

    Returns
    -------
    detrended : ndarray of shape (n_samples, n_channels)
        Mean 0 in every run. A channel that is nothing but drift in a run, such as a constant one, is 0
        there.

    Raises
    ------
    InputError
        If there are NaN, a run is in pieces or too short for the drift, or `tr_s` is missing.

    References
    ----------
    Savitzky A, Golay MJE (1964). Smoothing and differentiation of data by simplified least squares
    procedures. Anal Chem, doi:10.1021/ac60214a047.

    Examples
    --------
    >>> time = np.arange(100.0)[:, None]
    >>> detrended = detrend_runs(np.sin(time) + 0.01 * time**2)
    >>> bool(np.corrcoef(detrended[:, 0], np.sin(time[:, 0]))[0, 1] > 0.99)
    True
    """
    check_option("drift", drift, get_args(Drift))
    values = check_array("data", data, ndim=2)
    _check_settings(drift, degree, cutoff_s, tr_s)
    labels = np.zeros(len(values), dtype=int) if runs is None else runs
    slices = run_slices(labels)
    n_labels = max(rows.stop for rows in slices.values())
    if n_labels != len(values):
        raise InputError(f"`runs` must hold one label per sample, got {n_labels} for {len(values)} samples.")
    detrended = np.empty_like(values)
    for name, rows in slices.items():
        run = values[rows].astype(np.float64)
        # What is left of a channel that is all drift is rounding: z-scoring it would make noise of it.
        rounding = 1e-12 if values.dtype.itemsize > 4 else 3e-7
        power = np.abs(run).max(axis=0)
        if drift == "savgol":
            run = _subtract_savgol(run, name, degree, cutoff_s, tr_s or 1.0)
        else:
            run = _project_out(run, _drifts(name, len(run), drift, degree, cutoff_s, tr_s))
        spread = run.std(axis=0)
        flat = spread <= rounding * power
        unit = np.where(flat, 1.0, spread) if standardize else 1.0
        detrended[rows] = np.where(flat, 0.0, run / unit)
    return detrended


def trim_runs(runs: ArrayLike | Sequence[object], *, start: int = 0, end: int = 0) -> NDArray[np.bool_]:
    """Mark the rows that stay when the ends of every run are cut off.

    Parameters
    ----------
    runs : sequence of length n_samples
        The run of each sample. The samples of a run follow one another.
    start : int, default=0
        Rows to drop at the start of every run, where the scanner and the response settle.
    end : int, default=0
        Rows to drop at its end.

    Returns
    -------
    kept : ndarray of bool of shape (n_samples,)
        Select with it the rows of features, responses and runs alike, after delays were made.

    Raises
    ------
    InputError
        If a number is negative or nothing of a run would stay.

    Examples
    --------
    >>> trim_runs(["a", "a", "a", "b", "b", "b"], start=1).tolist()
    [False, True, True, False, True, True]
    """
    if start < 0 or end < 0:
        raise InputError(f"`start` and `end` must be numbers of rows of at least 0, got {start} and {end}.")
    slices = run_slices(runs)
    kept = np.zeros(max(rows.stop for rows in slices.values()), dtype=bool)
    for name, rows in slices.items():
        if rows.stop - rows.start <= start + end:
            raise InputError(
                f"run {name!r} has {rows.stop - rows.start} rows, of which `start` = {start} and `end` = "
                f"{end} leave none. Cut less, or leave the run out."
            )
        kept[rows.start + start : rows.stop - end] = True
    return kept


def _check_settings(drift: Drift, degree: int, cutoff_s: float, tr_s: float | None) -> None:
    if degree < 0:
        raise InputError(f"`degree` must be at least 0, got {degree}.")
    if drift == "polynomial":
        return
    if tr_s is None or not tr_s > 0:
        raise InputError(
            f"`drift` {drift!r} needs the time between samples as `tr_s` in seconds, got {tr_s}."
        )
    if not cutoff_s > 2 * tr_s:
        raise InputError(
            f"`cutoff_s` must be longer than two samples ({2 * tr_s:g} s), got {cutoff_s:g} s: "
            "everything would be taken for drift."
        )


def _drifts(
    name: object, n_rows: int, drift: Drift, degree: int, cutoff_s: float, tr_s: float | None
) -> NDArray[np.float64]:
    """Return the columns to project out, (n_rows, n_drifts)."""
    if drift == "cosine":
        from nilearn.signal import create_cosine_drift

        columns = np.asarray(create_cosine_drift(1 / cutoff_s, np.arange(n_rows) * (tr_s or 1.0)))
    else:
        # Legendre polynomials: powers of the time are nearly collinear.
        columns = np.polynomial.legendre.legvander(np.linspace(-1, 1, n_rows), degree)
    if n_rows <= columns.shape[1]:
        raise InputError(
            f"run {name!r} has {n_rows} rows, too few for a drift of {columns.shape[1]} columns. "
            "Use a lower `degree`, or leave the run out."
        )
    return columns


def _project_out(run: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    basis = np.linalg.qr(columns)[0]
    left = run - basis @ (basis.T @ run)
    # A second pass takes out what rounding left of a large mean.
    return np.asarray(left - basis @ (basis.T @ left))


def _subtract_savgol(
    run: NDArray[np.float64], name: object, degree: int, cutoff_s: float, tr_s: float
) -> NDArray[np.float64]:
    from scipy.signal import savgol_filter

    length = round(cutoff_s / tr_s) // 2 * 2 + 1
    if len(run) < length or length <= degree:
        raise InputError(
            f"run {name!r} has {len(run)} rows; a Savitzky-Golay filter of degree {degree} and "
            f"{cutoff_s:g} s needs {length} rows, and more than its degree. Use a shorter `cutoff_s` or a "
            "lower `degree`."
        )
    left = run - savgol_filter(run, length, degree, axis=0)
    return np.asarray(left - left.mean(axis=0))
