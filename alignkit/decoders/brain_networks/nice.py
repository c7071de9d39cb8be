"""NICE: a temporal and a spatial convolution, then a projection; with or without attention over channels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from ..._core.checks import check_option
from .._layout import Layout
from .._seeding import seeded
from ._channel_attention import ChannelAttention
from ._temporal_spatial import Projection, TemporalSpatial


def nice(
    layout: Layout,
    n_outputs: int,
    *,
    variant: Literal["plain", "sa"] = "plain",
    n_filters: int = 40,
    temporal_kernel: int = 25,
    pool: int = 51,
    pool_stride: int = 5,
    dropout: float = 0.5,
    final_norm: bool | None = None,
    seed: int = 0,
) -> Nice:
    """Build the NICE encoder of EEG responses to images.

    Parameters
    ----------
    layout : Layout
        Of the recordings. The spatial convolution has a weight per channel, so all subjects need the same
        channels in the same order.
    n_outputs : int
        Numbers of an output.
    variant : {"plain", "sa"}, default="plain"
        ``"sa"``: channels first attend to each other (self-attention, added to the signals).
    n_filters : int, default=40
        Of either convolution.
    temporal_kernel, pool, pool_stride : int, default=25, 51, 5
        In samples; made for 250 Hz.
    dropout : float, default=0.5
        In [0, 1).
    final_norm : bool or None, default=None
        End with layer norm over the outputs. By default from 8 outputs on: layer norm leaves of two numbers
        (the scores of two classes) no more than which is the larger, and of one nothing.
    seed : int, default=0
        Of the weights: N(0, 0.02), biases 0, as in the paper's code.

    Returns
    -------
    network : Nice
        Puts out (n_trials, n_outputs); 63 channels x 250 times make 1440 numbers before the projection.

    Raises
    ------
    InputError
        If a trial is too short for kernel and pool, saying the least number of times.

    References
    ----------
    Song, Liu, Li, Shi, Wang and Gao (2024), Decoding natural images from EEG for object recognition, ICLR,
    arXiv:2308.13234.

    Examples
    --------
    >>> network = nice(Layout(n_channels=63, n_times=250), 16)
    >>> network.convolutions.n_features
    1440
    """
    check_option("variant", variant, ("plain", "sa"))
    with seeded(seed):
        convolutions = TemporalSpatial(
            layout.n_channels,
            layout.n_times,
            n_filters=n_filters,
            temporal_kernel=temporal_kernel,
            pool=pool,
            pool_stride=pool_stride,
            dropout=dropout,
            needed_by="nice",
        )
        network = Nice(
            ChannelAttention(layout.n_times, n_heads=1) if variant == "sa" else None,
            convolutions,
            Projection(convolutions.n_features, n_outputs, dropout=dropout, final_norm=final_norm),
        )
        network.apply(_draw)
        return network


class Nice(nn.Module):
    """Channel attention (or none), convolutions, projection.

    Parameters
    ----------
    attention : ChannelAttention or None
        Its output is added to the signals.
    convolutions : TemporalSpatial
        Trials to features.
    projection : Projection
        Features to outputs.
    """

    def __init__(
        self, attention: ChannelAttention | None, convolutions: TemporalSpatial, projection: Projection
    ) -> None:
        super().__init__()
        self.attention = attention
        self.convolutions = convolutions
        self.projection = projection

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Read trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32, whitened or scaled.
        subjects : Tensor of shape (n_trials,)
            Not used: all subjects share all weights.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            float32.
        """
        if self.attention is not None:
            signals = signals + self.attention(signals)
        outputs: torch.Tensor = self.projection(self.convolutions(signals))
        return outputs


def _draw(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
