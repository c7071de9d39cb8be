"""Kuramoto oscillators: unit vectors that a stimulus and other oscillators pull along their spheres."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Interaction = Literal["oscillators", "stimulus"]


def vectors_of(x: torch.Tensor, n_dims: int) -> torch.Tensor:
    """Return channels grouped to vectors, (n_images, n_oscillators, n_dims, height, width)."""
    return x.view(len(x), -1, n_dims, *x.shape[2:])


def on_tangent(x: torch.Tensor, force: torch.Tensor) -> torch.Tensor:
    """Return the part of a force that moves unit vectors along their sphere: ``y - (y . x) x``.

    Parameters
    ----------
    x, force : Tensor of shape (..., n_dims, height, width)
        Vectors lie along the third axis from the end.
    """
    return force - (force * x).sum(-3, keepdim=True) * x


def turned(x: torch.Tensor, speed: torch.Tensor) -> torch.Tensor:
    """Return the velocity of vectors whose consecutive pairs of coordinates turn at a speed.

    Parameters
    ----------
    x : Tensor of shape (n_images, n_oscillators, n_dims, height, width)
    speed : Tensor of shape (n_oscillators, n_dims // 2)
        Radians per step.
    """
    first, second = x[:, :, 0::2], x[:, :, 1::2]
    rate = speed[None, :, :, None, None]
    return torch.stack((-rate * second, rate * first), 3).flatten(2, 3)


class ConvCoupling(nn.Module):
    """Every oscillator pulls those around it, through a convolution without bias.

    Parameters
    ----------
    n_channels : int
    width : int, default=5
        Of the convolution; odd.
    symmetric : bool, default=False
        Whether oscillators pull each other equally, in which case an energy exists that never rises.
    """

    def __init__(self, n_channels: int, *, width: int = 5, symmetric: bool = False) -> None:
        super().__init__()
        self.symmetric = symmetric
        conv = nn.Conv2d(n_channels, n_channels, width, padding=width // 2, bias=False)
        self.weight = conv.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pull on each, shaped as `x`, (n_images, n_channels, height, width)."""
        weight = self.weight
        if self.symmetric:
            weight = (weight + weight.transpose(0, 1).flip((2, 3))) / 2
        return nn.functional.conv2d(x, weight, padding=weight.shape[-1] // 2)


class AttentionCoupling(nn.Module):
    """Every oscillator pulls every other, as far as multi-head attention lets it.

    Parameters
    ----------
    n_channels : int
    n_heads : int, default=8
    """

    def __init__(self, n_channels: int, *, n_heads: int = 8) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(n_channels, n_heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pull on each, shaped as `x`, (n_images, n_channels, height, width)."""
        tokens = x.flatten(2).transpose(1, 2)
        pulled: torch.Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return pulled.transpose(1, 2).reshape(x.shape)


class NormReadout(nn.Module):
    """Lengths of mixtures of oscillators, ``|U x + b| + bias``: what does not depend on a common phase.

    Parameters
    ----------
    n_channels : int
        Coordinates of all oscillators of one place, in and, as lengths, out.
    n_dims : int
        Dimensions of an oscillator.
    """

    def __init__(self, n_channels: int, n_dims: int) -> None:
        super().__init__()
        self.n_dims = n_dims
        self.mix = nn.Conv2d(n_channels, n_channels * n_dims, 1)
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return lengths, (n_images, n_channels, height, width)."""
        mixed = vectors_of(self.mix(x), self.n_dims)
        # The square root has no gradient at 0.
        length: torch.Tensor = (mixed.square().sum(2) + 1e-6).sqrt()
        return length + self.bias[:, None, None]


class KuramotoLayer(nn.Module):
    """Oscillators that follow a stimulus and each other for some steps.

    ``x <- normalize(x + gamma * (Omega x + Proj_x(c + J x)))`` where c is the normalised stimulus, Omega
    turns pairs of coordinates, and Proj keeps what moves x along its sphere.

    Parameters
    ----------
    coupling : Module
        The operator J, from (n_images, n_channels, height, width) to the same shape.
    n_channels : int
        A multiple of `n_dims`.
    n_dims : int
        Dimensions of an oscillator.
    n_steps : int
    rotating : bool
        Whether oscillators turn by themselves, at speeds that are learned (1 radian per step at first).
    gamma : float, default=1.0
        Length of a step.
    interaction : {"oscillators", "stimulus"}, default="oscillators"
        What J reads; with ``"stimulus"`` no oscillator hears of another.
    """

    speed: nn.Parameter | None

    def __init__(
        self,
        coupling: nn.Module,
        *,
        n_channels: int,
        n_dims: int,
        n_steps: int,
        rotating: bool,
        gamma: float = 1.0,
        interaction: Interaction = "oscillators",
    ) -> None:
        super().__init__()
        n_oscillators = n_channels // n_dims
        self.n_dims, self.n_steps, self.gamma, self.interaction = n_dims, n_steps, gamma, interaction
        self.coupling = coupling
        self.stimulus_norm = nn.GroupNorm(n_oscillators, n_channels)
        self.speed = nn.Parameter(torch.ones(n_oscillators, n_dims // 2)) if rotating else None
        self.readout = NormReadout(n_channels, n_dims)
        self.x = nn.Identity()
        self.energy = nn.Identity()

    def pull(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """Return J of the oscillators, or of the stimulus in the twin, shaped as both."""
        read = x if self.interaction == "oscillators" else c
        pulled: torch.Tensor = self.coupling(read)
        return pulled

    def step(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """Return oscillators one step on, (n_images, n_channels, height, width), under a stimulus c."""
        vectors = vectors_of(x, self.n_dims)
        change = on_tangent(vectors, (c + self.pull(x, c)).view_as(vectors))
        if self.speed is not None:
            change = change + turned(vectors, self.speed)
        moved = vectors + self.gamma * change
        return nn.functional.normalize(moved, dim=2).flatten(1, 2)

    def energy_of(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        """Return ``-x . Jx / 2 - c . x`` of every image, (n_images, 1); lower is more in step."""
        weighted = (x * self.pull(x, c)).flatten(1).sum(1) / 2 + (c * x).flatten(1).sum(1)
        return -weighted[:, None]

    def forward(self, x: torch.Tensor, stimulus: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return oscillators after all steps and their readout, both (n_images, n_channels, height, width).

        Parameters
        ----------
        x : Tensor of shape (n_images, n_channels, height, width)
            Where oscillators start, of length 1.
        stimulus : Tensor of the same shape
        """
        c = self.stimulus_norm(stimulus)
        for _ in range(self.n_steps):
            x = self.x(self.step(x, c))
            self.energy(self.energy_of(x, c))
        return x, self.readout(x)
