"""What a brain network is built for: how many channels and times, and where the sensors are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .._core.errors import InputError


@dataclass(frozen=True, eq=False)
class Layout:
    """Shape of the signals that a brain network gets.

    Attributes
    ----------
    n_channels : int
        The most that a subject has; signals of the others are padded with zeros.
    n_times : int
        Samples of a trial; 1 for responses without times (fMRI, spike counts).
    n_subjects : int
        Subjects that the network is trained on; `subjects` of its forward counts them from 0.
    sfreq_hz : float or None
        Sampling frequency; None without times.
    positions : Tensor of shape (n_subjects, n_channels, 2) or None
        Sensors in the plane, seen from above, in [0, 1]; NaN where a sensor's place is not known and in the
        padding. None where no subject's sensors have places.
    """

    n_channels: int
    n_times: int = 1
    n_subjects: int = 1
    sfreq_hz: float | None = None
    positions: torch.Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("n_channels", "n_times", "n_subjects"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` of a layout must be at least 1, got {getattr(self, name)}.")
        if self.sfreq_hz is not None and not self.sfreq_hz > 0:
            raise InputError(f"`sfreq_hz` of a layout must be above 0, got {self.sfreq_hz}.")
        wanted = (self.n_subjects, self.n_channels, 2)
        if self.positions is not None and tuple(self.positions.shape) != wanted:
            raise InputError(
                f"`positions` of a layout must have shape {wanted}, got {tuple(self.positions.shape)}."
            )
