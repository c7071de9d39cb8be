"""Betti curves: how many classes are alive at each scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from .._arrays import torch_too
from .diagrams import check_diagram

Floats = NDArray[np.float64]


@torch_too
def betti_curve(diagram: ArrayLike, scales: ArrayLike) -> NDArray[np.int64]:
    """Count the bars that are alive at each scale: born at or before it, dead after it.

    Parameters
    ----------
    diagram : array of shape (n_bars, 2)
        Birth and death of the bars of one dimension; death may be inf.
    scales : array of shape (n_scales,)
        Where to count, in the unit of the diagram.

    Returns
    -------
    counts : ndarray of shape (n_scales,)
        Integers, 0 or more.

    Raises
    ------
    InputError
        For an array that is not a diagram, or scales that are not finite.

    References
    ----------
    Giusti C et al. (2015), doi:10.1073/pnas.1506407112.

    Examples
    --------
    >>> betti_curve([[0.0, 1.0], [0.5, 2.0]], [0.0, 0.5, 1.0, 2.0]).tolist()
    [1, 2, 1, 0]
    """
    bars = check_diagram("diagram", diagram)
    where = check_array("scales", scales, ndim=1, dtype=np.float64)
    born = np.searchsorted(np.sort(bars[:, 0]), where, side="right")
    dead = np.searchsorted(np.sort(bars[:, 1]), where, side="right")
    return np.asarray(born - dead, dtype=np.int64)


@torch_too
def betti_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Compute the area between the Betti curves of two diagrams, exactly.

    Parameters
    ----------
    a, b : array of shape (n_bars, 2)
        Birth and death of the bars of one dimension; death may be inf.

    Returns
    -------
    area : float
        0 or more, in the unit of the scale; 0 for equal curves, which different diagrams can have. inf
        where the numbers of bars that never die differ.

    Raises
    ------
    InputError
        For arrays that are not diagrams.

    Notes
    -----
    Obeys the triangle inequality. Each bar that is moved changes the area by at most the sum of what its two
    ends move, so that it is at most twice the first Wasserstein distance with the "chebyshev" ground.

    References
    ----------
    Giusti C et al. (2015). Clique topology reveals intrinsic geometric structure in neural correlations.
    PNAS, doi:10.1073/pnas.1506407112 (Betti curves).

    Examples
    --------
    >>> round(betti_distance([[0.0, 1.0]], [[0.0, 1.5], [0.2, 0.4]]), 6)
    0.7
    """
    first, second = check_diagram("a", a), check_diagram("b", b)
    if np.isinf(first[:, 1]).sum() != np.isinf(second[:, 1]).sum():
        return float("inf")
    ends = np.concatenate([first[:, 0], second[:, 1], first[:, 1], second[:, 0]])
    steps = np.repeat([1, -1], [len(first) + len(second)] * 2)
    finite = np.isfinite(ends)
    order = np.argsort(ends[finite], kind="stable")
    difference = np.cumsum(steps[finite][order])
    return float((np.abs(difference[:-1]) * np.diff(ends[finite][order])).sum())
