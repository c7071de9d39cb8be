"""Shape distances: how far two point clouds are apart under the best rotation, or matching of units."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ...solvers.algebra import multiply
from .._arrays import torch_too
from .._registry import METRICS
from ._clouds import Matrix, centred, check_whitening, cloud, cloud_of_gram
from ._rotation import ShapeKind, chord_to_distance, rotation_distance
from ._unit_transport import one_to_one, plan_distance, shares, without_constant

ShapeGroup = Literal["orthogonal", "permutation", "soft-permutation"]


@torch_too
def shape_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kind: ShapeKind = "angular",
    alpha: float = 1.0,
    group: ShapeGroup = "orthogonal",
    device: str | None = None,
) -> float:
    """Compute the distance of two sets of responses as shapes: what no allowed map of units removes.

    Responses are centred, the narrower side gets units that are always 0, and the best map T of the group is
    taken out: ``min_T ||X - Y T||`` ("euclidean"), or the angle ``arccos max_T <X, Y T> / (||X|| ||Y||)``
    ("angular"), all norms Frobenius. For rotations the maximum is the nuclear norm of X'Y.

    Parameters
    ----------
    X : array of shape (n_samples, n_units_x)
        Responses, one row per sample.
    Y : array of shape (n_samples, n_units_y)
        Responses to the same samples in the same order.
    kind : {"angular", "euclidean"}, default="angular"
        See above. The angle does not see the size of a shape.
    alpha : float, default=1.0
        From 1, Procrustes, to 0, where both sides are whitened and the angle is that of CCA: X becomes
        ``X (alpha I + (1 - alpha) (X'X)^(-1/2))``, rescaled to its old norm. Between the ends the result
        depends on the scale of the responses: divide both by their norms first where their units differ.
    group : {"orthogonal", "permutation", "soft-permutation"}, default="orthogonal"
        Rotations and reflections; one-to-one matchings of units; or shares of units (optimal transport with
        equal weights of all units, see :func:`soft_matching_distance`), where norms are per unit.
    device : {"auto", "cpu", "cuda", ...}, optional
        Where products and decompositions are made; by default on the CPU, or where the tensors are.

    Returns
    -------
    distance : float
        A metric on shapes: 0 for equal shapes, symmetric, with the triangle inequality. "angular": in
        [0, pi / 2] radians for "orthogonal", in [0, pi] for the others; "euclidean": 0 or more, in units of
        the responses (root of the summed squares).

    Raises
    ------
    InputError
        If the numbers of samples differ, all rows of a side are equal, `alpha` is not in [0, 1], or not 1
        with matchings of units; with alpha=0 also if there are no more samples than dimensions of both sides.

    Warns
    -----
    UserWarning
        If 0 < alpha < 1 and there are no more samples than dimensions of both sides together; if constant
        units are left out of a soft matching.

    Notes
    -----
    Noise makes shapes differ, and more so the fewer samples there are: compare with the distance between
    shuffled or repeated responses. A side with more units than samples is reduced to a square matrix, so
    that the cost is O(n^2 p) and one decomposition of at most n x n. Distances of shapes that all but
    coincide are computed from differences, not from 2 - 2c.

    References
    ----------
    Williams AH, Kunz E, Kornblith S, Linderman SW (2021). Generalized shape metrics on neural
    representations, doi:10.48550/arXiv.2110.14739. Khosla M, Williams AH (2024),
    doi:10.48550/arXiv.2311.09466 (soft matching).

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> round(shape_distance(X, X @ [[0.0, 3.0], [3.0, 0.0]] + 1.0), 6)
    0.0
    """
    check_option("kind", kind, get_args(ShapeKind))
    check_option("group", group, get_args(ShapeGroup))
    _check_alpha(alpha)
    first, second = centred("X", X), centred("Y", Y)
    check_same_samples("X", first, "Y", second)
    if group != "orthogonal":
        if alpha != 1:
            raise InputError(
                f"`alpha` mixes units and goes with rotations only, got {alpha:g} and {group!r}."
            )
        return _matching_distance(first, second, kind, group, device)
    clouds = cloud(first, alpha, device), cloud(second, alpha, device)
    check_whitening(*clouds, alpha)
    return rotation_distance(*clouds, kind, device)


@torch_too
def shape_distance_from_grams(
    K: ArrayLike, L: ArrayLike, *, kind: ShapeKind = "angular", alpha: float = 1.0, device: str | None = None
) -> float:
    """Compute :func:`shape_distance` under rotations from inner products between samples.

    For data of which only squared Euclidean distances D are known: their Gram matrix is ``-D / 2``, up to the
    centring that is done here.

    Parameters
    ----------
    K, L : arrays of shape (n_samples, n_samples)
        Symmetric inner products between the same samples; centred or not.
    kind : {"angular", "euclidean"}, default="angular"
        See :func:`shape_distance`.
    alpha : float, default=1.0
        See :func:`shape_distance`.
    device : str, optional
        See :func:`shape_distance`.

    Returns
    -------
    distance : float
        Equal to the distance of the responses themselves.

    Raises
    ------
    InputError
        If the matrices are not square, symmetric and of one size, have clearly negative eigenvalues, or
        are zero after centring; see :func:`shape_distance`.

    Notes
    -----
    Inner products hold the squares of the responses' singular values: dimensions smaller than about 1e-7 of
    the largest are lost in round-off. The cosine of the angle is the "bures" similarity of
    :func:`compare_rdms`.

    References
    ----------
    Harvey SE, Larsen BW, Williams AH (2023). Duality of Bures and shape distances with implications for
    comparing neural representations, doi:10.48550/arXiv.2311.11436.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> round(shape_distance_from_grams(X @ X.T, 3.0 * X @ X.T), 6)
    0.0
    """
    check_option("kind", kind, get_args(ShapeKind))
    _check_alpha(alpha)
    grams = _gram("K", K), _gram("L", L)
    check_same_samples("K", grams[0], "L", grams[1])
    clouds = cloud_of_gram("K", grams[0], alpha), cloud_of_gram("L", grams[1], alpha)
    check_whitening(*clouds, alpha)
    return rotation_distance(*clouds, kind, device)


def _check_alpha(alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise InputError(f"`alpha` goes from 0 (CCA) to 1 (Procrustes), got {alpha:g}.")


def _gram(name: str, gram: ArrayLike) -> Matrix:
    values = check_array(name, gram, ndim=2, dtype=np.float64, min_rows=2)
    n, m = values.shape
    if n != m or np.abs(values - values.T).max() > 1e-8 * np.abs(values).max():
        raise InputError(
            f"`{name}` must be a square, symmetric matrix of inner products, got shape {values.shape}. Of "
            "condensed squared distances, give `-squareform(distances) / 2`."
        )
    return values


def _matching_distance(
    first: Matrix, second: Matrix, kind: ShapeKind, group: ShapeGroup, device: str | None
) -> float:
    if group == "soft-permutation":
        first, second = without_constant("X", first)[0], without_constant("Y", second)[0]
    if kind == "angular":
        first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    overlap = multiply(np.ascontiguousarray(first.T), second, device=device)
    if group == "permutation":
        plan = one_to_one(overlap)
        # Who stays alone is matched with zeros.
        alone = np.delete(first, plan.rows, axis=1), np.delete(second, plan.columns, axis=1)
        left_over = sum(float(np.vdot(side, side)) for side in alone)
        return chord_to_distance(plan_distance(first, second, plan) + left_over, kind)
    if kind == "angular":
        # Norms per unit are to be 1.
        first, second = first * np.sqrt(first.shape[1]), second * np.sqrt(second.shape[1])
    return chord_to_distance(plan_distance(first, second, shares(overlap)), kind)


def _register() -> None:
    shared: dict[str, Any] = {"kind": "distance", "inputs": "responses", "higher_is_closer": False}
    williams = "Williams et al. 2021, doi:10.48550/arXiv.2110.14739"
    everywhere = ("permutation", "shift", "stimulus-permutation", "symmetry")
    entries: list[tuple[str, dict[str, Any], float, tuple[str, ...], str]] = [
        (
            "procrustes",
            {"kind": "angular"},
            np.pi / 2,
            ("rotation", "scale"),
            "angle between two shapes under the best rotation; a metric",
        ),
        (
            "euclidean-shape",
            {"kind": "euclidean"},
            np.inf,
            ("rotation",),
            "distance of two shapes under the best rotation, with their sizes; a metric",
        ),
        (
            "permutation-shape",
            {"kind": "angular", "group": "permutation"},
            np.pi,
            ("scale",),
            "angle between two sets of responses under the best one-to-one matching of units; a metric",
        ),
    ]
    for name, options, highest, more, summary in entries:
        METRICS.register(
            name,
            range=(0.0, float(highest)),
            invariant_to=(*everywhere, *more),
            unit="radian" if options["kind"] == "angular" else "root of summed squares",
            paper=williams,
            summary=summary,
            **shared,
        )(partial(shape_distance, **options))


_register()
