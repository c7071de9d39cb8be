"""From an image to the cue of an associative memory, and the patterns that it stores."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.random import derive_seed
from .._images import check_count
from ..procedural import procedural_images
from ._reading import grey_images

Patterns = Literal["images", "random"]


def signs(values: torch.Tensor) -> torch.Tensor:
    """Return 1 where a value is 0 or more, and -1 elsewhere, shaped as `values`."""
    return torch.where(values >= 0, 1.0, -1.0).to(values.dtype)


class HopfieldReader(nn.Module):
    """An associative memory whose cue is a grey image less its blurred self.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels; there are as many neurons as pixels.
    binary : bool
        Whether the memory takes signs, or vectors of length 1.
    """

    memory: nn.Module

    def __init__(self, image_size: int, *, binary: bool) -> None:
        super().__init__()
        self.image_size, self.binary = image_size, binary

    def cue(self, images: torch.Tensor) -> torch.Tensor:
        """Return what an image asks, (n_images, image_size ** 2)."""
        grey = grey_images(images, size=self.image_size)[:, None]
        # What neighbours share says little, and makes all patterns alike.
        width = 2 * (self.image_size // 8) + 1
        padded = nn.functional.pad(grey, (width // 2,) * 4, mode="replicate")
        detail = (grey - nn.functional.avg_pool2d(padded, width, stride=1)).flatten(1)
        if self.binary:
            # Flat regions, where only rounding is left of the detail, count as bright.
            return signs(detail + 1e-4)
        return nn.functional.normalize(detail - detail.mean(1, keepdim=True), dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is recalled, (n_images, image_size ** 2), of (n_images, 3, height, width)."""
        recalled: torch.Tensor = self.memory(self.cue(images))
        return recalled


def check_options(image_size: int, n_patterns: int, patterns: str, n_steps: int, seed: int) -> None:
    check_option("patterns", patterns, ("images", "random"))
    check_count("image_size", image_size, least=8)
    check_count("n_patterns", n_patterns, least=1)
    check_count("n_steps", n_steps, least=1)
    check_count("seed", seed, least=0)


def stored_patterns(reader: HopfieldReader, n_patterns: int, patterns: str, seed: int) -> torch.Tensor:
    draw = derive_seed(seed, "hopfield", patterns)
    if patterns == "images":
        images = procedural_images(n_patterns, size=reader.image_size, random_state=draw)
        return reader.cue(torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2))
    noise = np.random.default_rng(draw).standard_normal((n_patterns, reader.image_size**2))
    values = torch.from_numpy(noise.astype(np.float32))
    return signs(values) if reader.binary else nn.functional.normalize(values, dim=1)


def told(n_patterns: int, patterns: str, seed: int) -> str:
    source = "procedural images" if patterns == "images" else "noise"
    return f"The {n_patterns} stored patterns are {source}, drawn by seed {seed}; none is a stimulus."
