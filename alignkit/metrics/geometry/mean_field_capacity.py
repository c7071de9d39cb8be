"""Mean-field capacity, radius and dimension of the manifolds that classes of responses form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ..._core.threads import fixed_threads
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import equal_rows
from ._centre_structure import mean_centre_cosine, shared_directions
from ._patterns import Floats, load_labelled

# Beyond it moves are so long that their squares lose what the points add.
_LARGEST_MARGIN = 1e6


@dataclass(frozen=True)
class ManifoldCapacity:
    """Capacity, radius and dimension of manifolds.

    Attributes
    ----------
    capacity : float
        Manifolds per dimension that a hyperplane can split at will; the harmonic mean of `capacities`. 2 for
        points; lower is more tangled.
    capacity_error : float
        Its standard error from the sampling of directions (not of the manifolds or of their points).
    radius, dimension : float
        Means over manifolds.
    names : tuple
        The classes, sorted; the order of the next three.
    capacities, radii, dimensions : ndarray of shape (n_manifolds,)
        Of each manifold. Radii are over the length of the centre.
    centre_cosine : float
        Mean size of the cosine between two centres, after the common structure was removed. The theory
        takes it for 0.
    n_common : int
        Rank of the common structure that was removed.
    """

    capacity: float
    capacity_error: float
    radius: float
    dimension: float
    names: tuple[Any, ...] = field(repr=False)
    capacities: NDArray[np.float64] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    dimensions: NDArray[np.float64] = field(repr=False)
    centre_cosine: float
    n_common: int

    def to_frame(self) -> pd.DataFrame:
        """Return one row per manifold: name, capacity, radius, dimension."""
        columns = {
            "capacity": np.asarray(self.capacities),
            "radius": np.asarray(self.radii),
            "dimension": np.asarray(self.dimensions),
        }
        return pd.DataFrame({"name": list(self.names), **columns})


@torch_too
def manifold_capacity(
    X: ArrayLike,
    labels: ArrayLike,
    *,
    margin: float = 0.0,
    n_directions: int = 300,
    n_common: int | None = None,
    random_state: RandomState = None,
) -> ManifoldCapacity:
    """Compute the mean-field capacity of the manifolds that the classes form, with radius and dimension.

    The responses to one class are points of its manifold. The capacity is the number of such manifolds, per
    dimension, that hyperplanes through the origin split at will. For each manifold, random directions t are
    moved as little as they need for all its points to be on one side; the mean of the squared move is one
    over the capacity, and the combination of points that pushed (the anchor) has a radius and a dimension.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses.
    labels : array of shape (n_samples,)
        Each sample's class, at least 2 classes.
    margin : float, default=0.0
        Least distance from the hyperplane, up to 1e6, see :func:`point_capacity`.
    n_directions : int, default=300
        Random directions per manifold, at least 2; 200 and more are usual.
    n_common : int, optional
        Rank of the common structure of the centres to remove first, at most n_classes - 2; 0 for none. By
        default the rank that leaves the centres least correlated.
    random_state : int or Generator, optional
        For the directions.

    Returns
    -------
    result : ManifoldCapacity
        Of the set and of each manifold. Unchanged by rotations, shifts and a common scale up to rounding,
        with the same random state.

    Raises
    ------
    InputError
        If X holds NaN, the labels do not fit, a class has its centre at the origin (no length to measure
        it by), or the options are out of range.

    Notes
    -----
    Each move is a quadratic programme, solved exactly by non-negative least squares in at most
    min(n_units, n_points) + 1 dimensions. The dimension is D_ambient times the squared mean cosine between
    direction and anchor, with D_ambient the rank of the manifold's points about their centre.

    Few points overestimate the capacity: a sphere of radius 1 in 5 dimensions has .333, 600 points of it
    .356; of radius .5 in 10 dimensions .360, and .471. Compare at equal numbers of points per class.

    The centres' common structure is searched from their principal directions, rank by rank, and may be
    empty; the authors' code starts from random directions and removes at least one. Directions that take
    away most of a single centre, which would blow up its radius, are not taken.

    References
    ----------
    Chung S, Lee DD, Sompolinsky H (2018), doi:10.1103/PhysRevX.8.031003 (equations 16-17, 28-29).
    Cohen U et al. (2020). Separability and geometry of object manifolds in deep neural networks,
    doi:10.1038/s41467-020-14578-5. Stephenson C et al. (2019), doi:10.48550/arXiv.2003.01787.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat(np.arange(8), 20)
    >>> X = rng.standard_normal((8, 100))[labels] + 0.3 * rng.standard_normal((160, 100))
    >>> tight = manifold_capacity(X, labels, random_state=0)
    >>> loose = manifold_capacity(X + rng.standard_normal((160, 100)), labels, random_state=0)
    >>> bool(loose.capacity < tight.capacity < 2), bool(loose.radius > tight.radius)
    (True, True)
    """
    patterns, names, members = load_labelled(X, labels, min_rows=1)
    if not 0 <= margin <= _LARGEST_MARGIN:
        raise InputError(f"`margin` must be 0 or more and at most {_LARGEST_MARGIN:g}, got {margin:g}.")
    if n_directions < 2:
        raise InputError(f"`n_directions` must be at least 2, got {n_directions}.")
    if n_common is not None and not 0 <= n_common <= max(len(names) - 2, 0):
        raise InputError(
            f"`n_common` must be from 0 to the number of classes less 2, {max(len(names) - 2, 0)}, got "
            f"{n_common}."
        )
    rng = as_generator(random_state)
    with fixed_threads(1):
        manifolds, centres, n_removed = _centre_units(patterns, names, members, n_common)
        parts = [
            _one_manifold(points, margin, n_directions, rng)
            for points in track(manifolds, "manifold capacity")
        ]
    inverse = np.array([part[0] for part in parts])
    variance = np.array([part[1] for part in parts])
    capacity = float(1 / inverse.mean())
    radii, dimensions = np.array([part[2] for part in parts]), np.array([part[3] for part in parts])
    return ManifoldCapacity(
        capacity=capacity,
        capacity_error=float(capacity**2 * np.sqrt(variance.sum()) / len(parts)),
        radius=float(radii.mean()),
        dimension=float(dimensions.mean()),
        names=tuple(names.tolist()),
        capacities=1 / inverse,
        radii=radii,
        dimensions=dimensions,
        centre_cosine=mean_centre_cosine(centres),
        n_common=n_removed,
    )


def _centre_units(
    patterns: Floats, names: NDArray[Any], members: list[NDArray[np.intp]], n_common: int | None
) -> tuple[list[Floats], Floats, int]:
    """Return each manifold's points about its centre in units of the centre's length, and the centres."""
    moved = patterns - patterns.mean(axis=0)
    scale = np.abs(moved).max()
    if equal_rows(patterns, moved):
        raise InputError(f"all {len(patterns)} rows of `X` are equal: there are no manifolds to tell apart.")
    moved /= scale
    centres = np.stack([moved[rows].mean(axis=0) for rows in members])
    about_mean = centres - centres.mean(axis=0)
    if np.abs(about_mean).max() <= 1e-12:
        raise InputError(
            "the centres of all classes are equal: no hyperplane through them splits the classes."
        )
    common = shared_directions(about_mean, n_common)
    moved -= (moved @ common) @ common.T
    centres = np.stack([moved[rows].mean(axis=0) for rows in members])
    lengths = np.linalg.norm(centres, axis=1)
    if lengths.min() <= 1e-10:
        worst = names[np.argmin(lengths)]
        raise InputError(
            f"the centre of class {worst!s} lies at the mean of all samples, so that there is no length to "
            "measure its manifold by. Leave that class out, or lower `n_common`."
        )
    pairs = zip(members, centres, lengths, strict=True)
    return [(moved[rows] - centre) / length for rows, centre, length in pairs], centres, common.shape[1]


def _one_manifold(
    points: Floats, margin: float, n_directions: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return mean and squared standard error of the squared move, the radius and the dimension."""
    inner = _own_coordinates(points)
    n_points, n_inner = inner.shape
    constraints = np.column_stack([inner, np.ones(n_points)])
    directions = rng.standard_normal((n_directions, n_inner + 1))
    moves, anchors = np.empty(n_directions), np.empty((n_directions, n_inner))
    for k, direction in enumerate(directions):
        moves[k], weights = squared_move(constraints, direction, margin)
        anchors[k] = weights @ inner
    radius = float(np.sqrt(((anchors - anchors.mean(axis=0)) ** 2).sum(axis=1).mean()))
    lengths = np.linalg.norm(anchors, axis=1) * np.linalg.norm(directions[:, :n_inner], axis=1)
    along = np.einsum("ij,ij->i", anchors, directions[:, :n_inner])
    cosines = np.divide(along, lengths, out=np.zeros(n_directions), where=lengths > 1e-12)
    error = float(moves.var(ddof=1) / n_directions)
    return float(moves.mean()), error, radius, float(n_inner * cosines.mean() ** 2)


def squared_move(constraints: Floats, direction: Floats, margin: float) -> tuple[float, Floats]:
    """Return how far (squared) a direction moves to meet constraints, and each one's share in the push.

    The v nearest to the direction t with ``constraints @ v >= margin``; where t meets them already, the
    share is wholly that of the constraint that is nearest to being broken.

    Parameters
    ----------
    constraints : ndarray of shape (n_constraints, n_dimensions)
        Which some v can meet.
    direction : ndarray of shape (n_dimensions,)
        t.
    margin : float
        0 or more.

    Returns
    -------
    move : float
        ``||v - t||^2``.
    shares : ndarray of shape (n_constraints,)
        The multipliers over their sum; 0 or more.
    """
    slack = constraints @ direction - margin
    shares = np.zeros(len(constraints))
    tries = 50 * max(constraints.shape)
    if slack.min() < 0:
        if margin == 0:
            multipliers = nnls(constraints.T, -direction, maxiter=tries)[0]
        else:
            # Least distance programming: the move is the scaled residual of a non-negative fit.
            system = np.vstack([constraints.T, -slack])
            target = np.zeros(len(system))
            target[-1] = 1.0
            raw = nnls(system, target, maxiter=tries)[0]
            multipliers = raw / (1 + slack @ raw)
        total = multipliers.sum()
        if total > 0:
            return float(((multipliers @ constraints) ** 2).sum()), np.asarray(multipliers / total)
    shares[np.argmin(slack)] = 1.0
    return 0.0, shares


def _own_coordinates(points: Floats) -> Floats:
    """Return points in the basis of their own span, whose signs do not depend on the units' basis."""
    left, scale, _ = np.linalg.svd(points, full_matrices=False)
    rank = int((scale > 1e-10 * max(1.0, scale[0])).sum())
    inner = left[:, :rank] * scale[:rank]
    signs = np.where((inner**3).sum(axis=0) < 0, -1.0, 1.0)
    return np.asarray(inner * signs)


def _field_of(name: str) -> Callable[[ArrayLike, ArrayLike], float]:
    def value(X: ArrayLike, labels: ArrayLike) -> float:
        return float(getattr(manifold_capacity(X, labels, random_state=0), name))

    return value


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "labelled",
        "higher_is_closer": None,
        "invariant_to": ("permutation", "rotation", "scale", "shift", "stimulus-permutation"),
        "paper": "Chung 2018, doi:10.1103/PhysRevX.8.031003; Cohen 2020, doi:10.1038/s41467-020-14578-5",
    }
    entries = [
        (
            "capacity",
            (0.0, float("inf")),
            "manifolds per dimension",
            "classes a hyperplane can split at will",
        ),
        ("radius", (0.0, float("inf")), "lengths of the centre", "mean radius of the classes' manifolds"),
        ("dimension", (0.0, float("inf")), "dimensions", "mean dimension of the classes' manifolds"),
    ]
    for name, limits, unit, summary in entries:
        METRICS.register(
            f"manifold-{name}", range=limits, unit=unit, summary=f"{summary}; mean-field theory", **shared
        )(_field_of(name))


_register()
