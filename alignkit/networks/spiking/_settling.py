"""Batch-norm statistics of networks in time, from images that no test stimulus has touched."""

from __future__ import annotations

import torch
from torch import nn

from ..procedural import procedural_images

_N_IMAGES = 32


def settle(module: nn.Module, *, image_size: int, seed: int) -> None:
    """Set every batch norm's mean and variance to those over procedural images and all steps of time.

    Without them the currents of a network that has not learned are so small that nothing spikes. It is
    done in float64, so that the float32 result is the same whatever the number of threads.

    Parameters
    ----------
    module : Module
        Takes (n_images, 3, image_size, image_size) in [0, 1]. Is changed, and left in evaluation mode.
    image_size : int
        In pixels.
    seed : int
        Draws the images.
    """
    images = procedural_images(_N_IMAGES, size=image_size, random_state=seed)
    batch = torch.from_numpy(images / 255.0).permute(0, 3, 1, 2)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        # Without a momentum it is the mean over all calls, which are the steps of time.
        layer.momentum = None
    module.double().train()
    with torch.no_grad():
        module(batch)
    module.float().eval()
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def settled_note(seed: int) -> str:
    """Return what a reader of a report should know of it."""
    return (
        f"Weights are random (seed {seed}) before training; batch-norm statistics come from procedural "
        "images, never from stimuli."
    )
