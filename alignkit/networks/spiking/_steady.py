"""Weighted sums that do not depend on how many images are summed for at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST = 4


def steady(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return what a layer gives, in evaluation mode summed as for a batch of at least four.

    Libraries sum a batch of one to three in another order than larger ones. The rounding that differs is
    enough to let a neuron near its threshold fire or not.

    Parameters
    ----------
    layer : Module
    inputs : Tensor of shape (n_samples, ...)

    Returns
    -------
    outputs : Tensor of shape (n_samples, ...)
    """
    n_samples = len(inputs)
    if layer.training or n_samples >= _LEAST or n_samples == 0:
        plain: Tensor = layer(inputs)
        return plain
    repeated = inputs[torch.arange(_LEAST, device=inputs.device) % n_samples]
    outputs: Tensor = layer(repeated)
    return outputs[:n_samples]
