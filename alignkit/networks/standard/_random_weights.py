"""Seeded weights, and batch-norm statistics that no test stimulus has touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from ..procedural import procedural_images

M = TypeVar("M", bound=nn.Module)

_N_IMAGES = 16
_IMAGE_SIZE = 112


def seeded(build: Callable[[], M], seed: int) -> M:
    """Return what `build` makes under `seed`, leaving torch's own generators as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval()


def set_batch_norm(module: nn.Module, *, seed: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Set every batch-norm layer's mean and variance to those over procedural images.

    A fresh network divides by a variance of one wherever it should divide by the real one, and its
    deep layers explode or vanish. It is done in float64, so that the float32 result is the same
    whatever the number of threads.
    """
    images = procedural_images(_N_IMAGES, size=_IMAGE_SIZE, random_state=seed)
    pixels = (images / 255.0 - np.array(mean)) / np.array(std)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        # A momentum of one makes the running statistics those of the last batch.
        layer.momentum = 1.0
    module.double().train()
    with torch.inference_mode():
        module(batch)
    module.float().eval()
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
