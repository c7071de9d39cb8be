"""Shallow network in the manner of filter-bank common spatial patterns: log power of learnt sources."""

from __future__ import annotations

import torch
from torch import nn

from .._layout import Layout
from .._seeding import seeded
from ._temporal_filters import need_counts, need_times, samples_lasting

_LEAST_POWER = 1e-6


class ShallowFBCSP(nn.Module):
    """Log of the mean power of filtered sources, and an affine map of it.

    ::

        filters over time - spatial filters of them all - norm - square - mean pool - log - dropout - affine

    The two filters are linear in a row, so one convolution of their product does both.

    Parameters
    ----------
    n_channels, n_times, n_outputs : int
        Sizes of a trial and of what comes out.
    n_filters, n_sources : int
        Filters over time and over space.
    filter_length, pool_length, pool_stride : int
        In samples.
    dropout : float
        Share of values that are dropped in training, in [0, 1).
    """

    def __init__(
        self,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        *,
        n_filters: int,
        n_sources: int,
        filter_length: int,
        pool_length: int,
        pool_stride: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.temporal = nn.Conv1d(1, n_filters, filter_length)
        self.spatial = nn.Parameter(torch.empty(n_sources, n_filters, n_channels))
        self.norm = nn.BatchNorm1d(n_sources)
        self.pool = nn.AvgPool1d(pool_length, pool_stride)
        self.dropout = nn.Dropout(dropout)
        n_left = (n_times - filter_length + 1 - pool_length) // pool_stride + 1
        self.dense = nn.Linear(n_sources * n_left, n_outputs)
        for weight in (self.temporal.weight, self.spatial, self.dense.weight):
            nn.init.xavier_uniform_(weight)
        for layer in (self.temporal, self.dense):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Return outputs of trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32.
        subjects : Tensor of shape (n_trials,)
            Not used: all subjects share all weights.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            Embeddings, or scores of classes before the softmax.
        """
        sources = self.norm(self.sources(signals))
        power = self.pool(sources.square()).clamp_min(_LEAST_POWER)
        outputs: torch.Tensor = self.dense(self.dropout(power.log()).flatten(1))
        return outputs

    def sources(self, signals: torch.Tensor) -> torch.Tensor:
        """Map (n_trials, n_channels, n_times) to filtered sources (n_trials, n_sources, n_left)."""
        # (n_sources, n_channels, filter_length)
        both = torch.einsum("sfc,fl->scl", self.spatial, self.temporal.weight[:, 0])
        bias = self.spatial.sum(dim=2) @ self.temporal.bias  # type: ignore[operator]
        return nn.functional.conv1d(signals, both, bias)


def shallow_fbcsp(
    layout: Layout,
    n_outputs: int,
    *,
    n_filters: int = 40,
    n_sources: int = 40,
    filter_length: int | None = None,
    pool_length: int | None = None,
    pool_stride: int | None = None,
    dropout: float = 0.5,
    seed: int = 0,
) -> ShallowFBCSP:
    """Build the shallow network, with durations as published.

    It sees how strong rhythms are, and where: squaring and averaging leave nothing of their phase, so a code
    that lies in the phase alone cannot be learnt.

    Parameters
    ----------
    layout : Layout
        Channels, times and sampling frequency.
    n_outputs : int
        What the objective wants.
    n_filters : int, default=40
        Filters over time.
    n_sources : int, default=40
        Spatial filters over all of these.
    filter_length : int, optional
        Samples; by default 1/10 s (25 at the 250 Hz of the publication).
    pool_length : int, optional
        Samples that are averaged; by default .3 s.
    pool_stride : int, optional
        Samples from one average to the next; by default .06 s.
    dropout : float, default=0.5
        In training.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : ShallowFBCSP
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).

    Raises
    ------
    InputError
        If trials are shorter than filter and pool, there is no sampling frequency to scale with, or a count
        is below 1.

    References
    ----------
    .. [1] Schirrmeister, Springenberg, Fiederer, Glasstetter, Eggensperger, Tangermann, Hutter, Burgard &
       Ball (2017). Deep learning with convolutional neural networks for EEG decoding and visualization. Human
       Brain Mapping 38, 5391-5420. doi:10.1002/hbm.23730

    Examples
    --------
    >>> network = shallow_fbcsp(Layout(22, 1000, sfreq_hz=250.0), 4)
    >>> network.temporal.weight.shape[2], network.pool.kernel_size, network.pool.stride
    (25, (75,), (15,))
    """
    if filter_length is None:
        filter_length = samples_lasting(0.1, layout, network="shallow-fbcsp", option="filter_length")
    if pool_length is None:
        pool_length = samples_lasting(0.3, layout, network="shallow-fbcsp", option="pool_length")
    if pool_stride is None:
        pool_stride = samples_lasting(0.06, layout, network="shallow-fbcsp", option="pool_stride")
    need_counts(
        n_filters=n_filters,
        n_sources=n_sources,
        filter_length=filter_length,
        pool_length=pool_length,
        pool_stride=pool_stride,
    )
    least = filter_length + pool_length - 1
    need_times(
        least, layout.n_times, network="shallow-fbcsp", remedy="smaller `filter_length` and `pool_length`"
    )
    with seeded(seed):
        return ShallowFBCSP(
            layout.n_channels,
            layout.n_times,
            n_outputs,
            n_filters=n_filters,
            n_sources=n_sources,
            filter_length=filter_length,
            pool_length=pool_length,
            pool_stride=pool_stride,
            dropout=dropout,
        )
