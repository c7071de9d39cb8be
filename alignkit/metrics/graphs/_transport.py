"""Optimal transport between the neighbourhoods of the two ends of every edge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import dijkstra

from ..._core.progress import track
from ._graph import Edges, Floats, Indices, row_of_entries

Mass = Literal["exponential", "uniform"]
# Masses that cancel leave rounding errors, which are no mass.
_NO_MASS = 1e-14
_MAX_COSTS = 1 << 25
_MAX_DISTANCES = 1 << 25
_GATHER = 1 << 17
_CHUNK = 256
_MAX_PIVOTS = 1_000_000
_OPTIMAL = 1


@dataclass(frozen=True)
class Problems:
    """Transport problems of a batch of edges, one after the other in flat arrays.

    Attributes
    ----------
    supply, demand : ndarray
        Masses that remain where the two measures were taken off each other; their sums agree.
    cost : ndarray
        Distances, (n_supplies, n_demands) of each problem in C order.
    supply_at, demand_at, cost_at : ndarray of shape (n_problems + 1,)
        Where each problem starts.
    """

    supply: Floats
    demand: Floats
    cost: Floats
    supply_at: Indices
    demand_at: Indices
    cost_at: Indices

    def __len__(self) -> int:
        return self.cost_at.size - 1


def lazy_walk(graph: csr_array[Any], alpha: float, mass: Mass, length_scale: float) -> csr_array[Any]:
    """Return the measure of each node as a row: `alpha` at home, the rest on the neighbours."""
    rows, degrees = row_of_entries(graph), np.diff(graph.indptr)
    weights = np.ones(graph.nnz)
    if mass == "exponential":
        squared = (graph.data / length_scale) ** 2
        nearest = np.full(graph.shape[0], np.inf)
        np.minimum.at(nearest, rows, squared)
        # Relative to the nearest neighbour: a factor that the sum takes out, without which all underflow.
        weights = np.exp(nearest[rows] - squared)
    share = (1.0 - alpha) * weights / np.bincount(rows, weights, minlength=degrees.size)[rows]
    moves = csr_array((share, graph.indices, graph.indptr), shape=graph.shape)
    return csr_array(moves + alpha * eye_array(graph.shape[0], format="csr")) if alpha > 0 else moves


def solve_edges(
    graph: csr_array[Any],
    edges: Edges,
    walk: csr_array[Any],
    solve: Callable[[Problems], Floats],
) -> tuple[Floats, Floats]:
    """Solve the transport problem of each edge.

    Parameters
    ----------
    graph : csr_array
        Edge lengths.
    edges : Edges
        The edges to solve, all of the graph's or some.
    walk : csr_array
        Measures, one row per node.
    solve : callable
        From a batch of problems to an array of shape (n_problems, ...).

    Returns
    -------
    solved : ndarray of shape (n_edges, ...)
        What `solve` returned, in the order of the edges.
    distances : ndarray of shape (n_edges,)
        Shortest paths between the ends.
    """
    solved, distances = [], []
    for batch in _batches(walk, edges):
        problems, lengths = _pose(graph, batch, walk)
        solved.append(solve(problems))
        distances.append(lengths)
    return np.concatenate(solved), np.concatenate(distances)


def exact_costs(problems: Problems, *, n_jobs: int = 1) -> Floats:
    """Return the least cost of each problem by the network simplex method, in `n_jobs` threads."""
    starts = range(0, len(problems), _CHUNK)
    solve = partial(_solve_chunk, problems)
    if n_jobs == 1:
        return _joined(map(solve, starts), len(starts))
    # The solver lets other threads run, and so processes, which copy the problems, would gain nothing.
    with ThreadPoolExecutor(n_jobs) as pool:
        return _joined(pool.map(solve, starts), len(starts))


def _joined(parts: Iterable[Floats], n_parts: int) -> Floats:
    return np.concatenate(list(track(parts, "Ollivier-Ricci curvature", n_parts)))


def _solve_chunk(problems: Problems, start: int) -> Floats:
    from ot.lp.emd_wrap import emd_c  # POT's public function spends several times the solver's time on checks

    stop = min(start + _CHUNK, len(problems))
    supply_at, demand_at, cost_at = (
        at[start : stop + 1].tolist() for at in (problems.supply_at, problems.demand_at, problems.cost_at)
    )
    costs = np.zeros(stop - start)
    for i in range(stop - start):
        n_supplies, n_demands = supply_at[i + 1] - supply_at[i], demand_at[i + 1] - demand_at[i]
        if n_supplies == 0 or n_demands == 0:
            continue
        result = emd_c(
            problems.supply[supply_at[i] : supply_at[i + 1]],
            problems.demand[demand_at[i] : demand_at[i + 1]],
            problems.cost[cost_at[i] : cost_at[i + 1]].reshape(n_supplies, n_demands),
            _MAX_PIVOTS,
            1,
        )
        if result[-1] != _OPTIMAL:
            raise RuntimeError(
                f"optimal transport of {n_supplies} to {n_demands} masses ended with code {result[-1]} and "
                "without an optimum. Please report the graph; method='entropic' needs no such solver."
            )
        costs[i] = result[1]
    return costs


def _batches(walk: csr_array[Any], edges: Edges) -> Iterator[Edges]:
    """Yield edges whose cost matrices take bounded memory together."""
    degrees = np.diff(walk.indptr).astype(np.float64)
    filled = np.cumsum(degrees[edges.first] * degrees[edges.second]) // _MAX_COSTS
    for part in np.split(np.arange(filled.size), np.flatnonzero(np.diff(filled)) + 1):
        yield Edges(edges.first[part], edges.second[part], edges.values[part], np.empty(0, dtype=np.intp))


def _pose(graph: csr_array[Any], edges: Edges, walk: csr_array[Any]) -> tuple[Problems, Floats]:
    """Return the problems of the edges, and the shortest paths between their ends."""
    # Mass that both ends have at a node stays there in some optimal plan: distances obey the triangle.
    surplus: csr_array[Any] = csr_array(walk[edges.first] - walk[edges.second])
    problem, node, value = row_of_entries(surplus), surplus.indices.astype(np.intp), surplus.data
    gives, takes = value > _NO_MASS, value < -_NO_MASS
    n = edges.first.size
    supply, demand = value[gives], -value[takes]
    supply_sum, demand_sum = (
        np.bincount(problem[side], np.abs(value[side]), minlength=n) for side in (gives, takes)
    )
    demand = demand * (supply_sum / np.where(demand_sum > 0, demand_sum, 1.0))[problem[takes]]
    n_supplies, n_demands = (np.bincount(problem[side], minlength=n) for side in (gives, takes))
    supply_at, demand_at, cost_at = (
        np.concatenate([[0], np.cumsum(counts)]) for counts in (n_supplies, n_demands, n_supplies * n_demands)
    )
    cost, distances = _distances(graph, edges, problem[gives], node[gives], node[takes], demand_at, n_demands)
    return Problems(supply, demand, cost, supply_at, demand_at, cost_at), distances


def _distances(
    graph: csr_array[Any],
    edges: Edges,
    problem: Indices,
    giver: Indices,
    taker: Indices,
    demand_at: Indices,
    n_demands: Indices,
) -> tuple[Floats, Floats]:
    """Return the shortest paths from every giver to the takers of its problem, and along the edges."""
    counts = n_demands[problem]
    starts = np.cumsum(counts) - counts
    cost, along = np.empty(int(counts.sum())), np.empty(edges.first.size)
    longest = np.zeros(graph.shape[0])
    np.maximum.at(longest, row_of_entries(graph), graph.data)
    # Neighbours of two joined nodes are no farther apart than three edges; the rest need not be searched.
    limit = float((longest[edges.first] + edges.values + longest[edges.second]).max()) * (1 + 1e-9)
    sources = np.union1d(giver, edges.first)
    by_giver = np.argsort(giver, kind="stable")
    per_block = max(1, _MAX_DISTANCES // graph.shape[0])
    for block in np.split(sources, range(per_block, sources.size, per_block)):
        found = dijkstra(graph, indices=block, limit=limit)
        here = _within(np.arange(along.size), edges.first, block)
        along[here] = found[np.searchsorted(block, edges.first[here]), edges.second[here]]
        # In the order of the problems, so that what is written lies together; small parts stay in the cache.
        rows = np.sort(_within(by_giver, giver, block))
        row_at = np.searchsorted(block, giver[rows]) * graph.shape[0]
        filled = np.cumsum(counts[rows]) // _GATHER
        for part in np.split(np.arange(rows.size), np.flatnonzero(np.diff(filled)) + 1):
            pairs = rows[part]
            index = taker[_ranges(demand_at[problem[pairs]], counts[pairs])]
            index += np.repeat(row_at[part], counts[pairs])
            cost[_span(starts[pairs], counts[pairs])] = found.ravel().take(index)
    return cost, along


def _within(order: Indices, nodes: Indices, block: Indices) -> Indices:
    """Return the positions, of `order` sorted by node, whose node lies in the ascending `block`."""
    ordered = nodes[order]
    return order[np.searchsorted(ordered, block[0]) : np.searchsorted(ordered, block[-1], side="right")]


def _span(starts: Indices, counts: Indices) -> slice | Indices:
    """Return the ranges as a slice where each begins at the end of the one before."""
    if starts.size and starts[-1] + counts[-1] - starts[0] == counts.sum():
        return slice(int(starts[0]), int(starts[-1] + counts[-1]))
    return _ranges(starts, counts)


def _ranges(starts: Indices, counts: Indices) -> Indices:
    """Return start, start + 1, ... of each range, one range after the other."""
    offsets = np.cumsum(counts) - counts
    return np.repeat(starts - offsets, counts) + np.arange(int(counts.sum()))
