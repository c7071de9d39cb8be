"""Two systems' graphs of the same stimuli: are they curved alike, at the same places."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform
from scipy.stats import wasserstein_distance
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from ..._core.checks import check_array, check_option, check_same_samples
from ..._core.errors import InputError
from ..._core.progress import track
from .._arrays import torch_too
from .._registry import METRICS
from .._rounding import check_range
from ._graph import Graph, check_edge_values, check_graph, edges_of
from ._matching import Correlation, correlate, inverse, keys, permutation
from .communities import check_labels, flow_communities
from .construction import check_condensed, representation_graph
from .flow import ricci_flow
from .forman import forman_ricci
from .ollivier import lin_lu_yau, node_curvature, ollivier_ricci

Comparison = Literal["edge-correlation", "node-correlation", "distribution-distance", "community-agreement"]
Curvature = Literal["ollivier", "lin-lu-yau", "forman", "augmented-forman", "balanced-forman"]
EdgeSet = Literal["shared", "union"]
Agreement = Literal["adjusted-rand", "adjusted-mutual-information"]


def compare_graphs(
    a: Graph, b: Graph, *, method: Comparison = "edge-correlation", curvature: Curvature = "ollivier"
) -> float:
    """Compare the curvature of two systems' graphs of the same stimuli.

    - ``"edge-correlation"``: :func:`edge_correlation` over the edges that both graphs have.
    - ``"node-correlation"``: :func:`node_correlation`, of each stimulus's mean curvature.
    - ``"distribution-distance"``: :func:`curvature_distance`; blind to which stimulus is where.
    - ``"community-agreement"``: :func:`community_agreement` of the communities that the Ricci flow finds in
      each graph, always by Ollivier's curvature.

    Parameters
    ----------
    a, b : csr_array of shape (n_stimuli, n_stimuli)
        Edge lengths of the same stimuli in the same order, made by one rule (:func:`representation_graph`).
    method : str, default="edge-correlation"
        See above.
    curvature : str, default="ollivier"
        "ollivier" and "lin-lu-yau" with ``length_scale="median"``, so that the units of the two systems'
        dissimilarities do not matter; "forman", "augmented-forman", "balanced-forman".

    Returns
    -------
    value : float
        A similarity of at most 1, for "distribution-distance" a distance of at least 0. A correlation is NaN
        where the curvature of a graph is the same everywhere.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, a graph cannot be used, or the comparison is not defined for them.

    Notes
    -----
    To compare many systems, or for a null, compute each one's curvature once and call the functions that are
    named above.

    References
    ----------
    See :func:`ollivier_ricci`, :func:`forman_ricci` and :func:`ricci_flow`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = representation_graph(rng.random(190), k=4)
    >>> round(compare_graphs(a, 10 * a), 6)
    1.0
    """
    check_option("method", method, get_args(Comparison))
    check_option("curvature", curvature, get_args(Curvature))
    graphs = check_graph("a", a), check_graph("b", b)
    _check_same_nodes(*graphs)
    if method == "community-agreement":
        return community_agreement(*(flow_communities(ricci_flow(graph)).labels for graph in graphs))
    first, second = (_CURVATURES[curvature](graph) for graph in graphs)
    if method == "edge-correlation":
        return edge_correlation(first, second)
    if method == "node-correlation":
        return node_correlation(node_curvature(first), node_curvature(second))
    return curvature_distance(first, second)


def edge_correlation(
    a: Graph,
    b: Graph,
    *,
    edges: EdgeSet = "shared",
    correlation: Correlation = "spearman",
    order: ArrayLike | None = None,
) -> float:
    """Correlate the curvature of two systems over edges.

    Parameters
    ----------
    a, b : csr_array of shape (n_stimuli, n_stimuli)
        Curvature of the edges of each, from any of the curvature functions.
    edges : {"shared", "union"}, default="shared"
        Over the edges that both have, or all that either has. In a union an edge that one lacks has curvature
        0 there, so that the result also rests on which edges there are: judge it by a permutation null only.
    correlation : {"spearman", "pearson"}, default="spearman"
        Of ranks, or of the values.
    order : array of shape (n_stimuli,), optional
        Relabelling: stimulus i of `a` is matched with stimulus ``order[i]`` of `b`, as
        :func:`alignkit.stats.permute_nodes` asks for.

    Returns
    -------
    correlation : float
        In [-1, 1]. NaN if the curvature of one side is constant, to 1e-12, over the edges compared.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, fewer than 3 edges can be compared, `order` is not a permutation, or
        an input is no curvature of a graph.

    Notes
    -----
    Relabelled graphs share fewer edges than matched ones, so that a null over shared edges is wider than the
    sampling of the observed value, and its test errs on the safe side.

    Examples
    --------
    >>> curved = forman_ricci(representation_graph([1.0, 2.0, 5.0, 1.5, 4.0, 3.0], k=1))
    >>> round(edge_correlation(curved, curved), 6)
    1.0
    """
    check_option("edges", edges, get_args(EdgeSet))
    check_option("correlation", correlation, get_args(Correlation))
    n_nodes = _check_same_nodes(a, b)
    first = edges_of(check_edge_values("a", a))
    second = edges_of(check_edge_values("b", b))
    key_a, key_b = keys(first, None, n_nodes), keys(second, inverse(order, n_nodes), n_nodes)
    shared, at_a, at_b = np.intersect1d(key_a, key_b, assume_unique=True, return_indices=True)
    if edges == "shared":
        if shared.size < 3:
            raise InputError(
                f"at least 3 edges must be shared to correlate their curvature, got {shared.size} of "
                f"{key_a.size} and {key_b.size}. Join more neighbours, or use edges='union'."
            )
        return correlate(first.values[at_a], second.values[at_b], correlation)
    either = np.union1d(key_a, key_b)
    if either.size < 3:
        raise InputError(f"at least 3 edges are needed to correlate their curvature, got {either.size}.")
    values = np.zeros((2, either.size))
    values[0, np.searchsorted(either, key_a)] = first.values
    values[1, np.searchsorted(either, key_b)] = second.values
    return correlate(values[0], values[1], correlation)


@torch_too
def node_correlation(
    a: ArrayLike,
    b: ArrayLike,
    *,
    correlation: Correlation = "spearman",
    order: ArrayLike | None = None,
) -> float:
    """Correlate the node curvature of two systems over stimuli.

    Parameters
    ----------
    a, b : array of shape (n_stimuli,)
        From :func:`node_curvature`. NaN marks a stimulus without edges; it is left out.
    correlation : {"spearman", "pearson"}, default="spearman"
        Of ranks, or of the values.
    order : array of shape (n_stimuli,), optional
        See :func:`edge_correlation`.

    Returns
    -------
    correlation : float
        In [-1, 1]. NaN if one side is constant, to 1e-12, over the stimuli compared.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, fewer than 3 have edges on both sides, values are infinite, or
        `order` is not a permutation.

    Examples
    --------
    >>> round(node_correlation([0.1, 0.4, 0.2], [1.0, 3.0, 2.0]), 6)
    1.0
    """
    check_option("correlation", correlation, get_args(Correlation))
    first, second = (
        check_array(name, values, ndim=1, dtype=np.float64, finite=False)
        for name, values in (("a", a), ("b", b))
    )
    check_same_samples("a", first, "b", second)
    for name, values in (("a", first), ("b", second)):
        if np.isinf(values).any():
            raise InputError(f"`{name}` holds {np.isinf(values).sum()} infinite curvatures.")
        check_range(name, values)
    if order is not None:
        second = second[permutation(order, second.size)]
    both = ~np.isnan(first) & ~np.isnan(second)
    if both.sum() < 3:
        raise InputError(
            f"at least 3 stimuli must have edges in both systems, got {both.sum()} of {both.size}. Join more "
            "neighbours."
        )
    return correlate(first[both], second[both], correlation)


def curvature_distance(a: Graph, b: Graph) -> float:
    """Compute the Wasserstein-1 distance between the distributions of two systems' edge curvatures.

    A metric between distributions. It does not see which stimulus is where, so that relabelling stimuli is no
    null for it: see :func:`alignkit.stats.exchange_blocks`.

    Parameters
    ----------
    a, b : csr_array of shape (n_stimuli, n_stimuli)
        Curvature of the edges of each; numbers of edges, and of stimuli, may differ. Compare graphs of one
        size and rule all the same: curvature depends on both.

    Returns
    -------
    distance : float
        At least 0, in the unit of curvature; 0 for equal distributions.

    Raises
    ------
    InputError
        If an input is no curvature of a graph, or has no edges.

    Examples
    --------
    >>> square, triangle = (csr_array(np.eye(n)[[*range(1, n), 0]]) for n in (4, 3))
    >>> curvature_distance(*(ollivier_ricci(graph + graph.T) for graph in (square, triangle)))
    0.25
    """
    values = []
    for name, graph in (("a", a), ("b", b)):
        edges = edges_of(check_edge_values(name, graph))
        if edges.values.size == 0:
            raise InputError(f"`{name}` has no edges and so no distribution of curvatures.")
        values.append(edges.values)
    return float(wasserstein_distance(*values))


@torch_too
def community_agreement(
    a: ArrayLike, b: ArrayLike, *, method: Agreement = "adjusted-rand", order: ArrayLike | None = None
) -> float:
    """Compare two partitions of the same stimuli.

    Parameters
    ----------
    a, b : array of shape (n_stimuli,)
        Community of each stimulus, as integers; which number a community has does not matter.
    method : {"adjusted-rand", "adjusted-mutual-information"}, default="adjusted-rand"
        Over pairs of stimuli, or of information; both less what chance gives.
    order : array of shape (n_stimuli,), optional
        See :func:`edge_correlation`.

    Returns
    -------
    agreement : float
        1 for the same partition, about 0 for unrelated ones, below it for less than chance. Two systems that
        both have one community, or both one per stimulus, agree: 1.

    Raises
    ------
    InputError
        If the numbers of stimuli differ, labels are not integers, or `order` is not a permutation.

    References
    ----------
    Hubert L, Arabie P (1985). Comparing partitions, doi:10.1007/BF01908075. Vinh NX et al. (2010), JMLR
    11:2837.

    Examples
    --------
    >>> community_agreement([0, 0, 1, 1], [5, 5, 2, 2])
    1.0
    """
    check_option("method", method, get_args(Agreement))
    first = check_array("a", a, ndim=1)
    second = check_array("b", b, ndim=1)
    check_same_samples("a", first, "b", second)
    labels_a, labels_b = check_labels("a", first, first.size), check_labels("b", second, second.size)
    if order is not None:
        labels_b = labels_b[permutation(order, labels_b.size)]
    score = adjusted_rand_score if method == "adjusted-rand" else adjusted_mutual_info_score
    return float(score(labels_a, labels_b))


@torch_too
def block_curvatures(
    rdm: ArrayLike, blocks: ArrayLike, *, k: int, curvature: Curvature = "ollivier"
) -> list[NDArray[np.float64]]:
    """Compute the edge curvatures of a graph for each block of stimuli by itself.

    What :func:`alignkit.stats.exchange_blocks` takes: blocks share no stimulus, and so no edge.

    Parameters
    ----------
    rdm : array of shape (n_pairs,)
        Condensed RDM of all stimuli.
    blocks : array of shape (n_stimuli,)
        Block of each stimulus, as integers; drawn at random, the same for both systems.
    k : int
        See :func:`representation_graph`; below the size of the smallest block.
    curvature : str, default="ollivier"
        See :func:`compare_graphs`.

    Returns
    -------
    values : list of ndarray of shape (n_edges,)
        One per block, in ascending order of their numbers. Never torch.

    Raises
    ------
    InputError
        See :func:`representation_graph`; or not one integer per stimulus, or a block of `k` stimuli or fewer.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = block_curvatures(rng.random(190), rng.permutation(20) % 2, k=3)
    >>> len(values)
    2
    """
    check_option("curvature", curvature, get_args(Curvature))
    values, n_stimuli = check_condensed(rdm)
    square = squareform(values, checks=False)
    labels = check_labels("blocks", blocks, n_stimuli)
    sizes = np.bincount(labels)
    if sizes.min() <= k:
        raise InputError(
            f"every block must have more than `k` = {k} stimuli, the smallest of {sizes.size} has "
            f"{sizes.min()}. Use fewer blocks or a smaller `k`."
        )
    found = []
    for block in track(range(sizes.size), "Curvature of each block"):
        members = np.flatnonzero(labels == block)
        part = square[np.ix_(members, members)][np.triu_indices(members.size, k=1)]
        found.append(edges_of(_CURVATURES[curvature](representation_graph(part, k=k))).values)
    return found


def _check_same_nodes(a: Graph, b: Graph) -> int:
    sizes = [graph.shape[0] if hasattr(graph, "shape") else 0 for graph in (a, b)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"`a` and `b` must be graphs of the same stimuli, got {sizes[0]} and {sizes[1]} nodes. Make both "
            "graphs from RDMs of the shared stimuli."
        )
    return int(sizes[0])


_CURVATURES: dict[str, Callable[[Graph], csr_array[Any]]] = {
    "augmented-forman": partial(forman_ricci, variant="augmented"),
    "balanced-forman": partial(forman_ricci, variant="balanced"),
    "forman": partial(forman_ricci, variant="plain"),
    "lin-lu-yau": partial(lin_lu_yau, length_scale="median"),
    "ollivier": partial(ollivier_ricci, length_scale="median"),
}


def _register() -> None:
    maps = ("scale", "stimulus-permutation", "symmetry")
    ollivier = "Ollivier 2009, doi:10.1016/j.jfa.2008.11.001"
    shared: dict[str, Any] = {"inputs": "graphs", "invariant_to": maps}
    similar: dict[str, Any] = {**shared, "kind": "similarity", "higher_is_closer": True, "range": (-1.0, 1.0)}
    METRICS.register(
        "curvature-edge-correlation",
        unit="rho",
        paper=ollivier,
        summary="rank correlation of Ollivier-Ricci curvature over the edges that both graphs have",
        **similar,
    )(partial(compare_graphs, method="edge-correlation"))
    METRICS.register(
        "curvature-node-correlation",
        unit="rho",
        paper=ollivier,
        summary="rank correlation of the stimuli's mean Ollivier-Ricci curvature",
        **similar,
    )(partial(compare_graphs, method="node-correlation"))
    METRICS.register(
        "curvature-distribution-distance",
        kind="distance",
        higher_is_closer=False,
        range=(0.0, float("inf")),
        unit="curvature",
        paper=ollivier,
        summary="Wasserstein-1 distance of the distributions of edge curvature, whichever stimulus is where",
        **shared,
    )(partial(compare_graphs, method="distribution-distance"))
    METRICS.register(
        "community-agreement",
        unit="adjusted Rand index",
        paper="Ni et al. 2019, doi:10.1038/s41598-019-46380-9",
        summary="adjusted Rand index of the communities that the Ricci flow finds in each graph",
        **similar,
    )(partial(compare_graphs, method="community-agreement"))


_register()
