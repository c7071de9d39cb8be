"""Convergent learning: a unit of one system as a few units of another, or groups of both together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import SpectralClustering
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path_gram

from ..._core.checks import check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ..._core.threads import fixed_threads
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._folds import CrossValidation, Rows, stimulus_folds
from .._rounding import check_range
from ._correlations import as_list, correlations, load, load_pair, varying

Affinity = Literal["absolute", "positive"]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class SparsePrediction:
    """How well units of Y are predicted from few units of X, on held-out stimuli.

    Attributes
    ----------
    n_predictors : ndarray of shape (n_counts,)
        0, 1, 2, ...: the most units of X that are used.
    r2 : ndarray of shape (n_counts, n_units_y)
        R2 about the training mean with so many, pooled over folds: at most 1; 0 with none; below 0 worse than
        that mean. NaN for a unit of Y that is constant.
    mean_r2 : ndarray of shape (n_counts,)
        Mean over units that vary.
    fewest : ndarray of shape (n_units_y,)
        The fewest predictors that reach 90 % of the unit's best R2; -1 where the best is not above 0.
    n_constant : int
        Units of Y that do not vary and are left out.
    """

    n_predictors: NDArray[np.intp]
    r2: Matrix
    mean_r2: Matrix
    fewest: NDArray[np.intp]
    n_constant: int


@dataclass(frozen=True)
class UnitClusters:
    """Groups of units of several systems that respond alike.

    Attributes
    ----------
    labels : ndarray of shape (n_units_total,)
        Cluster of each unit, systems one after the other; the largest cluster is 0; -1 for constant units.
    systems : ndarray of shape (n_units_total,)
        The system that each unit belongs to.
    counts : ndarray of shape (n_clusters, n_systems)
        How many units of each system a cluster holds: equal in a shared one, 0 where a system has none.
    cohesion : ndarray of shape (n_clusters,)
        Mean affinity of pairs of different units in the cluster, in [0, 1]; NaN for a cluster of one.
    n_constant : int
        Units that do not vary and are left out.
    """

    labels: NDArray[np.intp]
    systems: NDArray[np.intp]
    counts: NDArray[np.intp]
    cohesion: Matrix
    n_constant: int


@torch_too
def sparse_prediction(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    max_predictors: int = 10,
    cv: CrossValidation = 5,
    groups: ArrayLike | None = None,
    random_state: RandomState = 0,
    device: str | None = None,
) -> SparsePrediction:
    """Predict each unit of Y from few units of X and score the prediction for every number of them.

    If one predictor does nearly as well as ten, units of Y have single partners in X; if R2 keeps rising,
    they correspond to groups. Predictors are chosen by the lasso (an L1 penalty on units z-scored over the
    training stimuli) at the smallest penalty that leaves at most so many, and weighted by least squares.

    Parameters
    ----------
    X : array of shape (n_stimuli, n_units_x)
        Responses that predict.
    Y : array of shape (n_stimuli, n_units_y)
        Responses to the same stimuli that are predicted.
    max_predictors : int, default=10
        The most units of X.
    cv : int or sequence of (train, test), default=5
        The number of folds, or row indices of each; at least 3 test stimuli each.
    groups : array of shape (n_stimuli,), optional
        Stimuli with equal labels are never on both sides of a fold.
    random_state : int, Generator or None, default=0
        Which stimuli are in which fold.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where the Gram matrices are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    result : SparsePrediction
        R2 on held-out stimuli by number of predictors, for each unit.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, there are NaN, a side has no unit that varies, or folds are not
        usable.

    Notes
    -----
    One path of least-angle regression per unit of Y and fold, on a Gram matrix of X that all units share.
    The lasso's own weights are shrunk, so much so with few predictors that R2 would tell of the penalty
    rather than of the units. As a control, shuffle the stimuli of X.

    References
    ----------
    Li Y et al. (2016). Convergent learning, doi:10.48550/arXiv.1511.07543. Efron B et al. (2004). Least
    angle regression, doi:10.1214/009053604000000067.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((80, 6))
    >>> Y = X[:, [0]] + X[:, [3]]
    >>> sparse_prediction(X, Y, max_predictors=3).mean_r2.round(1).tolist()
    [0.0, 0.2, 1.0, 1.0]
    """
    if max_predictors < 1:
        raise InputError(f"`max_predictors` must be at least 1, got {max_predictors}.")
    first, second = load_pair(X, Y)
    check_range("X", first)
    check_range("Y", second)
    folds = stimulus_folds(cv, len(first), groups=groups, random_state=random_state)
    n_counts = 1 + min(max_predictors, first.shape[1])
    errors, power = np.zeros((n_counts, second.shape[1])), np.zeros(second.shape[1])
    for train, test in track(folds, "sparse prediction: folds"):
        middle = second[train].mean(axis=0)
        power += ((second[test] - middle) ** 2).sum(axis=0)
        with fixed_threads(1):
            errors += _path_errors(first, second - middle, train, test, n_counts, device)
    moves = varying(second)
    r2 = np.where(power > 0, 1 - errors / np.where(power > 0, power, 1.0), np.nan)
    r2[:, ~moves] = np.nan
    scored = ~np.isnan(r2[0])
    reached = r2 >= 0.9 * r2.max(axis=0)
    fewest = np.where(scored & (np.nan_to_num(r2).max(axis=0) > 0), reached.argmax(axis=0), -1)
    return SparsePrediction(np.arange(n_counts), r2, r2[:, scored].mean(axis=1), fewest, int((~moves).sum()))


def _path_errors(X: Matrix, Y: Matrix, train: Rows, test: Rows, n_counts: int, device: str | None) -> Matrix:
    """Return the sum of squared errors on the test rows, (n_counts, n_units_y)."""
    kept = np.flatnonzero(varying(X[train]))
    seen = X[np.ix_(train, kept)]
    scale = seen.std(axis=0)
    centred = (seen - seen.mean(axis=0)) / scale
    held_out = (X[np.ix_(test, kept)] - seen.mean(axis=0)) / scale
    gram = multiply(centred.T, centred, device=device)
    covariance = multiply(centred.T, Y[train], device=device)
    errors = np.empty((n_counts, Y.shape[1]))
    # What does not vary has nothing to explain but rounding errors.
    covariance[:, ~varying(Y[train])] = 0.0
    for unit in range(Y.shape[1]):
        weights = _sparse_weights(gram, covariance[:, unit], len(train), n_counts)
        errors[:, unit] = ((Y[test, unit, None] - held_out @ weights) ** 2).sum(axis=0)
    return errors


def _sparse_weights(gram: Matrix, covariance: Matrix, n_samples: int, n_counts: int) -> Matrix:
    """Return weights of at most 0, 1, ... predictors that the lasso chose, (n_units_x, n_counts)."""
    weights = np.zeros((len(gram), n_counts))
    if not covariance.any():
        return weights
    with warnings.catch_warnings():
        # Predictors that are copies of others are dropped from the path, which is what we want.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A predictor may leave the path and come back: steps are more than predictors.
        *_, path = lars_path_gram(
            covariance, gram, n_samples=n_samples, method="lasso", max_iter=3 * n_counts, copy_Gram=True
        )
    used = np.count_nonzero(path, axis=0)
    for count in range(1, n_counts):
        chosen = np.flatnonzero(path[:, np.flatnonzero(used <= count)[-1]])
        solved = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], covariance[chosen])[0]
        weights[chosen, count] = solved
    return weights


@torch_too
def cluster_units(
    systems: Sequence[ArrayLike],
    *,
    n_clusters: int,
    affinity: Affinity = "absolute",
    random_state: RandomState = 0,
    device: str | None = None,
) -> UnitClusters:
    """Group the units of several systems by spectral clustering of their correlations.

    Many units of one system may then go with many of another: a shared subspace shows as a cluster that
    holds units of all systems, something particular to one system as a cluster of its own.

    Parameters
    ----------
    systems : sequence of arrays of shape (n_stimuli, n_units)
        Responses to the same at least 3 stimuli; numbers of units may differ.
    n_clusters : int
        How many groups, at least 2.
    affinity : {"absolute", "positive"}, default="absolute"
        ``|r|``, or r where it is above 0 and 0 elsewhere. With "absolute" units of opposite sign are alike,
        as for a readout that may take either.
    random_state : int, Generator or None, default=0
        For the starts of the clustering.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where correlations are computed; by default on the CPU, or where the tensors are.

    Returns
    -------
    clusters : UnitClusters
        Labels of all units and how many of each system every cluster holds.

    Raises
    ------
    InputError
        If there is no system, the numbers of stimuli differ, a system has no unit that varies, or
        `n_clusters` does not lie between 2 and the number of units that vary.

    Notes
    -----
    Clusters are always found, in noise too: compare `cohesion` with that of systems whose stimuli are
    shuffled, each by its own permutation. The affinity matrix has all units on both sides.

    References
    ----------
    Li Y et al. (2016). Convergent learning, doi:10.48550/arXiv.1511.07543. Ng AY, Jordan MI, Weiss Y (2001).
    On spectral clustering: analysis and an algorithm, NeurIPS 14.

    Examples
    --------
    >>> sources = np.random.default_rng(0).standard_normal((200, 2))
    >>> cluster_units([sources, sources[:, [0, 0, 1]]], n_clusters=2).counts
    array([[1, 2],
           [1, 1]])
    """
    check_option("affinity", affinity, get_args(Affinity))
    given = as_list("systems", systems)
    if len(given) == 0:
        raise InputError("`systems` is empty. Give one array of responses per system.")
    loaded = [load(f"systems[{number}]", system) for number, system in enumerate(given)]
    for number, values in enumerate(loaded):
        check_same_samples("systems[0]", loaded[0], f"systems[{number}]", values)
    owners = np.repeat(np.arange(len(loaded)), [values.shape[1] for values in loaded])
    pooled = np.concatenate(loaded, axis=1)
    kept = np.flatnonzero(varying(pooled))
    if not 2 <= n_clusters <= len(kept):
        raise InputError(
            f"`n_clusters` must lie between 2 and the number of units that vary, {len(kept)}, got "
            f"{n_clusters}."
        )
    r = correlations(pooled[:, kept], pooled[:, kept], device=device)
    likeness = np.abs(r) if affinity == "absolute" else r.clip(min=0)
    np.fill_diagonal(likeness, 1.0)
    seed = int(as_generator(random_state).integers(2**31))
    model = SpectralClustering(n_clusters, affinity="precomputed", random_state=seed, n_init=10)
    found = model.fit_predict((likeness + likeness.T) / 2)
    # Numbered by size, of equals by their first unit, so that labels say the same for the same clusters.
    sizes = np.bincount(found, minlength=n_clusters)
    starts = [np.flatnonzero(found == k)[0] if sizes[k] else len(found) for k in range(n_clusters)]
    order = np.lexsort((np.array(starts), -sizes))
    labels = np.full(len(owners), -1)
    labels[kept] = np.argsort(order)[found]
    counts = np.array(
        [np.bincount(owners[labels == k], minlength=len(loaded)) for k in range(n_clusters)], dtype=np.intp
    )
    cohesion = np.array([_mean_off_diagonal(likeness, labels[kept] == k) for k in range(n_clusters)])
    return UnitClusters(labels, owners, counts, cohesion, len(owners) - len(kept))


def _mean_off_diagonal(likeness: Matrix, members: NDArray[np.bool_]) -> float:
    n = int(members.sum())
    if n < 2:
        return float("nan")
    part = likeness[np.ix_(members, members)]
    return float((part.sum() - np.trace(part)) / (n * (n - 1)))
