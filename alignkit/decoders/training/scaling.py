"""Signals of every subject and channel on one scale, learned on the training part alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.random import derive_seed
from .._reading import read_with_times
from ..trials import Trials

Floats = NDArray[np.float32]
# 200 windows as in Defossez et al.; responses without times need more rows for a steady quartile.
_LEAST_ROWS, _VALUES = 200, 100_000
_COPIED = 2**20


@dataclass(frozen=True, eq=False)
class Scaling:
    """A centre and a scale for each channel of each subject.

    Attributes
    ----------
    kind : {"robust", "zscore", "none"}
        Median and interquartile range, mean and standard deviation, or nothing.
    clamp : float or None
        Scaled values beyond plus or minus this are set to it.
    centres, scales : tuple of ndarray of shape (n_channels,)
        An array per subject, float32, in the recording's unit.
    """

    kind: str
    clamp: float | None
    centres: tuple[Floats, ...]
    scales: tuple[Floats, ...]

    @classmethod
    def fit(
        cls,
        training: Trials,
        *,
        kind: str = "robust",
        clamp: float | None = 20.0,
        seed: int = 0,
        buffer_mb: float = 1024.0,
    ) -> Scaling:
        """Learn the scale of each subject's channels.

        Parameters
        ----------
        training : Trials
            The training part; every subject has trials in it. Where there are many, a sample of them is read:
            at least 200 windows and 100,000 values of a channel, no more than fit in half the buffer.
        kind : {"robust", "zscore", "none"}, default="robust"
            How.
        clamp : float or None, default=20.0
            Largest magnitude of scaled values.
        seed : int, default=0
            Draws the sample.
        buffer_mb : float, default=1024.0
            Memory for the sample, in MiB.

        Returns
        -------
        scaling : Scaling
            A channel without spread is only centred.
        """
        check_option("scaling", kind, ("robust", "zscore", "none"))
        centres, scales = [], []
        for subject in training.subjects:
            recording = training.study[subject]
            if kind == "none":
                centres.append(np.zeros(recording.n_channels, dtype=np.float32))
                scales.append(np.ones(recording.n_channels, dtype=np.float32))
                continue
            centre, scale = _statistics(sample_of(training, subject, seed=seed, buffer_mb=buffer_mb), kind)
            centres.append(centre)
            scales.append(scale)
        return cls(kind, clamp, tuple(centres), tuple(scales))

    def apply(self, signals: Floats, subject: int) -> Floats:
        """Scale the signals of one subject, shape (n_trials, n_channels, n_times), in place."""
        if self.kind != "none":
            signals -= self.centres[subject][:, None]
            signals /= self.scales[subject][:, None]
        if self.clamp is not None:
            np.clip(signals, -self.clamp, self.clamp, out=signals)
        return signals

    def joined(self, other: Scaling) -> Scaling:
        """Return the scaling with the subjects of another one behind its own."""
        return replace(self, centres=(*self.centres, *other.centres), scales=(*self.scales, *other.scales))


def sample_of(trials: Trials, subject: str, *, seed: int, buffer_mb: float) -> Floats:
    """Return a sample of a subject's trials, shape (n_rows, n_channels, n_times), in their order."""
    recording = trials.study[subject]
    rows = np.sort(trials.column("row")[(trials.table["subject"] == subject).to_numpy()])
    n_times = int(np.prod(recording.data.shape[2:], dtype=np.int64))
    fits = int(buffer_mb * 2**19) // (4 * recording.n_channels * n_times)
    n_rows = max(1, min(max(_LEAST_ROWS, -(-_VALUES // n_times)), fits))
    if n_rows < len(rows):
        rng = np.random.default_rng(derive_seed(seed, "scaling", subject))
        rows = np.sort(rng.choice(rows, n_rows, replace=False))
    return read_with_times(recording, rows)


def _statistics(sample: Floats, kind: str) -> tuple[Floats, Floats]:
    n_channels = sample.shape[1]
    centre, scale = np.empty(n_channels, dtype=np.float32), np.empty(n_channels, dtype=np.float32)
    # A few channels at a time, since quantiles sort a copy.
    step = max(1, _COPIED // (sample.shape[0] * sample.shape[2]))
    for start in range(0, n_channels, step):
        part = slice(start, start + step)
        values = sample[:, part].transpose(1, 0, 2).reshape(-1, sample.shape[0] * sample.shape[2])
        if kind == "zscore":
            centre[part], scale[part] = values.mean(1, dtype=np.float64), values.std(1, dtype=np.float64)
        else:
            low, centre[part], high = np.quantile(values, (0.25, 0.5, 0.75), axis=1)
            scale[part] = high - low
    return centre, np.where(scale > 0, scale, np.float32(1.0))
