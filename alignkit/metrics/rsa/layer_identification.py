"""Which layer is this? Identification from the RDMs of other instances of one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.progress import track
from .._arrays import torch_too
from .._rounding import check_range, constant_along
from ._pairs import count_stimuli
from .geo_topological import check_thresholds, geodesic_transform, topological_transform

IdentificationTransform = Literal["geo-topological", "geodesic", "none", "rank"]
IdentificationDistance = Literal["correlation", "euclidean"]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class LayerIdentification:
    """How often a held-out instance's layers were identified.

    Attributes
    ----------
    accuracy : float
        Mean over instances, in [0, 1]; chance is 1 / n_layers.
    by_instance : ndarray of shape (n_instances,)
        Accuracy of each instance when it was held out.
    confusion : ndarray of shape (n_layers, n_layers)
        How often the layer of that row was taken for that of the column.
    chosen : ndarray of shape (n_instances, 2)
        Lower and upper threshold that the other instances chose; NaN for a transform without thresholds.
    grid_accuracy : ndarray of shape (n_grid,)
        Accuracy of each threshold pair. Its maximum was picked on the test data and is no result.
    """

    accuracy: float
    by_instance: Matrix
    confusion: NDArray[np.int64]
    chosen: Matrix
    grid_accuracy: Matrix

    @property
    def standard_error(self) -> float:
        """Standard error of the accuracy over instances, which share their centroids' members."""
        return float(self.by_instance.std(ddof=1) / np.sqrt(len(self.by_instance)))


@torch_too
def identify_layers(
    rdms: ArrayLike,
    *,
    transform: IdentificationTransform = "geo-topological",
    lower: ArrayLike = 0.0,
    upper: ArrayLike = 1.0,
    rank: bool = True,
    distance: IdentificationDistance = "euclidean",
) -> LayerIdentification:
    """Identify each layer of each instance by the nearest mean RDM of the other instances.

    Every instance (a seed of a network, or a subject with regions in place of layers) is held out once;
    each of its RDMs gets the label of the nearest centroid. With several thresholds, the pair that
    identifies best is chosen within the other instances, by holding out each of them in turn.

    Parameters
    ----------
    rdms : array of shape (n_instances, n_layers, n_pairs)
        Condensed RDMs of the same stimuli, without NaN.
    transform : {"geo-topological", "geodesic", "none", "rank"}, default="geo-topological"
        What the RDMs are turned into first, see :func:`topological_transform` and
        :func:`geodesic_transform` (its adaptive form).
    lower, upper : float or array, default=0.0 and 1.0
        Thresholds of the first two; arrays are broadcast and every pair of the result is a candidate.
    rank : bool, default=True
        Whether the first two rank dissimilarities.
    distance : {"correlation", "euclidean"}, default="euclidean"
        Between (transformed) RDMs; "correlation" standardises each of them first.

    Returns
    -------
    identification : LayerIdentification
        Accuracy, by instance too, and what was chosen.

    Raises
    ------
    InputError
        With fewer than 3 instances (or 4, to choose thresholds), or 2 layers; for NaN; or a constant RDM.

    Warns
    -----
    UserWarning
        For "geodesic", when some stimuli are joined by no path.

    Notes
    -----
    Ties between thresholds are broken by the mean margin ``(other - own) / (other + own)`` of the distances
    to the nearest wrong and to the right centroid.

    References
    ----------
    Lin B, Kriegeskorte N (2024). The topology and geometry of neural representations. PNAS,
    doi:10.48550/arXiv.2309.11028.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layers = rng.random((3, 45))
    >>> instances = layers + 0.1 * rng.standard_normal((6, 3, 45))
    >>> identify_layers(instances, lower=[0.0, 0.2], upper=[1.0, 0.8]).accuracy
    1.0
    """
    check_option("transform", transform, get_args(IdentificationTransform))
    check_option("distance", distance, get_args(IdentificationDistance))
    values = check_array("rdms", rdms, ndim=3, dtype=np.float64)
    low, high = check_thresholds(lower, upper)
    thresholds = np.stack([low.ravel(), high.ravel()], axis=1)
    if transform in ("none", "rank"):
        thresholds = np.full((1, 2), np.nan)
    n_instances, n_layers, n_pairs = values.shape
    if count_stimuli(n_pairs) < 3:
        raise InputError(f"`rdms` must hold at least the 3 pairs of 3 stimuli, got {n_pairs} pair(s).")
    check_range("rdms", values)
    least = 4 if len(thresholds) > 1 else 3
    if n_instances < least or n_layers < 2:
        raise InputError(
            f"identification needs at least {least} instances{' to choose thresholds' * (least == 4)} and 2 "
            f"layers, got `rdms` with {n_instances} and {n_layers}."
        )
    grams = [_gram(vectors, distance) for vectors in _transformed(values, transform, thresholds, rank)]
    # Outer fold by outer fold: (n_grid, n_instances, n_layers, n_layers).
    outer = np.stack([_distances(gram, n_instances, None) for gram in grams])
    hits = (outer.argmin(axis=-1) == np.arange(n_layers)).mean(axis=-1)
    best = np.zeros(n_instances, dtype=np.intp)
    if len(grams) > 1:
        best = np.array([_best_without(grams, held_out, n_instances) for held_out in range(n_instances)])
    everyone = np.arange(n_instances)
    confusion = np.zeros((n_layers, n_layers), dtype=np.int64)
    named = outer[best, everyone].argmin(axis=-1)
    np.add.at(confusion, (np.tile(np.arange(n_layers), n_instances), named.ravel()), 1)
    by_instance = hits[best, everyone]
    return LayerIdentification(
        float(by_instance.mean()), by_instance, confusion, thresholds[best], hits.mean(axis=1)
    )


def _transformed(values: Matrix, transform: str, thresholds: Matrix, rank: bool) -> Iterator[Matrix]:
    """Yield the vectors of every layer, (n_instances * n_layers, n_pairs), one threshold pair at a time."""
    flat = values.reshape(-1, values.shape[-1])
    if transform == "none":
        yield flat
        return
    if transform == "rank":
        yield np.asarray(rankdata(flat, axis=1))
        return
    change: Callable[..., Matrix] = (
        topological_transform if transform == "geo-topological" else geodesic_transform
    )
    for lower, upper in track(thresholds, "thresholds"):
        yield change(flat, lower=lower, upper=upper, rank=rank)


def _gram(vectors: Matrix, distance: str) -> Matrix:
    """Return inner products of the vectors; a common shift changes no distance, and is taken out."""
    if distance == "correlation":
        flat = constant_along(vectors, axis=1)
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if flat.any():
            raise InputError(
                "a transformed RDM is constant, so that it has no correlation. Use distance='euclidean' or "
                "other thresholds."
            )
        vectors = vectors / lengths
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(centred @ centred.T)


def _distances(gram: Matrix, n_instances: int, left_out: int | None) -> Matrix:
    """Return squared distances of each layer to each centroid of the others, but `left_out`.

    The shape is (n_instances, n_layers, n_layers): held-out instance, its layer, centroid.
    """
    n_layers = len(gram) // n_instances
    blocks = gram.reshape(n_instances, n_layers, n_instances, n_layers)
    used = np.ones(n_instances, dtype=bool)
    if left_out is not None:
        used[left_out] = False
    result = np.empty((n_instances, n_layers, n_layers))
    for held_out in range(n_instances):
        others = used.copy()
        others[held_out] = False
        cross = blocks[held_out][:, others].mean(axis=1)
        among = np.einsum("iljl->l", blocks[others][:, :, others]) / others.sum() ** 2
        own = np.diagonal(blocks[held_out, :, held_out])
        result[held_out] = own[:, None] - 2 * cross + among
    return result


def _best_without(grams: list[Matrix], held_out: int, n_instances: int) -> int:
    """Return the number of the thresholds that identify best among the other instances."""
    others = np.arange(n_instances) != held_out
    inner = np.stack([_distances(gram, n_instances, held_out)[others] for gram in grams])
    n_layers = inner.shape[-1]
    right = np.eye(n_layers, dtype=bool)
    own = np.sqrt(np.diagonal(inner, axis1=-2, axis2=-1).clip(min=0))
    wrong = np.sqrt(np.where(right, np.inf, inner).min(axis=-1).clip(min=0))
    accuracy = (inner.argmin(axis=-1) == np.arange(n_layers)).mean(axis=(1, 2))
    total = own + wrong
    margin = np.divide(wrong - own, total, out=np.zeros_like(total), where=total > 0).mean(axis=(1, 2))
    return int(np.lexsort((-margin, -accuracy))[0])
