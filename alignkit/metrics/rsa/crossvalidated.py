"""Cross-validated Mahalanobis distances: unbiased by noise, with a meaningful zero."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from .._registry import METRICS
from .dissimilarities import precision_root

Weighting = Literal["number", "equal"]


def crossnobis(
    X: ArrayLike,
    conditions: ArrayLike,
    runs: ArrayLike,
    *,
    precision: ArrayLike | None = None,
    weighting: Weighting = "number",
) -> NDArray[np.float64]:
    """Compute squared distances between conditions whose noise comes from different runs.

    ``d_ij = G_ii + G_jj - 2 G_ij``, where G_ij is the mean of ``x_a' precision x_b / n_channels`` over all
    trials a of condition i and b of condition j that come from *different* runs. With every condition once
    in every run this is the mean over pairs of runs f != g of
    ``(x_i^f - x_j^f)' precision (x_i^g - x_j^g) / n_channels``.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels)
        One row per trial or per estimate.
    conditions : array of shape (n_trials,)
        The condition of each row: strings or numbers.
    runs : array of shape (n_trials,)
        The run of each row; noise must be independent between runs.
    precision : array of shape (n_channels, n_channels), optional
        Inverse noise covariance, estimated from residuals; by default the identity.
    weighting : {"number", "equal"}, default="number"
        Every trial counts the same, or every run does (its trials of a condition are averaged first).

    Returns
    -------
    distances : ndarray of shape (n_conditions * (n_conditions - 1) / 2,)
        Condensed, the conditions in the order of ``numpy.unique(conditions)``. The expectation is the true
        squared distance; values below 0 are chance and must not be clipped. NaN for pairs with a condition
        that comes in one run only.

    Raises
    ------
    InputError
        If labels and rows do not match, or no condition comes in two runs.

    Notes
    -----
    Without difference, with noise variance s^2, M runs and P channels, the variance is
    ``8 s^4 / (M (M - 1) P)``. Unbalanced designs stay unbiased, but a large mean pattern that all trials
    share adds variance there: subtract the mean pattern of each run first.

    References
    ----------
    Walther A et al. (2016). Reliability of dissimilarity measures for multi-voxel pattern analysis.
    NeuroImage, doi:10.1016/j.neuroimage.2015.12.012.

    Examples
    --------
    >>> crossnobis([[1.0], [0.0], [3.0], [0.0]], ["b", "a", "b", "a"], [1, 1, 2, 2])
    array([3.])
    """
    check_option("weighting", weighting, get_args(Weighting))
    trials = check_array("X", X, ndim=2, dtype=np.float64)
    names, condition = _labels("conditions", conditions, len(trials))
    _, run = _labels("runs", runs, len(trials))
    if len(names) < 2:
        raise InputError(f"`conditions` must name at least 2 conditions, got {len(names)}.")
    if precision is not None:
        trials = trials @ precision_root(precision, trials.shape[1])

    n_runs = int(run.max()) + 1
    counts = np.zeros((len(names), n_runs))
    np.add.at(counts, (condition, run), 1)
    if (counts == counts[0, 0]).all():
        # A balanced design does not see a common shift, but what cancels below shrinks.
        trials = trials - trials.mean(axis=0)
    sums = _cell_sums(trials, condition, run, counts)
    if weighting == "equal":
        sums /= np.maximum(counts, 1)[:, :, None]
        counts = (counts > 0).astype(np.float64)
    return np.asarray(_distances(sums, counts) / trials.shape[1])


def _labels(name: str, labels: ArrayLike, n_trials: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    given = np.asarray(labels)
    if given.shape != (n_trials,):
        raise InputError(
            f"`{name}` must hold one label per row of `X`, got shape {given.shape} for {n_trials} rows."
        )
    found, codes = np.unique(given, return_inverse=True)
    return found, codes


def _cell_sums(
    trials: NDArray[np.float64],
    condition: NDArray[np.intp],
    run: NDArray[np.intp],
    counts: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the summed trials of each cell, (n_conditions, n_runs, n_channels)."""
    cell = condition * counts.shape[1] + run
    rows = np.arange(len(trials))
    membership = csr_array((np.ones(len(trials)), (cell, rows)), shape=(counts.size, len(trials)))
    sums: NDArray[np.float64] = (membership @ trials).reshape(*counts.shape, trials.shape[1])
    return sums


def _distances(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    # All pairs of trials, less those of the same run: sums of products are products of sums.
    total = sums.sum(axis=1)
    by_run = sums.reshape(len(sums), -1)
    products = total @ total.T - by_run @ by_run.T
    n_trials = counts.sum(axis=1)
    n_pairs = n_trials[:, None] * n_trials - counts @ counts.T
    gram = np.full_like(products, np.nan)
    np.divide(products, n_pairs, out=gram, where=n_pairs > 0)
    own = gram.diagonal()
    if np.isnan(own).all():
        raise InputError(
            "no condition comes in two runs, so that nothing can be cross-validated. "
            "Check `runs`, or use `rdm(..., method='mahalanobis')`."
        )
    distances: NDArray[np.float64] = squareform(own + own[:, None] - 2 * gram, checks=False)
    return distances


METRICS.register(
    "crossnobis-rdm",
    kind="distance",
    inputs="trials",
    range=(float("-inf"), float("inf")),
    higher_is_closer=False,
    invariant_to=("invertible-linear", "permutation", "rotation", "scale", "shift"),
    unit="noise variance",
    paper="Walther et al. 2016, doi:10.1016/j.neuroimage.2015.12.012",
    summary="squared difference in units of the noise, cross-validated over runs, per channel",
)(crossnobis)
