"""What every function on graphs needs: the checked graph, its edges, and values laid on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from ..._core.checks import check_finite
from ..._core.errors import InputError
from .._rounding import check_range

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Graph: TypeAlias = Any
# Of the many forms of its arguments the stubs take this one for a matrix of one row.
_csr: Any = csr_array
# Two directions of one edge that a caller computed apart may differ in the last bits.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Edges:
    """The undirected edges of a graph, by their smaller node, then by the larger.

    Attributes
    ----------
    first, second : ndarray of shape (n_edges,)
        The ends, ``first < second``.
    values : ndarray of shape (n_edges,)
        Length, or curvature, of each.
    stored : ndarray of shape (2 * n_edges,)
        The edge that each stored entry of the graph belongs to.
    """

    first: Indices
    second: Indices
    values: Floats
    stored: Indices


def check_graph(name: str, graph: Graph) -> csr_array[Any]:
    """Return a graph of edge lengths in canonical order, or say what is wrong with it."""
    canonical = check_edge_values(name, graph)
    if canonical.nnz == 0:
        raise InputError(
            f"`{name}` has no edges among its {canonical.shape[0]} nodes. Use a larger `k` or radius."
        )
    if (canonical.data <= 0).any():
        raise InputError(
            f"`{name}` must hold lengths above 0, got {np.count_nonzero(canonical.data <= 0)} stored entries "
            f"at or below 0, the smallest {canonical.data.min():g}. Merge the nodes at distance 0, or see "
            "`floor` of representation_graph."
        )
    return canonical


def check_edge_values(name: str, graph: Graph) -> csr_array[Any]:
    """Return a symmetric csr_array in canonical order; stored zeros are kept."""
    # Bound to a name, so that the stubs' base class without attributes is not taken for its type.
    is_sparse = issparse(graph)
    if not is_sparse or graph.ndim != 2:
        raise InputError(
            f"`{name}` must be a scipy.sparse.csr_array, got {type(graph).__name__}. "
            "Make one with representation_graph, or with csr_array of a matrix of lengths."
        )
    if graph.shape[0] != graph.shape[1]:
        raise InputError(f"`{name}` must be square, one row and column per node, got shape {graph.shape}.")
    if graph.shape[0] == 0:
        raise InputError(f"`{name}` has no nodes, got shape {graph.shape}.")
    if graph.dtype.kind not in "fiub":
        raise InputError(f"`{name}` must hold real numbers, got dtype {graph.dtype}.")
    canonical: csr_array[Any] = _csr(graph, dtype=np.float64, copy=True)
    canonical.sum_duplicates()
    check_finite(f"{name}.data", canonical.data)
    check_range(f"{name}.data", canonical.data)
    rows = row_of_entries(canonical)
    if (rows == canonical.indices).any():
        loops = np.unique(rows[rows == canonical.indices])
        raise InputError(
            f"`{name}` must have no self-loops, got one at {loops.size} node(s), the first is {loops[0]}. "
            "Remove the diagonal, stored zeros too."
        )
    _check_symmetric(name, canonical)
    return canonical


def _check_symmetric(name: str, graph: csr_array[Any]) -> None:
    turned = csr_array(graph.T)
    turned.sort_indices()
    same_edges = np.array_equal(turned.indptr, graph.indptr) and np.array_equal(turned.indices, graph.indices)
    if not same_edges:
        raise InputError(
            f"`{name}` must be symmetric, but some edges are stored in one direction only. "
            f"Use {name}.maximum({name}.T)."
        )
    difference = np.abs(turned.data - graph.data)
    if graph.nnz and difference.max() > _ROUNDING * np.abs(graph.data).max():
        raise InputError(
            f"`{name}` must be symmetric, but the two directions of an edge differ by up to "
            f"{difference.max():g}. Average them, or take {name}.maximum({name}.T)."
        )


def row_of_entries(graph: csr_array[Any]) -> Indices:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))


def edges_of(graph: csr_array[Any]) -> Edges:
    """Return the edges of a checked graph."""
    rows, columns = row_of_entries(graph), graph.indices.astype(np.intp)
    keys = np.minimum(rows, columns) * graph.shape[0] + np.maximum(rows, columns)
    _, where, stored = np.unique(keys, return_index=True, return_inverse=True)
    # An entry and its mirror are the same edge: where the upper one is first, rows are the smaller ends.
    return Edges(rows[where], columns[where], np.asarray(graph.data[where]), stored)


def lay_on_edges(graph: csr_array[Any], edges: Edges, values: Floats) -> csr_array[Any]:
    """Return the graph with `values (n_edges,)` on its edges, zeros stored."""
    return csr_array((values[edges.stored], graph.indices.copy(), graph.indptr.copy()), shape=graph.shape)


def graph_of_edges(n_nodes: int, first: Indices, second: Indices, values: Floats) -> csr_array[Any]:
    """Return the symmetric graph of these edges."""
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    graph: csr_array[Any] = _csr(
        (np.concatenate([values, values]), (rows, columns)), shape=(n_nodes, n_nodes), dtype=np.float64
    )
    graph.sort_indices()
    return graph


def check_positive(**values: float) -> None:
    """Refuse numbers that are not above 0 and finite, by the names they are given under."""
    for name, value in values.items():
        if not 0 < value < np.inf:
            raise InputError(f"`{name}` must be above 0 and finite, got {value:g}.")
