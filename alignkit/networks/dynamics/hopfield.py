"""Hopfield networks: patterns as the rest points of a network, binary (1982) and continuous (2021)."""

from __future__ import annotations

from functools import partial
from math import log
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from ..procedural import procedural_images
from ._reading import grey_images

Update = Literal["asynchronous", "synchronous"]
Patterns = Literal["images", "random"]


def signs(values: torch.Tensor) -> torch.Tensor:
    """Return 1 where a value is 0 or more, and -1 elsewhere, shaped as `values`."""
    return torch.where(values >= 0, 1.0, -1.0).to(values.dtype)


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


class ModernHopfield(nn.Module):
    """Continuous states that move to what they are most like: ``z <- X' softmax(beta X z)``.

    One step is softmax attention whose keys and values are the stored patterns. The energy
    ``-lse(beta, X z) + z'z / 2 + log(n) / beta + max |x|^2 / 2`` never rises, and is never negative.

    Parameters
    ----------
    patterns : Tensor of shape (n_patterns, n_neurons)
    beta : float
        Inverse temperature; where it is small, states end between patterns.
    n_steps : int, default=3

    References
    ----------
    Ramsauer H, et al. (2021). Hopfield networks is all you need. ICLR. https://arxiv.org/abs/2008.02217
    """

    patterns: torch.Tensor

    def __init__(self, patterns: torch.Tensor, *, beta: float, n_steps: int = 3) -> None:
        super().__init__()
        if patterns.ndim != 2:
            raise InputError(f"`patterns` must have one pattern per row, got shape {tuple(patterns.shape)}.")
        if beta <= 0:
            raise InputError(f"`beta` must be positive, got {beta}.")
        self.register_buffer("patterns", patterns)
        self.beta, self.n_steps = beta, n_steps
        self.weights, self.state, self.energy = nn.Identity(), nn.Identity(), nn.Identity()

    def energy_of(self, state: torch.Tensor) -> torch.Tensor:
        """Return the energy, (n_cues, 1), of states (n_cues, n_neurons)."""
        likeness = torch.logsumexp(self.beta * state @ self.patterns.T, 1, keepdim=True) / self.beta
        half = (state**2).sum(1, keepdim=True) / 2
        largest = (self.patterns**2).sum(1).max() / 2
        return half - likeness + log(len(self.patterns)) / self.beta + largest

    def step(self, state: torch.Tensor) -> torch.Tensor:
        """Return states after one retrieval, (n_cues, n_neurons)."""
        weights = self.weights(torch.softmax(self.beta * state @ self.patterns.T, 1))
        retrieved: torch.Tensor = weights @ self.patterns
        return retrieved

    def forward(self, cues: torch.Tensor) -> torch.Tensor:
        """Return states after all steps, (n_cues, n_neurons), from cues of the same shape."""
        state = cues
        for _ in range(self.n_steps):
            state = self.state(self.step(state))
            self.energy(self.energy_of(state))
        return state


class HopfieldReader(nn.Module):
    """An associative memory whose cue is a grey image less its blurred self.

    Parameters
    ----------
    image_size : int
        Height and width, in pixels; there are as many neurons as pixels.
    binary : bool
        Whether the memory takes signs, or vectors of length 1.
    """

    memory: ClassicalHopfield | ModernHopfield

    def __init__(self, image_size: int, *, binary: bool) -> None:
        super().__init__()
        self.image_size, self.binary = image_size, binary

    def cue(self, images: torch.Tensor) -> torch.Tensor:
        """Return what an image asks, (n_images, image_size ** 2)."""
        grey = grey_images(images, size=self.image_size)[:, None]
        # What neighbours share says little, and makes all patterns alike.
        width = 2 * (self.image_size // 8) + 1
        padded = nn.functional.pad(grey, (width // 2,) * 4, mode="replicate")
        detail = (grey - nn.functional.avg_pool2d(padded, width, stride=1)).flatten(1)
        if self.binary:
            # Halfway between ones that rounding could put on either side of 0.
            return signs(detail + 1e-4)
        return nn.functional.normalize(detail - detail.mean(1, keepdim=True), dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return what is recalled, (n_images, image_size ** 2), of (n_images, 3, height, width)."""
        recalled: torch.Tensor = self.memory(self.cue(images))
        return recalled


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
    _check(image_size, n_patterns, patterns, n_steps, seed)
    reader = HopfieldReader(image_size, binary=True)
    stored = _patterns(reader, n_patterns, patterns, seed)
    order = derive_seed(seed, "hopfield", "order")
    reader.memory = ClassicalHopfield(stored, n_steps=n_steps, update=update, seed=order)
    options = {"image_size": image_size, "n_patterns": n_patterns, "n_steps": n_steps, "seed": seed}
    name = "hopfield" if update == "asynchronous" else "hopfield-synchronous"
    is_whole = patterns == "images" and update == "asynchronous"
    return declared(
        name if patterns == "images" else "hopfield-untrained",
        reader,
        square(image_size),
        preprocessing={"image": square(image_size).facts(), "parameters": {"n_steps": n_steps, "update": update}},
        untrained=partial(hopfield_untrained, **options) if is_whole else None,
        matched=partial(hopfield_synchronous, **options) if is_whole else None,
        options=options | {"patterns": patterns, "update": update},
        notes=(_told(n_patterns, patterns, seed),),
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


def modern_hopfield(
    *,
    image_size: int = 24,
    n_patterns: int = 1000,
    patterns: Patterns = "images",
    beta: float = 16.0,
    n_steps: int = 3,
    seed: int = 0,
) -> Network:
    """Build a modern Hopfield network that is cued by images.

    Parameters
    ----------
    image_size : int, default=24
        Height and width, in pixels; one neuron per pixel.
    n_patterns : int, default=1000
        Stored patterns, each of length 1.
    patterns : {"images", "random"}, default="images"
        Procedural images (never stimuli), or Gaussian noise: the untrained twin.
    beta : float, default=16.0
        Inverse temperature. Cosines between a new image and patterns lie far below 1, so that a state
        of this network is a mixture of like patterns.
    n_steps : int, default=3
    seed : int, default=0
        Draws patterns.

    Returns
    -------
    network : Network
        Layers ``memory.weights`` (n_patterns), ``memory.state`` and ``memory.energy``, per step.

    Raises
    ------
    InputError
        If an option is out of its range.

    References
    ----------
    Ramsauer H, et al. (2021). Hopfield networks is all you need. ICLR. https://arxiv.org/abs/2008.02217
    """
    _check(image_size, n_patterns, patterns, n_steps, seed)
    reader = HopfieldReader(image_size, binary=False)
    stored = _patterns(reader, n_patterns, patterns, seed)
    reader.memory = ModernHopfield(stored, beta=beta, n_steps=n_steps)
    options = {"image_size": image_size, "n_patterns": n_patterns, "n_steps": n_steps, "seed": seed}
    name = "modern-hopfield-diffuse" if beta <= _DIFFUSE else "modern-hopfield"
    is_whole = patterns == "images" and beta > _DIFFUSE
    return declared(
        name if patterns == "images" else "modern-hopfield-untrained",
        reader,
        square(image_size),
        preprocessing={"image": square(image_size).facts(), "parameters": {"n_steps": n_steps, "beta": beta}},
        untrained=partial(modern_hopfield_untrained, beta=beta, **options) if is_whole else None,
        matched=partial(modern_hopfield_diffuse, **options) if is_whole else None,
        options=options | {"patterns": patterns, "beta": beta},
        notes=(_told(n_patterns, patterns, seed),),
    )


def modern_hopfield_untrained(
    *, image_size: int = 24, n_patterns: int = 1000, beta: float = 16.0, n_steps: int = 3, seed: int = 0
) -> Network:
    """Build :func:`modern_hopfield` with ``patterns="random"``.

    Parameters
    ----------
    image_size, n_patterns, beta, n_steps, seed
        As for :func:`modern_hopfield`.

    Returns
    -------
    network : Network
    """
    return modern_hopfield(
        image_size=image_size, n_patterns=n_patterns, patterns="random", beta=beta, n_steps=n_steps, seed=seed
    )


def modern_hopfield_diffuse(
    *, image_size: int = 24, n_patterns: int = 1000, n_steps: int = 3, seed: int = 0
) -> Network:
    """Build :func:`modern_hopfield` with a `beta` of 0.1, at which every cue ends near the patterns' mean.

    Parameters
    ----------
    image_size, n_patterns, n_steps, seed
        As for :func:`modern_hopfield`.

    Returns
    -------
    network : Network
    """
    return modern_hopfield(
        image_size=image_size, n_patterns=n_patterns, beta=_DIFFUSE, n_steps=n_steps, seed=seed
    )


_DIFFUSE = 0.1


def _check(image_size: int, n_patterns: int, patterns: str, n_steps: int, seed: int) -> None:
    check_option("patterns", patterns, ("images", "random"))
    check_count("image_size", image_size, least=8)
    check_count("n_patterns", n_patterns, least=1)
    check_count("n_steps", n_steps, least=1)
    check_count("seed", seed, least=0)


def _patterns(reader: HopfieldReader, n_patterns: int, patterns: str, seed: int) -> torch.Tensor:
    draw = derive_seed(seed, "hopfield", patterns)
    if patterns == "images":
        images = procedural_images(n_patterns, size=reader.image_size, random_state=draw)
        return reader.cue(torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2))
    noise = np.random.default_rng(draw).standard_normal((n_patterns, reader.image_size**2))
    values = torch.from_numpy(noise.astype(np.float32))
    return signs(values) if reader.binary else nn.functional.normalize(values, dim=1)


def _told(n_patterns: int, patterns: str, seed: int) -> str:
    source = "procedural images" if patterns == "images" else "noise"
    return f"The {n_patterns} stored patterns are {source}, drawn by seed {seed}; none is a stimulus."
