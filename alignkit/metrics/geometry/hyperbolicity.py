"""How tree-like distances are: Gromov's delta-hyperbolicity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import squareform

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from .._arrays import torch_too
from .._registry import METRICS
from ..rsa.dissimilarities import rdm
from ._patterns import Floats

HyperbolicityMethod = Literal["base-point", "exact"]

# Up to so many points the exact value takes about a second; the registered metric draws subsets beyond.
_EXACT_POINTS = 200


@dataclass(frozen=True)
class Hyperbolicity:
    """How far distances are from those of a tree.

    Attributes
    ----------
    delta : float
        In the unit of the distances; 0 for a tree. Mean over draws where points were drawn.
    relative : float
        ``2 delta / diameter``, from 0 (tree) to 1, for a metric. Mean over draws.
    diameter : float
        The largest distance. Mean over draws.
    delta_sd, relative_sd : float
        Standard deviation over draws; NaN where all points were used once.
    method : str
        "exact", or "base-point": at least half of the exact value and at most it.
    n_points, n_draws : int
        Points in each draw, and draws.
    """

    delta: float
    relative: float
    diameter: float
    delta_sd: float
    relative_sd: float
    method: str
    n_points: int
    n_draws: int


@torch_too
def delta_hyperbolicity(
    distances: ArrayLike,
    *,
    method: HyperbolicityMethod = "exact",
    base: int = 0,
    n_points: int | None = None,
    n_draws: int = 10,
    random_state: RandomState = None,
) -> Hyperbolicity:
    """Measure how far distances are from those between the leaves of a tree.

    Of the three ways to pair four points, delta is half of how much the largest sum of distances exceeds the
    second largest, at the worst four points.

    Parameters
    ----------
    distances : array of shape (n_pairs,)
        A condensed RDM of at least 4 points, 0 or more. delta is a property of metrics: use "euclidean" or
        geodesic distances, not squared ones.
    method : {"exact", "base-point"}, default="exact"
        Over all quadruples, O(n^4) in the worst case (a second at 200 points, some ten at 400); or with one
        of the four points fixed, O(n^3), which gives delta_b with ``delta_b <= delta <= 2 delta_b``.
    base : int, default=0
        The fixed point of "base-point". The result depends on it.
    n_points : int, optional
        Measure random subsets of so many points, and report mean and standard deviation. A subset's delta is
        at most that of all points.
    n_draws : int, default=10
        How many subsets, at least 2.
    random_state : int or Generator, optional
        For the subsets.

    Returns
    -------
    result : Hyperbolicity
        delta, and relative to the diameter.

    Raises
    ------
    InputError
        If there are fewer than 4 points, NaN, a distance below 0, all distances are 0, or the options do not
        fit.

    References
    ----------
    Gromov M (1987). Hyperbolic groups, doi:10.1007/978-1-4613-9586-7_3. Khrulkov V et al. (2020).
    Hyperbolic image embeddings, doi:10.48550/arXiv.1904.02239. Cohen N et al. (2015). On
    computing the Gromov hyperbolicity, doi:10.1145/2780652 (the order of the search).

    Examples
    --------
    A cycle of four, and a star of four:

    >>> delta_hyperbolicity([1, 2, 1, 1, 2, 1]).delta, delta_hyperbolicity([2, 2, 2, 2, 2, 2]).delta
    (1.0, 0.0)
    """
    check_option("method", method, get_args(HyperbolicityMethod))
    square = _square(distances)
    n_all = len(square)
    drawn = n_all if n_points is None else n_points
    if not 4 <= drawn <= n_all:
        raise InputError(f"`n_points` must be from 4 to the number of points, {n_all}, got {drawn}.")
    if not 0 <= base < drawn:
        raise InputError(f"`base` must be from 0 to {drawn - 1}, the last of the points, got {base}.")
    if n_points is None:
        draws = [square]
    else:
        if n_draws < 2:
            raise InputError(f"`n_draws` must be at least 2 for a standard deviation, got {n_draws}.")
        rng = as_generator(random_state)
        subsets = (np.sort(rng.choice(n_all, drawn, replace=False)) for _ in range(n_draws))
        draws = [square[np.ix_(rows, rows)] for rows in subsets]
    deltas, diameters = [], []
    for part in track(draws, "hyperbolicity"):
        deltas.append(_exact(part) if method == "exact" else _from_base(part, base))
        diameters.append(float(part.max()))
        if diameters[-1] == 0:
            raise InputError("all distances of the points are 0: they have no diameter. Drop repeated rows.")
    relatives = 2 * np.array(deltas) / np.array(diameters)
    alone = n_points is None
    return Hyperbolicity(
        delta=float(np.mean(deltas)),
        relative=float(np.mean(relatives)),
        diameter=float(np.mean(diameters)),
        delta_sd=float("nan") if alone else float(np.std(deltas, ddof=1)),
        relative_sd=float("nan") if alone else float(np.std(relatives, ddof=1)),
        method=method,
        n_points=drawn,
        n_draws=len(draws),
    )


def _square(distances: ArrayLike) -> Floats:
    values = check_array("distances", distances, ndim=1, dtype=np.float64)
    n_points = int(round((1 + np.sqrt(1 + 8 * len(values))) / 2))
    if n_points < 4 or n_points * (n_points - 1) // 2 != len(values):
        raise InputError(
            f"`distances` must be the condensed RDM of at least 4 points (n (n - 1) / 2 values), got "
            f"{len(values)}."
        )
    if values.min() < 0:
        raise InputError(f"`distances` must be 0 or more, but the smallest is {values.min():.3g}.")
    return np.asarray(squareform(values))


def _exact(square: Floats) -> float:
    """Return delta over all quadruples, the pairs taken from the farthest on.

    The excess of two pairs' sum is at most twice the smaller of their distances (by the triangle inequality),
    so that the search ends at the first pair that is not farther than what was found.
    """
    first, second = np.triu_indices(len(square), k=1)
    far = square[first, second]
    order = np.argsort(-far, kind="stable")
    first, second, far = first[order], second[order], far[order]
    found = 0.0
    metric = _is_metric(square)
    for k in range(1, len(far)):
        if metric and far[k] <= found:
            break
        a, b, c, d = first[k], second[k], first[:k], second[:k]
        others = np.maximum(square[a][c] + square[b][d], square[a][d] + square[b][c])
        found = max(found, float((far[k] + far[:k] - others).max()) / 2)
    return found


def _is_metric(square: Floats) -> bool:
    slack = 1e-12 * square.max()
    return all(bool((row + square >= row[:, None] - slack).all()) for row in square)


def _from_base(square: Floats, base: int) -> float:
    """Return the largest violation of the four-point condition with one point fixed."""
    to_base = square[base]
    products = (to_base[:, None] + to_base - square) / 2
    found = 0.0
    for row in products:
        reached = np.minimum(row[:, None], products).max(axis=0)
        found = max(found, float((reached - row).max()))
    return found


def _of_patterns(X: ArrayLike) -> float:
    distances = rdm(X, method="euclidean")
    n_points = len(np.asarray(X))
    if n_points <= _EXACT_POINTS:
        return delta_hyperbolicity(distances).relative
    return delta_hyperbolicity(distances, n_points=_EXACT_POINTS, random_state=0).relative


def _of_rdm(distances: ArrayLike) -> float:
    n_points = len(_square(distances))
    drawn = _EXACT_POINTS if n_points > _EXACT_POINTS else None
    return delta_hyperbolicity(distances, n_points=drawn, random_state=0).relative


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "range": (0.0, float("inf")),
        "higher_is_closer": None,
        "unit": "2 delta / diameter",
        "paper": "Gromov 1987, doi:10.1007/978-1-4613-9586-7_3; Khrulkov 2020, doi:10.48550/arXiv.1904.02239",
    }
    limit = f"beyond {_EXACT_POINTS} stimuli the mean over 10 subsets of {_EXACT_POINTS}"
    METRICS.register(
        "delta-hyperbolicity",
        inputs="patterns",
        invariant_to=("permutation", "rotation", "scale", "shift", "stimulus-permutation"),
        summary=f"how far Euclidean distances are from a tree's; {limit}",
        **shared,
    )(_of_patterns)
    METRICS.register(
        "rdm-delta-hyperbolicity",
        inputs="RDM",
        invariant_to=("scale", "stimulus-permutation"),
        summary=f"how far the distances of an RDM are from a tree's; {limit}",
        **shared,
    )(_of_rdm)


_register()
