"""Ridge at every time point, evoked responses as targets, and receptive fields, against MNE and himalaya.

asv runs the classes; ``python benchmarks/bench_time.py`` prints the best of several runs and the ratios of
the same process. Set OMP_NUM_THREADS=1, as the peers' figures are for one thread.

Sliding ridge: 1000 trials x 300 channels x 25 times predict one variable at each time, mean R2 over the
same 5 folds; with one alpha (what MNE's SlidingEstimator with scikit-learn's Ridge does) and with 20 (a
GridSearchCV inside it). Ours also refits on all trials. Evoked responses: 768 features predict 300 channels
x 25 times, 20 alphas per target. Receptive field: 8 features, 61 lags, 64 channels, ten minutes at 100 Hz;
MNE fits one alpha once, ours chooses among 20 by 5 folds and refits (101 fits of MNE's kind).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from threadpoolctl import threadpool_limits

from alignkit.encoders import RidgeEncoder, fit_layers
from alignkit.encoders.receptive_field import TemporalReceptiveField
from alignkit.encoders.time_resolved import TimeResolvedEncoder

ALPHAS = np.logspace(-1, 6, 20)
TRIALS, CHANNELS, TIMES, UNITS = 1000, 300, 25, 768
SFREQ, MINUTES, FEATURES, SENSORS = 100.0, 10, 8, 64
FOLDS = list(KFold(5).split(np.zeros(TRIALS)))


def trials() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = rng.standard_normal(TRIALS)
    X = rng.standard_normal((TRIALS, CHANNELS, TIMES))
    X[:, :20] += 0.1 * y[:, None, None]
    return X, y


def evoked() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((TRIALS, UNITS), dtype=np.float32)
    weights = rng.standard_normal((UNITS, CHANNELS, TIMES), dtype=np.float32) / np.float32(28)
    noise = rng.standard_normal((TRIALS, CHANNELS, TIMES), dtype=np.float32)
    return X, np.tensordot(X, weights, axes=1) + noise


def continuous() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    n_times = int(MINUTES * 60 * SFREQ)
    X = rng.standard_normal((n_times, FEATURES))
    Y = rng.standard_normal((n_times, SENSORS))
    Y[10:] += X[:-10] @ rng.standard_normal((FEATURES, SENSORS))
    return X, Y


def layers_over_time(X: Any, y: Any, alphas: Any) -> Any:
    encoder = RidgeEncoder(alphas=alphas, cv=FOLDS, standardize=False, device="cpu")
    times = {str(time): np.ascontiguousarray(X[:, :, time]) for time in range(X.shape[2])}
    return fit_layers(times, y[:, None], encoder=encoder)


def receptive_field(X: Any, Y: Any, alphas: Any) -> Any:
    return TemporalReceptiveField(
        sfreq_hz=SFREQ, alphas=alphas, edges="pad", standardize=False, fit_intercept=False
    ).fit(X, Y)


class SlidingRidge:
    """Ridge at every time point through :func:`alignkit.encoders.fit_layers`."""

    params = [1, 20]
    param_names = ["n_alphas"]

    def setup(self, n_alphas: int) -> None:
        self.X, self.y = trials()

    def time_fit_layers(self, n_alphas: int) -> None:
        layers_over_time(self.X, self.y, ALPHAS[:n_alphas])

    def peakmem_fit_layers(self, n_alphas: int) -> None:
        layers_over_time(self.X, self.y, ALPHAS[:n_alphas])


class Evoked:
    """Channels x times as targets of one fit."""

    def setup(self) -> None:
        self.X, self.Y = evoked()

    def time_time_resolved(self) -> None:
        TimeResolvedEncoder(RidgeEncoder(alphas=ALPHAS, cv=FOLDS, device="cpu")).fit(self.X, self.Y)


class ReceptiveField:
    """Temporal receptive fields of ten minutes of M/EEG."""

    def setup(self) -> None:
        self.X, self.Y = continuous()

    def time_receptive_field(self) -> None:
        receptive_field(self.X, self.Y, ALPHAS)

    def peakmem_receptive_field(self) -> None:
        receptive_field(self.X, self.Y, ALPHAS)


def best_seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def compare(ours: Callable[[], Any], peers: dict[str, tuple[Callable[[], Any], int]]) -> None:
    mine = best_seconds(ours)
    print(f"    alignkit {mine:.3f} s")
    for name, (call, repeats) in peers.items():
        theirs = best_seconds(call, repeats)
        # Once more, as the machine may have changed its mind in between.
        mine = min(mine, best_seconds(ours, 1))
        print(f"    {name}: {theirs:.3f} s, {theirs / mine:.1f} x")


def sliding() -> None:
    import mne

    mne.set_log_level("ERROR")
    X, y = trials()

    def peer(estimator: Any) -> Any:
        slider = mne.decoding.SlidingEstimator(estimator, scoring="r2", n_jobs=1, verbose="ERROR")
        return mne.decoding.cross_val_multiscore(slider, X, y, cv=FOLDS, verbose="ERROR").mean(axis=0)

    def search() -> Any:
        slider = mne.decoding.SlidingEstimator(
            GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=FOLDS, scoring="r2")
        )
        slider.fit(X, y)
        return np.array([estimator.best_score_ for estimator in slider.estimators_])

    for alphas, name, call, repeats in (
        ([100.0], "MNE SlidingEstimator(Ridge)", lambda: peer(Ridge(alpha=100.0)), 3),
        (ALPHAS, "MNE SlidingEstimator(GridSearchCV(Ridge))", search, 1),
    ):
        print(f"sliding ridge, {len(alphas)} alpha(s)")
        ours = layers_over_time(X, y, alphas).cv_scores.ravel()
        print(f"    largest difference in R2: {np.abs(ours - call()).max():.1e}")
        compare(lambda: layers_over_time(X, y, alphas), {name: (call, repeats)})  # noqa: B023


def evoked_responses() -> None:
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score

    X, Y = evoked()
    ridge = RidgeEncoder(alphas=ALPHAS, cv=FOLDS, standardize=False, device="cpu")

    def himalaya() -> Any:
        model = RidgeCV(
            alphas=ALPHAS, fit_intercept=True, cv=KFold(5), solver_params={"score_func": r2_score}
        )
        return model.fit(X, Y.reshape(TRIALS, -1))

    print("evoked responses, 20 alphas")
    compare(
        lambda: TimeResolvedEncoder(ridge).fit(X, Y),
        {
            "a RidgeEncoder at every time": (lambda: [ridge.fit(X, Y[:, :, t]) for t in range(TIMES)], 1),
            "himalaya RidgeCV, channels x times": (himalaya, 1),
        },
    )


def receptive_fields() -> None:
    import mne

    mne.set_log_level("ERROR")
    X, Y = continuous()

    def peer() -> Any:
        return mne.decoding.ReceptiveField(-0.1, 0.5, SFREQ, estimator=100.0, fit_intercept=False).fit(X, Y)

    print("receptive field, 61 lags x 8 features, 64 channels")
    ours, theirs = receptive_field(X, Y, [100.0]).coef_, peer().coef_.transpose(2, 1, 0)
    print(f"    largest difference in weights: {np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}")
    compare(
        lambda: receptive_field(X, Y, ALPHAS),
        {"MNE ReceptiveField, one alpha, no cross-validation": (peer, 2)},
    )


def main() -> None:
    torch.set_num_threads(1)
    with threadpool_limits(1):
        sliding()
        evoked_responses()
        receptive_fields()


if __name__ == "__main__":
    main()
