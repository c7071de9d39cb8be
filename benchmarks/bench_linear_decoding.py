"""Cross-validated linear decoding over times, against MNE-Python around scikit-learn.

asv runs the class. ``python benchmarks/bench_linear_decoding.py [--small]`` prints, for ridge, logistic
regression and discriminant analysis, at each time and across times, the least of several alternating runs of
both sides on one thread, their ratio and the largest difference of a score. scikit-learn's logistic
regression stops at its default tolerance and at a stricter one, at which its scores agree with ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import mne
import numpy as np
from mne.decoding import GeneralizingEstimator, SlidingEstimator, cross_val_multiscore
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from alignkit.decoders.linear.classifiers import DiscriminantOverTimes, LogisticOverTimes
from alignkit.decoders.linear.cross_validation import cross_validate_over_times
from alignkit.decoders.linear.ridge import RidgeOverTimes

N_FOLDS = 5
SIZE, SMALL = (1000, 300, 25), (300, 60, 8)
ALPHA = 100.0
DECODERS = {
    "ridge": (RidgeOverTimes(alpha=ALPHA), Ridge(ALPHA), "r2"),
    "logistic": (LogisticOverTimes(), LogisticRegression(max_iter=1000), "roc_auc"),
    "logistic, strict": (LogisticOverTimes(), LogisticRegression(max_iter=10_000, tol=1e-8), "roc_auc"),
    "discriminant": (
        DiscriminantOverTimes(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "roc_auc",
    ),
}


def make_epochs(n_trials: int, n_channels: int, n_times: int) -> tuple[Any, Any, Any]:
    """Return correlated channels, a number and a class that five of them hold, weakly."""
    rng = np.random.default_rng(0)
    mixing = np.eye(n_channels) + 0.1 * rng.standard_normal((n_channels, n_channels))
    X = np.einsum("cd,ndt->nct", mixing, rng.standard_normal((n_trials, n_channels, n_times)))
    number = rng.standard_normal(n_trials)
    X[:, :5] += 0.2 * number[:, None, None] * np.hanning(n_times)
    return X, number, (number > 0).astype(int)


def ours(name: str, X: Any, y: Any, *, generalise: bool = False) -> Any:
    decoder, _, scoring = DECODERS[name]
    return cross_validate_over_times(decoder, X, y, folds=N_FOLDS, scoring=scoring, generalise=generalise)


def theirs(name: str, X: Any, y: Any, *, generalise: bool = False) -> Any:
    _, model, scoring = DECODERS[name]
    kind = GeneralizingEstimator if generalise else SlidingEstimator
    estimator = kind(make_pipeline(StandardScaler(), model), scoring=scoring, n_jobs=1, verbose="error")
    return cross_val_multiscore(estimator, X, y, cv=N_FOLDS, n_jobs=1, verbose="error")


class OverTimes:
    """Time of :func:`alignkit.decoders.linear.cross_validation.cross_validate_over_times`."""

    params = [["ridge", "logistic", "discriminant"], [False, True]]
    param_names = ["decoder", "generalise"]

    def setup(self, name: str, generalise: bool) -> None:
        self.X, number, label = make_epochs(*SMALL)
        self.y = number if name == "ridge" else label

    def time_cross_validation(self, name: str, generalise: bool) -> None:
        ours(name, self.X, self.y, generalise=generalise)


def alternate(first: Callable[[], Any], second: Callable[[], Any], repeats: int) -> tuple[Any, ...]:
    """Return the least seconds (wall, of the processor) and the result of each, run in turns."""
    calls, results = (first, second), [None, None]
    best = np.full((2, 2), np.inf)
    for _ in range(repeats):
        for row, call in enumerate(calls):
            start = time.perf_counter(), time.process_time()
            results[row] = call()
            seconds = time.perf_counter() - start[0], time.process_time() - start[1]
            best[row] = np.minimum(best[row], seconds)
    return *best, *results


def compare(name: str, size: tuple[int, int, int], repeats: int, *, generalise: bool) -> None:
    X, number, label = make_epochs(*size)
    y = number if name == "ridge" else label
    mine, other, found, expected = alternate(
        lambda: ours(name, X, y, generalise=generalise),
        lambda: theirs(name, X, y, generalise=generalise),
        repeats,
    )
    where = "all x all times" if generalise else "each time"
    print(
        f"{name}, {where}: alignkit {mine[0]:.3f} s, MNE {other[0]:.2f} s: {other[0] / mine[0]:.1f} x "
        f"(processor {other[1] / mine[1]:.1f} x); scores differ by at most "
        f"{np.abs(found - expected).max():.1e}, mean {found.mean():.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=list(DECODERS), nargs="*", default=list(DECODERS))
    arguments = parser.parse_args()
    size = SMALL if arguments.small else SIZE
    mne.set_log_level("ERROR")
    libraries = {
        f"{info['internal_api']} {info.get('architecture', '')}".strip() for info in threadpool_info()
    }
    print(
        f"{size[0]} trials x {size[1]} channels x {size[2]} times, {N_FOLDS} folds, one thread; {libraries}"
    )
    with threadpool_limits(1):
        for name in arguments.only:
            compare(name, size, arguments.repeats, generalise=False)
            if name != "logistic, strict":
                compare(name, size, 1 + arguments.repeats // 3, generalise=True)


if __name__ == "__main__":
    main()
