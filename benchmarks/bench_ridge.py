"""Cross-validated ridge, 20 alphas and 5 folds, against himalaya.

asv runs the classes; ``python benchmarks/bench_ridge.py`` prints medians and ratios of the same run.
Set OMP_NUM_THREADS to the number of cores that both sides may use.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import KFold

from alignkit.solvers import ridge_cv

ALPHAS = np.logspace(-1, 8, 20)
SIZES = [(2000, 256, 1000), (500, 2000, 1000), (600, 5000, 500)]


def make_data(n_samples: int, n_features: int, n_targets: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features), dtype=np.float32)
    weights = rng.standard_normal((n_features, n_targets), dtype=np.float32) / np.float32(np.sqrt(n_features))
    noise = rng.standard_normal((n_samples, n_targets), dtype=np.float32)
    return X, X @ weights + noise, list(KFold(5).split(X))


class RidgeCV:
    """Time and memory of :func:`alignkit.solvers.ridge_cv`."""

    params = SIZES
    param_names = ["n_samples, n_features, n_targets"]

    def setup(self, size: tuple[int, int, int]) -> None:
        self.X, self.Y, self.folds = make_data(*size)

    def time_ridge_cv(self, size: tuple[int, int, int]) -> None:
        ridge_cv(self.X, self.Y, alphas=ALPHAS, folds=self.folds, device="cpu")

    def time_ridge_cv_standardized(self, size: tuple[int, int, int]) -> None:
        ridge_cv(self.X, self.Y, alphas=ALPHAS, folds=self.folds, standardize=True, device="cpu")

    def peakmem_ridge_cv(self, size: tuple[int, int, int]) -> None:
        ridge_cv(self.X, self.Y, alphas=ALPHAS, folds=self.folds, device="cpu")


def peers(X: Any, Y: Any, folds: Any) -> dict[str, Callable[[], Any]]:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV as HimalayaRidgeCV
    from himalaya.scoring import r2_score

    splitter = KFold(5)

    def ridge() -> Any:
        set_backend("numpy")
        params = {"score_func": r2_score}
        return HimalayaRidgeCV(alphas=ALPHAS, fit_intercept=True, cv=splitter, solver_params=params).fit(X, Y)

    def kernel_ridge() -> Any:
        set_backend("torch")
        params = {"score_func": r2_score}
        model = KernelRidgeCV(alphas=ALPHAS, fit_intercept=True, cv=splitter, solver_params=params)
        try:
            return model.fit(X, Y)
        finally:
            set_backend("numpy")

    return {"himalaya RidgeCV": ridge, "himalaya KernelRidgeCV (torch)": kernel_ridge}


def median_seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    print(f"torch threads: {torch.get_num_threads()}")
    for size in SIZES:
        X, Y, folds = make_data(*size)
        ours = median_seconds(lambda: ridge_cv(X, Y, alphas=ALPHAS, folds=folds, device="cpu"))  # noqa: B023
        print(f"{size}: alignkit {ours:.3f} s")
        result = ridge_cv(X, Y, alphas=ALPHAS, folds=folds, device="cpu")
        for name, call in peers(X, Y, folds).items():
            theirs = median_seconds(call, repeats=1)
            same = float(np.mean(np.isclose(np.asarray(call().best_alphas_), result.best_alphas, rtol=1e-4)))
            print(f"    {name}: {theirs:.3f} s, {theirs / ours:.1f} x, same alpha for {same:.1%} of targets")


if __name__ == "__main__":
    main()
