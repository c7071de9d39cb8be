"""Folds for time series: contiguous blocks with a gap around them, or whole runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError
from .folds import Fold


def blocked_folds(samples: int | Sequence[object], *, n_folds: int = 5, gap: int = 0) -> list[Fold]:
    """Split time points so that neighbours in time do not straddle training and test part.

    A number of samples is one run: it is cut into contiguous blocks, and the `gap` rows on either side of
    a test block are left out of its training part. The labels of several runs make folds of whole
    consecutive runs, balanced in samples; runs are independent recordings and need no gap.

    Parameters
    ----------
    samples : int or sequence of length n_samples
        The number of samples of one run, or the run of each sample in the order of recording.
    n_folds : int, default=5
        Parts; each is the test part once.
    gap : int, default=0
        Rows between training and test part, at least three autocorrelation times of the slower of features
        and responses (see :func:`autocorrelation_rows`) and the longest delay of the design. Not used with
        several runs.

    Returns
    -------
    folds : list of (train, test)
        Sorted sample indices; fits scikit-learn's ``cv=``. Every sample is in exactly one test part.

    Raises
    ------
    InputError
        For fewer than two folds, fewer samples or runs than folds, runs that are not contiguous, or a gap
        that leaves nothing to train on.

    Notes
    -----
    Random rows of a time series are no held-out data: features and responses that are independent but slow
    (first-order autoregressive, .97) are "predicted" at r = .86 across random rows, as each test row lies
    between two training rows that are almost the same.

    References
    ----------
    Roberts DR et al. (2017). Cross-validation strategies for data with temporal, spatial, hierarchical, or
    phylogenetic structure. Ecography, doi:10.1111/ecog.02881.

    Examples
    --------
    >>> for train, test in blocked_folds(9, n_folds=3, gap=1):
    ...     print(train, test)
    [4 5 6 7 8] [0 1 2]
    [0 1 7 8] [3 4 5]
    [0 1 2 3 4] [6 7 8]
    """
    if n_folds < 2:
        raise InputError(f"`n_folds` must be at least 2, got {n_folds}.")
    if gap < 0:
        raise InputError(f"`gap` must be a number of rows of at least 0, got {gap}.")
    if isinstance(samples, int | np.integer):
        return _cut(int(samples), n_folds, gap)
    slices = list(run_slices(samples).values())
    if len(slices) < n_folds:
        raise InputError(
            f"`n_folds` is {n_folds}, but there are only {len(slices)} run(s). Use at most as many folds as "
            "runs, or give the number of samples in place of the runs to cut blocks with a gap."
        )
    return _whole_runs(slices, n_folds)


def run_slices(runs: ArrayLike | Sequence[object], *, name: str = "runs") -> dict[object, slice]:
    """Return the rows of every run, in the order of recording.

    Parameters
    ----------
    runs : sequence of length n_samples
        The run of each sample. The samples of a run must follow one another.
    name : str, default="runs"
        What the argument is called in error messages.

    Returns
    -------
    slices : dict of slice
        By the label of the run.

    Raises
    ------
    InputError
        If there are none, a label is missing, or a run is in two pieces.

    Examples
    --------
    >>> run_slices(["a", "a", "b"])
    {'a': slice(0, 2, None), 'b': slice(2, 3, None)}
    """
    labels = np.asarray(runs)
    names = labels.tolist()
    if labels.ndim != 1 or labels.size == 0:
        raise InputError(f"`{name}` must hold one label per sample, got shape {labels.shape}.")
    # NaN and None are not equal to themselves or to a name: each would be a run of its own.
    if (missing := np.flatnonzero([value is None or value != value for value in names])).size:
        raise InputError(
            f"`{name}` has no value for {missing.size} sample(s), the first at index {missing[0]}. "
            "Give every sample one, or drop it."
        )
    starts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1, [labels.size]])
    slices: dict[object, slice] = {}
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        label = names[start]
        if label in slices:
            raise InputError(
                f"`{name}`: the samples of run {label!r} do not follow one another (pieces start at rows "
                f"{slices[label].start} and {start}). Sort the samples by run and time, or give the "
                "pieces two names."
            )
        slices[label] = slice(start, stop)
    return slices


def autocorrelation_rows(values: ArrayLike) -> float:
    """Find after how many rows a time series has forgotten itself.

    This is the lag at which the autocorrelation, averaged over columns, first falls below 1/e (for a
    first-order autoregressive series ``-1 / log(coefficient)``). Three of them make a gap for
    :func:`blocked_folds`.

    Parameters
    ----------
    values : array of shape (n_samples, n_columns)
        One run of features or responses. Constant columns are left out.

    Returns
    -------
    rows : float
        At least 0, between rows by linear interpolation; 0 where every column is constant.

    Raises
    ------
    InputError
        If there are NaN or fewer than 3 rows.

    Examples
    --------
    >>> slow = np.cumsum(np.random.default_rng(0).standard_normal((500, 4)), axis=0)
    >>> bool(autocorrelation_rows(slow) > 10 * autocorrelation_rows(np.diff(slow, axis=0)))
    True
    """
    array = check_array("values", values, ndim=2, min_rows=3).astype(np.float64)
    centred = array - array.mean(axis=0)
    centred = centred[:, (np.ptp(array, axis=0) > 0) & (np.square(centred).sum(axis=0) > 0)]
    if centred.shape[1] == 0:
        return 0.0
    spectrum = np.abs(np.fft.rfft(centred, n=2 * len(centred), axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, axis=0)[: len(centred)]
    mean = (correlation / correlation[0]).mean(axis=1)
    # Centred series sum to zero, so that their autocorrelation falls below 1/e before the end.
    below = int(np.argmax(mean < np.exp(-1)))
    before, after = mean[below - 1], mean[below]
    return float(below - 1 + (before - np.exp(-1)) / (before - after))


def _cut(n_samples: int, n_folds: int, gap: int) -> list[Fold]:
    if n_samples < n_folds:
        raise InputError(
            f"`n_folds` is {n_folds}, but there are only {n_samples} sample(s). Use fewer folds."
        )
    rows = np.arange(n_samples)
    folds = []
    for test in np.array_split(rows, n_folds):
        train = rows[(rows < test[0] - gap) | (rows > test[-1] + gap)]
        if train.size == 0:
            raise InputError(
                f"`gap` is {gap}, which leaves no row of {n_samples} to train on beside the test rows "
                f"{test[0]} to {test[-1]}. Use a shorter gap, more folds or a longer recording."
            )
        folds.append((train, test))
    return folds


def _whole_runs(slices: list[slice], n_folds: int) -> list[Fold]:
    rows = np.arange(slices[-1].stop)
    # A fold ends at the run's end that is nearest to its share, but leaves one run for each later fold.
    stops = np.array([piece.stop for piece in slices])
    parts: list[NDArray[np.intp]] = []
    start, first = 0, 0
    for fold in range(n_folds):
        last = len(stops) - (n_folds - fold)
        share = start + (rows.size - start) / (n_folds - fold)
        chosen = first + int(np.argmin(np.abs(stops[first : last + 1] - share)))
        parts.append(rows[start : stops[chosen]])
        start, first = int(stops[chosen]), chosen + 1
    return [(np.setdiff1d(rows, test, assume_unique=True), test) for test in parts]
