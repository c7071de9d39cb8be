"""How straight the responses to a sequence run through the space of units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.errors import InputError
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import ROUNDING
from ._patterns import Floats, load_patterns


@torch_too
def trajectory_angles(X: ArrayLike) -> NDArray[np.float64]:
    """Compute the angle between each step of a trajectory and the next.

    Parameters
    ----------
    X : array of shape (n_times, n_units)
        Responses in the order of time. A repeated frame makes no step (but for rounding) and is left out.

    Returns
    -------
    angles : ndarray of shape (n_steps - 1,)
        In degrees, from 0 (straight on) to 180 (back). n_steps counts the steps that move.

    Raises
    ------
    InputError
        If X holds NaN or no unit, or fewer than 2 steps move.

    References
    ----------
    Henaff OJ, Goris RLT, Simoncelli EP (2019), doi:10.1038/s41593-019-0377-4.

    Examples
    --------
    >>> trajectory_angles([[0, 0], [1, 0], [2, 0], [2, 1]])
    array([ 0., 90.])
    """
    steps = _steps(X)
    if len(steps) < 2:
        raise InputError(f"an angle needs at least 2 steps that move, `X` has {len(steps)}.")
    directions = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    before, after = directions[:-1], directions[1:]
    # The arc cosine loses half of the digits near 0 and 180 degrees; this form none.
    apart = np.linalg.norm(after - before, axis=1)
    along = np.linalg.norm(after + before, axis=1)
    return np.asarray(np.degrees(2 * np.arctan2(apart, along)))


@torch_too
def trajectory_curvature(X: ArrayLike) -> float:
    """Compute the mean angle between successive steps of a trajectory.

    Straightening of a layer is the curvature of the pixels less that of the layer. Unchanged by rotations,
    shifts, a common scale and the direction of time.

    Parameters
    ----------
    X : array of shape (n_times, n_units)
        See :func:`trajectory_angles`.

    Returns
    -------
    curvature : float
        In degrees, from 0 (a line) to 180. About 90 for a random walk of many units, 120 for independent
        frames: noise pulls towards 120, so that layers with different noise must not be compared.

    Raises
    ------
    InputError
        See :func:`trajectory_angles`.

    References
    ----------
    Henaff OJ, Goris RLT, Simoncelli EP (2019). Perceptual straightening of natural videos,
    doi:10.1038/s41593-019-0377-4. (Perceptual curvature is inferred there by a model of the observer, not
    by this formula.)

    Examples
    --------
    >>> turns = np.arange(24) * 2 * np.pi / 24
    >>> round(trajectory_curvature(np.stack([np.cos(turns), np.sin(turns)], axis=1)), 6)
    15.0
    """
    return float(np.mean(np.asarray(trajectory_angles(X))))


@torch_too
def trajectory_straightness(X: ArrayLike) -> float:
    """Compute the distance from the first to the last point over the length of the way.

    Parameters
    ----------
    X : array of shape (n_times, n_units)
        See :func:`trajectory_angles`.

    Returns
    -------
    straightness : float
        From 0 (back at the start) to 1 (a line). It falls with the number of frames; compare equal ones.

    Raises
    ------
    InputError
        If X holds NaN or no unit, or never moves.

    Examples
    --------
    >>> trajectory_straightness([[0, 0], [3, 0], [3, 4]])
    0.7142857142857143
    """
    steps = _steps(X)
    if len(steps) == 0:
        raise InputError("all rows of `X` are equal: a trajectory that never moves has no straightness.")
    way = np.linalg.norm(steps, axis=1).sum()
    # Rounding can leave a line a hair longer than its way.
    return float(min(np.linalg.norm(steps.sum(axis=0)) / way, 1.0))


def _steps(X: ArrayLike) -> Floats:
    """Return the steps that move, in units of the largest coordinate of one."""
    patterns = load_patterns(X, min_rows=2)
    steps = np.diff(patterns, axis=0)
    # A step by the rounding of the places it joins has no direction.
    reach = ROUNDING * np.maximum(np.abs(patterns[1:]), np.abs(patterns[:-1]))
    steps = steps[(np.abs(steps) > reach).any(axis=1)]
    return np.asarray(steps / np.abs(steps).max()) if len(steps) else steps


def _register() -> None:
    shared = {
        "kind": "statistic",
        "inputs": "trajectory",
        "higher_is_closer": None,
        "invariant_to": ("permutation", "rotation", "scale", "shift", "time-reversal"),
        "paper": "Henaff et al. 2019, doi:10.1038/s41593-019-0377-4",
    }
    METRICS.register(
        "trajectory-curvature",
        range=(0.0, 180.0),
        unit="degrees",
        summary="mean angle between successive steps; 0 is straight, independent frames 120",
        **shared,
    )(trajectory_curvature)
    METRICS.register(
        "trajectory-straightness",
        range=(0.0, 1.0),
        unit="ratio",
        summary="distance from first to last response over the length of the way",
        **shared,
    )(trajectory_straightness)


_register()
