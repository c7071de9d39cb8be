"""PLS and fractional ridge against scikit-learn and fracridge, both on the same folds.

asv runs the classes; ``python benchmarks/bench_encoders.py`` prints best times and ratios of the same run.
Set OMP_NUM_THREADS to the number of cores that both sides may use.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold

from alignkit.solvers.component_regression import components_cv
from alignkit.solvers.fractional_ridge import fractional_ridge_cv
from alignkit.solvers.pls_regression import pls_cv

FRACTIONS = np.arange(1, 21) / 20
SIZES = [(1000, 768, 2000), (300, 2000, 500), (500, 5000, 200)]


def make_data(n_samples: int, n_features: int, n_targets: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n_samples, 30))
    X = latent @ rng.standard_normal((30, n_features)) + 3 * rng.standard_normal((n_samples, n_features))
    Y = latent @ rng.standard_normal((30, n_targets)) + 5 * rng.standard_normal((n_samples, n_targets))
    return X, Y, list(KFold(5).split(X))


class Encoders:
    """Time and memory of the solvers, each with its cross-validation and the last fit."""

    params = SIZES
    param_names = ["n_samples, n_features, n_targets"]

    def setup(self, size: tuple[int, int, int]) -> None:
        self.X, self.Y, self.folds = make_data(*size)

    def time_pls(self, size: tuple[int, int, int]) -> None:
        pls_cv(self.X, self.Y, n_components=25, folds=self.folds)

    def time_fractional_ridge(self, size: tuple[int, int, int]) -> None:
        fractional_ridge_cv(self.X, self.Y, fractions=FRACTIONS, folds=self.folds)

    def time_principal_components(self, size: tuple[int, int, int]) -> None:
        components_cv(self.X, self.Y, n_components=None, folds=self.folds)

    def peakmem_fractional_ridge(self, size: tuple[int, int, int]) -> None:
        fractional_ridge_cv(self.X, self.Y, fractions=FRACTIONS, folds=self.folds)


def pls_fits(X: Any, Y: Any, folds: Any, tol: float) -> Any:
    """Fit scikit-learn's PLS to every fold and to all rows, as `pls_cv` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for train, test in folds:
            PLSRegression(25, tol=tol).fit(X[train], Y[train]).predict(X[test])
        return PLSRegression(25, tol=tol).fit(X, Y).predict(X)


def fracridge_loop(X: Any, Y: Any, folds: Any) -> Any:
    """Choose fractions over folds by fracridge and fit all rows, as `fractional_ridge_cv` does."""
    from fracridge import fracridge

    columns = np.arange(Y.shape[1])
    scores = np.zeros((len(FRACTIONS), len(columns)))
    for train, test in folds:
        mean, middle = X[train].mean(0), Y[train].mean(0)
        coef, _ = fracridge(X[train] - mean, Y[train] - middle, FRACTIONS)
        for row in range(len(FRACTIONS)):
            error = ((Y[test] - middle - (X[test] - mean) @ coef[:, row]) ** 2).sum(0)
            scores[row] += 1 - error / ((Y[test] - Y[test].mean(0)) ** 2).sum(0)
    best = scores.argmax(0)
    coef, _ = fracridge(X - X.mean(0), Y - Y.mean(0), FRACTIONS)
    return FRACTIONS[best], coef[:, best, columns]


def best_seconds(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    seconds, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main() -> None:
    fracridge_loop(*make_data(60, 5, 5))  # compiles
    for size in SIZES:
        X, Y, folds = data = make_data(*size)
        ours, found = best_seconds(lambda: pls_cv(X, Y, n_components=25, folds=folds), 3)  # noqa: B023
        print(f"{size}: PLS, 25 components, 5 folds: alignkit {ours:.2f} s")
        ours_predicted = X @ found.coef + found.intercept
        for name, tol in (("default tolerance", 1e-6), ("tol=1e-16", 1e-16)):
            theirs, predicted = best_seconds(lambda: pls_fits(*data, tol), 1)  # noqa: B023
            apart = np.abs(predicted - ours_predicted).max() / ours_predicted.std()
            print(f"    scikit-learn, {name}: {theirs:.2f} s, {theirs / ours:.1f} x, apart {apart:.1e} SD")
        ours, result = best_seconds(lambda: fractional_ridge_cv(X, Y, fractions=FRACTIONS, folds=folds), 3)  # noqa: B023
        theirs, (fractions, coef) = best_seconds(lambda: fracridge_loop(*data), 1)  # noqa: B023
        same = np.isclose(fractions, result.best_fractions)
        apart = np.linalg.norm(coef - result.coef, axis=0)[same] / np.linalg.norm(coef, axis=0)[same]
        print(f"    fractional ridge: alignkit {ours:.2f} s, fracridge {theirs:.2f} s, {theirs / ours:.1f} x")
        print(
            f"        same fraction for {same.mean():.1%} of targets, weights apart up to {apart.max():.1%}"
        )


if __name__ == "__main__":
    main()
