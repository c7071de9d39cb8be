"""From the frames of a film to what a network of films takes, and when its steps are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._images import ImagePreparation

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class FilmPreparation:
    """Which frames of a film a network is shown, what it makes of each, and how its layers lie in time.

    Attributes
    ----------
    image : ImagePreparation
        Of every frame.
    offsets_s : tuple of float
        When frames are taken, from the start of a clip.
    window_s : float
        Length of a clip.
    first_s, step_s : float
        Centre of the first step of a layer, from the start of a clip, and from one step to the next.
    n_steps : int
        Steps of a layer.
    arrange : callable, optional
        From a layer's output, (n_clips, n_tokens, n_units), to (n_clips, n_steps, n_units).
    described : mapping
        More about it as JSON values.
    """

    image: ImagePreparation
    offsets_s: tuple[float, ...]
    window_s: float
    first_s: float
    step_s: float
    n_steps: int
    arrange: Callable[[torch.Tensor], torch.Tensor] | None = None
    described: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, frames: Sequence[Image]) -> torch.Tensor:
        """Return a float32 tensor of shape (n_frames, 3, height, width)."""
        if len(frames) != len(self.offsets_s):
            raise InputError(f"a clip has {len(self.offsets_s)} frames, got {len(frames)}.")
        return torch.stack([self.image(frame) for frame in frames])

    def steps(self, output: torch.Tensor) -> torch.Tensor:
        """Return a layer's output as (n_clips, n_steps, n_units).

        Raises
        ------
        InputError
            If it has no axis of so many steps.
        """
        try:
            arranged = self.arrange(output) if self.arrange and output.ndim == 3 else output
        except RuntimeError:
            # Tokens that do not fill the steps; the check below says so.
            arranged = output[:, :0]
        if arranged.ndim != 3 or arranged.shape[1] != self.n_steps:
            raise InputError(
                f"a layer gives shape {tuple(output.shape)}, which is not laid out in {self.n_steps} steps "
                "of time; choose the network's own layers."
            )
        return arranged

    def times_s(self) -> NDArray[np.float64]:
        """Return the centre of each step, from the start of the clip."""
        return self.first_s + self.step_s * np.arange(self.n_steps, dtype=np.float64)

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON values, for keys and reports."""
        return {
            "image": self.image.facts(),
            "offsets_s": list(self.offsets_s),
            "window_s": self.window_s,
            "first_s": self.first_s,
            "step_s": self.step_s,
            **self.described,
        }
