"""Batch norm of the membrane, and its exact place in the thresholds once training is over."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..._core.errors import InputError
from .lif import LIF

M = TypeVar("M", bound=nn.Module)

_BITS = {torch.float32: torch.int32, torch.float64: torch.int64}


class MembraneNorm(nn.Module):
    """Batch norm on the way from membrane to threshold; the membrane itself stays as it is.

    Statistics are per channel and shared by all steps of time.

    Parameters
    ----------
    n_channels : int
        Length of the second axis.

    References
    ----------
    Guo Y, Zhang Y, Chen Y, Peng W, Liu X, Zhang L, Huang X, Ma Z (2023). Membrane potential batch
    normalization for spiking neural networks. ICCV. https://arxiv.org/abs/2308.08359
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.batch_norm = nn.BatchNorm1d(n_channels)

    def forward(self, membrane: Tensor) -> Tensor:
        """Return normalised potentials.

        Parameters
        ----------
        membrane : Tensor of shape (n_images, n_channels, ...)

        Returns
        -------
        normalised : Tensor of the same shape
        """
        if self.training:
            flat = membrane.flatten(2) if membrane.ndim > 2 else membrane
            normalised: Tensor = self.batch_norm(flat).view_as(membrane)
            return normalised
        # Three separate roundings, each of which keeps order: what makes folding exact to the last bit.
        shape = (-1,) + (1,) * (membrane.ndim - 2)
        mean, factor, offset = (value.view(shape) for value in self.line())
        return (membrane - mean) * factor + offset

    def line(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean, factor and offset per channel: the norm is ``(u - mean) * factor + offset``."""
        norm = self.batch_norm
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:
            raise InputError("the batch norm keeps no running statistics; build it with them.")
        return mean, norm.weight * (variance + norm.eps).rsqrt(), norm.bias


def fold_thresholds(module: M, *, flip: bool = True) -> M:
    """Return a copy in which every membrane norm has become a threshold per channel.

    A neuron with ``norm(u) >= h`` fires from ``u = (h - offset) / factor + mean`` on: upwards where the
    factor (batch norm's weight) is positive, downwards where it is negative, always or never where it
    is 0. The threshold taken is the outermost float that still fires, so that no spike differs.

    Parameters
    ----------
    module : Module
        In evaluation mode, with populations that have a :class:`MembraneNorm`. It is left as it is.
    flip : bool, default=True
        Turn the inequality round where the factor is negative. False is the mistake that the test of
        this function must notice.

    Returns
    -------
    folded : Module
        Without membrane norms; its spikes are those of `module`.

    Raises
    ------
    InputError
        If the module is in training mode, where statistics still move, has no membrane norm, or weights
        of less than 32 bits.

    Examples
    --------
    >>> neurons = LIF(decay=0.25, threshold=0.5, norm=MembraneNorm(3)).eval()
    >>> fold_thresholds(neurons).threshold
    tensor([0.5000, 0.5000, 0.5000])
    """
    if module.training:
        raise InputError("thresholds are folded in evaluation mode, got a module in training; call `eval()`.")
    folded = deepcopy(module)
    populations = [p for p in folded.modules() if isinstance(p, LIF) and isinstance(p.norm, MembraneNorm)]
    if not populations:
        raise InputError(
            "wanted a module with at least one `MembraneNorm`, got one without; nothing to fold."
        )
    with torch.no_grad():
        for population in populations:
            norm = population.norm
            assert isinstance(norm, MembraneNorm)  # noqa: S101 -- chosen above; tells the type checker
            population.fold(*_boundary(norm, population.threshold, flip=flip))
    return folded


def _boundary(norm: MembraneNorm, threshold: Tensor, *, flip: bool) -> tuple[Tensor, Tensor]:
    _, factor, _ = norm.line()
    if factor.dtype not in _BITS:
        raise InputError(f"folding wants float32 or float64 weights, got {factor.dtype}; convert the module.")
    sign = torch.where(factor < 0, -1.0, 1.0).to(factor.dtype)

    def fires(u: Tensor) -> Tensor:
        normalised: Tensor = norm((u * sign).unsqueeze(0))[0]
        return normalised - threshold >= 0

    edge = _smallest(fires, factor) * sign
    return edge, sign if flip else torch.ones_like(sign)


def _smallest(holds: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """Return per channel the smallest float for which a rising predicate holds, by halving; or infinity."""
    bits = _BITS[like.dtype]
    largest = torch.tensor(torch.finfo(like.dtype).max, dtype=like.dtype, device=like.device).view(bits)
    high = largest.long().expand(like.shape).clone()
    low = -high

    def value(rank: Tensor) -> Tensor:
        # Bits of a positive float, read as a whole number, rank it among the positive floats.
        return rank.abs().to(bits).view(like.dtype) * torch.where(rank < 0, -1.0, 1.0).to(like.dtype)

    always, never = holds(value(low)), ~holds(value(high))
    for _ in range(torch.iinfo(bits).bits + 1):
        # The mean of two whole numbers without their sum, which could overflow.
        middle = (low & high) + ((low ^ high) >> 1)
        fires = holds(value(middle))
        high, low = torch.where(fires, middle, high), torch.where(fires, low, middle)
    found = value(high)
    found[always], found[never] = -torch.inf, torch.inf
    return found
