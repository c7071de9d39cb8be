"""Cross-validated ridge, 20 alphas and 5 folds, against himalaya.

asv runs the class. ``python benchmarks/bench_ridge.py [--small]`` prints, for each shape, times and ratios of
the same run, how far the time is from that of the matrix products alone, peak memory above the data,
agreement with himalaya, and how time grows with samples, features and targets. Set OMP_NUM_THREADS to the
cores that both sides may use. ``--skip-slow`` leaves out himalaya's RidgeCV, which takes most of the time.
KernelRidgeCV, which returns no coefficients of features, runs where samples are not many more than features.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_info

from alignkit.solvers import gemm_name, ridge_cv
from alignkit.solvers._gemm import BACKENDS

ALPHAS = np.logspace(-1, 8, 20)
N_FOLDS = 5
SIZES = [(10000, 768, 4000), (3000, 5000, 2000), (3000, 5000, 20000), (1000, 20000, 2000), (1000, 768, 2000)]
SMALL = [(2000, 256, 1000), (500, 1000, 500), (500, 1000, 2000), (300, 4000, 500), (400, 300, 500)]


def make_data(n_samples: int, n_features: int, n_targets: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features), dtype=np.float32)
    weights = rng.standard_normal((n_features, n_targets), dtype=np.float32) / np.float32(np.sqrt(n_features))
    Y = X @ weights
    Y += rng.standard_normal((n_samples, n_targets), dtype=np.float32)
    return X, Y, list(KFold(N_FOLDS).split(X))


class RidgeCV:
    """Time and memory of :func:`alignkit.solvers.ridge_cv`."""

    params = SMALL
    param_names = ["n_samples, n_features, n_targets"]

    def setup(self, size: tuple[int, int, int]) -> None:
        self.X, self.Y, self.folds = make_data(*size)

    def time_ridge_cv(self, size: tuple[int, int, int]) -> None:
        ours(self.X, self.Y, self.folds)

    def time_ridge_cv_standardized(self, size: tuple[int, int, int]) -> None:
        ours(self.X, self.Y, self.folds, standardize=True)

    def time_leave_one_out(self, size: tuple[int, int, int]) -> None:
        ours(self.X, self.Y, "leave-one-out")

    def peakmem_ridge_cv(self, size: tuple[int, int, int]) -> None:
        ours(self.X, self.Y, self.folds)


def ours(X: Any, Y: Any, folds: Any, *, standardize: bool = False) -> Any:
    return ridge_cv(X, Y, alphas=ALPHAS, folds=folds, standardize=standardize, device="cpu")


def himalaya_ridge(X: Any, Y: Any, folds: Any) -> Any:
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV as HimalayaRidgeCV
    from himalaya.scoring import r2_score

    set_backend("numpy")
    params = {"score_func": r2_score, "warn": False}
    return HimalayaRidgeCV(alphas=ALPHAS, fit_intercept=True, cv=KFold(N_FOLDS), solver_params=params).fit(
        X, Y
    )


def himalaya_kernel_ridge(X: Any, Y: Any, folds: Any) -> Any:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.scoring import r2_score

    set_backend("torch")
    try:
        params = {"score_func": r2_score}
        grid = ALPHAS.astype(np.float32)
        return KernelRidgeCV(alphas=grid, fit_intercept=True, cv=KFold(N_FOLDS), solver_params=params).fit(
            X, Y
        )
    finally:
        set_backend("numpy")


CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "alignkit": ours,
    "himalaya RidgeCV": himalaya_ridge,
    "himalaya KernelRidgeCV (torch)": himalaya_kernel_ridge,
}


def seconds(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def gemm_limit(side: int) -> dict[str, float]:
    """Return GFLOP/s of each backend that is there, float32, and of float64."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    found = {}
    for name, multiply in BACKENDS.items():
        try:
            found[name] = 2e-9 * side**3 / seconds(lambda: multiply(a, b), 5)  # noqa: B023
        except (RuntimeError, AttributeError):
            continue
    double = a.double().numpy()
    found["float64"] = 2e-9 * side**3 / seconds(lambda: double @ double.copy(), 3)
    return found


def products(n_samples: int, n_features: int, n_targets: int) -> float:
    """Return the float32 operations that the closed form needs: what is below every implementation of it."""
    train = n_samples * (N_FOLDS - 1) // N_FOLDS
    if n_features <= n_samples:
        per_fold = 3 * n_features**2 * n_targets
        return 2.0 * (n_samples * n_features * n_targets + N_FOLDS * per_fold + n_features**2 * n_targets)
    per_fold = 2 * train**2 * n_targets + (n_samples - train) * train * n_targets
    return 2.0 * (N_FOLDS * per_fold + n_samples * (n_samples + n_features) * n_targets)


def one_by_one(n_samples: int, n_features: int, n_targets: int) -> float:
    """Return the operations of one product per alpha: the bound without the closed form."""
    train, test = n_samples * (N_FOLDS - 1) // N_FOLDS, n_samples // N_FOLDS
    side = min(n_features, train)
    return 2.0 * len(ALPHAS) * N_FOLDS * min(side, test) * side * n_targets


def peak_above_data(name: str, size: tuple[int, int, int]) -> float:
    """Return MB above imports and data, of a process of its own."""
    argv = [sys.executable, __file__, "--memory", name, *map(str, size)]
    # What is in use, on both sides, and not what the allocator keeps for later.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.splitlines()[-1])


def print_memory(name: str, size: tuple[int, int, int]) -> None:
    X, Y, folds = make_data(*size)
    # A small call first: what imports and thread pools take is not the method's.
    CALLS[name](X[:600, :700], Y[:600, :200], list(KFold(N_FOLDS).split(X[:600])))
    reset_peak()
    before = peak()
    CALLS[name](X, Y, folds)
    print(peak() - before)


def reset_peak() -> None:
    # Linux; elsewhere the peak includes making the data.
    try:
        with open("/proc/self/clear_refs", "w") as handle:  # noqa: PTH123
            handle.write("5")
    except OSError:
        return


def peak() -> float:
    try:
        with open("/proc/self/status") as handle:  # noqa: PTH123
            lines = dict(line.split(":", 1) for line in handle)
        return float(lines["VmHWM"].split()[0]) / 1e3
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def compare(
    size: tuple[int, int, int], limit: float, names: list[str], repeats: int, *, memory: bool
) -> None:
    X, Y, folds = make_data(*size)
    times = {"alignkit": seconds(lambda: ours(X, Y, folds), repeats)}
    result = ours(X, Y, folds)
    closed, plain = (count(*size) / limit / 1e9 for count in (products, one_by_one))
    print(f"\nn, p, targets = {size}: alignkit {times['alignkit']:.3f} s")
    print(
        f"    of its products alone: {times['alignkit'] / closed:.2f} x; one product per alpha: {plain:.3f} s"
    )
    peaks = {"alignkit": peak_above_data("alignkit", size)} if memory else {}
    if memory:
        print(
            f"    peak memory above the data: {peaks['alignkit']:.0f} MB (data "
            f"{(X.nbytes + Y.nbytes) / 1e6:.0f} MB, coefficients {result.coef.nbytes / 1e6:.0f} MB)"
        )
    for name in names:
        if not worth_it(name, size):
            continue
        start = time.perf_counter()
        peer = CALLS[name](X, Y, folds)
        took = time.perf_counter() - start
        same = np.mean(np.isclose(np.asarray(peer.best_alphas_), result.best_alphas, rtol=1e-4))
        apart = np.abs(np.ravel(np.asarray(peer.cv_scores_)) - result.cv_scores).max()
        text = f"    {name}: {took:.2f} s, {took / times['alignkit']:.1f} x; same alpha {same:.2%}"
        text += f", scores within {apart:.1e}"
        if memory:
            theirs = peak_above_data(name, size)
            text += f"; peak {theirs:.0f} MB, of which ours is {peaks['alignkit'] / theirs:.2f}"
        print(text, flush=True)


def worth_it(name: str, size: tuple[int, int, int]) -> bool:
    """Whether a peer is made for the shape: the other way takes minutes and many gigabytes."""
    n_samples, n_features, n_targets = size
    if "Kernel" in name:
        return n_samples <= 2 * n_features
    return n_samples >= n_features or (n_features <= 5000 and n_targets <= 2000)


def slopes(base: tuple[int, int, int], repeats: int) -> None:
    """Print the log-log slope of time from a half to the double, one size at a time."""
    print(f"\nlog-log slopes of time about n, p, targets = {base}")
    for at, name in enumerate(("samples", "features", "targets")):
        points = []
        for factor in (0.5, 1.0, 2.0):
            size = tuple(int(n * factor) if k == at else n for k, n in enumerate(base))
            X, Y, folds = make_data(size[0], size[1], size[2])
            points.append((np.log(size[at]), np.log(seconds(lambda: ours(X, Y, folds), repeats))))  # noqa: B023
        print(f"    {name}: {np.polyfit(*np.transpose(points), 1)[0]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--skip-slow", action="store_true")
    parser.add_argument("--memory", nargs=4)
    options = parser.parse_args()
    if options.memory:
        print_memory(options.memory[0], tuple(map(int, options.memory[1:])))  # type: ignore[arg-type]
        return
    sizes, repeats = (SMALL, 5) if options.small else (SIZES, 2)
    # Asked before anything else keeps threads awake.
    chosen = gemm_name()
    limits = gemm_limit(1024 if options.small else 2048)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"torch {torch.get_num_threads()} threads"
    )
    for pool in threadpool_info():
        print(
            f"    {pool['user_api']} {pool['internal_api']} {pool.get('architecture', '')} "
            f"{pool['num_threads']}"
        )
    core = os.environ.get("OPENBLAS_CORETYPE", "not set")
    print(f"OPENBLAS_CORETYPE {core}; products by {chosen}; GFLOP/s:")
    print("    " + ", ".join(f"{name} {speed:.0f}" for name, speed in limits.items()))
    ours(*make_data(100, 20, 10))
    names = [
        name
        for name in CALLS
        if name != "alignkit" and not (options.skip_slow and name == "himalaya RidgeCV")
    ]
    for size in sizes:
        compare(size, limits[chosen], names, repeats, memory=True)
    X, Y, folds = make_data(*sizes[0])
    plain, scaled = (seconds(lambda: ours(X, Y, folds, standardize=z), repeats) for z in (False, True))  # noqa: B023
    print(f"\nz-scoring every fold costs {scaled / plain:.2f} x; leave-one-out takes", end=" ")
    print(f"{seconds(lambda: ours(X, Y, 'leave-one-out'), 1):.2f} s for {sizes[0]}")
    for base in ((2000, 200, 1000), (400, 800, 1000)):
        slopes(base, 3)


if __name__ == "__main__":
    main()
