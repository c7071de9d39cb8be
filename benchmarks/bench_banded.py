"""Banded ridge by random search, 8 weights x 10 alphas and 5 folds, against himalaya.

asv runs the classes; ``python benchmarks/bench_banded.py`` prints the best of interleaved runs and their
ratio. Both sides get the same weights, alphas and folds, fit an intercept and refit. himalaya's default of no
intercept is another model: it centres nothing, and its best scores then differ (printed as well).
Set OMP_NUM_THREADS to the number of cores that both sides may use.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import KFold

from alignkit.encoders.partition import variance_partition
from alignkit.solvers._gemm import gemm_name
from alignkit.solvers.banded_ridge import banded_ridge_cv

ALPHAS = np.logspace(0, 6, 10)
WEIGHTS = np.random.default_rng(1).dirichlet(np.ones(3), 8)
SIZES = [(1500, 1000, 2000), (600, 300, 2000), (1500, 1000, 10000)]


def make_data(n_samples: int, n_features: int, n_targets: int) -> tuple[list[Any], Any, list[Any]]:
    """Return three spaces: one that matters, one that does a little, one that does not."""
    rng = np.random.default_rng(0)
    spaces = [rng.standard_normal((n_samples, n_features), dtype=np.float32) for _ in range(3)]
    Y = rng.standard_normal((n_samples, n_targets), dtype=np.float32)
    for gain, X in zip((1.0, 0.3), spaces, strict=False):
        weights = rng.standard_normal((n_features, n_targets), dtype=np.float32)
        Y += np.float32(gain / np.sqrt(n_features)) * (X @ weights)
    return spaces, Y, list(KFold(5).split(Y))


def ours(spaces: list[Any], Y: Any, folds: list[Any], **options: Any) -> Any:
    return banded_ridge_cv(spaces, Y, alphas=ALPHAS, folds=folds, weights=WEIGHTS, device="cpu", **options)


def himalaya(spaces: list[Any], Y: Any, *, backend: str = "torch", fit_intercept: bool = True) -> Any:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.scoring import r2_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = set_backend(backend)
    try:
        kernels = chosen.asarray(np.stack([X @ X.T for X in spaces]))
        return solve_multiple_kernel_ridge_random_search(
            kernels,
            chosen.asarray(Y),
            n_iter=chosen.asarray(WEIGHTS.astype(np.float32)),
            alphas=chosen.asarray(ALPHAS.astype(np.float32)),
            score_func=r2_score,
            cv=KFold(5),
            fit_intercept=fit_intercept,
            return_weights="dual",
            progress_bar=False,
        )
    finally:
        set_backend("numpy")


class BandedRidge:
    """Time and memory of :func:`alignkit.solvers.banded_ridge.banded_ridge_cv`."""

    params = SIZES[:2]
    param_names = ["n_samples, n_features per space, n_targets"]

    def setup(self, size: tuple[int, int, int]) -> None:
        self.spaces, self.Y, self.folds = make_data(*size)

    def time_random_search(self, size: tuple[int, int, int]) -> None:
        ours(self.spaces, self.Y, self.folds)

    def time_random_search_standardized(self, size: tuple[int, int, int]) -> None:
        ours(self.spaces, self.Y, self.folds, standardize=True)

    def peakmem_random_search(self, size: tuple[int, int, int]) -> None:
        ours(self.spaces, self.Y, self.folds)


class VariancePartition:
    """Time of :func:`alignkit.encoders.partition.variance_partition`."""

    def setup(self) -> None:
        spaces, self.Y, _ = make_data(400, 50, 500)
        self.spaces = dict(zip("abc", spaces, strict=True))

    def time_banded(self) -> None:
        variance_partition(self.spaces, self.Y, alphas=ALPHAS, n_weights=8, device="cpu")


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def main() -> None:
    print(f"torch threads {torch.get_num_threads()}, OPENBLAS_CORETYPE {os.environ.get('OPENBLAS_CORETYPE')}")
    for size in SIZES:
        spaces, Y, folds = make_data(*size)
        runs: dict[str, list[float]] = {"alignkit": [], "himalaya torch": [], "himalaya numpy": []}
        for _ in range(2):
            for name, times in runs.items():
                call = {
                    "alignkit": lambda: ours(spaces, Y, folds),  # noqa: B023
                    "himalaya torch": lambda: himalaya(spaces, Y),  # noqa: B023
                    "himalaya numpy": lambda: himalaya(spaces, Y, backend="numpy"),  # noqa: B023
                }[name]
                took, found = seconds(call)
                times.append(took)
                if name == "alignkit":
                    best = found.cv_scores
                elif name == "himalaya torch":
                    apart = np.abs(best - np.asarray(found[2]).max(axis=0)).max()
        fastest = {name: min(times) for name, times in runs.items()}
        ratios = ", ".join(
            f"{name} {took:.2f} s ({took / fastest['alignkit']:.2f} x)" for name, took in fastest.items()
        )
        print(f"{size}: {ratios}; products by {gemm_name()}; best scores apart by {apart:.1e}", flush=True)
        if size == SIZES[1]:
            plain = np.asarray(himalaya(spaces, Y, fit_intercept=False)[2]).max(axis=0)
            print(f"    himalaya without intercept: best scores apart by {np.abs(best - plain).max():.1e}")


if __name__ == "__main__":
    main()
