"""Communities of a graph: what falls apart when the longest edges after the Ricci flow are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from ..._core.checks import check_array
from ..._core.errors import InputError
from ._graph import Floats, Graph, check_graph, check_positive, edges_of, graph_of_edges
from .flow import RicciFlow


@dataclass(frozen=True)
class FlowCommunities:
    """Result of :func:`flow_communities`.

    Attributes
    ----------
    labels : ndarray of shape (n_nodes,)
        Community of each node, 0, 1, ... in the order of their first nodes.
    cutoff : float
        Edges longer than this were cut, in multiples of the mean length.
    modularity : float
        Of these communities.
    cutoffs, modularities : ndarray of shape (n_cutoffs,)
        All cutoffs that were tried, descending, and what they gave.
    """

    labels: NDArray[np.intp]
    cutoff: float
    modularity: float
    cutoffs: NDArray[np.float64]
    modularities: NDArray[np.float64]


def flow_communities(flow: RicciFlow, *, cutoff_step: float = 0.025, drop: float = 0.01) -> FlowCommunities:
    """Find the communities that a Ricci flow has pulled apart.

    Edges longer than a cutoff are cut, from the longest edge down to the mean length; the connected parts
    are the communities. On the way back up, the last cutoff before the modularity first falls is taken.

    Parameters
    ----------
    flow : RicciFlow
        From :func:`ricci_flow`.
    cutoff_step : float, default=0.025
        Between cutoffs, in multiples of the mean length.
    drop : float, default=0.01
        Part of the modularity that it must lose from one cutoff to the next higher one to count as a fall.
        Where it never does, the highest modularity is taken.

    Returns
    -------
    communities : FlowCommunities
        The connected parts of the graph, which may be one, if no cut gives a modularity above 0.

    Raises
    ------
    InputError
        If `cutoff_step` is not above 0, or `drop` is not in (0, 1).

    Notes
    -----
    The modularity is that of the graph before the flow, uncut, each edge counting once. After the flow a
    length is no strength of connection, and a graph without its cut edges favours few parts.

    References
    ----------
    Ni CC, Lin YY, Luo F, Gao J (2019). Community detection on networks with Ricci flow,
    doi:10.1038/s41598-019-46380-9.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from alignkit.metrics.graphs.flow import ricci_flow
    >>> triangles = np.zeros((6, 6))
    >>> triangles[[0, 0, 1, 2, 3, 3, 4], [1, 2, 2, 3, 4, 5, 5]] = 1.0
    >>> flow_communities(ricci_flow(csr_array(triangles + triangles.T))).labels
    array([0, 0, 0, 1, 1, 1])
    """
    check_positive(cutoff_step=cutoff_step)
    if not 0 < drop < 1:
        raise InputError(f"`drop` must be in (0, 1), got {drop:g}.")
    longest = float(flow.graph.data.max())
    n_cutoffs = max(1, int(np.ceil((longest - 1.0) / cutoff_step)))
    cutoffs: Floats = longest - cutoff_step * np.arange(n_cutoffs, dtype=np.float64)
    all_labels, modularities = _sweep(flow, cutoffs)
    best = _first_fall(modularities, drop)
    if modularities[best] <= 0:
        best = 0
    return FlowCommunities(
        all_labels[best], float(cutoffs[best]), float(modularities[best]), cutoffs, modularities
    )


def modularity(graph: Graph, labels: ArrayLike) -> float:
    """Compute how many more edges fall within communities than degrees alone would have there.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Any symmetric graph; its edges count once each, whatever their lengths.
    labels : array of shape (n_nodes,)
        Community of each node, as integers.

    Returns
    -------
    modularity : float
        In [-0.5, 1); 0 for one community.

    Raises
    ------
    InputError
        For a graph that :func:`ollivier_ricci` refuses, or not one integer label per node.

    References
    ----------
    Newman MEJ, Girvan M (2004). Finding and evaluating community structure in networks,
    doi:10.1103/PhysRevE.69.026113.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> modularity(csr_array(np.eye(4)[[1, 0, 3, 2]]), [0, 0, 1, 1])
    0.5
    """
    checked = check_graph("graph", graph)
    edges = edges_of(checked)
    return _modularity(edges.first, edges.second, check_labels("labels", labels, checked.shape[0]))


def check_labels(name: str, labels: ArrayLike, n_nodes: int) -> NDArray[np.intp]:
    """Return labels as 0, 1, ..., one per node."""
    values = check_array(name, labels, ndim=1)
    if values.size != n_nodes:
        raise InputError(f"`{name}` must have one value per node, got {values.size} for {n_nodes} nodes.")
    if (values != np.round(values)).any():
        raise InputError(f"`{name}` must be whole numbers, got {values[values != np.round(values)][0]:g}.")
    return np.unique(values, return_inverse=True)[1]


def _modularity(first: NDArray[np.intp], second: NDArray[np.intp], labels: NDArray[np.intp]) -> float:
    inside = np.count_nonzero(labels[first] == labels[second]) / first.size
    ends = np.bincount(np.concatenate([labels[first], labels[second]])) / (2 * first.size)
    return float(inside - ends @ ends)


def _sweep(flow: RicciFlow, cutoffs: Floats) -> tuple[list[NDArray[np.intp]], Floats]:
    """Return labels and modularity at each cutoff, computed once for those that cut the same edges."""
    edges = edges_of(flow.graph)
    longest_first = np.argsort(-edges.values, kind="stable")
    n_cut = np.searchsorted(-edges.values[longest_first], -cutoffs, side="left")
    labels: list[NDArray[np.intp]] = []
    modularities: list[float] = []
    for at, count in enumerate(n_cut.tolist()):
        if at and count == n_cut[at - 1]:
            labels.append(labels[-1])
            modularities.append(modularities[-1])
            continue
        rest = longest_first[count:]
        part = graph_of_edges(flow.graph.shape[0], edges.first[rest], edges.second[rest], np.ones(rest.size))
        labels.append(_ordered(connected_components(part, directed=False)[1]))
        modularities.append(_modularity(flow.edges[:, 0], flow.edges[:, 1], labels[-1]))
    return labels, np.array(modularities)


def _ordered(labels: NDArray[np.int32]) -> NDArray[np.intp]:
    _, where, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(where))[inverse]


def _first_fall(modularities: Floats, drop: float) -> int:
    """Return the cutoff, of descending ones, from which the next higher one first falls."""
    lower, higher = modularities[1:], modularities[:-1]
    falls = np.flatnonzero((lower > 0) & (lower - higher > drop * np.abs(lower)))
    return int(falls[-1] + 1) if falls.size else int(modularities.argmax())
