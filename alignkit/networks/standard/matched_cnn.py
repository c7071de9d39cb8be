"""A plain convolutional network of a given number of parameters, the standard twin of any other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from ..._core.random import derive_seed
from .._images import IMAGENET_MEAN, IMAGENET_STD, check_count, square
from .._network import Network, declared
from ._random_weights import seeded, set_batch_norm

# Widths of the stages, relative to the first.
_GROWTH = (1, 2, 4, 8, 8)
_LEAST, _MOST = 500, 2_000_000_000


class PlainCnn(nn.Module):
    """Five stages of a 3 x 3 convolution, batch norm and rectification, pooled in between.

    Parameters
    ----------
    widths : tuple of int
        Number of maps of each stage.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        for number, (n_in, n_out) in enumerate(pairwise((3, *widths)), start=1):
            convolution = nn.Conv2d(n_in, n_out, 3, stride=2 if number == 1 else 1, padding=1, bias=False)
            # Kaiming's scale keeps the signal alive through rectified stages.
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            stage = nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU())
            self.add_module(f"stage{number}", stage)
        self.n_stages = len(widths)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last stage's maps for images (n_images, 3, height, width)."""
        maps = images
        for number in range(1, self.n_stages + 1):
            maps = self.get_submodule(f"stage{number}")(maps if number == 1 else self.pool(maps))
        return maps


def matched_cnn(*, n_parameters: int = 1_000_000, image_size: int = 224, seed: int = 0) -> Network:
    """Build a plain convolutional network of `n_parameters`, to within 2 %, with random weights.

    Parameters
    ----------
    n_parameters : int, default=1000000
        Trainable parameters wanted, at least 500.
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; at least 32.
    seed : int, default=0
        Draws the weights, and the procedural images of the batch-norm statistics.

    Returns
    -------
    network : Network
        Layers ``stage1`` ... ``stage5``, each (n_maps, height, width), before pooling.

    Raises
    ------
    InputError
        If an option is out of its range.
    """
    check_count("n_parameters", n_parameters, least=_LEAST, most=_MOST)
    check_count("image_size", image_size, least=32)
    check_count("seed", seed, least=0)
    widths = widths_for(n_parameters)
    module = seeded(lambda: PlainCnn(widths), seed)
    images_seed = derive_seed(seed, "matched-cnn", "batch-norm")
    set_batch_norm(module, seed=images_seed, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return declared(
        "matched-cnn",
        module,
        square(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        notes=(
            f"Weights are random (seed {seed}); batch-norm statistics come from procedural images, never "
            f"from stimuli. Stages are {', '.join(map(str, widths))} maps wide.",
        ),
        options={"n_parameters": n_parameters, "image_size": image_size, "seed": seed},
    )


def widths_for(n_parameters: int) -> tuple[int, ...]:
    """Return the numbers of maps of five stages that come nearest to `n_parameters` in all."""
    quadratic = 9 * sum(before * after for before, after in pairwise(_GROWTH))
    first = np.sqrt(n_parameters / quadratic)
    candidates = []
    # Around the width that the leading term asks for, the last stage takes up what rounding leaves.
    for width in first * np.linspace(0.4, 1.2, 160):
        head = tuple(max(1, round(width * growth)) for growth in _GROWTH[:-1])
        rest = n_parameters - _count(head)
        last = max(1, round(rest / (9 * head[-1] + 2)))
        # Among equals the one whose last stage keeps the proportions.
        shape = abs(np.log(last / (_GROWTH[-1] * width)))
        widths = (*head, last)
        candidates.append((round(abs(_count(widths) / n_parameters - 1), 3), shape, widths))
    return min(candidates)[2]


def _count(widths: tuple[int, ...]) -> int:
    return sum(9 * n_in * n_out + 2 * n_out for n_in, n_out in pairwise((3, *widths)))
