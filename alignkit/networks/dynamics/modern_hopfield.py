"""The modern Hopfield network: continuous states that softmax attention draws to stored patterns."""

from __future__ import annotations

from functools import partial
from math import log

import torch
from torch import nn

from ..._core.errors import InputError
from .._images import square
from .._network import Network, declared
from ._hopfield_reader import HopfieldReader, Patterns, check_options, stored_patterns, told

_DIFFUSE = 0.1


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


def modern_hopfield(
    *,
    image_size: int = 24,
    n_patterns: int = 500,
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
    n_patterns : int, default=500
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
    check_options(image_size, n_patterns, patterns, n_steps, seed)
    reader = HopfieldReader(image_size, binary=False)
    stored = stored_patterns(reader, n_patterns, patterns, seed)
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
        notes=(told(n_patterns, patterns, seed),),
    )


def modern_hopfield_untrained(
    *, image_size: int = 24, n_patterns: int = 500, beta: float = 16.0, n_steps: int = 3, seed: int = 0
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
    *, image_size: int = 24, n_patterns: int = 500, n_steps: int = 3, seed: int = 0
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
