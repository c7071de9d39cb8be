"""Dissimilarity matrices and their comparison, against rsatoolbox.

asv runs the classes; ``python benchmarks/bench_rdm.py`` prints medians and ratios of the same run.
Set OMP_NUM_THREADS to the number of cores that both sides may use.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit.metrics import compare_rdms, crossnobis, rdm

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


def median_seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def report(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], *, peer_repeats: int = 3) -> None:
    difference = np.nanmax(np.abs(np.asarray(ours()) - np.asarray(theirs())))
    seconds, peer_seconds = median_seconds(ours), median_seconds(theirs, peer_repeats)
    print(
        f"{name}: alignkit {seconds * 1e3:.2f} ms, rsatoolbox {peer_seconds * 1e3:.1f} ms, "
        f"{peer_seconds / seconds:.1f} x, largest difference {difference:.1e}"
    )


def main() -> None:
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import RDMs, calc_rdm, compare

    print(f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}")
    X = make_patterns(500, 5000)
    for ours, theirs in (("correlation", "correlation"), ("squared-euclidean", "euclidean")):
        report(
            f"{ours} RDM, 500 x 5000",
            lambda: rdm(X, method=ours),  # noqa: B023
            lambda: calc_rdm(Dataset(X), method=theirs).dissimilarities[0],  # noqa: B023
        )
    for n_conditions in (92, 400):
        trials, conditions, runs = make_trials(n_conditions, 300)
        data = Dataset(trials, obs_descriptors={"condition": conditions, "run": runs})
        report(
            f"crossnobis, {n_conditions} conditions, {N_RUNS} runs, 300 channels",
            lambda: crossnobis(trials, conditions, runs),  # noqa: B023
            lambda: (
                (
                    calc_rdm(data, method="crossnobis", descriptor="condition", cv_descriptor="run")  # noqa: B023
                ).dissimilarities[0]
            ),
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
