"""Stochastic shape distances: how far two noisy systems are apart under the best rotation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.random import RandomState
from ..._core.threads import fixed_threads
from .._arrays import torch_too
from .._registry import METRICS
from ._clouds import triangle
from ._energy_shape import energy_squared_distance
from ._gaussian_shape import gaussian_squared_distance, roots_of_trials
from ._rotation_search import Search

StochasticKind = Literal["energy", "gaussian"]
Floats = NDArray[np.float64]

# Matrices up to this size are quicker on one thread.
_SMALL = 256


@torch_too
def stochastic_shape_distance(
    X_trials: ArrayLike,
    Y_trials: ArrayLike,
    *,
    kind: StochasticKind = "gaussian",
    alpha: float = 1.0,
    shrinkage: float = 0.0,
    center: bool = True,
    squared: bool = False,
    n_restarts: int = 12,
    max_iter: int = 1000,
    tol: float = 1e-9,
    random_state: RandomState = 0,
) -> float:
    """Compute the distance of two systems with repeated noisy responses, under the best rotation.

    One rotation T of units for all stimuli; the mean over stimuli of a distance between distributions.
    "gaussian": ``d^2 = min_T mean_i alpha ||m_i - T'n_i||^2 + (2 - alpha) B^2(S_i, T'R_i T)`` with means m
    and n, covariances S and R over repeats and the Bures distance
    ``B^2(S, R) = tr S + tr R - 2 tr (S^1/2 R S^1/2)^1/2``.
    "energy": ``d^2 = min_T mean_i E||x - T'y|| - E||x - x'|| / 2 - E||y - y'|| / 2`` over pairs of trials of
    stimulus i, with no assumption about the distributions.

    Parameters
    ----------
    X_trials : array of shape (n_repeats_x, n_stimuli, n_units_x)
        Single trials; at least 2 repeats.
    Y_trials : array of shape (n_repeats_y, n_stimuli, n_units_y)
        Trials of the same stimuli in the same order. Numbers of repeats and of units may differ; the narrower
        side gets units that are always 0.
    kind : {"gaussian", "energy"}, default="gaussian"
        See above.
    alpha : float, default=1.0
        For "gaussian", from 0 (covariances only) over 1 (2-Wasserstein distance) to 2 (means only, twice the
        squared deterministic distance).
    shrinkage : float, default=0.0
        For "gaussian", in [0, 1]: the share of each covariance that is replaced by the mean covariance of all
        stimuli of that system; the same for both.
    center : bool, default=True
        Take the mean over stimuli and repeats off each unit first.
    squared : bool, default=False
        Return d^2. The energy distance squared is unbiased by the number of repeats for a fixed rotation and
        can be below 0, where its root is given as 0: average squares, not roots.
    n_restarts : int, default=12
        Random rotations to start from, besides the one that aligns the means; rounded up to fours. There are
        local minima, more so with small `alpha` and unlike systems.
    max_iter : int, default=1000
        Steps at most from the best start.
    tol : float, default=1e-9
        The search ends where two steps in a row gain less than this share of the squared distance (with
        "energy", of its first term).
    random_state : int, Generator or None, default=0
        For the restarts.

    Returns
    -------
    distance : float
        0 or more; the best of all starts, an upper bound of the minimum. Units of the responses for
        "gaussian", their root for "energy".

    Raises
    ------
    InputError
        If there are fewer than 2 repeats, fewer than 2 stimuli with `center`, numbers of stimuli differ, or
        an option is out of its range or belongs to the other kind.

    Warns
    -----
    UserWarning
        If the search was still improving after `max_iter` steps.

    Notes
    -----
    Both are metrics between distributions. Estimates from few trials keep the triangle inequality with
    "gaussian", up to the search; with "energy" unbiased squares can break it.
    With fewer repeats than units, covariances are too thin and their distance has a floor well above 0 for
    repeats of one and the same system. Measure it: split the repeats of a system in two halves, and use the
    distance between these beside the distance to another system of as many repeats. `shrinkage` lowers it.
    A step costs O(n_stimuli r^2 (p + r) + p^3) for r the smaller of repeats and units, p units; reduce
    thousands of units first. Each step minimises a bound of the objective that touches it, with momentum that
    is dropped where it would raise the cost. At `alpha` 1 and above the default starts agree with 60 in
    nearly all of our trials; at 0, of unlike systems, they end up to a tenth above.

    References
    ----------
    Duong LR, Zhou J, Nassar J, Berman J, Olieslagers J, Williams AH (2023). Representational dissimilarity
    metric spaces for stochastic neural networks, doi:10.48550/arXiv.2211.11665.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((10, 5, 3))
    >>> round(stochastic_shape_distance(X, X[:, :, ::-1] + 1.0), 6)
    0.0
    """
    check_option("kind", kind, get_args(StochasticKind))
    search = Search(n_restarts, max_iter, tol, random_state)
    _check(kind, alpha, shrinkage, search)
    trials = [_trials(name, X, center) for name, X in (("X_trials", X_trials), ("Y_trials", Y_trials))]
    _check_stimuli("X_trials", trials[0].shape[1], "Y_trials", trials[1].shape[1])
    with _threads(trials):
        if kind == "energy":
            x, y = _common_dims(*(_frame(np.swapaxes(values, 0, 1), n_restarts > 0) for values in trials))
            found = energy_squared_distance(x, y, search)
        else:
            means = [values.mean(axis=0) for values in trials]
            found = _gaussian(means, [roots_of_trials(values, shrinkage) for values in trials], alpha, search)
    return found if squared else float(np.sqrt(max(found, 0.0)))


@torch_too
def gaussian_shape_distance(
    means_x: ArrayLike,
    covs_x: ArrayLike,
    means_y: ArrayLike,
    covs_y: ArrayLike,
    *,
    alpha: float = 1.0,
    center: bool = True,
    n_restarts: int = 12,
    max_iter: int = 1000,
    tol: float = 1e-9,
    random_state: RandomState = 0,
) -> float:
    """Compute the "gaussian" :func:`stochastic_shape_distance` from means and covariances.

    Parameters
    ----------
    means_x : array of shape (n_stimuli, n_units_x)
        Mean responses.
    covs_x : array of shape (n_stimuli, n_units_x, n_units_x)
        Covariances of the responses to each stimulus.
    means_y, covs_y : arrays of shape (n_stimuli, n_units_y) and (n_stimuli, n_units_y, n_units_y)
        The same of the other system.
    alpha, center, n_restarts, max_iter, tol, random_state
        See :func:`stochastic_shape_distance`.

    Returns
    -------
    distance : float
        See :func:`stochastic_shape_distance`.

    Raises
    ------
    InputError
        If shapes do not match, or a covariance is not symmetric or has clearly negative eigenvalues.

    Warns
    -----
    UserWarning
        If the search was still improving after `max_iter` steps.

    References
    ----------
    Duong LR et al. (2023), doi:10.48550/arXiv.2211.11665.

    Examples
    --------
    >>> means, cov = np.zeros((2, 2)), np.diag([1.0, 4.0])
    >>> round(gaussian_shape_distance(means, [cov, cov], means, [np.diag([9.0, 1.0])] * 2) ** 2, 6)
    1.0
    """
    search = Search(n_restarts, max_iter, tol, random_state)
    _check("gaussian", alpha, 0.0, search)
    means, roots = [], []
    for side, mean, cov in (("x", means_x, covs_x), ("y", means_y, covs_y)):
        values = check_array(f"means_{side}", mean, ndim=2, dtype=np.float64, min_rows=2 if center else 1)
        means.append(values - values.mean(axis=0) if center else values)
        roots.append(_roots_of_covariances(f"covs_{side}", cov, values))
    _check_stimuli("means_x", len(means[0]), "means_y", len(means[1]))
    with _threads(means):
        return float(np.sqrt(max(_gaussian(means, roots, alpha, search), 0.0)))


def _check(kind: StochasticKind, alpha: float, shrinkage: float, search: Search) -> None:
    search.check()
    if kind == "energy" and (alpha != 1 or shrinkage != 0):
        raise InputError(
            f"`alpha` and `shrinkage` are for kind 'gaussian', got {alpha:g} and {shrinkage:g} with 'energy'."
        )
    if not 0 <= alpha <= 2:
        raise InputError(f"`alpha` goes from 0 (covariances) over 1 to 2 (means), got {alpha:g}.")
    if not 0 <= shrinkage <= 1:
        raise InputError(f"`shrinkage` is a share from 0 to 1, got {shrinkage:g}.")


def _check_stimuli(name_x: str, n_x: int, name_y: str, n_y: int) -> None:
    if n_x != n_y:
        raise InputError(
            f"`{name_x}` and `{name_y}` must hold the same stimuli, got {n_x} and {n_y}. Select the "
            "shared ones."
        )


def _trials(name: str, X: ArrayLike, center: bool) -> Floats:
    """Return checked trials (n_repeats, n_stimuli, n_units)."""
    values = check_array(name, X, ndim=3, dtype=np.float64)
    n_repeats, n_stimuli, n_units = values.shape
    if n_repeats < 2 or n_stimuli < (2 if center else 1) or n_units < 1:
        raise InputError(
            f"`{name}` must be (n_repeats, n_stimuli, n_units) with at least 2 repeats and "
            f"{'2 stimuli (to be centred)' if center else '1 stimulus'}, got shape {values.shape}."
        )
    return values - values.mean(axis=(0, 1)) if center else values


def _roots_of_covariances(name: str, covs: ArrayLike, means: Floats) -> Floats:
    values = check_array(name, covs, ndim=3, dtype=np.float64)
    if values.shape != (*means.shape, means.shape[1]):
        raise InputError(
            f"`{name}` must hold one covariance per stimulus, {(*means.shape, means.shape[1])}, "
            f"got shape {values.shape}."
        )
    largest = np.abs(values).max()
    if np.abs(values - np.swapaxes(values, 1, 2)).max() > 1e-8 * largest:
        raise InputError(f"`{name}` must hold symmetric matrices. Average each with its transpose.")
    spectra, vectors = np.linalg.eigh(values)
    if spectra.min() < -1e-8 * largest:
        raise InputError(
            f"`{name}` must hold covariances, but the smallest eigenvalue is {spectra.min():.3g}. Shrink "
            "them towards a positive definite matrix."
        )
    return np.asarray(np.sqrt(np.maximum(spectra, 0))[:, :, None] * np.swapaxes(vectors, 1, 2))


def _gaussian(means: list[Floats], roots: list[Floats], alpha: float, search: Search) -> float:
    framed = [
        _frame(np.concatenate([mean[:, None, :], root], axis=1), search.n_restarts > 0)
        for mean, root in zip(means, roots, strict=True)
    ]
    x, y = _common_dims(*framed)
    centres, spreads = (x[:, 0], y[:, 0]), (x[:, 1:], y[:, 1:])
    return gaussian_squared_distance(centres, spreads, alpha, search)


def _frame(values: Floats, principal: bool) -> Floats:
    """Return (n_stimuli, n_rows, n_units) in no more dimensions than there are rows in all.

    In the system's own principal axes, random starts mean the same however the units were rotated before.
    """
    # (n_stimuli * n_rows, n_units)
    flat = values.reshape(-1, values.shape[2])
    if flat.shape[1] > len(flat):
        flat = triangle(flat.T).T
    if not principal:
        return flat.reshape(*values.shape[:2], -1)
    turned: Floats = flat @ np.linalg.eigh(flat.T @ flat)[1][:, ::-1]
    turned *= np.where((turned * turned * turned).sum(axis=0) < 0, -1.0, 1.0)
    return turned.reshape(*values.shape[:2], -1)


def _common_dims(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    width = max(x.shape[2], y.shape[2])
    wide_x, wide_y = (np.pad(side, ((0, 0), (0, 0), (0, width - side.shape[2]))) for side in (x, y))
    return wide_x, wide_y


def _threads(sides: list[Floats]) -> AbstractContextManager[None]:
    widest = max(side.shape[-1] for side in sides)
    return fixed_threads(1) if widest <= _SMALL else nullcontext()


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "distance",
        "inputs": "repeats",
        "range": (0.0, float("inf")),
        "higher_is_closer": False,
        "invariant_to": ("permutation", "rotation", "shift", "stimulus-permutation", "symmetry"),
        "paper": "Duong et al. 2023, doi:10.48550/arXiv.2211.11665",
    }
    METRICS.register(
        "gaussian-stochastic-shape",
        unit="unit of the responses",
        summary="2-Wasserstein distance of repeated responses, taken for Gaussian, under the best rotation",
        **shared,
    )(partial(stochastic_shape_distance, kind="gaussian"))
    METRICS.register(
        "energy-stochastic-shape",
        unit="root of the unit of the responses",
        summary="energy distance of single trials under the best rotation",
        **shared,
    )(partial(stochastic_shape_distance, kind="energy"))


_register()
