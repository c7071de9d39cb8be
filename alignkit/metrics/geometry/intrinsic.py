"""How many coordinates the responses locally need: intrinsic dimension from nearest neighbours."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import equal_rows
from ._patterns import Floats, load_patterns

IntrinsicDimensionMethod = Literal["mle", "mle-mean", "two-nn", "two-nn-slope"]

# Elements of a block of distances: 32 MiB.
_BLOCK_ELEMENTS = 2**22


@torch_too
def intrinsic_dimension(
    X: ArrayLike,
    *,
    method: IntrinsicDimensionMethod = "two-nn",
    neighbours: tuple[int, int] = (10, 20),
    discard: float = 0.1,
    device: str | None = None,
) -> float:
    """Estimate how many coordinates describe the responses locally.

    With r_k the distance of a response to its k-th nearest neighbour:

    - ``"two-nn"``: ``(n - 1) / sum ln(r_2 / r_1)``, from the two nearest only: the finest scale.
    - ``"two-nn-slope"``: the same law fitted as a line through the origin to the distribution of
      ``ln(r_2 / r_1)``, without its upper tail.
    - ``"mle"``: maximum likelihood from k neighbours, ``1 / mean ln(r_k / r_j)``, with the inverses averaged
      over responses (MacKay and Ghahramani), then averaged over k.
    - ``"mle-mean"``: the same with the estimates themselves averaged (Levina and Bickel), which is too high.

    Unchanged by rotations, shifts and a common scale.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses, one row per stimulus. Repeated rows count once.
    method : str, default="two-nn"
        See above.
    neighbours : (int, int), default=(10, 20)
        Least and greatest k of "mle" and "mle-mean".
    discard : float, default=0.1
        Share of the largest ratios that "two-nn-slope" leaves out.
    device : str, optional
        Where the products are computed.

    Returns
    -------
    dimension : float
        Above 0.

    Raises
    ------
    InputError
        If X holds NaN, has no units, too few different rows, or neighbours that are all equally far (points
        of a grid, one-hot codes), which no dimension explains.

    Notes
    -----
    Estimates are too low near edges, the more the higher the dimension: 2,000 uniform points of a cube of 1,
    2, 5, 10 dimensions give 1.02, 1.98, 4.74, 8.20 ("two-nn") and 1.00, 1.95, 4.51, 8.27 ("mle"). Noise
    raises them at small scales; see whether the number holds when samples are left out. O(n^2 p) in blocks
    of bounded memory; candidates come from products, their distances from differences.

    References
    ----------
    Facco E et al. (2017), doi:10.1038/s41598-017-11873-y (TwoNN). Levina E, Bickel PJ (2004). Maximum
    likelihood estimation of intrinsic dimension, NeurIPS 17. MacKay DJC, Ghahramani Z (2005). Comments on
    'Maximum likelihood estimation of intrinsic dimension', inference.org.uk/mackay/dimension.

    Examples
    --------
    >>> angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 500)
    >>> round(intrinsic_dimension(np.stack([np.cos(angle), np.sin(angle)], axis=1)), 1)
    1.0
    """
    check_option("method", method, get_args(IntrinsicDimensionMethod))
    if not 0 <= discard < 1:
        raise InputError(f"`discard` must be 0 or more and below 1, got {discard:g}.")
    least, most = neighbours if method.startswith("mle") else (2, 2)
    if not 2 <= least <= most:
        raise InputError(f"`neighbours` must be (least, most) with 2 <= least <= most, got {neighbours}.")
    patterns = load_patterns(X, min_rows=1)
    # Equal rows would be neighbours at distance 0, which the laws do not know.
    points = np.unique(patterns + 0.0, axis=0)
    if equal_rows(patterns, patterns - patterns.mean(axis=0)):
        points = points[:1]
    if len(points) <= most:
        raise InputError(
            f"method {method!r} needs more than {most} different rows, got {len(points)} of {len(patterns)}. "
            + ("Give fewer `neighbours`, or more samples." if most > 2 else "Give more samples.")
        )
    distances = nearest_distances(points, most, device=device)
    if method == "two-nn":
        return _two_nn(distances)
    if method == "two-nn-slope":
        return _two_nn_slope(distances, discard)
    return _likelihood(distances, least, average_inverses=method == "mle")


def nearest_distances(points: Floats, n_neighbours: int, *, device: str | None = None) -> Floats:
    """Return the distances of each row to its nearest other rows, nearest first.

    For rows that are all different; unchecked.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_units)
        float64.
    n_neighbours : int
        Fewer than n_points.
    device : str, optional
        Where the products are computed.

    Returns
    -------
    distances : ndarray of shape (n_points, n_neighbours)
        Euclidean, each from a difference of rows.
    """
    shifted = points - points.mean(axis=0)
    # Squares of very small or large numbers would leave the range of float64.
    scale = np.abs(shifted).max()
    shifted /= scale
    norms = np.einsum("ij,ij->i", shifted, shifted)
    n_points, n_units = shifted.shape
    # The differences of the candidates hold n_neighbours * n_units elements a row.
    step = max(1, _BLOCK_ELEMENTS // max(n_points, n_neighbours * n_units))
    found = np.empty((n_points, n_neighbours))
    for start in track(range(0, n_points, step), "nearest neighbours"):
        rows = np.arange(start, min(start + step, n_points))
        squared = norms[rows, None] + norms - 2 * multiply(shifted[rows], shifted.T, device=device)
        squared[np.arange(len(rows)), rows] = np.inf
        near = np.argpartition(squared, n_neighbours - 1, axis=1)[:, :n_neighbours]
        furthest = np.take_along_axis(squared, near, axis=1).max(axis=1)
        differences = (points[near] - points[rows, None]) / scale
        found[rows] = np.sqrt(np.einsum("ikj,ikj->ik", differences, differences))
        # Where the products cancel, they cannot tell which rows are near.
        for row in np.flatnonzero(furthest < 1e-8 * norms.max()):
            exact = np.linalg.norm((points - points[rows[row]]) / scale, axis=1)
            exact[rows[row]] = np.inf
            found[rows[row]] = np.partition(exact, n_neighbours - 1)[:n_neighbours]
    return np.asarray(np.sort(found, axis=1) * scale)


def _two_nn(distances: Floats) -> float:
    total = float(np.log(distances[:, 1] / distances[:, 0]).sum())
    _refuse_equal(total)
    return (len(distances) - 1) / total


def _two_nn_slope(distances: Floats, discard: float) -> float:
    ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    n_points = len(ratios)
    # The last one's empirical distribution is 1, which has no logarithm.
    kept = min(int(n_points * (1 - discard)), n_points - 1)
    x = ratios[:kept]
    y = -np.log1p(-np.arange(1, kept + 1) / n_points)
    _refuse_equal(float(x @ x))
    return float(x @ y) / float(x @ x)


def _likelihood(distances: Floats, least: int, *, average_inverses: bool) -> float:
    logs = np.log(distances)
    summed = np.cumsum(logs, axis=1)
    estimates = []
    for k in range(least, distances.shape[1] + 1):
        inverse = logs[:, k - 1] - summed[:, k - 2] / (k - 1)
        averaged = inverse.mean(keepdims=True) if average_inverses else inverse
        _refuse_equal(float(averaged.min()))
        estimates.append(float(np.mean(1 / averaged)))
    return float(np.mean(estimates))


def _refuse_equal(divisor: float) -> None:
    if divisor <= 1e-12:
        raise InputError(
            "neighbours are equally far (points of a grid, one-hot codes), so that no dimension explains "
            "their distances. Measure continuous responses."
        )


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "patterns",
        "range": (0.0, float("inf")),
        "higher_is_closer": None,
        "invariant_to": ("permutation", "rotation", "scale", "shift", "stimulus-permutation"),
        "unit": "dimensions",
    }
    METRICS.register(
        "two-nn-dimension",
        paper="Facco et al. 2017, doi:10.1038/s41598-017-11873-y",
        summary="intrinsic dimension from the two nearest neighbours",
        **shared,
    )(intrinsic_dimension)
    METRICS.register(
        "mle-dimension",
        paper="Levina E, Bickel PJ 2004, NeurIPS 17; MacKay DJC, Ghahramani Z 2005 (averaged inverses)",
        summary="intrinsic dimension by maximum likelihood from 10 to 20 neighbours",
        **shared,
    )(partial(intrinsic_dimension, method="mle"))


_register()
