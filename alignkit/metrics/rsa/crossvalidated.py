"""Cross-validated Mahalanobis distances: unbiased by noise, with a meaningful zero."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._labels import unique_labels
from .._registry import METRICS
from .._rounding import check_range
from ._inner_products import exceeds_float32, inner_products, single_or_double, working_precision
from .dissimilarities import precision_root

Weighting = Literal["number", "equal"]
Floats = NDArray[np.float64]

# Distances below this part of the patterns' squared lengths are too small for float32.
_FLOAT32_SPREAD = 0.01


@torch_too
def crossnobis(
    X: ArrayLike,
    conditions: ArrayLike,
    runs: ArrayLike,
    *,
    precision: ArrayLike | None = None,
    weighting: Weighting = "number",
    device: str | None = None,
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
    precision : array of shape (n_channels, n_channels) or (n_runs, n_channels, n_channels), optional
        Inverse noise covariance, estimated from residuals; by default the identity. With one for each run
        (in the order of ``numpy.unique(runs)``), two runs are compared by the inverse of the mean of their
        covariances.
    weighting : {"number", "equal"}, default="number"
        Every trial counts the same, or every run does (its trials of a condition are averaged first).
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the inner products are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    distances : ndarray of shape (n_conditions * (n_conditions - 1) / 2,)
        Condensed, the conditions in the order of ``numpy.unique(conditions)``. The expectation is the true
        squared distance; values below 0 are chance and must not be clipped. NaN for pairs with a condition
        that comes in one run only.

    Raises
    ------
    InputError
        If labels and rows do not match, a label is missing (NaN, None), no condition comes in two runs, or
        `precision` does not fit.

    Notes
    -----
    Without difference, with noise variance s^2, M runs and P channels, the variance is
    ``8 s^4 / (M (M - 1) P)``. Unbalanced designs stay unbiased, but a large mean pattern that all trials
    share adds variance there: subtract the mean pattern of each run first.

    All pairs of trials less those of one run leave n_runs + 1 Gram matrices of conditions. Large float32
    data are multiplied as float32, with the errors that :func:`rdm` states.

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
    trials = check_trials(X)
    design = read_design(conditions, runs, len(trials))
    n_channels = trials.shape[1]
    whitening = None
    if precision is not None:
        whitening = check_array("precision", precision, ndim=(2, 3), dtype=np.float64)
    if whitening is not None:
        trials = trials.astype(np.float64, copy=False)
    sums, counts = cell_sums(trials, design), design.counts
    if weighting == "equal" and counts.max() > 1:
        sums = sums / np.maximum(counts, 1)[:, :, None]
        counts = np.minimum(counts, 1.0)
    balanced = bool((counts == counts[0, 0]).all())
    if whitening is not None and whitening.ndim == 3:
        if balanced:
            sums = sums - sums.mean(axis=(0, 1))
        products = _products_by_pairs(sums, _pair_precisions(whitening, len(sums), n_channels), device)
    else:
        if whitening is not None:
            sums = multiply(sums, precision_root(whitening, n_channels), device=device)
        products = _products(sums, balanced, device)
    return np.asarray(mean_distances(products, counts) / n_channels)


def check_trials(X: ArrayLike) -> NDArray[Any]:
    """Return trials of at least one channel in float32 where they are that, and else in float64."""
    trials = check_array("X", X, ndim=2)
    if trials.shape[1] == 0:
        raise InputError(f"`X` has no channels, got shape {trials.shape}.")
    check_range("X", trials)
    return single_or_double(trials)


@dataclass(frozen=True)
class Design:
    """Which trial belongs to which condition and run.

    Attributes
    ----------
    condition, run : ndarray of shape (n_trials,)
        Codes from 0, in sorted order of the labels.
    counts : ndarray of shape (n_runs, n_conditions)
        Trials of each cell.
    """

    condition: NDArray[np.intp]
    run: NDArray[np.intp]
    counts: Floats


def read_design(conditions: ArrayLike, runs: ArrayLike, n_trials: int) -> Design:
    """Return the codes of labels, after checking that distances can be cross-validated with them."""
    names, condition = _labels("conditions", conditions, n_trials)
    run_names, run = _labels("runs", runs, n_trials)
    if len(names) < 2:
        raise InputError(f"`conditions` must name at least 2 conditions, got {len(names)}.")
    counts = np.zeros((len(run_names), len(names)))
    np.add.at(counts, (run, condition), 1)
    if ((counts > 0).sum(axis=0) < 2).all():
        raise InputError(
            "no condition comes in two runs, so that nothing can be cross-validated. "
            "Check `runs`, or use `rdm`, whose distances are biased by noise."
        )
    return Design(condition, run, counts)


def _labels(name: str, labels: ArrayLike, n_trials: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    given = np.asarray(labels)
    if given.shape != (n_trials,):
        raise InputError(
            f"`{name}` must hold one label per row of `X`, got shape {given.shape} for {n_trials} rows."
        )
    return unique_labels(name, given)


def cell_sums(trials: NDArray[Any], design: Design) -> NDArray[Any]:
    """Return the summed trials of each cell, (n_runs, n_conditions, ...), in the precision of the trials."""
    n_runs, n_conditions = design.counts.shape
    cell = design.run * n_conditions + design.condition
    values = trials.reshape(len(trials), -1)
    if len(trials) == design.counts.size and (design.counts == 1).all():
        # One trial per cell: nothing to add, and nothing to copy where they are in order.
        order = np.argsort(cell)
        ordered = values if (order[:-1] < order[1:]).all() else values[order]
    else:
        rows, ones = np.arange(len(trials)), np.ones(len(trials), dtype=trials.dtype)
        membership = csr_array((ones, (cell, rows)), shape=(design.counts.size, len(trials)))
        ordered = membership @ values
    return ordered.reshape(n_runs, n_conditions, *trials.shape[1:])


def _products(sums: NDArray[Any], balanced: bool, device: str | None) -> Floats:
    """Return the summed inner products of trials of different runs, (n_conditions, n_conditions)."""
    if working_precision(sums[0]).dtype != sums.dtype:
        sums = sums.astype(np.float64)
    # All pairs of trials, less those of the same run: sums of products are products of sums.
    within = inner_products(sums[0], device=device)
    for run in sums[1:]:
        within += inner_products(run, device=device)
    if exceeds_float32(sums, within.diagonal()):
        return _products(sums.astype(np.float64), balanced, device)
    lengths = within.diagonal().max()
    products = inner_products(sums.sum(axis=0), device=device)
    products -= within
    own = products.diagonal()
    spread = np.abs(own + own[:, None] - 2 * products).max()
    if sums.dtype == np.float32 and spread < _FLOAT32_SPREAD * lengths:
        return _products(sums.astype(np.float64), balanced, device)
    if balanced and 0 < spread < 1e-3 * lengths:
        # Such a design does not see a common shift, but here it cancels at the cost of digits.
        centred = sums - sums.mean(axis=(0, 1))
        if np.square(centred).sum(axis=(0, 2)).max() < lengths / 2:
            return _products(centred, balanced, device)
    return products


def _pair_precisions(precision: NDArray[Any], n_runs: int, n_channels: int) -> Floats:
    """Return the covariance of each run from its precision."""
    if precision.shape != (n_runs, n_channels, n_channels):
        raise InputError(
            f"`precision` must have shape ({n_channels}, {n_channels}), or ({n_runs}, {n_channels}, "
            f"{n_channels}) with one for each run in sorted order, got {precision.shape}."
        )
    covariances = np.empty(precision.shape)
    for index, matrix in enumerate(precision):
        root = precision_root(matrix, n_channels)
        # The columns of the root are orthogonal, their squared lengths the eigenvalues.
        values = np.einsum("ij,ij->j", root, root)
        if values.min() <= n_channels * np.finfo(np.float64).eps * values.max():
            raise InputError(
                f"`precision` of run {index} is singular, so that it has no covariance to average with "
                "other runs'. Give the inverse of a shrunk covariance."
            )
        scaled = root / values
        covariances[index] = scaled @ scaled.T
    return covariances


def _products_by_pairs(sums: Floats, covariances: Floats, device: str | None) -> Floats:
    """Return summed products of different runs, each pair whitened by its mean covariance."""
    products = np.zeros((sums.shape[1], sums.shape[1]))
    for first, second in combinations(range(len(sums)), 2):
        precision = np.linalg.inv((covariances[first] + covariances[second]) / 2)
        whitened = multiply(sums[first], precision, device=device)
        between = multiply(whitened, sums[second].T, device=device)
        products += between + between.T
    return products


def mean_distances(products: Floats, counts: Floats) -> Floats:
    """Return condensed distances from summed products of different runs and the trials of each cell."""
    n_trials = counts.sum(axis=0)
    n_pairs = n_trials[:, None] * n_trials - counts.T @ counts
    gram = np.full_like(products, np.nan)
    np.divide(products, n_pairs, out=gram, where=n_pairs > 0)
    own = gram.diagonal()
    distances: Floats = squareform(own + own[:, None] - gram - gram.T, checks=False)
    return distances


METRICS.register(
    "crossnobis-rdm",
    kind="distance",
    inputs="trials",
    range=(float("-inf"), float("inf")),
    higher_is_closer=False,
    invariant_to=(
        "invertible-linear",
        "permutation",
        "rotation",
        "scale",
        "shift",
        "stimulus-permutation",
        "unit-scale",
    ),
    unit="noise variance",
    paper="Walther et al. 2016, doi:10.1016/j.neuroimage.2015.12.012",
    summary="squared difference in units of the noise, cross-validated over runs, per channel",
)(crossnobis)
