"""From the samples of one sound to what a network of sounds takes, and when its frames are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..._core.errors import InputError


@dataclass(frozen=True, eq=False)
class SoundPreparation:
    """What a network makes of samples before its first layer, and how its layers are laid out in time.

    Attributes
    ----------
    rate_hz : int
        Samples per second that it takes.
    first_s, step_s : float
        Centre of the first frame of a layer, from the start of a sound, and from one frame to the next.
    n_frames : callable
        From a number of samples to the number of frames of a layer.
    prepare : callable
        From float32 samples of shape (n_samples,) to the module's input for one sound.
    arrange : callable, optional
        From a layer's output, (n_sounds, n_tokens, n_units), to (n_sounds, n_frames, n_units).
    least_s : float, default=0
        The shortest sound that gives a frame.
    longest_s : float, optional
        The longest sound that it takes.
    described : mapping
        The preparation as JSON values.
    """

    rate_hz: int
    first_s: float
    step_s: float
    n_frames: Callable[[int], int]
    prepare: Callable[[NDArray[np.float32]], torch.Tensor] = torch.from_numpy
    arrange: Callable[[torch.Tensor], torch.Tensor] | None = None
    least_s: float = 0.0
    longest_s: float | None = None
    described: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, samples: NDArray[np.float32]) -> torch.Tensor:
        """Return the module's input for one sound, without the batch axis."""
        return self.prepare(np.ascontiguousarray(samples, dtype=np.float32)).float()

    def frames(self, output: torch.Tensor, n_samples: int) -> torch.Tensor:
        """Return a layer's output as (n_sounds, n_frames, n_units).

        Raises
        ------
        InputError
            If it has no axis of as many frames as such a sound gives.
        """
        arranged = self.arrange(output) if self.arrange and output.ndim == 3 else output
        wanted = self.n_frames(n_samples)
        if arranged.ndim != 3 or arranged.shape[1] != wanted:
            raise InputError(
                f"a layer gives shape {tuple(output.shape)}, which has no axis of {wanted} frames in time "
                "after the first; choose the network's own layers."
            )
        return arranged

    def times_s(self, n_frames: int) -> NDArray[np.float64]:
        """Return the centre of each frame, from the start of the sound."""
        return self.first_s + self.step_s * np.arange(n_frames, dtype=np.float64)

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON values, for keys and reports."""
        return {
            "rate_hz": self.rate_hz,
            "first_s": self.first_s,
            "step_s": self.step_s,
            "least_s": self.least_s,
            "longest_s": self.longest_s,
            **self.described,
        }
