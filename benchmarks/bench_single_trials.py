"""Responses to single trials against nilearn's general linear model, same regressors on both sides.

asv runs the class; ``python benchmarks/bench_single_trials.py`` prints best times and ratios of the same run.
nilearn's way to least squares separate is a model per trial (`run_glm` in a loop). Set OMP_NUM_THREADS to
the number of cores that both sides may use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from nilearn.glm.first_level import run_glm

from alignkit.preprocessing.single_trials.hemodynamics import trial_design
from alignkit.preprocessing.single_trials.responses import fit_single_trials

TR_S = 1.6
# n_runs, trials per run, voxels
SIZES = [(4, 60, 5000), (4, 60, 20000)]
OLS: dict[str, Any] = {"hrf": "canonical", "denoise": False, "fractions": None, "polynomial_degree": 2}


def make_data(n_runs: int, n_trials: int, n_voxels: int) -> tuple[list[Any], list[pd.DataFrame]]:
    rng = np.random.default_rng(0)
    n_volumes = int(np.ceil((n_trials * 4 + 20) / TR_S))
    runs, events = [], []
    for _ in range(n_runs):
        onsets = 4 + 4.0 * np.arange(n_trials) + rng.uniform(0, 1, n_trials)
        design = trial_design(onsets, 2.0, n_volumes=n_volumes, tr_s=TR_S)
        weights = rng.standard_normal((n_trials, n_voxels))
        runs.append(100 + design @ weights + rng.standard_normal((n_volumes, n_voxels)))
        ids = [f"s{i}" for i in rng.permutation(n_trials)]
        events.append(pd.DataFrame({"stimulus_id": ids, "onset_s": onsets, "duration_s": 2.0}))
    return runs, events


def nilearn_betas(runs: list[Any], events: list[pd.DataFrame], estimator: str) -> Any:
    """Return the responses of nilearn's ordinary least squares."""
    found = []
    for series, table in zip(runs, events, strict=True):
        n_volumes, n_trials = len(series), len(table)
        design = trial_design(table["onset_s"], table["duration_s"], n_volumes=n_volumes, tr_s=TR_S)
        drift = np.polynomial.legendre.legvander(np.linspace(-1, 1, n_volumes), 2)
        if estimator == "lsa":
            labels, results = run_glm(series, np.concatenate([design, drift], axis=1), noise_model="ols")
            found.append(results[labels[0]].theta[:n_trials])
            continue
        for trial in range(n_trials):
            own = design[:, [trial]]
            model = np.concatenate([own, design.sum(axis=1, keepdims=True) - own, drift], axis=1)
            labels, results = run_glm(series, model, noise_model="ols")
            found.append(results[labels[0]].theta[:1])
    return np.concatenate(found)


class SingleTrials:
    """Time and memory of both estimators and of all stages."""

    params = SIZES
    param_names = ["n_runs, n_trials, n_voxels"]
    timeout = 600

    def setup(self, size: tuple[int, int, int]) -> None:
        self.runs, self.events = make_data(*size)

    def time_least_squares_all(self, size: tuple[int, int, int]) -> None:
        fit_single_trials(self.runs, self.events, tr_s=TR_S, **OLS)

    def time_least_squares_separate(self, size: tuple[int, int, int]) -> None:
        fit_single_trials(self.runs, self.events, tr_s=TR_S, estimator="lss", **OLS)

    def time_all_stages(self, size: tuple[int, int, int]) -> None:
        fit_single_trials(self.runs, self.events, tr_s=TR_S)

    def peakmem_all_stages(self, size: tuple[int, int, int]) -> None:
        fit_single_trials(self.runs, self.events, tr_s=TR_S)


def best_time(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(runs: list[Any], events: list[pd.DataFrame], estimator: str, repeats: int) -> str:
    options: dict[str, Any] = {"tr_s": TR_S, "estimator": estimator, "unit": "data", **OLS}
    off = fit_single_trials(runs, events, **options).betas - nilearn_betas(runs, events, estimator)
    mine = best_time(lambda: fit_single_trials(runs, events, **options), repeats)
    peers = best_time(lambda: nilearn_betas(runs, events, estimator), repeats)
    return (
        f"{estimator}: alignkit {mine:.2f} s (with both R2 and ncsnr), nilearn {peers:.2f} s, "
        f"ratio {peers / mine:.1f}, largest difference {np.abs(off).max():.1e}"
    )


def main() -> None:
    for size in SIZES:
        runs, events = make_data(*size)
        print(f"{size[0]} runs x {size[1]} trials x {size[2]} voxels, {len(runs[0])} volumes per run")
        print(" ", compare(runs, events, "lsa", 5))
        print(" ", compare(runs, events, "lss", 2))
        took = best_time(lambda: fit_single_trials(runs, events, tr_s=TR_S), 1)  # noqa: B023
        print(f"  all stages: alignkit {took:.1f} s")


if __name__ == "__main__":
    main()
