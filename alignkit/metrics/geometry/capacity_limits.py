"""Capacities that are known in closed form: of points and of spheres."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import chi

from ..._core.errors import InputError


def point_capacity(margin: float = 0.0) -> float:
    """Compute how many random points per dimension a hyperplane can split at will (Gardner's capacity).

    ``1 / E[(t + margin)^2, t > -margin]`` for a standard normal t.

    Parameters
    ----------
    margin : float, default=0.0
        Least distance of the points from the hyperplane, 0 or more, in units of which a random weight
        vector's projections have variance 1.

    Returns
    -------
    capacity : float
        Points per dimension; 2 without margin, falling with it.

    Raises
    ------
    InputError
        If the margin is below 0 or not finite.

    References
    ----------
    Gardner E (1988). The space of interactions in neural network models, doi:10.1088/0305-4470/21/1/030.

    Examples
    --------
    >>> point_capacity(), round(point_capacity(1.0), 6)
    (2.0, 0.519572)
    """
    _check_margin(margin)
    density = np.exp(-(margin**2) / 2) / np.sqrt(2 * np.pi)
    return float(1 / ((1 + margin**2) * ndtr(margin) + margin * density))


def sphere_capacity(radius: float, dimension: int, *, margin: float = 0.0) -> float:
    """Compute how many random spheres per dimension a hyperplane can split at will.

    Exact for many spheres in many dimensions; the reference for :func:`manifold_capacity` on sampled ones.

    Parameters
    ----------
    radius : float
        Over the length of the centre, 0 or more.
    dimension : int
        Of the subspace that a sphere fills, 1 or more (1: two points; 2: a circle).
    margin : float, default=0.0
        See :func:`point_capacity`.

    Returns
    -------
    capacity : float
        Spheres per dimension. For large spheres near ``(1 + radius^-2) / dimension``.

    Raises
    ------
    InputError
        If the radius or the margin is below 0 or not finite, or the dimension is below 1.

    Notes
    -----
    The average squared distance of a normal vector from a circular cone, by one numerical integral.

    References
    ----------
    Chung S, Lee DD, Sompolinsky H (2018). Classification and geometry of general perceptual manifolds,
    doi:10.1103/PhysRevX.8.031003.

    Examples
    --------
    >>> round(sphere_capacity(1.0, 5), 5)
    0.33333
    """
    _check_margin(margin)
    if not 0 <= radius < np.inf or dimension < 1:
        raise InputError(
            f"`radius` must be 0 or more and finite, `dimension` 1 or more, got {radius:g} and {dimension}."
        )
    if radius == 0:
        return point_capacity(margin)

    def cost(length: float) -> float:
        apex, edge = -length / radius, radius * length
        below = _moments(-np.inf, apex, margin)
        beside = _moments(apex, edge, margin)
        to_apex = length**2 * below[0] + below[2]
        to_side = (edge**2 * beside[0] - 2 * edge * beside[1] + beside[2]) / (1 + radius**2)
        return float((to_apex + to_side) * chi.pdf(length, dimension))

    typical = np.sqrt(dimension)
    mean = quad(cost, 0, typical)[0] + quad(cost, typical, typical + 12)[0]
    return float(1 / mean)


def _check_margin(margin: float) -> None:
    if not 0 <= margin < np.inf:
        raise InputError(f"`margin` must be 0 or more and finite, got {margin:g}.")


def _moments(low: float, high: float, margin: float) -> tuple[float, float, float]:
    """Return the integrals of 1, u and u^2 from low to high under the density of a normal t = u + margin."""
    ends = np.array([low, high]) + margin
    density = np.exp(-(ends**2) / 2) / np.sqrt(2 * np.pi)
    finite = np.where(np.isfinite(ends), ends, 0.0)
    zeroth = ndtr(ends[1]) - ndtr(ends[0])
    first = density[0] - density[1]
    second = zeroth + finite[0] * density[0] - finite[1] * density[1]
    return (
        float(zeroth),
        float(first - margin * zeroth),
        float(second - 2 * margin * first + margin**2 * zeroth),
    )
