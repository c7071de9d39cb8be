"""EEGNeX: two banks of temporal filters, spatial filters, and dilated convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from ..._core.checks import check_option
from .._layout import Layout
from .._seeding import seeded
from ._max_norm import MaxNormLinear, SpatialFilters
from ._temporal_filters import OfEveryChannel, SameConv, keras_norm, need_counts, need_times, samples_lasting


@dataclass(frozen=True)
class _Variant:
    # What differs between the authors' script and braindecode's port.
    elu_after_first: bool
    pool_2: int
    keras: bool


_VARIANTS = {
    "paper_code": _Variant(elu_after_first=True, pool_2=4, keras=True),
    "braindecode": _Variant(elu_after_first=False, pool_2=8, keras=False),
}


class _PoolSame(nn.Module):
    # Keras' "same": as many outputs as pools that begin in the signal; only real samples are averaged.
    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def n_left(self, n_times: int) -> int:
        return -(-n_times // self.length)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        n_times = maps.shape[-1]
        around = self.n_left(n_times) * self.length - n_times
        pad = (around // 2, around - around // 2)
        real = nn.functional.pad(maps.new_ones(1, 1, n_times), pad)
        summed = nn.functional.avg_pool1d(nn.functional.pad(maps, pad), self.length)
        return summed / nn.functional.avg_pool1d(real, self.length)


class _PoolPadded(nn.Module):
    # The port's: a zero on either side, averaged along.
    def __init__(self, length: int) -> None:
        super().__init__()
        # A pool of one sample has no room for a zero.
        self.length, self.pad = length, int(length > 1)

    def n_left(self, n_times: int) -> int:
        return (n_times + 2 * self.pad) // self.length

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool1d(maps, self.length, padding=self.pad)


class EEGNeX(nn.Module):
    """Convolutional network for sensors over time, wider and with a longer reach than EEGNet.

    ::

        filters over time - norm (- ELU) - filters over time - norm - spatial filters of each, |w| <= 1
        - norm - ELU - pool - dropout - filters dilated by 2 - norm - filters dilated by 4 - norm - ELU
        - pool - dropout - affine, |w| <= .25

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Sizes of a trial and of what comes out.
    variant : {"paper_code", "braindecode"}
        Whose details: see :func:`eegnex`.
    n_filters, n_wide, depth : int
        Filters of the first bank, of the second, and spatial filters of each of these.
    kernel_length, dilated_length : int
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
        variant: Literal["paper_code", "braindecode"],
        n_filters: int,
        n_wide: int,
        depth: int,
        kernel_length: int,
        dilated_length: int,
        pool_1: int,
        pool_2: int,
        dropout: float,
        spatial_max_norm: float | None,
        dense_max_norm: float | None,
    ) -> None:
        super().__init__()
        chosen = _VARIANTS[variant]
        norm = keras_norm if chosen.keras else nn.BatchNorm1d
        pool = _PoolSame if chosen.keras else _PoolPadded
        n_maps = n_wide * depth
        first, second = pool(pool_1), pool(pool_2)
        self.temporal = OfEveryChannel(
            SameConv(1, n_filters, kernel_length),
            norm(n_filters),
            nn.ELU() if chosen.elu_after_first else nn.Identity(),
            SameConv(n_filters, n_wide, kernel_length),
            norm(n_wide),
        )
        self.spatial = SpatialFilters(n_channels, n_wide, depth=depth, max_norm=spatial_max_norm)
        self.after_spatial = nn.Sequential(norm(n_maps), nn.ELU(), first, nn.Dropout(dropout))
        self.dilated = nn.Sequential(
            SameConv(n_maps, n_wide, dilated_length, dilation=2),
            norm(n_wide),
            SameConv(n_wide, n_filters, dilated_length, dilation=4),
            norm(n_filters),
            nn.ELU(),
            second,
            nn.Dropout(dropout),
        )
        n_left = second.n_left(first.n_left(n_times))
        self.dense = MaxNormLinear(n_filters * n_left, n_outputs, max_norm=dense_max_norm)

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
        outputs: torch.Tensor = self.dense(self.dilated(self.after_spatial(filtered)).flatten(1))
        return outputs


def eegnex(
    layout: Layout,
    n_outputs: int,
    *,
    variant: Literal["paper_code", "braindecode"] = "paper_code",
    n_filters: int = 8,
    n_wide: int = 32,
    depth: int = 2,
    kernel_length: int | None = None,
    dilated_length: int = 16,
    pool_1: int | None = None,
    pool_2: int | None = None,
    dropout: float = 0.5,
    spatial_max_norm: float | None = 1.0,
    dense_max_norm: float | None = 0.25,
    seed: int = 0,
) -> EEGNeX:
    """Build EEGNeX-8,32.

    The authors' script and braindecode's port differ: the script has an ELU after the first bank, a second
    pool of 4 samples, pools that keep what is left at the edges, and Keras' epsilon in batch norm; the port
    has no such ELU, a second pool of 8, a zero padded on either side of a pool, and torch's epsilon. As in
    :func:`eegnet`, the kernel lasts .5 s and the first pool 1/32 s at any sampling frequency, and running
    statistics follow by .1.

    Parameters
    ----------
    layout : Layout
        Channels, times and sampling frequency.
    n_outputs : int
        What the objective wants.
    variant : {"paper_code", "braindecode"}, default="paper_code"
        Whose details.
    n_filters : int, default=8
        Filters over time of the first bank, and maps of the last convolution.
    n_wide : int, default=32
        Filters over time of the second bank.
    depth : int, default=2
        Spatial filters of each of these.
    kernel_length : int, optional
        Samples of the filters over time; by default half the sampling frequency.
    dilated_length : int, default=16
        Weights of the dilated filters, which reach 2 and 4 times as many samples after the first pool.
    pool_1 : int, optional
        Samples that the first pool averages; by default 1/32 s.
    pool_2 : int, optional
        Samples that the second pool averages; by default the variant's, 4 or 8.
    dropout : float, default=0.5
        In training.
    spatial_max_norm : float or None, default=1.0
        Bound of every spatial filter.
    dense_max_norm : float or None, default=0.25
        Bound of the last layer's weights for every output; see :func:`eegnet`.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : EEGNeX
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).

    Raises
    ------
    InputError
        If trials are shorter than the pools, there is no sampling frequency to scale with, the variant is
        not known, or a count is below 1.

    References
    ----------
    .. [1] Chen, Teng, Chen, Pan & Geyer (2024). Toward reliable signals decoding for electroencephalogram: a
       benchmark study to EEGNeX. Biomed. Signal Process. Control 87, 105475. doi:10.1016/j.bspc.2023.105475

    Examples
    --------
    >>> network = eegnex(Layout(64, 256, sfreq_hz=128.0), 4, variant="braindecode")
    >>> sum(weight.numel() for weight in network.parameters())
    58404
    """
    check_option("variant", variant, _VARIANTS)
    if kernel_length is None:
        kernel_length = samples_lasting(1 / 2, layout, network="eegnex", option="kernel_length")
    if pool_1 is None:
        pool_1 = samples_lasting(1 / 32, layout, network="eegnex", option="pool_1")
    pool_2 = _VARIANTS[variant].pool_2 if pool_2 is None else pool_2
    need_counts(
        n_filters=n_filters,
        n_wide=n_wide,
        depth=depth,
        kernel_length=kernel_length,
        dilated_length=dilated_length,
        pool_1=pool_1,
        pool_2=pool_2,
    )
    need_times(pool_1 * pool_2, layout.n_times, network="eegnex", remedy="smaller `pool_1` and `pool_2`")
    with seeded(seed):
        return EEGNeX(
            layout.n_channels,
            layout.n_times,
            n_outputs,
            variant=variant,
            n_filters=n_filters,
            n_wide=n_wide,
            depth=depth,
            kernel_length=kernel_length,
            dilated_length=dilated_length,
            pool_1=pool_1,
            pool_2=pool_2,
            dropout=dropout,
            spatial_max_norm=spatial_max_norm,
            dense_max_norm=dense_max_norm,
        )
