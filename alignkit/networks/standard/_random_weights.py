"""Seeded weights, and batch-norm statistics that no test stimulus has touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from .._images import ImagePreparation
from ..procedural import procedural_images

M = TypeVar("M", bound=nn.Module)

_N_IMAGES = 16
_IMAGE_SIZE = 112
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def seeded(build: Callable[[], M], seed: int) -> M:
    """Return what `build` makes under `seed`, leaving torch's own generators as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval()


def set_batch_norm(
    module: nn.Module,
    *,
    seed: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    size: int = _IMAGE_SIZE,
) -> None:
    """Set every batch-norm layer's mean and variance to those over procedural images of `size` pixels.

    A fresh network divides by a variance of one wherever it should divide by the real one, and its
    deep layers explode or vanish. It is done in float64, so that the float32 result is the same
    whatever the number of threads.
    """
    images = procedural_images(_N_IMAGES, size=size, random_state=seed)
    pixels = (images / 255.0 - np.array(mean)) / np.array(std)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    norms = [layer for layer in module.modules() if isinstance(layer, _NORMS)]
    momenta = [layer.momentum for layer in norms]
    # All else is in evaluation mode: dropout would draw from torch's own generator.
    module.double().eval()
    try:
        for layer in norms:
            layer.reset_running_stats()
            # A momentum of one makes the running statistics those of the last batch.
            layer.momentum = 1.0
            layer.train()
        with torch.inference_mode():
            module(batch)
    finally:
        module.float().eval()
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum


def settle(module: nn.Module, preparation: ImagePreparation, *, seed: int, size: int) -> None:
    """Set the statistics of batch norm where a network has any, for images prepared as it wants them.

    Small images serve, as in :func:`set_batch_norm`, where the network takes them; otherwise those of
    `size`, which it was made for.
    """
    if not any(isinstance(layer, _NORMS) for layer in module.modules()):
        return
    try:
        small = min(size, _IMAGE_SIZE)
        set_batch_norm(module, seed=seed, mean=preparation.mean, std=preparation.std, size=small)
    except (RuntimeError, ValueError, AssertionError):
        if size <= _IMAGE_SIZE:
            raise
        set_batch_norm(module, seed=seed, mean=preparation.mean, std=preparation.std, size=size)
