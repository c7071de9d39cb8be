"""Filters over time that the compact networks share, and how many samples they last."""

from __future__ import annotations

import torch
from torch import nn

from ..._core.errors import InputError
from .._layout import Layout


def samples_lasting(seconds: float, layout: Layout, *, network: str, option: str) -> int:
    """Return how many samples last so long, at least one.

    Parameters
    ----------
    seconds : float
        A duration.
    layout : Layout
        With a sampling frequency.
    network, option : str
        Who asks, and which option says it otherwise; for the message.

    Returns
    -------
    n_samples : int
        At least 1.

    Raises
    ------
    InputError
        If the layout has no sampling frequency.

    Examples
    --------
    >>> samples_lasting(0.5, Layout(32, 250, sfreq_hz=125.0), network="eegnet", option="kernel_length")
    62
    """
    if layout.sfreq_hz is None:
        raise InputError(
            f"{network} scales `{option}` with the sampling frequency, which these signals have not. Give "
            f"`{option}` in samples, or a recording with times."
        )
    return max(1, round(seconds * layout.sfreq_hz))


def need_times(least: int, n_times: int, *, network: str, remedy: str) -> None:
    """Refuse trials that are too short for kernels and pools."""
    if n_times < least:
        raise InputError(
            f"{network} needs trials of at least {least} times with these kernels and pools, got "
            f"{n_times}. Take a longer window, or {remedy}."
        )


def need_counts(**counts: int) -> None:
    """Refuse numbers below 1."""
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"`{name}` must be at least 1, got {count}.")


def keras_norm(n_maps: int) -> nn.BatchNorm1d:
    """Return batch norm with the epsilon of Keras, and torch's momentum.

    Keras lets running statistics follow by a hundredth in each step. After some tens of steps they are still
    mostly those of the start, so that what is validated is not what was trained.
    """
    return nn.BatchNorm1d(n_maps, eps=1e-3, momentum=0.1)


class SameConv(nn.Conv1d):
    """Convolution over time without bias that keeps the number of times; even kernels pad one more behind.

    Parameters
    ----------
    n_inputs, n_outputs, length : int
        Maps in, maps out, and samples of the kernel.
    dilation : int, default=1
        Samples from one weight to the next.
    groups : int, default=1
        As in :class:`torch.nn.Conv1d`.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, length: int, *, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__(n_inputs, n_outputs, length, dilation=dilation, groups=groups, bias=False)
        nn.init.xavier_uniform_(self.weight)
        around = dilation * (length - 1)
        self.before, self.behind = around // 2, around - around // 2

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (n, n_inputs, n_times) to (n, n_outputs, n_times)."""
        return super().forward(nn.functional.pad(maps, (self.before, self.behind)))


class OfEveryChannel(nn.Module):
    """Layers over time, applied to every channel alone; a channel that is all zeros gives zeros.

    Signals of a subject with fewer channels are padded with zeros. Such rows neither enter the statistics of
    batch norm nor come out of it as a constant, so that what is padded changes nothing.

    Parameters
    ----------
    *layers : Module
        From (n, 1, n_times) to (n, n_maps, n_times); the last convolution is a :class:`SameConv`.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.n_maps = [layer.out_channels for layer in layers if isinstance(layer, SameConv)][-1]

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Map (n_trials, n_channels, n_times) to (n_trials, n_channels, n_maps, n_times)."""
        n_trials, n_channels, n_times = signals.shape
        rows = signals.reshape(-1, 1, n_times)
        present = (rows != 0).any(dim=2).squeeze(1)
        if bool(present.all()):
            maps: torch.Tensor = self.layers(rows)
        elif not bool(present.any()):
            maps = rows.new_zeros(len(rows), self.n_maps, n_times)
        else:
            of_present = self.layers(rows[present])
            maps = of_present.new_zeros(len(rows), *of_present.shape[1:])
            maps[present] = of_present
        return maps.view(n_trials, n_channels, *maps.shape[1:])
