"""Features at irregular times (words, frames) brought to the times of the scans."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_option, check_same_samples
from .._core.errors import InputError
from ._windows import sum_windows

Reduction = Literal["sum", "mean"]

# Weights of fewer events than this add up to no mean: their sum may even be negative.
LEAST_WEIGHT = 0.5


def lanczos_resample(
    values: ArrayLike,
    times_s: ArrayLike,
    sample_times_s: ArrayLike,
    *,
    window: int = 3,
    cutoff: float = 1.0,
    reduction: Reduction = "sum",
) -> NDArray[np.floating[Any]]:
    """Low-pass features of events and sample them at other times by a Lanczos filter.

    ``y(t) = sum_j L(f (t - t_j)) x_j`` with ``L(u) = sinc(u) sinc(u / window)`` for ``|u| <= window`` and f
    the `cutoff` over the mean spacing of the sample times. The weights are not normalised: a feature that
    is 1 at every word comes out as (about) the number of words per sample, so that every feature carries
    the word rate. Fit with word rate as a feature of its own, or compare with and without.

    Parameters
    ----------
    values : array of shape (n_events, n_units)
        Features of each event. float32 is kept.
    times_s : array of shape (n_events,)
        Time of each event, in seconds, in any order: for words the middle between start and end.
    sample_times_s : array of shape (n_samples,)
        Times wanted, increasing, in seconds: for BOLD the middle of every scan.
    window : int, default=3
        Lobes of the filter on either side. It looks `window` samples ahead as well as back: not for claims
        about what comes first.
    cutoff : float, default=1.0
        Cut-off of the low-pass in units of the Nyquist frequency of the sample times.
    reduction : {"sum", "mean"}, default="sum"
        "mean" divides by the sum of the weights: the features' local average, without their rate; NaN where
        the weights add up to less than half an event.

    Returns
    -------
    resampled : ndarray of shape (n_samples, n_units)
        In the unit of the features ("mean") or that times events per sample ("sum"). 0 where no event is
        within the window ("sum").

    Raises
    ------
    InputError
        If the numbers of events differ, times do not increase, or there are NaN.

    Notes
    -----
    Only events within the window are touched: O(n_samples * events in a window * n_units) time and bounded
    memory. Resample every run by itself.

    References
    ----------
    Duchon CE (1979). Lanczos filtering in one and two dimensions. J Appl Meteorol,
    doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2.

    Huth AG, de Heer WA, Griffiths TL, Theunissen FE, Gallant JL (2016). Natural speech reveals the semantic
    maps that tile human cerebral cortex. Nature, doi:10.1038/nature17637.

    Examples
    --------
    >>> words = np.arange(0.25, 60, 0.5)
    >>> counts = lanczos_resample(np.ones((120, 1)), words, np.arange(1.0, 60, 2))
    >>> float(counts[10, 0].round(1))
    4.0
    """
    check_option("reduction", reduction, get_args(Reduction))
    features = check_array("values", values, ndim=2)
    times = check_array("times_s", times_s, ndim=1, dtype=np.float64)
    check_same_samples("values", features, "times_s", times)
    wanted = check_array("sample_times_s", sample_times_s, ndim=1, dtype=np.float64, min_rows=2)
    if (np.diff(wanted) <= 0).any():
        row = int(np.argmax(np.diff(wanted) <= 0))
        raise InputError(
            f"`sample_times_s` must increase, got {wanted[row]:g} s before {wanted[row + 1]:g} s at index "
            f"{row}. Resample every run by itself."
        )
    if window < 1 or not cutoff > 0:
        raise InputError(f"`window` and `cutoff` must be positive, got {window} and {cutoff:g}.")
    order = np.argsort(times, kind="stable")
    times, features = times[order], features[order]
    frequency = cutoff * (len(wanted) - 1) / (wanted[-1] - wanted[0])
    first = np.searchsorted(times, wanted - window / frequency, side="left")
    last = np.searchsorted(times, wanted + window / frequency, side="right")

    def weigh(samples: NDArray[np.intp], events: NDArray[np.intp]) -> NDArray[np.float64]:
        lags = frequency * (wanted[samples] - times[events])
        return np.asarray(np.sinc(lags) * np.sinc(lags / window))

    resampled = sum_windows(features, first, last, weigh)
    if reduction == "sum":
        return resampled
    total = sum_windows(np.ones((len(times), 1), features.dtype), first, last, weigh)
    enough = total > LEAST_WEIGHT
    return np.where(enough, resampled / np.where(enough, total, 1), features.dtype.type(np.nan))
