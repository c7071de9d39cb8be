"""Edges and nodes of two graphs of the same stimuli, matched and correlated."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from ..._core.errors import InputError
from ._graph import Edges, Floats, Indices

Correlation = Literal["pearson", "spearman"]
# Of curvature, a number without a unit that is computed with sums of a graph's lengths.
_NO_SPREAD = 1e-12


def permutation(order: ArrayLike, n_nodes: int) -> Indices:
    """Return an order that holds every node once."""
    nodes = np.asarray(order)
    if nodes.shape != (n_nodes,) or not np.array_equal(np.sort(nodes), np.arange(n_nodes)):
        raise InputError(
            f"`order` must hold each of 0 to {n_nodes - 1} once, got an array of shape {nodes.shape}."
        )
    return nodes.astype(np.intp)


def inverse(order: ArrayLike | None, n_nodes: int) -> Indices | None:
    """Return where each node is in `order`."""
    return None if order is None else np.argsort(permutation(order, n_nodes))


def keys(edges: Edges, names: Indices | None, n_nodes: int) -> Indices:
    """Return one number per edge, the same for the same pair of nodes."""
    first, second = edges.first, edges.second
    if names is not None:
        first, second = names[first], names[second]
    return np.asarray(np.minimum(first, second) * n_nodes + np.maximum(first, second))


def correlate(first: Floats, second: Floats, correlation: Correlation) -> float:
    """Return the correlation, NaN where a side has no spread."""
    # Values that differ by rounding alone, as on a regular graph, have no spread to correlate, nor to rank.
    if any(
        np.ptp(values) <= _NO_SPREAD * max(1.0, float(np.abs(values).max())) for values in (first, second)
    ):
        return float("nan")
    if correlation == "spearman":
        first, second = rankdata(first), rankdata(second)
    first, second = first - first.mean(), second - second.mean()
    size = [np.sqrt(values @ values / values.size) for values in (first, second)]
    return float(np.clip(first @ second / (first.size * size[0] * size[1]), -1.0, 1.0))
