"""Capacity of manifolds by other roads: the nuclear norm of their centroids, all at once, by trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from ..._core.errors import InputError
from ..._core.progress import track
from ..._core.random import RandomState, as_generator
from ..._core.threads import fixed_threads
from ...solvers.algebra import singular_values
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import equal_rows
from ._patterns import Floats, load_labelled
from .mean_field_capacity import squared_move


@dataclass(frozen=True)
class JointCapacity:
    """Capacity of a set of manifolds as they lie together.

    Attributes
    ----------
    capacity : float
        Manifolds per dimension.
    capacity_error : float
        Its standard error from the sampling of directions and labels.
    """

    capacity: float
    capacity_error: float


@torch_too
def nuclear_norm_capacity(X: ArrayLike, labels: ArrayLike, *, device: str | None = None) -> float:
    """Compute the objective of maximum manifold capacity representations (MMCR).

    Responses are brought to length 1 and averaged by class; the value is the nuclear norm (sum of singular
    values) of the averages. High where the responses to one class agree and the classes lie far apart.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses, such as several views of each image. No row may be all zero.
    labels : array of shape (n_samples,)
        Each sample's class (image), at least 2 classes.
    device : str, optional
        Where the singular values are computed.

    Returns
    -------
    value : float
        From 0 to ``sqrt(n_classes * min(n_classes, n_units))``. The loss of the paper is minus this value,
        without its optional term within classes. Unchanged by rotations and by a positive factor for each
        row.

    Raises
    ------
    InputError
        If X holds NaN or a row of zeros, or the labels do not fit.

    References
    ----------
    Yerxa T et al. (2023). Learning efficient coding of natural images with maximum manifold capacity
    representations, doi:10.48550/arXiv.2303.03307.

    Examples
    --------
    >>> nuclear_norm_capacity(np.repeat(np.eye(3), 2, axis=0), [0, 0, 1, 1, 2, 2])
    3.0
    """
    patterns, _, members = load_labelled(X, labels, min_rows=1)
    largest = np.abs(patterns).max(axis=1, keepdims=True)
    silent = np.flatnonzero(largest == 0)
    if len(silent):
        raise InputError(
            f"{len(silent)} row(s) of `X` are all zero, the first row {silent[0]}, and have no direction. "
            "Drop those samples."
        )
    scaled = patterns / largest
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    centroids = np.stack([unit[rows].mean(axis=0) for rows in members])
    return float(singular_values(centroids, device=device).sum())


@torch_too
def joint_capacity(
    X: ArrayLike,
    labels: ArrayLike,
    *,
    n_directions: int = 200,
    center: bool = True,
    random_state: RandomState = None,
) -> JointCapacity:
    """Compute the capacity of manifolds as they lie, correlations and all (GLUE).

    A random direction is moved as little as it needs to have all manifolds on randomly chosen sides; the
    capacity is the number of manifolds over the mean squared move. Unlike :func:`manifold_capacity` it takes
    no manifold for independent of the others, and there is no common structure to remove.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses.
    labels : array of shape (n_samples,)
        Each sample's class, at least 2 classes.
    n_directions : int, default=200
        Random directions, each with random sides, at least 2.
    center : bool, default=True
        Subtract the mean of all samples first.
    random_state : int or Generator, optional
        For directions and sides.

    Returns
    -------
    result : JointCapacity
        About 2 for random points; lower is more tangled.

    Raises
    ------
    InputError
        If X holds NaN, the labels do not fit, or `n_directions` < 2.

    Notes
    -----
    Where no hyperplane takes all sides as chosen, the nearest direction is 0 in the span of the responses,
    which counts as a move of the direction's whole length.

    References
    ----------
    Chou CN et al. (2024). Geometry linked to untangling efficiency, doi:10.1101/2024.02.26.582157.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((30, 60))
    >>> 1.7 < joint_capacity(X, np.arange(30), random_state=0).capacity < 2.3
    True
    """
    if n_directions < 2:
        raise InputError(f"`n_directions` must be at least 2, got {n_directions}.")
    points, sides_of, n_classes = _span(X, labels, center)
    rng = as_generator(random_state)
    moves = np.empty(n_directions)
    with fixed_threads(1):
        for k in track(range(n_directions), "joint capacity"):
            sides = rng.choice([-1.0, 1.0], n_classes)[sides_of]
            direction = rng.standard_normal((points.shape[1],))
            moves[k] = squared_move(points * sides[:, None], direction, 0.0)[0]
    capacity = n_classes / float(moves.mean())
    error = capacity * float(moves.std(ddof=1) / moves.mean()) / np.sqrt(n_directions)
    return JointCapacity(capacity=capacity, capacity_error=float(error))


@torch_too
def simulated_capacity(
    X: ArrayLike, labels: ArrayLike, *, n_trials: int = 100, random_state: RandomState = None
) -> float:
    """Measure the capacity of manifolds by trial: how few random dimensions still split them.

    The responses, less their mean, are projected to n random dimensions, and the classes given random sides;
    the capacity is the number of classes over the n at which half of the trials can be split by a hyperplane
    through the origin. It makes no theory's assumptions: a check of :func:`manifold_capacity`.

    Parameters
    ----------
    X : array of shape (n_samples, n_units)
        Responses.
    labels : array of shape (n_samples,)
        Each sample's class, at least 2 classes.
    n_trials : int, default=100
        Projections with random sides at each n. The error of a split share of .5 is ``.5 / sqrt(n_trials)``.
    random_state : int or Generator, optional
        For projections and sides.

    Returns
    -------
    capacity : float
        Classes per dimension; n is interpolated between whole numbers.

    Raises
    ------
    InputError
        If X holds NaN, the labels do not fit, `n_trials` < 1, or half of the trials cannot be split with all
        dimensions of the responses: the capacity is then below what they can show.

    References
    ----------
    Cohen U et al. (2020), doi:10.1038/s41467-020-14578-5 (numerical capacity).

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((30, 60))
    >>> 1.7 < simulated_capacity(X, np.arange(30), random_state=0) < 2.4
    True
    """
    if n_trials < 1:
        raise InputError(f"`n_trials` must be at least 1, got {n_trials}.")
    points, sides_of, n_classes = _span(X, labels, center=True)
    rng = as_generator(random_state)
    n_most = points.shape[1]
    shares = {0: 0.0}

    def split_share(n: int) -> float:
        if n not in shares:
            split = 0
            for _ in range(n_trials):
                sides = rng.choice([-1.0, 1.0], n_classes)[sides_of]
                split += _splits(points @ rng.standard_normal((n_most, n)) * sides[:, None])
            shares[n] = split / n_trials
        return shares[n]

    with fixed_threads(1):
        if split_share(n_most) < 0.5:
            raise InputError(
                f"only {shares[n_most]:.0%} of the trials split the {n_classes} classes with all {n_most} "
                f"dimensions of the responses: the capacity is below {n_classes / n_most:.3g}. Use fewer "
                "classes, or `manifold_capacity`."
            )
        low, high = 0, n_most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if split_share(middle) < 0.5 else (low, middle)
    at = low + (0.5 - shares[low]) / (shares[high] - shares[low])
    return float(n_classes / at)


def _span(X: ArrayLike, labels: ArrayLike, center: bool) -> tuple[Floats, NDArray[np.intp], int]:
    """Return points of length 1 in the basis of their span, each one's class, and the number of classes."""
    patterns, names, members = load_labelled(X, labels, min_rows=1)
    moved = patterns - patterns.mean(axis=0) if center else patterns
    largest = np.abs(moved).max()
    if largest == 0 or (center and equal_rows(patterns, moved)):
        raise InputError(f"all {len(patterns)} rows of `X` are equal: there are no manifolds to tell apart.")
    left, scale, _ = np.linalg.svd(moved / largest, full_matrices=False)
    rank = int((scale > 1e-10 * scale[0]).sum())
    points = left[:, :rank] * scale[:rank]
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    classes = np.empty(len(points), dtype=np.intp)
    for k, rows in enumerate(members):
        classes[rows] = k
    # A point at the origin is on no side; any other's side does not depend on its length.
    return np.divide(points, lengths, out=np.zeros_like(points), where=lengths > 1e-12), classes, len(names)


def _splits(constraints: Floats) -> bool:
    """Whether some v has ``constraints @ v > 0``: the origin is outside of the rows' convex hull."""
    lengths = np.linalg.norm(constraints, axis=1, keepdims=True)
    if lengths.min() <= 1e-12:
        return False
    system = np.vstack([(constraints / lengths).T, np.ones(len(constraints))])
    target = np.zeros(len(system))
    target[-1] = 1.0
    return bool(nnls(system, target, maxiter=50 * max(system.shape))[1] > 1e-7)


METRICS.register(
    "nuclear-norm-capacity",
    kind="statistic",
    inputs="labelled",
    range=(0.0, float("inf")),
    higher_is_closer=None,
    invariant_to=("pattern-scale", "permutation", "rotation", "scale", "stimulus-permutation"),
    unit="nuclear norm",
    paper="Yerxa et al. 2023, doi:10.48550/arXiv.2303.03307",
    summary="MMCR: nuclear norm of the mean directions of the classes; high for tight, spread classes",
)(nuclear_norm_capacity)
