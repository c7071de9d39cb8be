"""SigLIP: every pair of a batch is a question of its own, whether the two belong together."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .._objective import Batch, Objective
from .clip import check_dims, check_directions, check_temperature
from .info_nce import Treatment, check_batch, check_treatments, similarities, treated


def sigmoid_loss(logits: Tensor, positives: Tensor, *, ignored: Tensor | None = None) -> Tensor:
    """Return the loss of pairs: ``-(1 / n_trials) sum_ij log sigmoid(y_ij logits_ij)``.

    It is a sum over pairs, so that blocks of columns can be done one after the other.

    Parameters
    ----------
    logits : Tensor of shape (n_trials, n_targets)
        Float32 or float64.
    positives : bool Tensor of shape (n_trials, n_targets)
        Where y is 1; elsewhere it is -1. Any number of a row.
    ignored : bool Tensor of shape (n_trials, n_targets), optional
        Pairs that do not count.

    Returns
    -------
    loss : Tensor of shape ()
        0 or above.

    References
    ----------
    Zhai X, Mustafa B, Kolesnikov A, Beyer L (2023). Sigmoid loss for language image pre-training. ICCV.
    https://arxiv.org/abs/2303.15343 (equation 1)

    Examples
    --------
    >>> import torch
    >>> round(float(sigmoid_loss(torch.zeros(2, 2), torch.eye(2, dtype=torch.bool))), 6)
    1.386294
    """
    pairs = F.softplus(torch.where(positives, -logits, logits))
    if ignored is not None:
        pairs = pairs.masked_fill(ignored, 0)
    return pairs.sum() / len(logits)


class SigLip(Objective):
    """Sigmoid loss of the pairs of a batch; see :func:`siglip`.

    Attributes
    ----------
    log_scale, bias : Parameter of shape ()
        Natural logarithm of 1 / temperature, and what is added to all pairs.
    """

    least_batch = 2

    def __init__(
        self,
        n_dims: int,
        *,
        temperature: float,
        bias: float,
        same_stimulus: Treatment,
        same_group: Treatment,
    ) -> None:
        super().__init__()
        check_dims(n_dims)
        check_temperature(temperature, learned=False)
        check_treatments(same_stimulus=same_stimulus, same_group=same_group)
        self.n_outputs = n_dims
        self.same_stimulus: Treatment = same_stimulus
        self.same_group: Treatment = same_group
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature), dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float32))

    def forward(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss; see :class:`Objective`."""
        check_batch("SigLIP", len(outputs), self.least_batch)
        positives, ignored = treated(
            batch.stimuli, batch.groups, same_stimulus=self.same_stimulus, same_group=self.same_group
        )
        logits = similarities(outputs, batch.targets) * self.log_scale.exp() + self.bias
        own = torch.eye(len(outputs), dtype=torch.bool, device=logits.device)
        return sigmoid_loss(logits, positives | own, ignored=ignored)

    def set_target_statistics(self, values: NDArray[Any] | Tensor) -> None:
        """Refuse training targets that are zero throughout; see :meth:`Clip.set_target_statistics`."""
        check_directions(values)


def siglip(
    n_dims: int,
    *,
    n_trials: int = 0,
    temperature: float = 0.1,
    bias: float = -10.0,
    same_stimulus: Treatment = "in",
    same_group: Treatment = "ignore",
) -> SigLip:
    """Build the sigmoid objective: every pair of output and target is told apart on its own.

    There is no sum over the batch to compete in, so that the loss hardly depends on the batch's size.

    Parameters
    ----------
    n_dims : int
        Of the targets, and of what the network must put out.
    n_trials : int, default=0
        Of the training part; not needed.
    temperature : float, default=0.1
        To start from; it divides the cosine similarities, and is learned.
    bias : float, default=-10.0
        To start from; it is added to them, and learned. Most pairs are no match, and the paper's value
        says so from the start.
    same_stimulus : {"ignore", "in", "negatives"}, default="in"
        What two trials of one stimulus are to each other: left out, a match, or no match.
    same_group : {"ignore", "in", "negatives"}, default="ignore"
        The same for near-duplicates, or images of one concept.

    Returns
    -------
    objective : SigLip
        Its loss, a sum over pairs divided by the number of trials, is 0 or above.

    Raises
    ------
    InputError
        If an option is out of its range; by the loss, if a batch has fewer than 2 trials or outputs are
        not of the targets' shape.

    References
    ----------
    Zhai X, Mustafa B, Kolesnikov A, Beyer L (2023). Sigmoid loss for language image pre-training. ICCV.
    https://arxiv.org/abs/2303.15343

    Examples
    --------
    >>> siglip(512).n_outputs
    512
    """
    return SigLip(
        n_dims, temperature=temperature, bias=bias, same_stimulus=same_stimulus, same_group=same_group
    )
