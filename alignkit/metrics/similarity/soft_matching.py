"""Soft matching: how well the units of two systems go together one by one, whatever their numbers."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_option, check_same_samples
from .._arrays import torch_too
from .._registry import METRICS
from ._clouds import Matrix, centred
from ._unit_transport import Plan, plan_distance, shares, without_constant

MatchBy = Literal["correlation", "distance"]


@torch_too
def soft_matching_distance(X: ArrayLike, Y: ArrayLike) -> float:
    """Compute the optimal transport distance between the units of two systems.

    ``d^2 = min_P sum_ij P_ij ||x_i - y_j||^2`` over non-negative P whose rows sum to 1 / n_units_x and
    columns to 1 / n_units_y, with x_i and y_j the centred responses of single units. With equal numbers of
    units this is the best permutation. It does change with rotations: single units and their tuning matter.

    Parameters
    ----------
    X : array of shape (n_samples, n_units_x)
        Responses, one row per sample.
    Y : array of shape (n_samples, n_units_y)
        Responses to the same samples in the same order.

    Returns
    -------
    distance : float
        0 or more, in units of the responses (root of summed squares over samples); a metric. Copies of all
        units of a side change nothing.

    Raises
    ------
    InputError
        If the numbers of samples differ, or all units of a side are constant.

    Warns
    -----
    UserWarning
        If constant units are left out; the message counts them.

    Notes
    -----
    Exact: network simplex, or the assignment problem for equal numbers of units; no entropic smoothing.
    Roughly cubic in the number of units: minutes for several thousand.

    References
    ----------
    Khosla M, Williams AH (2024). Soft matching distance: a metric on neural representations that captures
    single-neuron tuning, doi:10.48550/arXiv.2311.09466, eq. 5.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    >>> soft_matching_distance(X, np.concatenate([X[:, ::-1], X], axis=1))
    0.0
    """
    (first, _), (second, _) = _sides(X, Y, "distance")
    return float(np.sqrt(plan_distance(first, second, shares(first.T @ second))))


@torch_too
def soft_matching_score(X: ArrayLike, Y: ArrayLike) -> float:
    """Compute the mean correlation between units that are matched by optimal transport.

    ``max_P sum_ij P_ij corr(x_i, y_j)``, P as in :func:`soft_matching_distance`; for units of norm 1 this is
    ``1 - d^2 / 2``.

    Parameters
    ----------
    X : array of shape (n_samples, n_units_x)
        Responses, one row per sample.
    Y : array of shape (n_samples, n_units_y)
        Responses to the same samples in the same order.

    Returns
    -------
    similarity : float
        In [-1, 1]; 1 where the units are the same up to scale. A maximum over matchings: unrelated units
        score above 0. For an unbiased score take the plan of some samples (:func:`soft_matching_plan`) to the
        correlations over others.

    Raises
    ------
    InputError
        See :func:`soft_matching_distance`.

    Warns
    -----
    UserWarning
        See :func:`soft_matching_distance`.

    References
    ----------
    Khosla M, Williams AH (2024), doi:10.48550/arXiv.2311.09466.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    >>> round(soft_matching_score(X, 3.0 * X[:, ::-1]), 6)
    1.0
    """
    (first, _), (second, _) = _sides(X, Y, "correlation")
    overlap = first.T @ second
    plan = shares(overlap)
    return float(overlap[plan.rows, plan.columns] @ plan.weights)


@torch_too
def soft_matching_plan(X: ArrayLike, Y: ArrayLike, *, by: MatchBy = "correlation") -> NDArray[np.float64]:
    """Return which unit goes with which, and with what share.

    Parameters
    ----------
    X : array of shape (n_samples, n_units_x)
        Responses, one row per sample.
    Y : array of shape (n_samples, n_units_y)
        Responses to the same samples in the same order.
    by : {"correlation", "distance"}, default="correlation"
        The plan of :func:`soft_matching_score` or of :func:`soft_matching_distance`.

    Returns
    -------
    plan : ndarray of shape (n_units_x, n_units_y)
        Sums to 1; all units that vary have the same share, constant ones have none.

    Raises
    ------
    InputError
        See :func:`soft_matching_distance`.

    Warns
    -----
    UserWarning
        See :func:`soft_matching_distance`.

    References
    ----------
    Khosla M, Williams AH (2024), doi:10.48550/arXiv.2311.09466.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    >>> soft_matching_plan(X, X[:, ::-1])
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    check_option("by", by, get_args(MatchBy))
    (first, rows), (second, columns) = _sides(X, Y, by)
    plan: Plan = shares(first.T @ second)
    whole = np.zeros((np.shape(X)[1], np.shape(Y)[1]))
    whole[rows[plan.rows], columns[plan.columns]] = plan.weights
    return whole


def _sides(X: ArrayLike, Y: ArrayLike, by: MatchBy) -> list[tuple[Matrix, NDArray[np.intp]]]:
    values = centred("X", X), centred("Y", Y)
    check_same_samples("X", values[0], "Y", values[1])
    sides = [without_constant(name, side) for name, side in zip("XY", values, strict=True)]
    if by == "distance":
        return sides
    return [(side / np.linalg.norm(side, axis=0), kept) for side, kept in sides]


def _register() -> None:
    everywhere = ("permutation", "shift", "stimulus-permutation", "symmetry")
    khosla = "Khosla & Williams 2024, doi:10.48550/arXiv.2311.09466"
    METRICS.register(
        "soft-matching",
        kind="distance",
        inputs="responses",
        range=(0.0, float("inf")),
        higher_is_closer=False,
        invariant_to=everywhere,
        unit="root of summed squares",
        paper=khosla,
        summary="optimal transport distance between single units; a metric that sees their tuning",
    )(soft_matching_distance)
    METRICS.register(
        "soft-matching-correlation",
        kind="similarity",
        inputs="responses",
        range=(-1.0, 1.0),
        higher_is_closer=True,
        invariant_to=(*everywhere, "scale", "unit-scale"),
        unit="correlation",
        paper=khosla,
        summary="mean correlation of units matched by optimal transport; above 0 for unrelated units",
    )(soft_matching_score)


_register()
