"""Graphs of stimuli: who is near whom in a representation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from ..._core.checks import check_array
from ..._core.errors import InputError
from .._arrays import torch_too
from ._graph import Floats, Graph, Indices, check_edge_values, graph_of_edges


@torch_too
def representation_graph(
    rdm: ArrayLike,
    *,
    k: int | None = None,
    epsilon: float | None = None,
    quantile: float | None = None,
    weighted: bool = True,
    mutual: bool = False,
    floor: float | None = None,
) -> csr_array[Any]:
    """Join stimuli that are near each other.

    Exactly one of `k`, `epsilon` and `quantile` says what near is. Choose the same for all systems that are
    compared, preferably `k`: it does not depend on the unit of the dissimilarities.

    Parameters
    ----------
    rdm : array of shape (n_pairs,)
        Condensed RDM (order of :func:`alignkit.metrics.rdm`), any dissimilarity.
    k : int, optional
        Each stimulus is joined to its `k` nearest, in [1, n_stimuli - 1]. Of equally near ones, those that
        come first in the RDM.
    epsilon : float, optional
        Pairs with a dissimilarity of at most this are joined.
    quantile : float, optional
        The nearest part of all pairs is joined, in (0, 1], ties of the last one too.
    weighted : bool, default=True
        Edges have the dissimilarity for their length; otherwise each has length 1.
    mutual : bool, default=False
        With `k`: join two stimuli only where each is among the nearest of the other, not where one is. May
        leave stimuli without an edge.
    floor : float, optional
        Least length, above 0, for edges whose dissimilarity is below: of repeated stimuli, whose distance is
        0, or of crossnobis distances below 0. Neighbours are found before.

    Returns
    -------
    graph : csr_array of shape (n_stimuli, n_stimuli)
        Lengths, each edge stored in both directions. Never torch, for the other functions on graphs take it.

    Raises
    ------
    InputError
        For an RDM that is not condensed or has NaN; unless exactly one rule is given, within its range; if
        an edge would have a length of 0 or below (without `floor`, with `weighted`); or if no pair is joined.

    References
    ----------
    von Luxburg U (2007). A tutorial on spectral clustering, doi:10.1007/s11222-007-9033-z (section 2.2).

    Examples
    --------
    >>> representation_graph([1.0, 2.0, 5.0, 1.5, 4.0, 3.0], k=1).toarray()
    array([[0. , 1. , 0. , 0. ],
           [1. , 0. , 1.5, 0. ],
           [0. , 1.5, 0. , 3. ],
           [0. , 0. , 3. , 0. ]])
    """
    values, n_stimuli = check_condensed(rdm)
    rules = {"k": k, "epsilon": epsilon, "quantile": quantile}
    given = [name for name, rule in rules.items() if rule is not None]
    if len(given) != 1:
        raise InputError(f"give one of `k`, `epsilon` and `quantile`, got {' and '.join(given) or 'none'}.")
    if mutual and k is None:
        raise InputError("`mutual` goes with `k`: a radius is the same from both sides. Leave it out.")
    if k is not None:
        joined = _near_in_rank(values, n_stimuli, k, mutual)
    elif quantile is not None:
        joined = _nearest_part(values, quantile)
    else:
        joined = _within(values, float(epsilon or 0.0))
    first, second = (index[joined] for index in np.triu_indices(n_stimuli, k=1))
    if not weighted:
        return graph_of_edges(n_stimuli, first, second, np.ones(first.size))
    return graph_of_edges(n_stimuli, first, second, _lengths(values[joined], first, second, floor))


def largest_component(graph: Graph) -> tuple[csr_array[Any], NDArray[np.intp]]:
    """Keep the largest connected part of a graph.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Edge lengths, or curvatures; symmetric.

    Returns
    -------
    part : csr_array of shape (n_kept, n_kept)
        Its edges. Of parts of one size, the one with the smallest node.
    nodes : ndarray of shape (n_kept,)
        The nodes kept, ascending.

    Raises
    ------
    InputError
        If the graph is not square, symmetric, finite and free of self-loops.

    Examples
    --------
    >>> graph = representation_graph([1.0, 9.0, 9.0, 9.0, 9.0, 9.0], epsilon=2.0)
    >>> largest_component(graph)[1]
    array([0, 1])
    """
    checked = check_edge_values("graph", graph)
    # connected_components reads a stored 0 as no edge.
    pattern = csr_array((np.ones(checked.nnz), checked.indices, checked.indptr), shape=checked.shape)
    labels = connected_components(pattern, directed=False)[1]
    nodes = np.flatnonzero(labels == np.bincount(labels).argmax())
    return csr_array(checked[nodes][:, nodes]), nodes


def check_condensed(rdm: ArrayLike) -> tuple[Floats, int]:
    """Return a condensed RDM and the number of its stimuli."""
    values = check_array("rdm", rdm, ndim=(1, 2), dtype=np.float64)
    if values.ndim == 2:
        raise InputError(
            f"`rdm` must be condensed, of shape (n_pairs,), got shape {values.shape}. Of a symmetric matrix "
            "with a zero diagonal, take scipy.spatial.distance.squareform; of several RDMs, one at a time."
        )
    n_stimuli = (1 + int(np.sqrt(1 + 8 * values.size))) // 2
    if n_stimuli * (n_stimuli - 1) // 2 != values.size:
        raise InputError(
            f"{values.size} dissimilarities are not the pairs of any number of stimuli (1, 3, 6, 10, ... "
            "are). Give a condensed RDM of all stimuli."
        )
    return values, n_stimuli


def _near_in_rank(values: Floats, n_stimuli: int, k: int, mutual: bool) -> NDArray[np.bool_]:
    if not 1 <= k < n_stimuli:
        raise InputError(f"`k` must be in [1, {n_stimuli - 1}] for {n_stimuli} stimuli, got {k}.")
    square = squareform(values, checks=False)
    np.fill_diagonal(square, np.inf)
    last = np.partition(square, k - 1, axis=1)[:, k - 1 : k]
    nearer, tied = square < last, square == last
    chosen = nearer | (tied & (tied.cumsum(axis=1) <= k - nearer.sum(axis=1, keepdims=True)))
    both = chosen & chosen.T if mutual else chosen | chosen.T
    return np.asarray(both[np.triu_indices(n_stimuli, k=1)])


def _nearest_part(values: Floats, quantile: float) -> NDArray[np.bool_]:
    if not 0 < quantile <= 1:
        raise InputError(f"`quantile` must be in (0, 1], got {quantile:g}.")
    return np.asarray(values <= np.quantile(values, quantile, method="inverted_cdf"))


def _within(values: Floats, epsilon: float) -> NDArray[np.bool_]:
    joined = values <= epsilon
    if not joined.any():
        raise InputError(
            f"no pair is within `epsilon` {epsilon:g}: the smallest dissimilarity is {values.min():g}, the "
            f"median {np.median(values):g}."
        )
    return joined


def _lengths(values: Floats, first: Indices, second: Indices, floor: float | None) -> Floats:
    if floor is not None:
        if not 0 < floor < np.inf:
            raise InputError(f"`floor` must be above 0 and finite, got {floor:g}.")
        return np.maximum(values, floor)
    bad = np.flatnonzero(values <= 0)
    if bad.size:
        raise InputError(
            f"{bad.size} edge(s) would have a length of 0 or below, the first between stimuli "
            f"{first[bad[0]]} and {second[bad[0]]} ({values[bad[0]]:g}). Average repeated stimuli before the "
            "RDM, or give a least length as `floor`, or use weighted=False."
        )
    return values
