"""Spiking neurons wired by distance, and the plasticity that an astrocyte holds in balance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..._core.errors import InputError
from .._images import check_count

THRESHOLD = 20.0
LARGEST_WEIGHT = 3.0
# Milliseconds; one step of the simulation is one millisecond.
TAU_MEMBRANE, TAU_CURRENT, TAU_TRACE, TAU_ASTROCYTE = 64.0, 2.0, 10.0, 100.0
REFRACTORY = 2.0
POTENTIATION, BASELINE = 0.15, 0.15
TRACE_STEP = 0.1
INPUT_DENSITY, EXCITATORY_SHARE = 0.15, 0.8
# Probability of a connection at distance 0, by the kinds of (post, pre).
CONTACT = {("E", "E"): 0.2, ("E", "I"): 0.3, ("I", "E"): 0.1, ("I", "I"): 0.05}
_REACH = 3.0


@dataclass
class LiquidState:
    """Current, membrane, time left in the refractory period and spikes, each (n_images, n_neurons)."""

    current: Tensor
    membrane: Tensor
    refractory: Tensor
    spikes: Tensor


class Liquid(nn.Module):
    """Current-based leaky integrate-and-fire neurons on a grid, wired at random by distance.

    Parameters
    ----------
    side : int
        Neurons along each of the three axes.
    n_inputs : int
        Number of input lines.
    contact : float
        Factor on the probabilities of a connection, which are ``C exp(-(distance / 3)^2)``.
    initial_weight : float
        Absolute value of all weights.
    generator : numpy.random.Generator
        Draws who is excitatory, and all connections.
    """

    def __init__(
        self,
        side: int,
        n_inputs: int,
        *,
        contact: float,
        initial_weight: float,
        generator: np.random.Generator,
    ) -> None:
        super().__init__()
        self.input_weight: Tensor
        self.weight: Tensor
        self.excitatory: Tensor
        n_neurons = side**3
        excitatory = generator.random(n_neurons) < EXCITATORY_SHARE
        place = np.indices((side, side, side)).reshape(3, -1).T
        squared = ((place[:, None] - place[None]) ** 2).sum(-1)
        kinds = np.where(excitatory, "E", "I")
        at_zero = np.array([[CONTACT[post, pre] for pre in kinds] for post in kinds])
        probability = contact * at_zero * np.exp(-squared / _REACH**2)
        np.fill_diagonal(probability, 0)
        wired = generator.random((n_neurons, n_neurons)) < probability
        sign = np.where(excitatory, 1.0, -1.0)
        lines = generator.random((n_neurons, n_inputs)) < INPUT_DENSITY
        signs = generator.choice([-1.0, 1.0], (n_neurons, n_inputs))
        self.register_buffer("excitatory", torch.from_numpy(excitatory))
        self.register_buffer("weight", torch.from_numpy(initial_weight * wired * sign).float())
        self.register_buffer("input_weight", torch.from_numpy(initial_weight * lines * signs).float())
        self.spikes = nn.Identity()
        self.counts = nn.Identity()

    def start(self, n_images: int) -> LiquidState:
        """Return the silent state."""
        nothing = self.weight.new_zeros(n_images, len(self.weight))
        return LiquidState(nothing, nothing, nothing, nothing)

    def step(self, state: LiquidState, inputs: Tensor) -> LiquidState:
        """Return the state a millisecond later.

        Parameters
        ----------
        state : LiquidState
        inputs : Tensor of shape (n_images, n_inputs)
            Spikes of the input lines.
        """
        arriving = nn.functional.linear(inputs, self.input_weight)
        arriving = arriving + nn.functional.linear(state.spikes, self.weight)
        current = math.exp(-1 / TAU_CURRENT) * state.current + arriving
        membrane = math.exp(-1 / TAU_MEMBRANE) * state.membrane + current
        waiting = state.refractory > 0
        membrane = membrane.masked_fill(waiting, 0)
        spikes = (membrane >= THRESHOLD).to(membrane.dtype)
        left = (state.refractory - 1).clamp_min(0) + REFRACTORY * spikes
        return LiquidState(current, membrane * (1 - spikes), left, spikes)


class Astrocyte(nn.Module):
    """Integrates how much more the liquid fires than its input: ``tau dA/dt = -A + w (liquid - input) + b``.

    Parameters
    ----------
    weight : float
        Per spike and millisecond. The more neurons, the smaller it should be.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.A = nn.Identity()

    def step(self, value: Tensor, n_liquid: Tensor, n_input: Tensor) -> Tensor:
        """Return A a millisecond later, from the numbers of spikes in this one."""
        drive = self.weight * (n_liquid - n_input) + BASELINE
        return value + (drive - value) / TAU_ASTROCYTE


class Plastic:
    """Spike-timing-dependent plasticity of a liquid, whose depression is A.

    A pair potentiates by 0.15 times the trace of the earlier, presynaptic spikes, and depresses by A times
    the trace of earlier, postsynaptic ones. Weights keep their signs and stay within 3.

    Parameters
    ----------
    liquid : Liquid
        Its weights are changed in place.
    astrocyte : Astrocyte, optional
        Without it A stays at 0.15.
    inhibitory : {"exchanged", "same"}
        Whether a weight of an inhibitory neuron falls (grows in absolute value) where one above zero would
        rise, or rises as well. Weights of input lines follow the rule for excitatory neurons, whatever
        their sign.
    """

    def __init__(
        self, liquid: Liquid, astrocyte: Astrocyte | None, inhibitory: Literal["exchanged", "same"]
    ) -> None:
        self.liquid = liquid
        self.astrocyte = astrocyte
        self.value = liquid.weight.new_full((1, 1), BASELINE)
        self.post = liquid.weight.new_zeros(len(liquid.weight))
        self.line = liquid.weight.new_zeros(liquid.input_weight.shape[1])
        exchanged = inhibitory == "exchanged"
        self.pairs = [_Synapses(liquid.weight, exchanged), _Synapses(liquid.input_weight, exchanged=False)]

    def step(self, spikes: Tensor, inputs: Tensor) -> None:
        """Change the weights for the spikes of one millisecond, each of shape (1, n)."""
        if self.astrocyte is not None:
            n_liquid, n_input = spikes.sum(1, keepdim=True), inputs.sum(1, keepdim=True)
            self.value = self.astrocyte.step(self.value, n_liquid, n_input)
        depression = float(self.value)
        for synapses, before, trace in zip(
            self.pairs, (spikes[0], inputs[0]), (self.post, self.line), strict=True
        ):
            synapses.potentiate(spikes[0], trace)
            synapses.depress(before, self.post, depression)
        decay = math.exp(-1 / TAU_TRACE)
        self.post = decay * (self.post + TRACE_STEP * spikes[0])
        self.line = decay * (self.line + TRACE_STEP * inputs[0])


class _Synapses:
    """One matrix of weights (post, pre) with bounds that keep every sign and every gap.

    Where `exchanged`, both terms of the rule have the other sign for weights below zero.
    """

    def __init__(self, weight: Tensor, exchanged: bool) -> None:
        sign = weight.sign()
        self.weight = weight
        self.low = LARGEST_WEIGHT * sign.clamp_max(0)
        self.high = LARGEST_WEIGHT * sign.clamp_min(0)
        self.direction = sign if exchanged else sign.abs()

    def potentiate(self, after: Tensor, trace: Tensor) -> None:
        rows = after.nonzero()[:, 0]
        if len(rows):
            changed = self.weight[rows] + POTENTIATION * trace * self.direction[rows]
            self.weight[rows] = changed.clamp(self.low[rows], self.high[rows])

    def depress(self, before: Tensor, trace: Tensor, amount: float) -> None:
        columns = before.nonzero()[:, 0]
        if len(columns):
            changed = self.weight[:, columns] - amount * trace[:, None] * self.direction[:, columns]
            self.weight[:, columns] = changed.clamp(self.low[:, columns], self.high[:, columns])


def self_organise(
    liquid: Liquid,
    inputs: Tensor,
    *,
    astrocyte: Astrocyte | None,
    inhibitory: Literal["exchanged", "same"] = "exchanged",
    plastic: bool = True,
) -> Tensor:
    """Run a liquid with plasticity on one stream of input spikes, and return its firing.

    Parameters
    ----------
    liquid : Liquid
        Its weights are changed in place.
    inputs : Tensor of shape (n_steps, n_inputs)
        Spikes, one row per millisecond.
    astrocyte : Astrocyte or None
        Sets the depression; None keeps it fixed.
    inhibitory : {"exchanged", "same"}, default="exchanged"
        See :class:`Plastic`.
    plastic : bool, default=True
        False leaves the weights as they are.

    Returns
    -------
    rate : Tensor of shape (n_steps,)
        Spikes of all neurons per millisecond.
    """
    rule = Plastic(liquid, astrocyte, inhibitory)
    state = liquid.start(1)
    rate = inputs.new_empty(len(inputs))
    with torch.no_grad():
        for number, row in enumerate(inputs):
            state = liquid.step(state, row[None])
            rate[number] = state.spikes.sum()
            if plastic:
                rule.step(state.spikes, row[None])
    return rate


def branching(
    liquid: Liquid, inputs: Tensor, *, n_trials: int = 64, settle: int = 200, window: int = 30, seed: int = 0
) -> float:
    """Return how many further spikes one added spike of an excitatory neuron causes.

    The same input runs twice, with and without the added spike, so that spikes caused by the input
    cancel. (The ratio of spike counts in successive milliseconds counts them too, and is well above 1
    in every liquid.)

    Parameters
    ----------
    liquid : Liquid
        Its weights are left as they are.
    inputs : Tensor of shape (n_steps, n_inputs)
        Spikes, one row per millisecond; at least `settle` + `window` rows.
    n_trials : int, default=64
        Added spikes, each of another randomly drawn excitatory neuron in a run of its own.
    settle, window : int, default=200 and 30
        Milliseconds before the added spike, and after it in which spikes are counted.
    seed : int, default=0
        Draws the neurons.

    Returns
    -------
    branching : float
        Below 1 a disturbance dies out; negative where it silences more spikes than it causes.

    Raises
    ------
    InputError
        If `inputs` is too short.
    """
    check_count("n_trials", n_trials, least=1)
    if len(inputs) < settle + window:
        raise InputError(
            f"`inputs` must have at least {settle + window} steps (`settle` + `window`), got {len(inputs)}."
        )
    generator = np.random.default_rng(seed)
    among = liquid.excitatory.nonzero()[:, 0].cpu().numpy()
    chosen = torch.from_numpy(generator.choice(among, n_trials)).to(liquid.weight.device)
    with torch.no_grad():
        state = liquid.start(1)
        for row in inputs[:settle]:
            state = liquid.step(state, row[None])
        plain = LiquidState(*(value.expand(n_trials, -1) for value in vars(state).values()))
        added = plain.spikes.clone()
        # A neuron that fires anyway cannot fire once more.
        fresh = added[torch.arange(n_trials), chosen] == 0
        added[torch.arange(n_trials), chosen] = 1
        disturbed = LiquidState(plain.current, plain.membrane, plain.refractory, added)
        extra = plain.current.new_zeros(n_trials)
        for row in inputs[settle : settle + window]:
            plain, disturbed = (liquid.step(each, row[None]) for each in (plain, disturbed))
            extra += (disturbed.spikes - plain.spikes).sum(1)
    return float(extra[fresh].mean())
