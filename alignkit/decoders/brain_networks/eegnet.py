"""EEGNet: temporal filters, spatial filters of each, and a separable convolution."""

from __future__ import annotations

import torch
from torch import nn

from .._layout import Layout
from .._seeding import seeded
from ._max_norm import MaxNormLinear, SpatialFilters
from ._temporal_filters import OfEveryChannel, SameConv, keras_norm, need_counts, need_times, samples_lasting


class EEGNet(nn.Module):
    """Compact convolutional network for sensors over time.

    ::

        filters over time (same padding) - norm - spatial filters of each, |w| <= 1 - norm - ELU - pool
        - dropout - one filter over time per map - mix of maps - norm - ELU - pool - dropout
        - affine, |w| <= .25

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Sizes of a trial and of what comes out.
    n_filters, depth, n_separable : int
        Filters over time, spatial filters of each, and maps of the separable convolution.
    kernel_length, separable_length : int
        In samples; the second counts samples after the first pool.
    pool_1, pool_2 : int
        Samples that are averaged.
    dropout : float
        Share of values that are dropped in training, in [0, 1).
    spatial_max_norm, dense_max_norm : float or None
        Bounds of the weights.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        *,
        n_filters: int,
        depth: int,
        n_separable: int,
        kernel_length: int,
        separable_length: int,
        pool_1: int,
        pool_2: int,
        dropout: float,
        spatial_max_norm: float | None,
        dense_max_norm: float | None,
    ) -> None:
        super().__init__()
        n_maps = n_filters * depth
        self.temporal = OfEveryChannel(SameConv(1, n_filters, kernel_length), keras_norm(n_filters))
        self.spatial = SpatialFilters(n_channels, n_filters, depth=depth, max_norm=spatial_max_norm)
        self.after_spatial = nn.Sequential(
            keras_norm(n_maps), nn.ELU(), nn.AvgPool1d(pool_1), nn.Dropout(dropout)
        )
        self.separable = nn.Sequential(
            SameConv(n_maps, n_maps, separable_length, groups=n_maps),
            SameConv(n_maps, n_separable, 1),
            keras_norm(n_separable),
            nn.ELU(),
            nn.AvgPool1d(pool_2),
            nn.Dropout(dropout),
        )
        n_left = n_times // pool_1 // pool_2
        self.dense = MaxNormLinear(n_separable * n_left, n_outputs, max_norm=dense_max_norm)

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Return outputs of trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32; channels that are all zeros count as absent.
        subjects : Tensor of shape (n_trials,)
            Not used: all subjects share all weights.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            Embeddings, or scores of classes before the softmax.
        """
        filtered = self.spatial(self.temporal(signals))
        outputs: torch.Tensor = self.dense(self.separable(self.after_spatial(filtered)).flatten(1))
        return outputs


def eegnet(
    layout: Layout,
    n_outputs: int,
    *,
    n_filters: int = 8,
    depth: int = 2,
    n_separable: int | None = None,
    kernel_length: int | None = None,
    separable_length: int = 16,
    pool_1: int | None = None,
    pool_2: int = 8,
    dropout: float = 0.5,
    spatial_max_norm: float | None = 1.0,
    dense_max_norm: float | None = 0.25,
    seed: int = 0,
) -> EEGNet:
    """Build EEGNet, by default EEGNet-8,2 with durations as published.

    The publication samples at 128 Hz. At another rate the first kernel still lasts .5 s and the first pool
    1/32 s, so that everything after the pool works at about 32 Hz as it does there. Running statistics of
    batch norm follow by .1 in each step, not by the .01 of the published code, so that short training can
    be validated.

    Parameters
    ----------
    layout : Layout
        Channels, times and sampling frequency.
    n_outputs : int
        What the objective wants.
    n_filters : int, default=8
        Filters over time.
    depth : int, default=2
        Spatial filters of each.
    n_separable : int, optional
        Maps of the separable convolution; by default `n_filters * depth`.
    kernel_length : int, optional
        Samples of the filters over time; by default half the sampling frequency.
    separable_length : int, default=16
        Samples, counted after the first pool.
    pool_1 : int, optional
        Samples that the first pool averages; by default 1/32 s.
    pool_2 : int, default=8
        Samples that the second pool averages, counted after the first.
    dropout : float, default=0.5
        In training; .25 is what the publication takes across subjects.
    spatial_max_norm : float or None, default=1.0
        Bound of every spatial filter.
    dense_max_norm : float or None, default=0.25
        Bound of the last layer's weights for every output. It also bounds the outputs: take None for
        regression to values that are not small.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : EEGNet
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).

    Raises
    ------
    InputError
        If trials are shorter than the pools, there is no sampling frequency to scale with, or a count is
        below 1.

    References
    ----------
    .. [1] Lawhern, Solon, Waytowich, Gordon, Hung & Lance (2018). EEGNet: a compact convolutional neural
       network for EEG-based brain-computer interfaces. J. Neural Eng. 15, 056013.
       doi:10.1088/1741-2552/aace8c

    Examples
    --------
    >>> network = eegnet(Layout(64, 128, sfreq_hz=128.0), 4)
    >>> sum(weight.numel() for weight in network.parameters())
    2388
    """
    if kernel_length is None:
        kernel_length = samples_lasting(1 / 2, layout, network="eegnet", option="kernel_length")
    if pool_1 is None:
        pool_1 = samples_lasting(1 / 32, layout, network="eegnet", option="pool_1")
    n_separable = n_filters * depth if n_separable is None else n_separable
    need_counts(
        n_filters=n_filters,
        depth=depth,
        n_separable=n_separable,
        kernel_length=kernel_length,
        separable_length=separable_length,
        pool_1=pool_1,
        pool_2=pool_2,
    )
    need_times(pool_1 * pool_2, layout.n_times, network="eegnet", remedy="smaller `pool_1` and `pool_2`")
    with seeded(seed):
        return EEGNet(
            layout.n_channels,
            layout.n_times,
            n_outputs,
            n_filters=n_filters,
            depth=depth,
            n_separable=n_separable,
            kernel_length=kernel_length,
            separable_length=separable_length,
            pool_1=pool_1,
            pool_2=pool_2,
            dropout=dropout,
            spatial_max_norm=spatial_max_norm,
            dense_max_norm=dense_max_norm,
        )
