"""The expressive leaky memory (ELM) neuron: one cell with branches, slow memories and a small network."""

from __future__ import annotations

from functools import partial
from math import exp
from typing import Any, Literal

import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..standard._random_weights import seeded
from ._reading import grey_images

Timescales = Literal["spread", "short"]

_SYNAPSE_AT_FIRST = 0.5
_MEMORY_SHARPNESS = 5.0


def branch_inputs(n_inputs: int, *, n_branches: int, n_synapses: int) -> torch.Tensor:
    """Return which input every synapse of every branch listens to, (n_branches, n_synapses).

    Excitatory inputs (the first half) and inhibitory ones (the second) are interlaced, so that neighbours
    in either come together; a branch takes a window of them, and windows are spread evenly over all.

    Raises
    ------
    InputError
        If a branch has more synapses than there are inputs, or `n_inputs` is odd.

    Examples
    --------
    >>> branch_inputs(4, n_branches=2, n_synapses=2).tolist()
    [[0, 2], [1, 3]]
    """
    if n_inputs % 2 or n_synapses > n_inputs:
        raise InputError(
            f"`n_inputs` must be even (half excitatory, half inhibitory) and at least {n_synapses}, the "
            f"synapses of a branch; got {n_inputs}."
        )
    interlaced = torch.arange(n_inputs).view(2, -1).T.flatten()
    starts = torch.linspace(0, n_inputs - n_synapses, n_branches).round().long()
    return interlaced[starts[:, None] + torch.arange(n_synapses)]


class ELMNeuron(nn.Module):
    """The branch version of the ELM neuron.

    ``b_t = k_b b_{t-1} + sum over the branch of relu(w_s) x``;
    ``delta = 1.7159 tanh(2/3 MLP([b_t, k_m m_{t-1}]))``; ``m_t = k_m m_{t-1} + (1 - k_lambda) delta``;
    ``y = W m``; with ``k = exp(-dt / tau)`` and ``k_lambda = exp(-5 dt / tau_m)``.

    Parameters
    ----------
    n_inputs : int, default=1278
        Excitatory inputs, which are positive, then as many inhibitory ones, which are negative: synapses
        have no sign of their own.
    n_memory : int, default=20
        Memory units.
    n_branches, n_synapses : int, default=45, 100
        Branches, and synapses of each.
    n_outputs : int, default=2
        Spike and soma voltage in the paper.
    tau_branch : float, default=5.0
        In steps of `dt` 1.
    tau_memory : tuple of float, default=(1.0, 1000.0)
        The shortest and the longest time constant of a memory unit; the others are spaced evenly in their
        logarithm.
    dt : float, default=1.0
        Length of a step.

    References
    ----------
    Spieler A, Rahaman N, Martius G, Schölkopf B, Levina A (2024). The expressive leaky memory neuron: an
    efficient and expressive phenomenological neuron model can solve long-horizon tasks. ICLR.
    https://arxiv.org/abs/2306.16922
    """

    tau_m: torch.Tensor
    routing: torch.Tensor
    keep_m: torch.Tensor
    write_m: torch.Tensor

    def __init__(
        self,
        n_inputs: int = 1278,
        *,
        n_memory: int = 20,
        n_branches: int = 45,
        n_synapses: int = 100,
        n_outputs: int = 2,
        tau_branch: float = 5.0,
        tau_memory: tuple[float, float] = (1.0, 1000.0),
        dt: float = 1.0,
    ) -> None:
        super().__init__()
        shortest, longest = tau_memory
        if not 0 < shortest <= longest or tau_branch <= 0 or dt <= 0:
            raise InputError(
                "time constants and `dt` must be positive, and a memory's shortest no more than its longest; "
                f"got `tau_memory` {tau_memory}, `tau_branch` {tau_branch}, `dt` {dt}."
            )
        self.n_inputs = n_inputs
        self.register_buffer("routing", branch_inputs(n_inputs, n_branches=n_branches, n_synapses=n_synapses))
        exponents = torch.linspace(0, 1, n_memory, dtype=torch.float64)
        tau_m = shortest * (longest / shortest) ** exponents
        self.register_buffer("tau_m", tau_m.float())
        self.register_buffer("keep_m", torch.exp(-dt / tau_m).float())
        self.register_buffer("write_m", (1 - torch.exp(-_MEMORY_SHARPNESS * dt / tau_m)).float())
        self.keep_b = exp(-dt / tau_branch)
        self.synapses = nn.Parameter(torch.full((n_branches, n_synapses), _SYNAPSE_AT_FIRST))
        self.mlp = nn.Sequential(
            nn.Linear(n_branches + n_memory, 2 * n_memory), nn.ReLU(), nn.Linear(2 * n_memory, n_memory)
        )
        self.readout = nn.Linear(n_memory, n_outputs)
        self.branch, self.memory, self.delta, self.out = (nn.Identity() for _ in range(4))

    def step(
        self, branch: torch.Tensor, memory: torch.Tensor, inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return branches and memories after one more input.

        Parameters
        ----------
        branch : Tensor of shape (n_samples, n_branches)
        memory : Tensor of shape (n_samples, n_memory)
        inputs : Tensor of shape (n_samples, n_inputs)
        """
        weights = torch.relu(self.synapses)
        branch = self.branch(self.keep_b * branch + (inputs[:, self.routing] * weights).sum(-1))
        kept = self.keep_m * memory
        proposed = self.mlp(torch.cat((branch, kept), 1))
        # LeCun's tanh, whose slope and value are near 1 at 1.
        delta = self.delta(1.7159 * torch.tanh(2 / 3 * proposed))
        memory = self.memory(kept + self.write_m * delta)
        return branch, memory

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Return outputs after every step, (n_samples, n_times, n_outputs), from rest on.

        Parameters
        ----------
        sequence : Tensor of shape (n_samples, n_times, n_inputs)
            Spikes or rates, positive from excitatory inputs and negative from inhibitory ones.

        Raises
        ------
        InputError
            If its shape is another.
        """
        if sequence.ndim != 3 or sequence.shape[2] != self.n_inputs:
            raise InputError(
                f"`sequence` must have shape (n_samples, n_times, {self.n_inputs}), got "
                f"{tuple(sequence.shape)}."
            )
        branch = sequence.new_zeros(len(sequence), len(self.synapses))
        memory = sequence.new_zeros(len(sequence), len(self.tau_m))
        outputs = []
        for inputs in sequence.unbind(1):
            branch, memory = self.step(branch, memory, inputs)
            outputs.append(self.out(self.readout(memory)))
        return torch.stack(outputs, 1)


class ELMReader(nn.Module):
    """An ELM neuron that reads a grey image row by row: bright pixels excite it, dark ones inhibit it.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels.
    neuron : ELMNeuron
        Of ``2 * image_size`` inputs and one output per class.
    """

    def __init__(self, image_size: int, neuron: ELMNeuron) -> None:
        super().__init__()
        self.image_size = image_size
        self.neuron = neuron

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return class scores, (n_images, n_classes), of images (n_images, 3, image_size, image_size)."""
        contrast = 2 * grey_images(images, size=self.image_size) - 1
        # (n_images, n_rows, 2 * n_columns): as on and off cells, each of one sign.
        sequence = torch.cat((contrast.clamp(min=0), contrast.clamp(max=0)), 2)
        scores: torch.Tensor = self.neuron(sequence)[:, -1]
        return scores


def elm_neuron(
    *,
    image_size: int = 32,
    n_memory: int = 100,
    n_branches: int = 32,
    n_synapses: int = 20,
    tau_branch: float = 5.0,
    tau_longest: float = 1000.0,
    timescales: Timescales = "spread",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build an expressive leaky memory neuron that reads images row by row.

    Parameters
    ----------
    image_size : int, default=32
        Height and width, in pixels, that images are brought to; one row comes per step.
    n_memory : int, default=100
        Memory units.
    n_branches, n_synapses : int, default=32, 20
        Branches, and synapses of each (at most ``2 * image_size``).
    tau_branch : float, default=5.0
        Time constant of branches, in steps.
    tau_longest : float, default=1000.0
        Of memory units, in steps; at least 1.
    timescales : {"spread", "short"}, default="spread"
        Memory units from 1 step to `tau_longest`, or all of 1 step: the twin without slow memory.
    n_classes : int, default=10
    seed : int, default=0
        Draws weights.

    Returns
    -------
    network : Network
        Layers ``neuron.branch``, ``neuron.delta``, ``neuron.memory`` and ``neuron.out``, per step.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Spieler A, Rahaman N, Martius G, Schölkopf B, Levina A (2024). The expressive leaky memory neuron: an
    efficient and expressive phenomenological neuron model can solve long-horizon tasks. ICLR.
    https://arxiv.org/abs/2306.16922
    """
    check_option("timescales", timescales, ("spread", "short"))
    for name, value in (("n_memory", n_memory), ("n_branches", n_branches), ("n_synapses", n_synapses)):
        check_count(name, value, least=1)
    check_count("image_size", image_size, least=2)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)
    if tau_longest < 1:
        raise InputError(f"`tau_longest` must be at least 1 step, got {tau_longest}.")

    def build() -> ELMReader:
        neuron = ELMNeuron(
            2 * image_size,
            n_memory=n_memory,
            n_branches=n_branches,
            n_synapses=n_synapses,
            n_outputs=n_classes,
            tau_branch=tau_branch,
            tau_memory=(1.0, tau_longest if timescales == "spread" else 1.0),
        )
        return ELMReader(image_size, neuron)

    options: dict[str, Any] = {
        "image_size": image_size,
        "n_memory": n_memory,
        "n_branches": n_branches,
        "n_synapses": n_synapses,
        "tau_branch": tau_branch,
        "tau_longest": tau_longest,
        "n_classes": n_classes,
        "seed": seed,
    }
    is_slow = timescales == "spread"
    return declared(
        "elm-neuron" if is_slow else "elm-neuron-short",
        seeded(build, derive_seed(seed, "elm-neuron")),
        square(image_size),
        recipe=Recipe(data="labels", lr=5e-3, epochs=30),
        matched=partial(elm_neuron_short, **options) if is_slow else None,
        options=options | {"timescales": timescales},
    )


def elm_neuron_short(
    *,
    image_size: int = 32,
    n_memory: int = 100,
    n_branches: int = 32,
    n_synapses: int = 20,
    tau_branch: float = 5.0,
    tau_longest: float = 1000.0,
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`elm_neuron` with ``timescales="short"``: as many weights, and no slow memory.

    Parameters
    ----------
    image_size, n_memory, n_branches, n_synapses, tau_branch, n_classes, seed
        As for :func:`elm_neuron`.
    tau_longest
        Of no account.

    Returns
    -------
    network : Network
    """
    return elm_neuron(
        image_size=image_size,
        n_memory=n_memory,
        n_branches=n_branches,
        n_synapses=n_synapses,
        tau_branch=tau_branch,
        tau_longest=tau_longest,
        timescales="short",
        n_classes=n_classes,
        seed=seed,
    )
