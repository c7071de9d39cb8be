"""What a contrastive embedding of a population is made of: its network and its loss."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ...networks.standard._random_weights import seeded
from ..objectives.info_nce import check_same_shape, info_nce, nce_of

Space = Literal["sphere", "plain"]
SPACES = ("sphere", "plain")
# A row of zeros has no direction; its length is taken as this.
_SMALLEST_LENGTH = 1e-8


class PopulationEncoder(nn.Module):
    """Network from a short window of a population's activity to a point.

    Convolutions over time, three samples wide and without padding, until one sample is left; then two
    pointwise layers. With a window of one sample it is a multilayer perceptron.

    Parameters
    ----------
    n_channels, n_dims : int
        Of the population, and of the space.
    width : int, default=64
        Channels of the hidden layers.
    window_samples : int, default=1
        Odd; samples that one point is made of.
    space : {"sphere", "plain"}, default="sphere"
        Whether points are brought to unit length.
    """

    def __init__(
        self,
        n_channels: int,
        n_dims: int,
        *,
        width: int = 64,
        window_samples: int = 1,
        space: Space = "sphere",
    ) -> None:
        super().__init__()
        self.space = space
        layers: list[nn.Module] = []
        inputs = n_channels
        for _ in range(window_samples // 2):
            layers += [nn.Conv1d(inputs, width, 3), nn.GELU()]
            inputs = width
        layers += [nn.Flatten(), nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, n_dims)]
        if window_samples == 1:
            layers[1:3] = [nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width), nn.GELU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Return the points of windows.

        Parameters
        ----------
        windows : Tensor of shape (n_samples, n_channels, window_samples)
            float32, z-scored by channel.

        Returns
        -------
        points : Tensor of shape (n_samples, n_dims)
            Of unit length where the space is a sphere.
        """
        points: torch.Tensor = self.layers(windows)
        if self.space == "sphere":
            return nn.functional.normalize(points, dim=1, eps=_SMALLEST_LENGTH)
        return points


def population_encoder(
    n_channels: int,
    n_dims: int,
    *,
    width: int = 64,
    window_samples: int = 1,
    space: Space = "sphere",
    seed: int = 0,
) -> PopulationEncoder:
    """Build an encoder whose weights are drawn under `seed`.

    Parameters
    ----------
    n_channels, n_dims, width, window_samples, space
        See :class:`PopulationEncoder`.
    seed : int, default=0
        torch's own generator is left as it was.

    Returns
    -------
    encoder : PopulationEncoder

    Raises
    ------
    InputError
        If a size is too small, the window is even, or the space is unknown.
    """
    check_option("space", space, SPACES)
    for name, value, least in (("n_channels", n_channels, 1), ("width", width, 1)):
        if value < least:
            raise InputError(f"`{name}` must be at least {least}, got {value}.")
    least = 2 if space == "sphere" else 1
    if n_dims < least:
        raise InputError(f"`n_dims` must be at least {least} in the space {space!r}, got {n_dims}.")
    if window_samples < 1 or window_samples % 2 == 0:
        raise InputError(f"`window_samples` must be odd and at least 1, got {window_samples}.")

    def build() -> PopulationEncoder:
        return PopulationEncoder(n_channels, n_dims, width=width, window_samples=window_samples, space=space)

    return seeded(build, seed)


def contrastive_loss(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    *,
    temperature: float = 0.1,
    space: Space = "sphere",
    labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the InfoNCE loss of a batch of pairs; positives of other anchors are the negatives.

    Parameters
    ----------
    anchors, positives : Tensor of shape (n_pairs, n_dims)
        Points; row i of both is a pair.
    temperature : float, default=0.1
        Divides the similarities.
    space : {"sphere", "plain"}, default="sphere"
        Whether likeness is the cosine, or half the squared distance below zero.
    labels : int Tensor of shape (n_pairs,), optional
        Pairs with the same label are no negatives of each other: they are left out of the sum.

    Returns
    -------
    loss : Tensor of shape ()
        0 or above; log(n_pairs) where all points are one, without labels. Both directions' mean.

    Raises
    ------
    InputError
        If shapes differ, or the space is unknown.

    Examples
    --------
    >>> points = torch.eye(3)
    >>> round(float(contrastive_loss(points, points, temperature=1.0)), 4)
    0.5514
    >>> float(contrastive_loss(points, points, labels=torch.zeros(3)))
    0.0
    """
    check_option("space", space, SPACES)
    check_same_shape(anchors, positives)
    same = None if labels is None else labels[:, None] == labels[None, :]
    if space == "plain":
        likeness = anchors @ positives.T - (anchors.square().sum(1)[:, None] + positives.square().sum(1)) / 2
        return nce_of(likeness / temperature, ignored=same)
    return info_nce(anchors, positives, temperature=temperature, positives=same, repeats="ignore")
