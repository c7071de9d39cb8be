"""The subject layer: one matrix per subject that turns its signals into what all subjects share."""

from __future__ import annotations

import math

import torch
from torch import nn


class SubjectLayer(nn.Module):
    """A linear map of channels for each subject, without bias.

    Parameters
    ----------
    n_channels : int
        Coming in and going out.
    n_subjects : int
        Subjects to begin with.

    Attributes
    ----------
    maps : ParameterList of n_subjects tensors of shape (n_channels, n_channels)
        Drawn from N(0, 1) / sqrt(n_channels). A parameter each, so that one can be fitted while the others
        stay as they are.

    References
    ----------
    Defossez et al. (2023), Decoding speech perception from non-invasive brain recordings, Nature Machine
    Intelligence 5, doi:10.1038/s42256-023-00714-5, section "Subject layer".

    Examples
    --------
    >>> layer = SubjectLayer(4, 2)
    >>> layer(torch.ones(3, 4, 5), torch.tensor([0, 1, 1])).shape
    torch.Size([3, 4, 5])
    """

    def __init__(self, n_channels: int, n_subjects: int) -> None:
        super().__init__()
        self.maps = nn.ParameterList(
            nn.Parameter(torch.randn(n_channels, n_channels) / math.sqrt(n_channels))
            for _ in range(n_subjects)
        )

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Apply to each trial its subject's map.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            In any unit.
        subjects : Tensor of shape (n_trials,)
            int64, from 0.

        Returns
        -------
        mapped : Tensor of shape (n_trials, n_channels, n_times)
            Row i is ``maps[subjects[i]] @ signals[i]``.
        """
        return torch.stack(list(self.maps))[subjects] @ signals

    def add_subject(self) -> list[nn.Parameter]:
        """Take in one more subject, with the mean of the others' maps to begin with.

        Returns
        -------
        parameters : list of Parameter
            The new subject's map.
        """
        with torch.no_grad():
            mean = torch.stack(list(self.maps)).mean(0)
        added = nn.Parameter(mean)
        self.maps.append(added)
        return [added]
