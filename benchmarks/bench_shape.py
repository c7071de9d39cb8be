"""Kernel alignment, shape and stochastic shape distances of many pairs, against the plain way of each pair.

asv runs the classes; ``python benchmarks/bench_shape.py`` prints times and ratios of the same run: the plain
way for a few pairs, scaled to all, ours for all. The peer of this field (netrep) is on no package index, so
the functions `plain_*` are its methods written from their definitions, pair by pair, with its stopping rules.
Set OMP_NUM_THREADS to the number of cores that both sides may use.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from alignkit.metrics.similarity.pairwise import all_pairs
from alignkit.metrics.similarity.stochastic_shape import stochastic_shape_distance


def make_layers(n_layers: int, n_samples: int, n_units: int) -> list[Any]:
    """Return layers that each share something with the one before."""
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal((n_samples, n_units))]
    for _ in range(n_layers - 1):
        layers.append(0.5 * layers[-1] + rng.standard_normal((n_samples, n_units)))
    return layers


def make_trials(n_repeats: int, n_stimuli: int, n_units: int, likeness: float) -> tuple[Any, Any]:
    """Return trials of two systems whose means share `likeness` of their patterns."""
    rng = np.random.default_rng(0)
    shape = n_stimuli, n_units
    means = rng.standard_normal(shape)
    other = likeness * means + (1 - likeness) * rng.standard_normal(shape)
    spreads = (rng.standard_normal((n_stimuli, n_units, n_units)) / np.sqrt(n_units) for _ in range(2))
    X, Y = (
        mean + np.einsum("rij,ijk->rik", rng.standard_normal((n_repeats, *shape)), spread)
        for mean, spread in zip((means, other), spreads, strict=True)
    )
    return X, Y @ np.linalg.qr(rng.standard_normal((n_units, n_units)))[0]


def plain_cka(X: Any, Y: Any) -> float:
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    K, L = X @ X.T, Y @ Y.T
    return float(np.sum(K * L) / (np.linalg.norm(K) * np.linalg.norm(L)))


def rotation_between(A: Any, B: Any) -> Any:
    """Return the rotation of A that brings it closest to B."""
    U, _, Vt = np.linalg.svd(A.T @ B)
    return U @ Vt


def plain_procrustes(X: Any, Y: Any) -> float:
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    turned = X @ rotation_between(X, Y)
    return float(np.arccos(np.sum(turned * Y) / (np.linalg.norm(turned) * np.linalg.norm(Y))))


def symmetric_root(S: Any) -> Any:
    values, vectors = np.linalg.eigh(S)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def plain_gaussian(X: Any, Y: Any, n_steps: int = 1000, tol: float = 1e-8) -> float:
    """Alternate between every stimulus' own rotation and the common one; then score."""
    sides = []
    for trials in (X, Y):
        centred = trials - trials.mean(axis=(0, 1))
        covariances = [np.cov(centred[:, i].T) for i in range(centred.shape[1])]
        sides.append((centred.mean(axis=0), [symmetric_root(S) for S in covariances]))
    (mean_x, roots_x), (mean_y, roots_y) = sides
    target = np.concatenate([mean_x, *roots_x])
    T, last = rotation_between(mean_y, mean_x), np.inf
    for _ in range(n_steps):
        turned = [rotation_between((B @ T).T, A.T).T @ B for A, B in zip(roots_x, roots_y, strict=True)]
        moving = np.concatenate([mean_y, *turned])
        T = rotation_between(moving, target)
        loss = np.linalg.norm(target - moving @ T)
        if last - loss < tol * loss:
            break
        last = loss
    total = float(np.sum((mean_x - mean_y @ T) ** 2))
    for A, B in zip(roots_x, roots_y, strict=True):
        S, R = A @ A, T.T @ B @ B @ T
        total += float(np.trace(S) + np.trace(R) - 2 * np.trace(symmetric_root(A @ R @ A)))
    return float(np.sqrt(total / len(mean_x)))


def plain_energy(X: Any, Y: Any, n_steps: int = 100, tol: float = 1e-6) -> float:
    """Reweight all pairs of trials and rotate, in turn; then score."""
    X, Y = X - X.mean(axis=(0, 1)), Y - Y.mean(axis=(0, 1))
    n_repeats, n_stimuli, n_units = X.shape
    first, second = (index.ravel() for index in np.indices((n_repeats, n_repeats)))
    rows_x = X[first].reshape(-1, n_units)
    rows_y = Y[second].reshape(-1, n_units)
    weights, last = np.ones(len(rows_x)), np.inf
    for _ in range(n_steps):
        T = rotation_between(weights[:, None] * rows_y, weights[:, None] * rows_x)
        gaps = np.linalg.norm(rows_x - rows_y @ T, axis=1)
        if last - gaps.mean() < tol:
            break
        last = gaps.mean()
        weights = 1 / np.maximum(np.sqrt(gaps), 1e-6)
    total, Y = 0.0, Y @ T
    upper = np.triu_indices(n_repeats, 1)
    for x, y in zip(np.swapaxes(X, 0, 1), np.swapaxes(Y, 0, 1), strict=True):
        total += np.linalg.norm(x[first] - y[second], axis=1).mean()
        for one in (x, y):
            total -= np.linalg.norm(one[upper[0]] - one[upper[1]], axis=1).mean() / 2
    return float(np.sqrt(max(total / n_stimuli, 0)))


class Pairs:
    params = (["cka", "procrustes"], [1, 2])
    param_names = ["metric", "n_jobs"]

    def setup(self, metric: str, n_jobs: int) -> None:
        self.layers = make_layers(8, 500, 1000)

    def time_all_pairs(self, metric: Any, n_jobs: int) -> None:
        all_pairs(self.layers, metric=metric, n_jobs=n_jobs)

    def peakmem_all_pairs(self, metric: Any, n_jobs: int) -> None:
        all_pairs(self.layers, metric=metric, n_jobs=n_jobs)


class Stochastic:
    params = (["energy", "gaussian"], [0, 12])
    param_names = ["kind", "n_restarts"]

    def setup(self, kind: str, n_restarts: int) -> None:
        self.trials = make_trials(20, 50, 40, 0.7)

    def time_distance(self, kind: Any, n_restarts: int) -> None:
        stochastic_shape_distance(*self.trials, kind=kind, n_restarts=n_restarts)


def least_seconds(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the least of several times, and the result: a shared machine only ever adds time."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def report_pairs(
    metric: Any, plain: Callable[[Any, Any], float], layers: Sequence[Any], n_plain: int
) -> None:
    seconds, found = least_seconds(
        lambda: all_pairs(layers, metric=metric), 2 if metric != "procrustes" else 1
    )
    n_pairs = len(layers) * (len(layers) - 1) // 2
    each, differences = [], []
    for pair in range(n_plain):
        first, second = pair, (pair + 1 + pair % 3) % len(layers)
        least, value = least_seconds(lambda: plain(layers[first], layers[second]), 2)  # noqa: B023
        each.append(least)
        differences.append(abs(value - found[first, second]))
    plain_seconds = float(np.median(each))
    print(
        f"{metric}, {len(layers)} layers of {layers[0].shape}: all {n_pairs} pairs {seconds:.2f} s; plain "
        f"{plain_seconds * 1e3:.1f} ms a pair (median of {n_plain}), {plain_seconds * n_pairs:.0f} s for all "
        f"(scaled), {plain_seconds * n_pairs / seconds:.0f} x, largest difference {max(differences):.1e}"
    )


def report_trials(kind: Any, plain: Callable[[Any, Any], float], sizes: Sequence[int]) -> None:
    for likeness in (0.7, 0.0):
        trials = make_trials(*sizes, likeness)
        peer_seconds, peer_value = least_seconds(lambda: plain(*trials), 2)  # noqa: B023
        for n_restarts in (0, 12):
            seconds, value = least_seconds(
                lambda: stochastic_shape_distance(*trials, kind=kind, n_restarts=n_restarts),  # noqa: B023
                3,
            )
            print(
                f"{kind}, {sizes[0]} repeats, {sizes[1]} stimuli, {sizes[2]} units, likeness {likeness}: "
                f"alignkit ({n_restarts} restarts) {seconds * 1e3:.1f} ms, plain (none) "
                f"{peer_seconds * 1e3:.0f} ms, "
                f"{peer_seconds / seconds:.1f} x, distances {value:.8f} and {peer_value:.8f}"
            )


def main() -> None:
    libraries = {
        (one["internal_api"], one.get("architecture"), one["num_threads"]) for one in threadpool_info()
    }
    print(f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}, {sorted(libraries, key=str)}")
    layers = make_layers(50, 1000, 2000)
    report_pairs("biased-cka", plain_cka, layers, 8)
    report_pairs("procrustes", plain_procrustes, layers, 3)
    report_trials("energy", plain_energy, (20, 50, 40))
    report_trials("gaussian", plain_gaussian, (20, 50, 40))
    report_trials("gaussian", plain_gaussian, (60, 50, 40))


if __name__ == "__main__":
    main()
