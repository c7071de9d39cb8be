"""Searchlights, their neighbourhoods and RDMs over time, against rsatoolbox.

asv runs the classes; ``python benchmarks/bench_searchlight.py`` prints medians and ratios of the same run.
Both sides work on one thread, since the peer's searchlight cannot use more. mne-rsa, the other peer, is not
installed with the development tools and was not timed here.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from alignkit.metrics.rsa.neighbourhoods import volume_neighbours
from alignkit.metrics.rsa.searchlight import searchlight_compare, searchlight_rdms
from alignkit.metrics.rsa.time_resolved import time_rdms

N_PATTERNS = 92
N_PEER_CENTRES = 100


def make_mask() -> Any:
    """Return a ball of 19,760 voxels."""
    grid = np.stack(np.meshgrid(*[np.arange(34)] * 3, indexing="ij"), axis=-1)
    return ((grid - 16.5) ** 2).sum(axis=-1) < 16.8**2


def make_neighbours(mask: Any) -> Any:
    # Less than 3 voxels away, as the peer's radius=3: 93 voxels where the mask does not end.
    return volume_neighbours(np.argwhere(mask), radius_mm=2.9, affine=np.eye(4))


class Searchlight:
    params = [["correlation", "euclidean"], ["float32", "float64"]]
    param_names = ["method", "dtype"]

    def setup(self, method: str, dtype: str) -> None:
        mask = make_mask()
        self.neighbours = make_neighbours(mask)[:4000]
        rng = np.random.default_rng(0)
        self.X = rng.standard_normal((N_PATTERNS, int(mask.sum()))).astype(dtype)
        self.model = rng.random(N_PATTERNS * (N_PATTERNS - 1) // 2)

    def time_compare(self, method: str, dtype: str) -> None:
        searchlight_compare(self.X, self.neighbours, self.model, method=method, comparison="pearson")

    def peakmem_compare(self, method: str, dtype: str) -> None:
        searchlight_compare(self.X, self.neighbours, self.model, method=method, comparison="pearson")


class Neighbours:
    def setup(self) -> None:
        self.positions = np.argwhere(make_mask())

    def time_grid(self) -> None:
        volume_neighbours(self.positions, radius_mm=2.9, affine=np.eye(4))

    def time_tree(self) -> None:
        volume_neighbours(self.positions, radius_mm=2.9)


class OverTime:
    def setup(self) -> None:
        self.X = np.random.default_rng(0).standard_normal((N_PATTERNS, 300, 100))

    def time_rdms(self) -> None:
        time_rdms(self.X)


def median_seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def quietly(call: Callable[[], Any]) -> Any:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return call()


def compare_searchlights(mask: Any, neighbours: Any) -> None:
    from rsatoolbox.inference import eval_fixed
    from rsatoolbox.model import ModelFixed
    from rsatoolbox.util.searchlight import evaluate_models_searchlight, get_searchlight_RDMs

    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_PATTERNS, int(mask.sum())))
    model = rng.random(N_PATTERNS * (N_PATTERNS - 1) // 2)
    full = np.flatnonzero(np.diff(neighbours.indptr) == 93)
    around = [
        neighbours.indices[neighbours.indptr[c] : neighbours.indptr[c + 1]] for c in full[:N_PEER_CENTRES]
    ]

    def peer_rdms(method: str) -> Any:
        return quietly(
            lambda: get_searchlight_RDMs(
                X, np.arange(N_PEER_CENTRES), around, np.arange(N_PATTERNS), method=method, verbose=False
            )
        )

    def peer(method: str) -> Any:
        rdms = peer_rdms(method)
        scores = quietly(
            lambda: evaluate_models_searchlight(rdms, ModelFixed("m", model), eval_fixed, method="corr")
        )
        return np.array([score.evaluations.item() for score in scores])

    some = neighbours[full]
    for ours, theirs in (("correlation", "correlation"), ("squared-euclidean", "euclidean")):
        expected = peer(theirs)
        for kind in (np.float64, np.float32):
            given = X.astype(kind)

            def score() -> Any:
                return searchlight_compare(given, some, model, method=ours, comparison="pearson")  # noqa: B023

            difference = np.abs(score()[0, :N_PEER_CENTRES] - expected).max()
            seconds = median_seconds(score, 3) / len(full)
            peer_seconds = median_seconds(lambda: peer(theirs), 3) / N_PEER_CENTRES  # noqa: B023
            print(
                f"{ours} RDM and its fit to a model, per centre ({given.dtype}, {len(full)} spheres "
                f"of 93 voxels): alignkit {1e6 * seconds:.1f} us, rsatoolbox {1e6 * peer_seconds:.0f} us, "
                f"{peer_seconds / seconds:.1f} x, largest difference {difference:.1e}"
            )
    small = X.astype(np.float32)
    seconds = median_seconds(lambda: searchlight_rdms(small, some[:4000]), 3) / 4000
    print(f"correlation RDM alone, float32: {1e6 * seconds:.1f} us per centre")


def compare_neighbours(mask: Any) -> None:
    from rsatoolbox.util.searchlight import get_volume_searchlight

    positions = np.argwhere(mask)
    peer_seconds = median_seconds(
        lambda: quietly(lambda: get_volume_searchlight(mask, radius=3, threshold=0.5)), 3
    )
    for name, affine in (("grid", np.eye(4)), ("tree", None)):
        seconds = median_seconds(lambda: volume_neighbours(positions, radius_mm=2.9, affine=affine))  # noqa: B023
        print(
            f"neighbours of {len(positions)} voxels by {name}: alignkit {1e3 * seconds:.1f} ms, rsatoolbox "
            f"{1e3 * peer_seconds:.0f} ms, {peer_seconds / seconds:.1f} x"
        )


def compare_times() -> None:
    from rsatoolbox.data import TemporalDataset
    from rsatoolbox.rdm import calc_rdm_movie

    X = np.random.default_rng(0).standard_normal((N_PATTERNS, 300, 100))
    data = TemporalDataset(X, time_descriptors={"time": np.arange(100)})

    def peer() -> Any:
        return quietly(lambda: calc_rdm_movie(data, method="correlation").dissimilarities)

    difference = np.abs(time_rdms(X) - peer()).max()
    seconds, peer_seconds = median_seconds(lambda: time_rdms(X)), median_seconds(peer, 3)
    print(
        f"correlation RDMs of 100 times, 92 x 300: alignkit {1e3 * seconds:.1f} ms, rsatoolbox "
        f"{1e3 * peer_seconds:.0f} ms, {peer_seconds / seconds:.1f} x, largest difference {difference:.1e}"
    )


def main() -> None:
    blas = {pool["internal_api"]: pool.get("architecture") for pool in threadpool_info()}
    print(f"BLAS {blas}, one thread, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}")
    mask = make_mask()
    with threadpool_limits(1):
        compare_neighbours(mask)
        compare_searchlights(mask, make_neighbours(mask))
        compare_times()


if __name__ == "__main__":
    main()
