"""What becomes of time at the end of a network: one learned mean, or as many steps as the targets have."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ..._core.errors import InputError


class PoolingOverTime(nn.Module):
    """An affine map over time to a single step, learned and shared by all channels; or means of windows.

    Parameters
    ----------
    n_times : int
        Coming in.
    target_times : int or None, default=None
        None: one step, with weights over time that are learned. Otherwise this many steps, each the mean of
        its share of the trial; equal to `n_times`: time stays as it is.

    Raises
    ------
    InputError
        If more steps are wanted than come in, or fewer than one.

    References
    ----------
    Benchetrit, Banville and King (2024), Brain decoding: toward real-time reconstruction of visual
    perception, ICLR, arXiv:2310.19812 (temporal aggregation).

    Examples
    --------
    >>> PoolingOverTime(4, target_times=2)(torch.tensor([[[1.0, 3.0, 5.0, 7.0]]]))
    tensor([[[2., 6.]]])
    """

    def __init__(self, n_times: int, *, target_times: int | None = None) -> None:
        super().__init__()
        if target_times is not None and not 1 <= target_times <= n_times:
            raise InputError(
                f"`target_times` must lie in 1..{n_times}, the times of a trial, got {target_times}. "
                "Resample the targets to the recording's times, or leave it out where targets have no time."
            )
        self.target_times = target_times
        self.aggregation = nn.Linear(n_times, 1) if target_times is None else nn.Identity()

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        """Pool.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            In any unit.

        Returns
        -------
        pooled : Tensor of shape (n_trials, n_channels, 1 or target_times)
            In the unit of the signals.
        """
        if self.target_times is None:
            pooled: torch.Tensor = self.aggregation(signals)
            return pooled
        if self.target_times == signals.shape[-1]:
            return signals
        return functional.adaptive_avg_pool1d(signals, self.target_times)
