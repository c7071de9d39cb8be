"""Variations of training trials: shifts in time, lost channels, noise, and mixtures of two trials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """What is varied in training; nothing by default, and never in validation or prediction.

    Attributes
    ----------
    time_shift_s : float, default=0.0
        Each trial is moved by a whole number of samples within plus or minus so many seconds; what is left
        empty is 0, the centre of scaled signals.
    channel_dropout : float, default=0.0
        Probability that a channel of a trial is set to 0; in [0, 1).
    noise : float, default=0.0
        Standard deviation of Gaussian noise, in units of the scaled signals.
    mixup : float, default=0.0
        Parameter of the symmetric Beta distribution of the weights with which a trial is mixed with another
        one of its subject, signals and embeddings alike; 0 mixes nothing. The larger weight is the trial's
        own, whose stimulus it keeps. Not for classes, whose labels are not soft.
    """

    time_shift_s: float = 0.0
    channel_dropout: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name in ("time_shift_s", "channel_dropout", "noise", "mixup"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"`{name}` of an augmentation must be 0 or above, got {value}.")
        if self.channel_dropout >= 1:
            raise InputError(f"`channel_dropout` must be below 1, got {self.channel_dropout}.")

    @property
    def is_off(self) -> bool:
        """Whether nothing is varied."""
        return not (self.time_shift_s or self.channel_dropout or self.noise or self.mixup)

    def check(self, *, sfreq_hz: float | None, are_classes: bool) -> None:
        """Refuse what the data cannot have: shifts without times, mixtures of classes."""
        if self.time_shift_s and sfreq_hz is None:
            raise InputError("`time_shift_s` needs responses with times; these have none. Set it to 0.")
        if self.mixup and are_classes:
            raise InputError(
                "`mixup` mixes embeddings, but the targets are classes, which would need soft labels. Set it "
                "to 0."
            )


def augment(
    signals: Floats,
    targets: NDArray[np.generic],
    subjects: NDArray[np.int64],
    *,
    augmentation: Augmentation,
    n_channels: NDArray[np.intp],
    sfreq_hz: float | None,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.generic]]:
    """Vary the trials of a batch.

    Parameters
    ----------
    signals : ndarray of shape (n_trials, n_channels, n_times)
        Scaled; changed in place.
    targets : ndarray of n_trials rows
        Embeddings or classes; never changed in place.
    subjects : ndarray of shape (n_trials,)
        Codes; only trials of one subject are mixed.
    augmentation : Augmentation
        What is varied.
    n_channels : ndarray of shape (n_trials,)
        Channels of each trial that are not padding; padding stays 0.
    sfreq_hz : float or None
        Sampling frequency.
    rng : Generator
        Draws everything.

    Returns
    -------
    signals, targets : ndarray
        Of the same shapes.
    """
    if augmentation.mixup:
        signals, targets = mix(signals, targets, subjects, alpha=augmentation.mixup, rng=rng)
    if augmentation.time_shift_s and sfreq_hz is not None:
        most = round(augmentation.time_shift_s * sfreq_hz)
        signals = shift(signals, rng.integers(-most, most, len(signals), endpoint=True))
    real = np.arange(signals.shape[1]) < n_channels[:, None]
    if augmentation.noise:
        noise = rng.standard_normal(signals.shape, dtype=np.float32)
        signals += np.float32(augmentation.noise) * noise * real[:, :, None]
    if augmentation.channel_dropout:
        signals[rng.random(real.shape) < augmentation.channel_dropout] = 0.0
    return signals, targets


def shift(signals: Floats, n_samples: NDArray[np.intp]) -> Floats:
    """Return each trial moved later by a number of samples (earlier if negative), filled with 0."""
    moved = np.zeros_like(signals)
    n_times = signals.shape[2]
    for trial, by in enumerate(n_samples):
        kept = max(0, n_times - abs(int(by)))
        start, source = max(0, int(by)), max(0, -int(by))
        moved[trial, :, start : start + kept] = signals[trial, :, source : source + kept]
    return moved


def mix(
    signals: Floats,
    targets: NDArray[np.generic],
    subjects: NDArray[np.int64],
    *,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.generic]]:
    """Return mixtures of each trial with another one of its subject, and of their embeddings alike."""
    partner = np.arange(len(signals))
    for subject in np.unique(subjects):
        own = np.flatnonzero(subjects == subject)
        partner[own] = rng.permutation(own)
    weight = rng.beta(alpha, alpha, len(signals)).astype(np.float32)
    # The trial stays nearer to its own stimulus, by whose name repeats are told from negatives.
    weight = np.maximum(weight, 1 - weight)

    def mixed(values: NDArray[np.generic]) -> Floats:
        own = weight.reshape(-1, *[1] * (values.ndim - 1))
        floats = np.asarray(values, dtype=np.float32)
        return np.asarray(own * floats + (1 - own) * floats[partner], dtype=np.float32)

    return mixed(signals), mixed(targets)
