"""Ollivier-Ricci curvature and the Ricci flow, against GraphRicciCurvature.

asv runs the classes; ``python benchmarks/bench_curvature.py`` prints medians and ratios of the same run, each
side in turn. Neighbour graphs of Gaussian points in 10 dimensions, lengths kept. The peer (0.6.1) uses POT's
transport as well, one process per core for the edges and all cores for the shortest paths; alignkit uses
threads for the transport and one for the rest. Set OMP_NUM_THREADS to 1, so that ``processes=1`` is one core
on both sides.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from alignkit.metrics.graphs.construction import representation_graph
from alignkit.metrics.graphs.flow import ricci_flow
from alignkit.metrics.graphs.forman import forman_ricci
from alignkit.metrics.graphs.ollivier import entropic_ricci, ollivier_ricci


def make_graph(n_nodes: int, k: int) -> Any:
    return representation_graph(pdist(np.random.default_rng(0).standard_normal((n_nodes, 10))), k=k)


class Ollivier:
    params = ([200, 1000], [10, 15])
    param_names = ["n_nodes", "k"]

    def setup(self, n_nodes: int, k: int) -> None:
        self.graph = make_graph(n_nodes, k)

    def time_exact(self, n_nodes: int, k: int) -> None:
        ollivier_ricci(self.graph)

    def time_exact_two_threads(self, n_nodes: int, k: int) -> None:
        ollivier_ricci(self.graph, n_jobs=2)

    def peakmem_exact(self, n_nodes: int, k: int) -> None:
        ollivier_ricci(self.graph)


class Forman:
    params = ["plain", "augmented", "balanced"]
    param_names = ["variant"]

    def setup(self, variant: str) -> None:
        self.graph = make_graph(1000, 10)

    def time_forman(self, variant: str) -> None:
        forman_ricci(self.graph, variant=variant)


class Flow:
    def setup(self) -> None:
        self.graph = make_graph(1000, 10)

    def time_three_steps(self) -> None:
        ricci_flow(self.graph, n_steps=3)


def in_turn(calls: dict[str, Callable[[], Any]], repeats: int = 5) -> dict[str, float]:
    """Return median seconds of each call; the calls alternate, so that a busy machine slows all."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(title: str, calls: dict[str, Callable[[], Any]], difference: float, repeats: int = 5) -> None:
    found = in_turn(calls, repeats)
    ours, peer = (found[name] for name in ("alignkit", "peer"))
    print(
        f"{title}: alignkit {ours:.3f} s, GraphRicciCurvature {peer:.3f} s, {peer / ours:.1f} x, "
        f"largest difference {difference:.1e}"
    )


def compare(n_nodes: int, k: int, processes: int) -> None:
    import networkx as nx
    from GraphRicciCurvature.OllivierRicci import OllivierRicci

    graph = make_graph(n_nodes, k)
    peer = OllivierRicci(nx.from_scipy_sparse_array(graph), alpha=0.5, method="OTD", proc=processes)
    peer.compute_ricci_curvature()
    ours = ollivier_ricci(graph)
    difference = max(abs(ours[i, j] - facts["ricciCurvature"]) for i, j, facts in peer.G.edges(data=True))
    calls = {
        "alignkit": lambda: ollivier_ricci(graph, n_jobs=processes),
        "peer": peer.compute_ricci_curvature,
    }
    report(f"{n_nodes} nodes, k {k}, {graph.nnz // 2} edges, {processes} process(es)", calls, difference)


def compare_flow(processes: int, n_steps: int = 2) -> None:
    import networkx as nx
    from GraphRicciCurvature.OllivierRicci import OllivierRicci

    graph = make_graph(1000, 10)
    graph.data /= graph.data.mean()
    network = nx.from_scipy_sparse_array(graph)

    def theirs() -> Any:
        peer = OllivierRicci(network, alpha=0.5, method="OTD", proc=processes)
        peer.compute_ricci_flow(iterations=n_steps)
        return peer.G

    ours = ricci_flow(graph, n_steps=n_steps).graph
    difference = max(abs(ours[i, j] - facts["weight"]) for i, j, facts in theirs().edges(data=True))
    calls = {"alignkit": lambda: ricci_flow(graph, n_steps=n_steps, n_jobs=processes), "peer": theirs}
    title = f"Ricci flow, 1000 nodes, k 10, {n_steps} steps, {processes} process(es)"
    report(title, calls, difference, repeats=3)


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}")
    for processes in (1, 2):
        for n_nodes, k in ((200, 10), (1000, 10), (1000, 15)):
            compare(n_nodes, k, processes)
        compare_flow(processes)
    graph = make_graph(200, 10)
    result = entropic_ricci(graph)
    seconds = in_turn(
        {"entropic": lambda: entropic_ricci(graph), "exact": lambda: ollivier_ricci(graph)}, repeats=1
    )
    print(
        f"entropic, 200 nodes, k 10: {seconds['entropic']:.2f} s, exact {seconds['exact']:.3f} s; off by "
        f"up to {result.max_error:.4f} on {result.n_checked} edges, bound {result.error_bound.data.max():.3f}"
    )


if __name__ == "__main__":
    main()
