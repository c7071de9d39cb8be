"""RDMs over time: one for every time point or window of a recording."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.progress import track
from .._arrays import torch_too
from .._rounding import check_range
from ._batches import BatchMethod, SetDistances
from ._inner_products import single_or_double
from .crossvalidated import Weighting
from .dissimilarities import precision_root

WithinWindow = Literal["mean", "pattern"]
Array = NDArray[Any]


@torch_too
def time_rdms(
    X: ArrayLike,
    *,
    method: BatchMethod = "correlation",
    window: int = 1,
    step: int = 1,
    within_window: WithinWindow = "mean",
    precision: ArrayLike | None = None,
    conditions: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    weighting: Weighting = "number",
    batch_size: int | None = None,
    device: str | None = None,
) -> Array:
    """Compute an RDM for every window of time.

    Parameters
    ----------
    X : array of shape (n_patterns, n_channels, n_times)
        One entry per stimulus or condition; for "crossnobis" one per trial.
    method : str, default="correlation"
        "correlation", "cosine", "euclidean", "squared-euclidean" or "mahalanobis" as in :func:`rdm`, or
        "crossnobis" as in :func:`crossnobis`.
    window : int, default=1
        Time points of a window.
    step : int, default=1
        Time points from the start of a window to the next one's. Windows that would reach beyond the end are
        left out: there are ``(n_times - window) // step + 1``.
    within_window : {"mean", "pattern"}, default="mean"
        Average the time points of a window, or let each channel at each of them be a channel of its own.
    precision : array of shape (n_channels, n_channels), optional
        Inverse noise covariance, for "crossnobis" and "mahalanobis" only (and needed for the latter).
    conditions, runs : array of shape (n_trials,), optional
        For "crossnobis" only: the condition and the run of each trial.
    weighting : {"number", "equal"}, default="number"
        For "crossnobis" only: every trial counts the same, or every run does.
    batch_size : int, optional
        Windows at once; by default as many as fit in a core's cache.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    rdms : ndarray of shape (n_windows, n_pairs)
        Condensed, float32 for float32 data and float64 otherwise. NaN where there is no distance: pairs with
        a pattern that is constant in that window ("correlation") or all zero ("cosine"), and pairs with a
        condition of one run only ("crossnobis").

    Raises
    ------
    InputError
        If X holds NaN, the window does not fit in it, or options do not fit the method.

    Notes
    -----
    Beside the result only one batch of windows is held.

    References
    ----------
    Cichy RM, Pantazis D, Oliva A (2014). Resolving human object recognition in space and time. Nat Neurosci,
    doi:10.1038/nn.3635.

    Examples
    --------
    >>> X = [[[0.0, 1.0], [0.0, 1.0]], [[3.0, 1.0], [4.0, 1.0]]]
    >>> time_rdms(X, method="squared-euclidean")
    array([[12.5],
           [ 0. ]])
    """
    check_option("method", method, get_args(BatchMethod))
    check_option("within_window", within_window, get_args(WithinWindow))
    data = single_or_double(check_array("X", X, ndim=3))
    check_range("X", data)
    n_rows, n_channels, n_times = data.shape
    if n_channels == 0:
        raise InputError(f"`X` has no channels, got shape {data.shape}.")
    if n_times == 0:
        raise InputError(f"`X` has no time points, got shape {data.shape}.")
    if not (1 <= window <= n_times and step >= 1):
        raise InputError(
            f"`window` must be 1 to {n_times} time points and `step` at least 1, got {window} and {step}."
        )
    if batch_size is not None and batch_size < 1:
        raise InputError(f"`batch_size` must be at least 1, got {batch_size}.")
    root = _root(method, precision, n_channels, data.dtype)
    distances = SetDistances(n_rows, method, conditions, runs, weighting, device)
    per_window = n_channels * (window if within_window == "pattern" else 1)
    starts = np.arange(0, n_times - window + 1, step)
    rdms = np.empty((len(starts), distances.n_pairs), dtype=data.dtype)
    size = batch_size or distances.batch_size(per_window)
    with distances.threads(per_window):
        for first in track(range(0, len(starts), size), "RDMs over time"):
            some = slice(first, first + size)
            part = data[:, :, starts[some][0] : starts[some][-1] + window]
            if root is not None:
                part = np.einsum("rct,cd->rdt", part, root, optimize=True)
            rdms[some] = distances(_sets(part, window, step, within_window, distances))
    return rdms


def _root(method: str, precision: ArrayLike | None, n_channels: int, kind: np.dtype[Any]) -> Array | None:
    if precision is None:
        if method == "mahalanobis":
            raise InputError("method 'mahalanobis' needs `precision`, the inverse of the noise covariance.")
        return None
    if method not in ("crossnobis", "mahalanobis"):
        raise InputError(
            f"method {method!r} takes no `precision`; only 'crossnobis' and 'mahalanobis' use it."
        )
    return precision_root(precision, n_channels).astype(kind)


def _sets(part: Array, window: int, step: int, within_window: WithinWindow, distances: SetDistances) -> Array:
    """Return the windows of a stretch of time, (n_channels, n_windows, width)."""
    if window == 1:
        columns = distances.columns(part[:, :, ::step])
        # Distances overwrite what they are given.
        return columns.copy() if np.may_share_memory(columns, part) else columns
    windows = sliding_window_view(part, window, axis=-1)[:, :, ::step]
    if within_window == "mean":
        return distances.columns(windows.mean(axis=-1))
    # (n_rows, n_channels, n_windows, window) -> (n_channels * window, n_windows, width)
    columns = distances.columns(np.moveaxis(windows, -1, 2))
    return columns.reshape(-1, *columns.shape[2:])
