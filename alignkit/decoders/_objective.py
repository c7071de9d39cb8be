"""What is minimised: a module that holds its own parameters and compares outputs with targets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn


class Batch(NamedTuple):
    """Trials with what each should be decoded to.

    Attributes
    ----------
    signals : Tensor of shape (n_trials, n_channels, n_times)
        float32.
    subjects : Tensor of shape (n_trials,)
        int64, from 0.
    targets : Tensor
        (n_trials, n_dims) or (n_trials, n_dims, n_target_times), float32; (n_trials, n_variants, n_dims)
        where every stimulus has several versions (such as degrees of blur); (n_trials,), int64, for classes.
    stimuli : Tensor of shape (n_trials,)
        int64; the same number is the same stimulus.
    groups : Tensor of shape (n_trials,)
        int64; the same number is a near-duplicate (or a concept), and covers the same stimulus.
    trials : Tensor of shape (n_trials,)
        int64; the number of the trial in the part that is trained on.
    """

    signals: torch.Tensor
    subjects: torch.Tensor
    targets: torch.Tensor
    stimuli: torch.Tensor
    groups: torch.Tensor
    trials: torch.Tensor


class Objective(nn.Module):
    """Base of the objectives; a subclass gives `forward`, and `embed` where retrieval uses another head.

    Attributes
    ----------
    n_outputs : int
        How many numbers the network must put out for a trial.
    classes : bool
        Whether targets are classes, so that outputs are scores of classes.
    least_batch : int
        The smallest batch that the loss is defined for: 2 where trials are each other's negatives.
    """

    n_outputs: int
    classes: bool = False
    least_batch: int = 1

    def forward(self, outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the loss, a mean over trials.

        Parameters
        ----------
        outputs : Tensor of shape (n_trials, n_outputs[, n_target_times])
            What the network made of `batch.signals`.
        batch : Batch
            Targets, and which trials share a stimulus.

        Returns
        -------
        loss : Tensor of shape ()
            At least the objective's own minimum; lower is better.
        """
        raise NotImplementedError

    def embed(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what is compared with the stimuli's embeddings, or the scores of classes.

        Parameters
        ----------
        outputs : Tensor of shape (n_trials, n_outputs[, n_target_times])
            Of the network.

        Returns
        -------
        embedded : Tensor of shape (n_trials, n_dims[, n_target_times])
            In the space of the targets.
        """
        return outputs
