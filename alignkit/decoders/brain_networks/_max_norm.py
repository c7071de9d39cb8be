"""Weights whose norm never passes a bound."""

from __future__ import annotations

import torch
from torch import nn

from ..._core.errors import InputError


def hold(weight: torch.Tensor, max_norm: float | None) -> torch.Tensor:
    """Return weights whose vectors along the last axis are at most `max_norm` long.

    Vectors within the bound come back as they are; the others keep their direction. Gradients pass through.

    Parameters
    ----------
    weight : Tensor of shape (..., n_inputs)
        One vector for each output.
    max_norm : float or None
        Bound of the Euclidean norm; None holds nothing.

    Returns
    -------
    held : Tensor of shape (..., n_inputs)
        What the layer computes with.

    Examples
    --------
    >>> hold(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0).norm(dim=1)
    tensor([1.0000, 0.5000])
    """
    if max_norm is None:
        return weight
    return torch.renorm(weight.flatten(0, -2), p=2, dim=0, maxnorm=max_norm).view_as(weight)


class MaxNormLinear(nn.Linear):
    """Affine map whose weights for every output are at most `max_norm` long.

    The bound is kept where the weights are used: whatever an optimiser, an average of weights or a file
    puts into `weight`, the layer computes with `held_weight`. Nothing has to be done after a step, and
    training that goes on from saved weights ends as if it had not stopped.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Sizes.
    max_norm : float or None
        Above 0; None for no bound.
    """

    def __init__(self, n_inputs: int, n_outputs: int, *, max_norm: float | None) -> None:
        super().__init__(n_inputs, n_outputs)
        self.max_norm = _checked(max_norm)
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)

    @property
    def held_weight(self) -> torch.Tensor:
        """Weights within the bound, shape (n_outputs, n_inputs)."""
        return hold(self.weight, self.max_norm)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (n, n_inputs) to (n, n_outputs)."""
        return nn.functional.linear(inputs, self.held_weight, self.bias)


class SpatialFilters(nn.Module):
    """Weighted sums over channels, a few for every map, each at most `max_norm` long.

    Parameters
    ----------
    n_channels, n_maps : int
        Of the input.
    depth : int
        Filters for every map.
    max_norm : float or None
        Above 0; None for no bound.
    """

    def __init__(self, n_channels: int, n_maps: int, *, depth: int, max_norm: float | None) -> None:
        super().__init__()
        self.max_norm = _checked(max_norm)
        self.weight = nn.Parameter(torch.empty(n_maps, depth, n_channels))
        nn.init.xavier_uniform_(self.weight.view(n_maps * depth, n_channels))

    @property
    def held_weight(self) -> torch.Tensor:
        """Filters within the bound, shape (n_maps, depth, n_channels)."""
        return hold(self.weight, self.max_norm)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, n_channels, n_maps, n_times) to (n, n_maps * depth, n_times), map by map."""
        filtered = torch.einsum("ncmt,mdc->nmdt", maps, self.held_weight)
        return filtered.flatten(1, 2)


def _checked(max_norm: float | None) -> float | None:
    if max_norm is not None and not max_norm > 0:
        raise InputError(f"a bound of weights must be above 0, or None for no bound; got {max_norm}.")
    return max_norm
