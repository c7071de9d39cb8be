"""The Hopfield network: binary patterns as the rest points of neurons that hear of each other."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import square
from .._network import Network, declared
from ._hopfield_reader import HopfieldReader, Patterns, check_options, signs, stored_patterns, told

Update = Literal["asynchronous", "synchronous"]


def hebbian_counts(patterns: torch.Tensor) -> torch.Tensor:
    """Return n times the weights of a Hopfield network that stores patterns: ``X X'`` without diagonal.

    Whole numbers, so that sums of them are exact in float32.

    Parameters
    ----------
    patterns : Tensor of shape (n_patterns, n_neurons)
        Of 1 and -1.

    Returns
    -------
    counts : Tensor of shape (n_neurons, n_neurons)
        Symmetric.
    """
    counts = patterns.T @ patterns
    return counts.fill_diagonal_(0)


class ClassicalHopfield(nn.Module):
    """Binary neurons that take the sign of what the others tell them: ``s_i <- sign(sum_j W_ij s_j)``.

    Weights are Hebbian, ``W = X X' / n`` without diagonal. One after the other (in an order drawn by the
    seed, the same for all cues), neurons can only lower ``E = -s' W s / 2``; all at once they may not.

    Parameters
    ----------
    patterns : Tensor of shape (n_patterns, n_neurons)
        Of 1 and -1.
    n_steps : int, default=5
        Sweeps over all neurons.
    update : {"asynchronous", "synchronous"}, default="asynchronous"
    seed : int, default=0
        Draws the order of neurons.

    References
    ----------
    Hopfield JJ (1982). Neural networks and physical systems with emergent collective computational
    abilities. PNAS 79:2554-2558. https://doi.org/10.1073/pnas.79.8.2554

    Amit DJ, Gutfreund H, Sompolinsky H (1985). Storing infinite numbers of patterns in a spin-glass model
    of neural networks. Physical Review Letters 55:1530-1533. https://doi.org/10.1103/PhysRevLett.55.1530
    """

    counts: torch.Tensor

    def __init__(
        self, patterns: torch.Tensor, *, n_steps: int = 5, update: Update = "asynchronous", seed: int = 0
    ) -> None:
        super().__init__()
        if patterns.ndim != 2 or not bool((patterns.abs() == 1).all()):
            raise InputError(
                "`patterns` must be 1 and -1, one pattern per row, got shape "
                f"{tuple(patterns.shape)} with values up to {float(patterns.abs().max())}."
            )
        check_option("update", update, ("asynchronous", "synchronous"))
        self.register_buffer("counts", hebbian_counts(patterns))
        self.n_steps, self.update, self.seed = n_steps, update, seed
        self.state, self.energy = nn.Identity(), nn.Identity()

    def weights(self) -> torch.Tensor:
        """Return W, (n_neurons, n_neurons)."""
        return self.counts / len(self.counts)

    def energy_of(self, state: torch.Tensor) -> torch.Tensor:
        """Return ``-s' W s / 2``, (n_cues, 1), of states (n_cues, n_neurons)."""
        field = state @ self.counts
        return -(field * state).sum(1, keepdim=True) / (2 * len(self.counts))

    def sweep(self, state: torch.Tensor, order: list[int]) -> torch.Tensor:
        """Return states after every neuron was asked once, in that order (of no account if synchronous)."""
        field = state @ self.counts
        if self.update == "synchronous":
            return signs(field)
        state = state.clone()
        for neuron in order:
            new = signs(field[:, neuron])
            change = new - state[:, neuron]
            if bool(change.any()):
                field += change[:, None] * self.counts[neuron]
                state[:, neuron] = new
        return state

    def forward(self, cues: torch.Tensor) -> torch.Tensor:
        """Return states after all sweeps, (n_cues, n_neurons), from cues of 1 and -1."""
        generator = np.random.default_rng(self.seed)
        state, changing = cues, True
        for _ in range(self.n_steps):
            order = generator.permutation(cues.shape[1]).tolist()
            # A state that outlasts a sweep is at rest for good, when neurons are asked one by one.
            if changing or self.update == "synchronous":
                new = self.sweep(state, order)
                changing = not torch.equal(new, state)
                state = new
            self.state(state)
            self.energy(self.energy_of(state))
        return state


def hopfield(
    *,
    image_size: int = 24,
    n_patterns: int = 28,
    patterns: Patterns = "images",
    update: Update = "asynchronous",
    n_steps: int = 5,
    seed: int = 0,
) -> Network:
    """Build a classical Hopfield network that is cued by images.

    Parameters
    ----------
    image_size : int, default=24
        Height and width, in pixels; one neuron per pixel, 1 where it is brighter than around it.
    n_patterns : int, default=28
        Stored patterns, by default 5 % of the neurons; above about 14 % none is recalled.
    patterns : {"images", "random"}, default="images"
        Procedural images (never stimuli), or coin tosses: the untrained twin.
    update : {"asynchronous", "synchronous"}, default="asynchronous"
        Neurons one by one, or all at once: the twin whose energy can rise.
    n_steps : int, default=5
        Sweeps over all neurons.
    seed : int, default=0
        Draws patterns, and the order of neurons.

    Returns
    -------
    network : Network
        Layers ``memory.state`` and ``memory.energy``, per sweep.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Hopfield JJ (1982). Neural networks and physical systems with emergent collective computational
    abilities. PNAS 79:2554-2558. https://doi.org/10.1073/pnas.79.8.2554
    """
    check_options(image_size, n_patterns, patterns, n_steps, seed)
    reader = HopfieldReader(image_size, binary=True)
    stored = stored_patterns(reader, n_patterns, patterns, seed)
    order = derive_seed(seed, "hopfield", "order")
    reader.memory = ClassicalHopfield(stored, n_steps=n_steps, update=update, seed=order)
    options = {"image_size": image_size, "n_patterns": n_patterns, "n_steps": n_steps, "seed": seed}
    name = "hopfield" if update == "asynchronous" else "hopfield-synchronous"
    is_whole = patterns == "images" and update == "asynchronous"
    return declared(
        name if patterns == "images" else "hopfield-untrained",
        reader,
        square(image_size),
        preprocessing={
            "image": square(image_size).facts(),
            "parameters": {"n_steps": n_steps, "update": update},
        },
        untrained=partial(hopfield_untrained, **options) if is_whole else None,
        matched=partial(hopfield_synchronous, **options) if is_whole else None,
        options=options | {"patterns": patterns, "update": update},
        notes=(told(n_patterns, patterns, seed),),
    )


def hopfield_untrained(
    *, image_size: int = 24, n_patterns: int = 28, n_steps: int = 5, seed: int = 0
) -> Network:
    """Build :func:`hopfield` with ``patterns="random"``.

    Parameters
    ----------
    image_size, n_patterns, n_steps, seed
        As for :func:`hopfield`.

    Returns
    -------
    network : Network
    """
    return hopfield(
        image_size=image_size, n_patterns=n_patterns, patterns="random", n_steps=n_steps, seed=seed
    )


def hopfield_synchronous(
    *, image_size: int = 24, n_patterns: int = 28, n_steps: int = 5, seed: int = 0
) -> Network:
    """Build :func:`hopfield` with ``update="synchronous"``: the same weights without descent.

    Parameters
    ----------
    image_size, n_patterns, n_steps, seed
        As for :func:`hopfield`.

    Returns
    -------
    network : Network
    """
    return hopfield(
        image_size=image_size, n_patterns=n_patterns, update="synchronous", n_steps=n_steps, seed=seed
    )
