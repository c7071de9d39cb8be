"""Synapses with delays that are learned: a weight and a place on a kernel in time for each."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..._core.checks import check_option
from ..._core.errors import InputError
from .._images import check_count

DelayMode = Literal["annealed", "constant", "frozen"]

DELAY_MODES: tuple[DelayMode, ...] = ("annealed", "constant", "frozen")
FINAL_SIGMA = 0.23
CONSTANT_SIGMA = 0.5


class DelayedLinear(nn.Module):
    """A linear layer whose every synapse has a delay of its own.

    Synapse (i, j) has a weight w and a position p on a kernel of `n_delays` steps; in training its
    kernel is a Gaussian bump of area w,

        k[n] = w exp(-((n - p) / sigma)^2 / 2) / (sum over n of the same),

    in evaluation w alone, at p rounded: delay n takes what came n steps ago. A wide bump lets a
    synapse feel delays far from its own; sigma therefore falls exponentially from ``n_delays / 2`` to
    0.23 over the first `annealing_steps` forward passes in training mode, counted in a buffer.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Numbers of channels.
    n_delays : int, default=25
        Length of the kernel in steps, odd: delays are 0 ... n_delays - 1.
    mode : {"annealed", "constant", "frozen"}, default="annealed"
        "constant" keeps sigma at 0.5; "frozen" keeps the positions as they were drawn (and sigma at its
        last value): the twins without the mechanism.
    annealing_steps : int, default=100
        A quarter of the training steps is what Hammouamri et al. take.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Hammouamri I, Khalfaoui-Hassani I, Masquelier T (2024). Learning delays in spiking neural networks
    using dilated convolutions with learnable spacings. ICLR. https://arxiv.org/abs/2306.17670
    """

    n_passes: Tensor

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        n_delays: int = 25,
        mode: DelayMode = "annealed",
        annealing_steps: int = 100,
    ) -> None:
        super().__init__()
        check_count("n_delays", n_delays, least=1)
        check_count("annealing_steps", annealing_steps, least=1)
        if n_delays % 2 == 0:
            raise InputError(f"`n_delays` must be odd, so that the kernel has a middle; got {n_delays}.")
        self.mode = check_option("mode", mode, DELAY_MODES)
        self.n_delays, self.annealing_steps = n_delays, annealing_steps
        self.weight = nn.Parameter(torch.empty(n_outputs, n_inputs))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.position = nn.Parameter(torch.rand(n_outputs, n_inputs) * (n_delays - 1))
        self.position.requires_grad_(mode != "frozen")
        self.register_buffer("n_passes", torch.tensor(0))

    @property
    def sigma(self) -> float:
        """Width of the bumps now, in steps."""
        if self.mode == "constant":
            return CONSTANT_SIGMA
        if self.mode == "frozen":
            return FINAL_SIGMA
        first = max(self.n_delays / 2, FINAL_SIGMA)
        done = min(1.0, int(self.n_passes) / self.annealing_steps)
        return float(first * (FINAL_SIGMA / first) ** done)

    def delays(self) -> Tensor:
        """Return the delays that evaluation uses, whole steps, of shape (n_outputs, n_inputs)."""
        return self.position.detach().clamp(0, self.n_delays - 1).round().long()

    def kernel(self) -> Tensor:
        """Return the kernel, of shape (n_outputs, n_inputs, n_delays); the last axis is the delay."""
        if not self.training:
            one = functional.one_hot(self.delays(), self.n_delays)
            return self.weight.unsqueeze(-1) * one.to(self.weight.dtype)
        steps = torch.arange(self.n_delays, device=self.position.device, dtype=self.position.dtype)
        distance = (steps - self.position.unsqueeze(-1)) / self.sigma
        # Softmax is the normalised Gaussian, and cannot underflow.
        return self.weight.unsqueeze(-1) * torch.softmax(-distance.square() / 2, -1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what arrives at each step.

        Parameters
        ----------
        inputs : Tensor of shape (n_samples, n_inputs, n_times)

        Returns
        -------
        outputs : Tensor of shape (n_samples, n_outputs, n_times)
            At time t the sum over delays n of kernel[n] times the inputs of time t - n; nothing came
            before time 0.
        """
        if self.training:
            with torch.no_grad():
                # An optimiser's step may leave the kernel.
                self.position.clamp_(0, self.n_delays - 1)
        # conv1d runs over its kernel in the order of time: its last entry is delay 0.
        outputs = functional.conv1d(functional.pad(inputs, (self.n_delays - 1, 0)), self.kernel().flip(-1))
        if self.training:
            self.n_passes += 1
        return outputs
