"""The convolutions over time and over channels, and the projection, that NICE and its successors share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ._temporal_filters import need_times

# From this many outputs on, layer norm leaves enough of them to tell.
_LEAST_NORMED = 8


class TemporalSpatial(nn.Module):
    """Convolution over time, mean pooling, convolution over all channels, 1 x 1 convolution.

    Parameters
    ----------
    n_channels, n_times : int
        Of a trial.
    n_filters : int, default=40
        Of each convolution.
    temporal_kernel, pool, pool_stride : int, default=25, 51, 5
        In samples.
    dropout : float, default=0.5
        In [0, 1).
    needed_by : str
        Name of the network, for messages.

    Attributes
    ----------
    n_features : int
        Numbers that come out of a trial.

    Raises
    ------
    InputError
        If a trial is too short.
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        *,
        n_filters: int = 40,
        temporal_kernel: int = 25,
        pool: int = 51,
        pool_stride: int = 5,
        dropout: float = 0.5,
        needed_by: str,
    ) -> None:
        super().__init__()
        least = max(2, temporal_kernel + pool - 1)
        remedy = "smaller `temporal_kernel` and `pool`; for responses without times take residual-mlp"
        need_times(least, n_times, network=needed_by, remedy=remedy)
        self.pool = pool
        self.pool_stride = pool_stride
        self.n_features = n_filters * ((n_times - temporal_kernel - pool + 1) // pool_stride + 1)
        self.temporal = nn.Conv2d(1, n_filters, (1, temporal_kernel))
        self.temporal_norm = nn.BatchNorm2d(n_filters)
        self.spatial = nn.Conv2d(n_filters, n_filters, (n_channels, 1))
        self.spatial_norm = nn.BatchNorm2d(n_filters)
        self.dropout = nn.Dropout(dropout)
        self.mixing = nn.Conv2d(n_filters, n_filters, 1)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Turn (n_trials, n_channels, n_times) into (n_trials, n_features)."""
        made = functional.elu(self.temporal_norm(self._pooled(signals)))
        made = functional.elu(self.spatial_norm(self.spatial(made)))
        features: torch.Tensor = self.mixing(self.dropout(made)).flatten(1)
        return features

    def _pooled(self, signals: torch.Tensor) -> torch.Tensor:
        """Convolve over time and pool as one convolution: both are linear, and few steps are kept.

        The kernel of both is the kernel smoothed by the pool's window.
        """
        # (n_filters, 1, temporal_kernel)
        kernel = self.temporal.weight.squeeze(2)
        window = kernel.new_full((1, 1, self.pool), 1.0 / self.pool)
        both = functional.conv1d(kernel, window, padding=self.pool - 1)
        # (n_trials, n_channels, n_steps, temporal_kernel + pool - 1)
        windows = signals.unfold(-1, both.shape[-1], self.pool_stride)
        return functional.linear(windows, both.squeeze(1), self.temporal.bias).permute(0, 3, 1, 2)


class Projection(nn.Module):
    """A linear map, a residual block, and layer norm.

    Parameters
    ----------
    n_features, n_outputs : int
        Coming in, going out.
    dropout : float, default=0.5
        Of the residual block, in [0, 1).
    final_norm : bool or None, default=None
        Whether layer norm comes last; by default from 8 outputs on.
    """

    def __init__(
        self, n_features: int, n_outputs: int, *, dropout: float = 0.5, final_norm: bool | None = None
    ) -> None:
        super().__init__()
        is_normed = n_outputs >= _LEAST_NORMED if final_norm is None else final_norm
        self.linear = nn.Linear(n_features, n_outputs)
        self.block = nn.Sequential(nn.GELU(), nn.Linear(n_outputs, n_outputs), nn.Dropout(dropout))
        self.norm = nn.LayerNorm(n_outputs) if is_normed else nn.Identity()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Turn (n_trials, n_features) into (n_trials, n_outputs)."""
        made = self.linear(features)
        outputs: torch.Tensor = self.norm(made + self.block(made))
        return outputs
