"""Residual perceptron for responses without times: fMRI, spike counts."""

from __future__ import annotations

import torch
from torch import nn

from ..._core.errors import InputError
from .._layout import Layout
from .._seeding import seeded
from ._temporal_filters import need_counts


class ResidualMLP(nn.Module):
    """Map each subject's channels into a shared space, refine it in residual blocks, and read it out.

    ::

        affine of the subject - norm - GELU - dropout - blocks: x + dropout(GELU(norm(affine(x)))) - affine

    Parameters
    ----------
    n_inputs, n_outputs : int
        Numbers of a trial (channels times times) and of what comes out.
    n_subjects : int
        Each has an affine map of its own, since channels of two subjects have nothing in common.
    width : int
        Of the shared space.
    n_blocks : int
        How many.
    input_dropout, dropout : float
        Share of values that are dropped in training, in [0, 1): after the first layer, and in the blocks.

    Attributes
    ----------
    own_channels : bool
        True: subjects may have channels of their own.
    """

    own_channels = True

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        n_subjects: int,
        width: int,
        n_blocks: int,
        input_dropout: float,
        dropout: float,
    ) -> None:
        super().__init__()
        own = [nn.Linear(n_inputs, width) for _ in range(n_subjects)]
        # Lists of parameters rather than of layers, so that one subject's can be calibrated alone.
        self.subject_weights = nn.ParameterList([layer.weight for layer in own])
        self.subject_biases = nn.ParameterList([layer.bias for layer in own])
        self.after_subject = nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Dropout(input_dropout))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout))
            for _ in range(n_blocks)
        )
        self.readout = nn.Linear(width, n_outputs)

    @property
    def n_subjects(self) -> int:
        """Subjects that have an input layer."""
        return len(self.subject_weights)

    def forward(self, signals: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        """Return outputs of trials.

        Parameters
        ----------
        signals : Tensor of shape (n_trials, n_channels, n_times)
            float32; channels that a subject does not have are zero.
        subjects : Tensor of shape (n_trials,)
            int64, from 0.

        Returns
        -------
        outputs : Tensor of shape (n_trials, n_outputs)
            Embeddings, or scores of classes before the softmax.

        Raises
        ------
        InputError
            If a subject has no input layer.
        """
        shared = self.after_subject(self._of_subjects(signals.flatten(1), subjects))
        for block in self.blocks:
            shared = shared + block(shared)
        outputs: torch.Tensor = self.readout(shared)
        return outputs

    def add_subject(self, positions: torch.Tensor | None = None) -> list[nn.Parameter]:
        """Add an input layer for one more subject, the mean of the others.

        Parameters
        ----------
        positions : Tensor, optional
            Not used: this network knows no places.

        Returns
        -------
        parameters : list of Parameter
            The new subject's weights and bias, all that calibration may fit.
        """
        added = []
        for held in (self.subject_weights, self.subject_biases):
            with torch.no_grad():
                mean = torch.stack(list(held)).mean(dim=0)
            held.append(nn.Parameter(mean))
            added.append(held[-1])
        return added

    def _of_subjects(self, inputs: torch.Tensor, subjects: torch.Tensor) -> torch.Tensor:
        if bool((subjects < 0).any()) or int(subjects.max()) >= self.n_subjects:
            wrong = sorted({code for code in subjects.tolist() if not 0 <= code < self.n_subjects})
            raise InputError(
                f"subject {wrong[0]} has no input layer; this network has {self.n_subjects}. Add one with "
                "`add_subject` and calibrate it."
            )
        order = torch.argsort(subjects, stable=True)
        counts = torch.bincount(subjects, minlength=self.n_subjects).tolist()
        own = zip(torch.split(inputs[order], counts), self.subject_weights, self.subject_biases, strict=True)
        parts = [nn.functional.linear(part, weight, bias) for part, weight, bias in own if len(part)]
        return torch.cat(parts)[torch.argsort(order)]


def residual_mlp(
    layout: Layout,
    n_outputs: int,
    *,
    width: int = 512,
    n_blocks: int = 2,
    input_dropout: float = 0.5,
    dropout: float = 0.15,
    seed: int = 0,
) -> ResidualMLP:
    """Build a residual perceptron with an input layer for every subject.

    Parameters
    ----------
    layout : Layout
        Channels, times and subjects. Times, where there are any, count as further channels.
    n_outputs : int
        What the objective wants.
    width : int, default=512
        Of the space that subjects share.
    n_blocks : int, default=2
        Residual blocks; 0 leaves one hidden layer.
    input_dropout : float, default=0.5
        In training, of the shared space.
    dropout : float, default=0.15
        In training, within the blocks.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : ResidualMLP
        From (n_trials, n_channels, n_times) to (n_trials, n_outputs).

    Raises
    ------
    InputError
        If `width` is below 1 or `n_blocks` below 0.

    Notes
    -----
    A batch without a subject leaves that subject's weights without a gradient; training on several devices
    must be told so (``ddp_find_unused_parameters_true``).

    References
    ----------
    .. [1] Scotti et al. (2023). Reconstructing the mind's eye: fMRI-to-image with contrastive learning and
       diffusion priors. NeurIPS. arXiv:2305.18274 (perceptron with residual blocks).
    .. [2] Scotti et al. (2024). MindEye2: shared-subject models enable fMRI-to-image with 1 hour of data.
       ICML. arXiv:2403.11207 (input layer of every subject).

    Examples
    --------
    >>> network = residual_mlp(Layout(100, n_subjects=2), 8, width=16)
    >>> network(torch.zeros(3, 100, 1), torch.tensor([0, 1, 1])).shape
    torch.Size([3, 8])
    """
    need_counts(width=width)
    if n_blocks < 0:
        raise InputError(f"`n_blocks` must be at least 0, got {n_blocks}.")
    with seeded(seed):
        return ResidualMLP(
            layout.n_channels * layout.n_times,
            n_outputs,
            n_subjects=layout.n_subjects,
            width=width,
            n_blocks=n_blocks,
            input_dropout=input_dropout,
            dropout=dropout,
        )
