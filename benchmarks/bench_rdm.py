"""Dissimilarity matrices and their comparison, against rsatoolbox.

asv runs the classes; ``python benchmarks/bench_rdm.py`` prints medians and ratios of the same run.
Set OMP_NUM_THREADS to the number of cores that both sides may use. float64 distances are bound by one
symmetric product, which no BLAS does faster than its own; float32 data (what recordings hold) are multiplied
as float32, and the difference printed is what that costs. The peer is given float64 throughout.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from alignkit.metrics import compare_rdms, crossnobis, rdm
from alignkit.solvers._gemm import gemm_name

N_RUNS = 4


def make_patterns(n_patterns: int, n_channels: int) -> Any:
    return np.random.default_rng(0).standard_normal((n_patterns, n_channels))


def make_trials(n_conditions: int, n_channels: int) -> tuple[Any, Any, Any]:
    X = make_patterns(n_conditions * N_RUNS, n_channels)
    return X, np.tile(np.arange(n_conditions), N_RUNS), np.repeat(np.arange(N_RUNS), n_conditions)


def make_rdms(n_rdms: int, n_patterns: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random((n_rdms, n_patterns * (n_patterns - 1) // 2))


class Rdm:
    params = (["correlation", "cosine", "euclidean", "poisson"], [92, 500])
    param_names = ["method", "n_patterns"]

    def setup(self, method: str, n_patterns: int) -> None:
        self.X = np.abs(make_patterns(n_patterns, 2000))

    def time_rdm(self, method: str, n_patterns: int) -> None:
        rdm(self.X, method=method)

    def peakmem_rdm(self, method: str, n_patterns: int) -> None:
        rdm(self.X, method=method)


class Crossnobis:
    params = [92, 500]
    param_names = ["n_conditions"]

    def setup(self, n_conditions: int) -> None:
        self.trials = make_trials(n_conditions, 500)

    def time_crossnobis(self, n_conditions: int) -> None:
        crossnobis(*self.trials)


class Compare:
    params = ["bures", "cosine", "pearson", "rho-a", "spearman", "tau-a", "whitened-cosine"]
    param_names = ["method"]

    def setup(self, method: str) -> None:
        self.first, self.second = make_rdms(12, 92), make_rdms(10, 92, 1)

    def time_compare(self, method: str) -> None:
        compare_rdms(self.first, self.second, method=method)


class RdmFloat32:
    params = ["correlation", "euclidean"]
    param_names = ["method"]

    def setup(self, method: str) -> None:
        self.X = make_patterns(1000, 10_000).astype(np.float32)
        rdm(self.X, method=method)

    def time_rdm(self, method: str) -> None:
        rdm(self.X, method=method)

    def peakmem_rdm(self, method: str) -> None:
        rdm(self.X, method=method)


def median_seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def report(
    name: str,
    ours: Callable[[], Any] | dict[str, Callable[[], Any]],
    theirs: Callable[[], Any],
    *,
    peer_repeats: int = 3,
) -> None:
    """Print the times of one or several of our calls beside one peer's."""
    expected = np.asarray(theirs())
    peer_seconds = median_seconds(theirs, peer_repeats)
    for which, call in (ours if isinstance(ours, dict) else {"": ours}).items():
        difference = np.nanmax(np.abs(np.asarray(call()) - expected))
        seconds = median_seconds(call)
        print(
            f"{name}{which and ', '}{which}: alignkit {seconds * 1e3:.2f} ms, "
            f"rsatoolbox {peer_seconds * 1e3:.1f} ms, {peer_seconds / seconds:.1f} x, "
            f"largest difference {difference:.1e}"
        )


def main() -> None:
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import RDMs, calc_rdm, compare

    blas = {pool["internal_api"]: pool.get("architecture") for pool in threadpool_info()}
    print(f"BLAS {blas}, float32 by {gemm_name()}, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}")
    # The peer's own, from reading its labels.
    warnings.filterwarnings("ignore", message="invalid value encountered in cast")
    X = make_patterns(1000, 10_000)
    small = X.astype(np.float32)
    for ours, theirs in (("correlation", "correlation"), ("squared-euclidean", "euclidean")):
        report(
            f"{ours} RDM, 1000 x 10000",
            {"float64": lambda: rdm(X, method=ours), "float32": lambda: rdm(small, method=ours)},  # noqa: B023
            lambda: calc_rdm(Dataset(X), method=theirs).dissimilarities[0],  # noqa: B023
        )
    for n_conditions, n_channels in ((92, 300), (92, 10_000), (1000, 300), (1000, 10_000)):
        trials, conditions, runs = make_trials(n_conditions, n_channels)
        small = trials.astype(np.float32)
        data = Dataset(trials, obs_descriptors={"condition": conditions, "run": runs})
        report(
            f"crossnobis, {n_conditions} conditions, {N_RUNS} runs, {n_channels} channels",
            {
                "float64": lambda: crossnobis(trials, conditions, runs),  # noqa: B023
                "float32": lambda: crossnobis(small, conditions, runs),  # noqa: B023
            },
            lambda: (
                (
                    calc_rdm(data, method="crossnobis", descriptor="condition", cv_descriptor="run")  # noqa: B023
                ).dissimilarities[0]
            ),
            peer_repeats=1 if n_conditions * n_channels > 10**6 else 3,
        )
    first, second = make_rdms(12, 92), make_rdms(10, 92, 1)
    for ours, theirs in (("tau-a", "tau-a"), ("spearman", "spearman"), ("whitened-cosine", "cosine_cov")):
        report(
            f"{ours}, 12 x 10 RDMs of 92",
            lambda: compare_rdms(first, second, method=ours),  # noqa: B023
            lambda: compare(RDMs(first), RDMs(second), method=theirs),  # noqa: B023
        )
    first, second = make_rdms(1, 1000), make_rdms(1, 1000, 1)
    report(
        "tau-a, RDMs of 1000",
        lambda: compare_rdms(first, second, method="tau-a"),
        lambda: compare(RDMs(first), RDMs(second), method="tau-a"),
    )
    tied = np.round(first, 1)
    report(
        "tau-a, RDMs of 1000, one with ties",
        lambda: compare_rdms(tied, second, method="tau-a"),
        lambda: compare(RDMs(tied), RDMs(second), method="tau-a"),
    )


if __name__ == "__main__":
    main()
