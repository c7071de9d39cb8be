"""Forman-Ricci curvature: what the numbers of neighbours, triangles and squares at an edge say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse import csr_array

from ..._core.checks import check_option
from ..._core.progress import track
from ..._core.threads import fixed_threads
from .._registry import METRICS
from ._graph import Edges, Floats, Graph, check_graph, edges_of, lay_on_edges

Variant = Literal["plain", "augmented", "balanced"]


def forman_ricci(graph: Graph, *, variant: Variant = "plain") -> csr_array[Any]:
    """Compute the Forman-Ricci curvature of every edge.

    No transport, so far cheaper than :func:`ollivier_ricci`, whose sign "augmented" and "balanced" follow.
    Of an edge of length l between nodes with a and b neighbours, T of them in common, with lengths l' for the
    other edges at its ends:

    - ``"plain"``: ``2 - sum sqrt(l / l')``, at unit lengths ``4 - a - b``.
    - ``"augmented"``: triangles are faces of weight 1: ``2 + l^2 T - sum sqrt(l / l')`` over edges that are
      in no triangle with this one; at unit lengths ``4 - a - b + 3 T``.
    - ``"balanced"``: ``2/a + 2/b - 2 + 2 T / max(a, b) + T / min(a, b) + S / (g max(a, b))``, and 0 if a or b
      is 1. S counts the neighbours of either end that are on a square over the edge without a diagonal, g
      is the largest number of such squares that one of them is on. It does not look at lengths, and is a
      lower bound of :func:`lin_lu_yau` at unit lengths.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Edge lengths above 0, symmetric; of length 1 (``representation_graph(..., weighted=False)``) for the
        combinatorial curvature. Need not be connected.
    variant : {"plain", "augmented", "balanced"}, default="plain"
        See above.

    Returns
    -------
    curvature : csr_array of shape (n_nodes, n_nodes)
        The graph's edges, zeros stored. At most 2 if plain, in (-2, 2] if balanced; augmented without bound.

    Raises
    ------
    InputError
        For a graph that is not square, symmetric, above 0, finite and free of self-loops, or has no edges; or
        an unknown variant.

    Notes
    -----
    Nodes have weight 1. Products of sparse matrices, O(sum of squared degrees); "balanced" adds, at each
    node, the square of its degree times that of its neighbours. "augmented" depends on the unit of length.

    References
    ----------
    Forman R (2003). Bochner's method for cell complexes, doi:10.1007/s00454-002-0743-x. Samal A et al.
    (2018). Comparative analysis of two discretizations of Ricci curvature, doi:10.1038/s41598-018-27001-3
    (augmented). Topping J et al. (2022). Understanding over-squashing and bottlenecks on graphs via
    curvature, doi:10.48550/arXiv.2111.14522 (balanced).

    Examples
    --------
    >>> complete = csr_array(1.0 - np.eye(5))
    >>> [float(forman_ricci(complete, variant=v)[0, 1]) for v in ("plain", "augmented", "balanced")]
    [-4.0, 5.0, 1.25]
    """
    check_option("variant", variant, get_args(Variant))
    checked = check_graph("graph", graph)
    edges = edges_of(checked)
    return lay_on_edges(checked, edges, _VARIANTS[variant](checked, edges))


def _plain(graph: csr_array[Any], edges: Edges) -> Floats:
    inverse = _with_values(graph, 1.0 / np.sqrt(graph.data))
    sums = np.asarray(inverse.sum(axis=1)).ravel()
    others = sums[edges.first] + sums[edges.second] - 2.0 / np.sqrt(edges.values)
    return np.asarray(2.0 - np.sqrt(edges.values) * others)


def _augmented(graph: csr_array[Any], edges: Edges) -> Floats:
    pattern = _with_values(graph, np.ones(graph.nnz))
    inverse = _with_values(graph, 1.0 / np.sqrt(graph.data))
    triangles = _at(pattern @ pattern, edges)
    # Both sides of each triangle at the edge: they are of one face with it, and so not parallel to it.
    paths = inverse @ pattern
    sides = _at(paths, edges) + _at(csr_array(paths.T), edges)
    length = edges.values
    return np.asarray(_plain(graph, edges) + length**2 * triangles + np.sqrt(length) * sides)


def _balanced(graph: csr_array[Any], edges: Edges) -> Floats:
    pattern = _with_values(graph, np.ones(graph.nnz))
    degrees = np.diff(graph.indptr)
    small, large = np.sort([degrees[edges.first], degrees[edges.second]], axis=0)
    triangles = _at(pattern @ pattern, edges)
    corners, most = _squares(pattern)
    # Both directions of an edge: the squares as seen from one end, and from the other.
    both = np.bincount(edges.stored, corners)
    largest = np.zeros(both.size)
    np.maximum.at(largest, edges.stored, most)
    squares = both / (np.maximum(largest, 1.0) * large)
    curvature = 2.0 / small + 2.0 / large - 2.0 + 2.0 * triangles / large + triangles / small + squares
    return np.where(small == 1, 0.0, curvature)


def _squares(pattern: csr_array[Any]) -> tuple[Floats, Floats]:
    """Count squares without diagonals, for each stored edge as seen from its row.

    Of the edge (i, j): the neighbours k of i that have a neighbour w with j in common, where k is none of j,
    w none of i; and the largest number of such w that one k has.
    """
    corners, most = np.zeros(pattern.nnz), np.zeros(pattern.nnz)
    with fixed_threads(1):
        for i in track(range(pattern.shape[0]), "Squares at each node"):
            span = slice(pattern.indptr[i], pattern.indptr[i + 1])
            neighbours = pattern.indices[span]
            rows = pattern[neighbours].toarray()
            among = rows[:, neighbours]
            # Paths k - w - j, less those over i itself and over neighbours of i. (k, j)
            found = rows @ rows.T - among @ among - 1.0
            found[among > 0] = 0.0
            np.fill_diagonal(found, 0.0)
            corners[span] = (found > 0).sum(axis=0)
            most[span] = found.max(axis=0, initial=0.0)
    return corners, most


def _with_values(graph: csr_array[Any], values: Floats) -> csr_array[Any]:
    return csr_array((values, graph.indices, graph.indptr), shape=graph.shape)


def _at(matrix: csr_array[Any], edges: Edges) -> Floats:
    return np.asarray(matrix[edges.first, edges.second]).ravel()


_VARIANTS: dict[str, Callable[[csr_array[Any], Edges], Floats]] = {
    "augmented": _augmented,
    "balanced": _balanced,
    "plain": _plain,
}


def _register() -> None:
    shared: dict[str, Any] = {
        "kind": "statistic",
        "inputs": "graph",
        "higher_is_closer": None,
        "unit": "curvature",
    }
    infinite = float("inf")
    METRICS.register(
        "forman-ricci",
        range=(-infinite, 2.0),
        invariant_to=("scale", "stimulus-permutation"),
        paper="Forman 2003, doi:10.1007/s00454-002-0743-x",
        summary="per edge: 2 less the other edges at its ends, short ones counting more",
        **shared,
    )(partial(forman_ricci, variant="plain"))
    METRICS.register(
        "augmented-forman-ricci",
        range=(-infinite, infinite),
        invariant_to=("stimulus-permutation",),
        paper="Samal et al. 2018, doi:10.1038/s41598-018-27001-3",
        summary="per edge: Forman's curvature with triangles as faces",
        **shared,
    )(partial(forman_ricci, variant="augmented"))
    METRICS.register(
        "balanced-forman-ricci",
        range=(-2.0, 2.0),
        invariant_to=("monotone", "scale", "shift", "stimulus-permutation"),
        paper="Topping et al. 2022, doi:10.48550/arXiv.2111.14522",
        summary="per edge: from degrees, triangles and squares; a lower bound of the transport curvature",
        **shared,
    )(partial(forman_ricci, variant="balanced"))


_register()
