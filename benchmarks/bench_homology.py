"""Persistent homology and what compares it, against ripser and persim.

asv runs the classes; ``python benchmarks/bench_homology.py [n_stimuli ...]`` prints medians and ratios of
the same run, the sides taking turns, and the ratio of the shortest times. All of it runs on one thread, so
that processor time is what is measured: it does not count the turns of other processes.

ripser is called as it is, on the square matrix, and rounds it to single precision. alignkit calls it on
ranks and turns them back, so that for loops parity is all there is to reach.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ripser import ripser
from scipy.spatial.distance import pdist, squareform
from threadpoolctl import threadpool_info

from alignkit.metrics.topology.diagrams import diagram_distance
from alignkit.metrics.topology.divergence import representation_topology_divergence
from alignkit.metrics.topology.homology import persistent_homology


def make_distances(n_stimuli: int, n_units: int = 10, seed: int = 0) -> Any:
    return pdist(np.random.default_rng(seed).standard_normal((n_stimuli, n_units)))


def make_diagram(n_bars: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    births = rng.random(n_bars)
    return np.column_stack([births, births + rng.exponential(0.3, n_bars)])


class Homology:
    params = ([92, 500], [0, 1])
    param_names = ["n_stimuli", "max_dim"]

    def setup(self, n_stimuli: int, max_dim: int) -> None:
        self.distances = make_distances(n_stimuli)

    def time_persistent_homology(self, n_stimuli: int, max_dim: int) -> None:
        persistent_homology(self.distances, max_dim=max_dim)

    def peakmem_persistent_homology(self, n_stimuli: int, max_dim: int) -> None:
        persistent_homology(self.distances, max_dim=max_dim)


class Divergence:
    params = [92, 200]
    param_names = ["n_stimuli"]

    def setup(self, n_stimuli: int) -> None:
        self.pair = make_distances(n_stimuli), make_distances(n_stimuli, seed=1)

    def time_divergence(self, n_stimuli: int) -> None:
        representation_topology_divergence(*self.pair)


class DiagramDistance:
    params = (["bottleneck", "wasserstein"], [100, 500])
    param_names = ["kind", "n_bars"]

    def setup(self, kind: str, n_bars: int) -> None:
        self.pair = make_diagram(n_bars), make_diagram(n_bars, 1)

    def time_diagram_distance(self, kind: str, n_bars: int) -> None:
        diagram_distance(*self.pair, kind=kind)


def seconds_of(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def report(
    name: str, peer: str, ours: Callable[[], Any], theirs: Callable[[], Any], *, repeats: int = 7
) -> None:
    difference = np.abs(np.asarray(ours()) - np.asarray(theirs())).max()
    # In turns, so that a busy moment of the machine falls on both.
    sides = np.array([[seconds_of(ours), seconds_of(theirs)] for _ in range(repeats)])
    (seconds, peer_seconds), (shortest, peer_shortest) = np.median(sides, axis=0), sides.min(axis=0)
    print(
        f"{name}: alignkit {seconds * 1e3:.2f} ms, {peer} {peer_seconds * 1e3:.2f} ms, "
        f"{peer_seconds / seconds:.2f} x (shortest {peer_shortest / shortest:.2f} x), "
        f"largest difference {difference:.1e}"
    )


def lengths(diagram: Any) -> Any:
    finite = diagram[np.isfinite(diagram[:, 1])]
    return np.sort(finite[:, 1] - finite[:, 0])


def main() -> None:
    blas = ", ".join(f"{info['internal_api']} {info.get('architecture', '')}" for info in threadpool_info())
    print(f"BLAS {blas}; OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}")
    sizes = [int(argument) for argument in sys.argv[1:]] or [92, 500, 1000]
    for n_stimuli in sizes:
        distances = make_distances(n_stimuli)
        square = squareform(distances)
        report(
            f"components and loops, {n_stimuli} stimuli",
            "ripser",
            lambda: lengths(persistent_homology(distances)[1]),  # noqa: B023
            lambda: lengths(ripser(square, distance_matrix=True)["dgms"][1]),  # noqa: B023
        )
        report(
            f"components, {n_stimuli} stimuli",
            "ripser",
            lambda: lengths(persistent_homology(distances, max_dim=0)[0]),  # noqa: B023
            lambda: lengths(ripser(square, distance_matrix=True, maxdim=0)["dgms"][0]),  # noqa: B023
        )
    for n_stimuli in (92, 200):
        a, b = make_distances(n_stimuli), make_distances(n_stimuli, seed=1)
        report(
            f"topology divergence, both directions, {n_stimuli} stimuli",
            "ripser on the whole block matrix",
            lambda: representation_topology_divergence(a, b).draws[0],  # noqa: B023
            lambda: [divergence_by_definition(a, b), divergence_by_definition(b, a)],  # noqa: B023
        )
    compare_with_persim()


def divergence_by_definition(a: Any, b: Any) -> float:
    first, second = (squareform(rdm) / np.quantile(squareform(rdm), 0.9) for rdm in (a, b))
    block = np.block([[np.zeros_like(first), first], [first, np.minimum(first, second)]])
    return float(lengths(ripser(block, distance_matrix=True)["dgms"][1]).sum())


def compare_with_persim() -> None:
    try:
        import persim
    except ImportError:
        print("persim is not installed: distances of diagrams were not compared")
        return
    for n_bars in (100, 300):
        a, b = make_diagram(n_bars), make_diagram(n_bars, 1)
        report(
            f"wasserstein, {n_bars} bars",
            "persim",
            lambda: diagram_distance(a, b),  # noqa: B023
            lambda: persim.wasserstein(a, b),  # noqa: B023
        )
        report(
            f"bottleneck, {n_bars} bars",
            "persim",
            lambda: diagram_distance(a, b, kind="bottleneck"),  # noqa: B023
            lambda: persim.bottleneck(a, b),  # noqa: B023
            repeats=2,
        )


if __name__ == "__main__":
    main()
