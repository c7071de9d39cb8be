"""Discrete Ricci flow: edges within groups shrink, bridges between them grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ..._core.errors import InputError
from ..._core.progress import track
from ._graph import (
    Floats,
    Graph,
    Indices,
    check_graph,
    check_positive,
    edges_of,
    graph_of_edges,
    lay_on_edges,
)
from ._transport import Mass
from .ollivier import LengthScale, ollivier_ricci


@dataclass(frozen=True)
class RicciFlow:
    """Result of :func:`ricci_flow`.

    Attributes
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Edge lengths after the last step, of mean 1 in each connected part, without the edges that surgery
        cut.
    curvature : csr_array of shape (n_nodes, n_nodes)
        Of this graph.
    start : csr_array of shape (n_nodes, n_nodes)
        The same before the first step.
    edges : ndarray of shape (n_edges, 2)
        Nodes of each edge of `start`, the smaller first.
    lengths : ndarray of shape (n_steps + 1, n_edges)
        Of each edge, before the first step and after each; NaN once the edge is cut.
    curvature_range : ndarray of shape (n_steps + 1, 2)
        Smallest and largest curvature at these lengths.
    n_steps : int
        Steps taken.
    converged : bool
        Whether the curvature is the same all over each connected part, within `tolerance`.
    n_floored : int
        Edges that would be shorter than `min_length` after the last step and were kept there.
    """

    graph: csr_array[Any]
    curvature: csr_array[Any]
    start: csr_array[Any]
    edges: NDArray[np.intp]
    lengths: NDArray[np.float64]
    curvature_range: NDArray[np.float64]
    n_steps: int
    converged: bool
    n_floored: int


def ricci_flow(
    graph: Graph,
    *,
    n_steps: int = 10,
    step_size: float = 1.0,
    alpha: float = 0.5,
    mass: Mass = "exponential",
    length_scale: LengthScale = 1.0,
    surgery_every: int | None = None,
    surgery_length: float = 3.0,
    tolerance: float = 1e-4,
    min_length: float = 1e-7,
    n_jobs: int = 1,
) -> RicciFlow:
    """Let edge lengths flow by their Ollivier-Ricci curvature.

    Each step takes ``step_size * curvature * length`` off every length and scales lengths to a mean of 1, in
    each connected part by itself. What is positively curved shrinks, bridges grow, which
    :func:`flow_communities` cuts.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Edge lengths above 0, symmetric. The parts of a graph that is not connected flow independently.
    n_steps : int, default=10
        Steps at most; 10 to 50 are usual.
    step_size : float, default=1.0
        In (0, 1]: with more, an edge of curvature near 1 would get a length below 0.
    alpha, mass, length_scale
        See :func:`ollivier_ricci`; lengths have a mean of 1 from the start, so that nothing depends on the
        unit of the dissimilarities.
    surgery_every : int, optional
        After every so many steps, cut edges longer than `surgery_length`; by default nothing is cut. The
        graph may fall apart, and its parts flow on.
    surgery_length : float, default=3.0
        In multiples of the part's mean length, above 1.
    tolerance : float, default=1e-4
        Stop when the largest and the smallest curvature differ by less in every part.
    min_length : float, default=1e-7
        Of an edge, in multiples of the mean: shorter ones are kept there and counted, since an edge of
        length 0 has no curvature.
    n_jobs : int, default=1
        Threads.

    Returns
    -------
    flow : RicciFlow
        The graph after the flow, and the way there.

    Raises
    ------
    InputError
        For a graph that :func:`ollivier_ricci` refuses, or a number outside its range.

    References
    ----------
    Ni CC, Lin YY, Luo F, Gao J (2019). Community detection on networks with Ricci flow,
    doi:10.1038/s41598-019-46380-9.

    Examples
    --------
    >>> triangle_and_tail = np.zeros((4, 4))
    >>> triangle_and_tail[[0, 0, 1, 2], [1, 2, 2, 3]] = 1.0
    >>> flow = ricci_flow(csr_array(triangle_and_tail + triangle_and_tail.T), n_steps=3)
    >>> flow.lengths[-1].round(2)  # 0-1, 0-2, 1-2, 2-3
    array([0.02, 1.14, 1.14, 1.71])
    """
    check_positive(n_steps=n_steps, tolerance=tolerance, min_length=min_length)
    _check_ranges(step_size, surgery_every, surgery_length)
    checked = check_graph("graph", graph)
    first = edges = edges_of(checked)
    part = _parts(checked)
    current = start = lay_on_edges(checked, edges, edges.values / _mean(edges.values, part))
    kept, n_floored = np.arange(part.size), 0
    lengths, ranges = [], []
    for step in track(range(n_steps + 1), "Ricci flow"):
        curvature = ollivier_ricci(current, alpha=alpha, mass=mass, length_scale=length_scale, n_jobs=n_jobs)
        edges, values = edges_of(current), edges_of(curvature).values
        lengths.append(_spread(edges.values, kept, first.values.size))
        ranges.append((values.min(), values.max()))
        converged = _widest_range(values, part) < tolerance
        if converged or step == n_steps:
            break
        flowed = edges.values * (1.0 - step_size * values)
        flowed /= _mean(flowed, part)
        n_floored = int((flowed < min_length).sum())
        flowed = np.maximum(flowed, min_length)
        stays = np.ones(flowed.size, dtype=bool)
        if surgery_every is not None and (step + 1) % surgery_every == 0:
            stays = flowed <= surgery_length
        kept, ends = kept[stays], (edges.first[stays], edges.second[stays])
        cut = graph_of_edges(current.shape[0], *ends, flowed[stays])
        part = _parts(cut)
        current = graph_of_edges(current.shape[0], *ends, flowed[stays] / _mean(flowed[stays], part))
    return RicciFlow(
        graph=current,
        curvature=curvature,
        start=start,
        edges=np.stack([first.first, first.second], axis=1),
        lengths=np.stack(lengths),
        curvature_range=np.array(ranges),
        n_steps=len(lengths) - 1,
        converged=bool(converged),
        n_floored=n_floored,
    )


def _check_ranges(step_size: float, surgery_every: int | None, surgery_length: float) -> None:
    if not 0 < step_size <= 1:
        raise InputError(f"`step_size` must be in (0, 1], got {step_size:g}.")
    if surgery_every is not None and not surgery_every >= 1:
        raise InputError(f"`surgery_every` must be at least 1 step, got {surgery_every}.")
    if not surgery_length > 1:
        raise InputError(
            f"`surgery_length` must be above 1, the mean length, got {surgery_length:g}: less would cut what "
            "is not longer than others."
        )


def _parts(graph: csr_array[Any]) -> Indices:
    """Return the connected part of each edge."""
    return np.asarray(connected_components(graph, directed=False)[1][edges_of(graph).first])


def _mean(values: Floats, part: Indices) -> Floats:
    """Return the mean over its part, for each edge."""
    return np.asarray((np.bincount(part, values) / np.maximum(np.bincount(part), 1))[part])


def _widest_range(values: Floats, part: Indices) -> float:
    lowest, highest = np.full(part.max() + 1, np.inf), np.full(part.max() + 1, -np.inf)
    np.minimum.at(lowest, part, values)
    np.maximum.at(highest, part, values)
    # A part of a lone node has no edge.
    return float((highest - lowest)[highest >= lowest].max())


def _spread(values: Floats, kept: Indices, n_edges: int) -> Floats:
    row = np.full(n_edges, np.nan)
    row[kept] = values
    return row
