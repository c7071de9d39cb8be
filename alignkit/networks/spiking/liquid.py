"""A liquid state machine whose plasticity is held in balance by an astrocyte."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import check_count, square
from .._network import Network, declared
from .._recipe import Recipe
from ..procedural import procedural_images
from ..standard._random_weights import seeded
from ._liquid_dynamics import BASELINE, LARGEST_WEIGHT, Astrocyte, Liquid, self_organise

Plasticity = Literal["astrocyte", "stdp", "none"]

# Milliseconds that each image of the first stream lasts.
_IMAGE_MS = 20
# Spikes per millisecond of a white pixel.
_LARGEST_RATE = 0.1
# The paper's 0.015 at 1,000 neurons.
_ASTROCYTE_WEIGHT = 15.0


class LiquidNetwork(nn.Module):
    """Pixels as currents of integrate-and-fire input cells, the liquid, and a linear readout of its counts.

    A tap is called once per bin of time: ``liquid.spikes`` with the spikes of each neuron in the bin and
    ``astro.A`` with the astrocyte's state at its end; ``liquid.counts`` once, with all spikes of a stimulus.
    """

    def __init__(
        self,
        liquid: Liquid,
        astro: Astrocyte,
        *,
        grid: int,
        n_steps: int,
        n_bins: int,
        n_classes: int,
        phase: Tensor,
    ) -> None:
        super().__init__()
        self.phase: Tensor
        self.liquid = liquid
        self.astro = astro
        self.grid = grid
        self.n_steps = n_steps
        self.n_bins = n_bins
        self.register_buffer("phase", phase)
        self.classifier = nn.Linear(len(liquid.weight), n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores (n_images, n_classes) of RGB images in [0, 1]."""
        counts = self.respond(images)
        # Spikes per 10 ms, so that the readout's inputs are of order 1 at most.
        scores: Tensor = self.classifier(counts * (10 / self.n_steps))
        return scores

    @torch.no_grad()
    def respond(self, images: Tensor) -> Tensor:
        """Return spike counts (n_images, n_neurons)."""
        rate = self.rates(images)
        state = self.liquid.start(len(images))
        value = rate.new_full((len(images), 1), BASELINE)
        total = torch.zeros_like(state.spikes)
        in_bin = torch.zeros_like(state.spikes)
        for step in range(self.n_steps):
            inputs = self.input_spikes(rate, step)
            state = self.liquid.step(state, inputs)
            n_liquid, n_input = state.spikes.sum(1, keepdim=True), inputs.sum(1, keepdim=True)
            value = self.astro.step(value, n_liquid, n_input)
            in_bin = in_bin + state.spikes
            if (step + 1) % (self.n_steps // self.n_bins) == 0:
                total = total + self.liquid.spikes(in_bin)
                self.astro.A(value)
                in_bin = torch.zeros_like(in_bin)
        counts: Tensor = self.liquid.counts(total)
        return counts

    def rates(self, images: Tensor) -> Tensor:
        """Return spikes per millisecond of the input lines, (n_images, grid * grid)."""
        grey = nn.functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), self.grid)
        return _LARGEST_RATE * grey.flatten(1).clamp(0, 1)

    def input_spikes(self, rate: Tensor, step: int) -> Tensor:
        """Return the input spikes of a step: perfect integrators of `rate`, each begun at its phase."""
        before, after = (torch.floor(self.phase + rate * number) for number in (step, step + 1))
        return after - before


def liquid(
    *,
    side: int = 8,
    grid: int = 16,
    n_steps: int = 250,
    n_bins: int = 10,
    n_classes: int = 10,
    plasticity: Plasticity = "astrocyte",
    contact: float = 1.0,
    initial_weight: float = 1.0,
    n_first_images: int = 300,
    image_size: int = 32,
    seed: int = 0,
) -> Network:
    """Build a liquid state machine whose weights have organised themselves under an astrocyte.

    Neurons with current and membrane dynamics (64 ms, 2 ms; threshold 20, refractory 2 ms) on a cubic grid,
    four in five excitatory, fire on the spikes of pixels. Before use, weights change by spike timing while
    procedural images go by; the astrocyte sets how much they are depressed, so that the
    liquid fires about as much as its input whatever the weights began with. Then they are fixed. The
    readout is linear, is random in the default build, and is all that training changes.

    Parameters
    ----------
    side : int, default=8
        Neurons along each axis: ``side ** 3`` in all.
    grid : int, default=16
        The grey image is averaged to `grid` by `grid` input lines; white fires at 100 Hz, regularly.
    n_steps : int, default=250
        Milliseconds per stimulus.
    n_bins : int, default=10
        In how many bins of time spikes are counted; divides `n_steps`.
    n_classes : int, default=10
        Scores of the readout.
    plasticity : {"astrocyte", "stdp", "none"}, default="astrocyte"
        Depression set by the astrocyte, fixed depression (the twin), or weights as drawn (untrained).
    contact : float, default=1.0
        Factor on the probabilities of a connection.
    initial_weight : float, default=1.0
        Absolute value of every weight before plasticity, at most 3.
    n_first_images : int, default=300
        Procedural images that go by while weights change, 20 ms each.
    image_size : int, default=32
        Height and width, in pixels, that images are brought to; at least `grid`.
    seed : int, default=0
        Draws neurons, connections, images, phases and readout.

    Returns
    -------
    network : Network
        Layers ``liquid.spikes`` (counts per bin, once per bin), ``liquid.counts`` and ``astro.A`` (its state
        at the end of each bin).

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    Nothing is random at run time, and no stimulus depends on another. The astrocyte's weight per spike is
    15 / n_neurons, which is the paper's 0.015 for 1,000 neurons.

    References
    ----------
    Ivanov V, Michmizos K (2021). Increasing liquid state machine performance with edge-of-chaos dynamics
    organized by astrocyte-modulated plasticity. NeurIPS. https://arxiv.org/abs/2111.01760
    """
    check_option("plasticity", plasticity, ("astrocyte", "stdp", "none"))
    check_count("side", side, least=2)
    check_count("grid", grid, least=2)
    check_count("n_bins", n_bins, least=1)
    check_count("n_steps", n_steps, least=1)
    check_count("n_classes", n_classes, least=2)
    check_count("n_first_images", n_first_images, least=1)
    check_count("image_size", image_size, least=grid)
    check_count("seed", seed, least=0)
    if n_steps % n_bins:
        raise InputError(f"`n_steps` must be a multiple of `n_bins`, got {n_steps} and {n_bins}.")
    if not 0 < initial_weight <= LARGEST_WEIGHT:
        raise InputError(f"`initial_weight` must be above 0 and at most 3, got {initial_weight}.")
    if contact <= 0:
        raise InputError(f"`contact` must be positive, got {contact}.")
    module = _drawn(side, grid, n_steps, n_bins, n_classes, contact, initial_weight, seed)
    if plasticity != "none":
        astrocyte = module.astro if plasticity == "astrocyte" else None
        self_organise(
            module.liquid, _first_stream(module, n_first_images, image_size, seed), astrocyte=astrocyte
        )
    trained = plasticity != "none"
    options: dict[str, Any] = {
        "side": side,
        "grid": grid,
        "n_steps": n_steps,
        "n_bins": n_bins,
        "n_classes": n_classes,
        "contact": contact,
        "initial_weight": initial_weight,
        "n_first_images": n_first_images,
        "image_size": image_size,
        "seed": seed,
    }
    name = {"astrocyte": "liquid", "stdp": "liquid-stdp", "none": "liquid-untrained"}[plasticity]
    said = f"{n_first_images} procedural images drawn by seed {seed}" if trained else "nothing: as drawn"
    return declared(
        name,
        module,
        square(image_size),
        recipe=Recipe(lr=1e-2, epochs=20),
        untrained=partial(liquid, plasticity="none", **options) if trained else None,
        matched=partial(liquid, plasticity="stdp", **options) if plasticity == "astrocyte" else None,
        options={**options, "plasticity": plasticity},
        notes=(f"The liquid's weights organised themselves on {said}; its readout is random.",),
    )


def liquid_stdp(
    *,
    side: int = 8,
    grid: int = 16,
    n_steps: int = 250,
    n_bins: int = 10,
    n_classes: int = 10,
    contact: float = 1.0,
    initial_weight: float = 1.0,
    n_first_images: int = 300,
    image_size: int = 32,
    seed: int = 0,
) -> Network:
    """Build :func:`liquid` with ``plasticity="stdp"``, fixed depression: the twin without the astrocyte.

    Parameters
    ----------
    side, grid, n_steps, n_bins, n_classes, contact, initial_weight,
    n_first_images, image_size, seed
        As for :func:`liquid`.

    Returns
    -------
    network : Network
    """
    return liquid(
        side=side,
        grid=grid,
        n_steps=n_steps,
        n_bins=n_bins,
        n_classes=n_classes,
        plasticity="stdp",
        contact=contact,
        initial_weight=initial_weight,
        n_first_images=n_first_images,
        image_size=image_size,
        seed=seed,
    )


def liquid_untrained(
    *,
    side: int = 8,
    grid: int = 16,
    n_steps: int = 250,
    n_bins: int = 10,
    n_classes: int = 10,
    contact: float = 1.0,
    initial_weight: float = 1.0,
    n_first_images: int = 300,
    image_size: int = 32,
    seed: int = 0,
) -> Network:
    """Build :func:`liquid` with ``plasticity="none"``, the weights as they are drawn.

    Parameters
    ----------
    side, grid, n_steps, n_bins, n_classes, contact, initial_weight,
    n_first_images, image_size, seed
        As for :func:`liquid`.

    Returns
    -------
    network : Network
    """
    return liquid(
        side=side,
        grid=grid,
        n_steps=n_steps,
        n_bins=n_bins,
        n_classes=n_classes,
        plasticity="none",
        contact=contact,
        initial_weight=initial_weight,
        n_first_images=n_first_images,
        image_size=image_size,
        seed=seed,
    )


def _drawn(
    side: int,
    grid: int,
    n_steps: int,
    n_bins: int,
    n_classes: int,
    contact: float,
    initial_weight: float,
    seed: int,
) -> LiquidNetwork:
    generator = np.random.default_rng(derive_seed(seed, "liquid", "connections"))
    dynamics = Liquid(side, grid * grid, contact=contact, initial_weight=initial_weight, generator=generator)
    phase = torch.from_numpy(generator.random(grid * grid)).float()
    astrocyte = Astrocyte(_ASTROCYTE_WEIGHT / side**3)

    def build() -> LiquidNetwork:
        return LiquidNetwork(
            dynamics,
            astrocyte,
            grid=grid,
            n_steps=n_steps,
            n_bins=n_bins,
            n_classes=n_classes,
            phase=phase,
        )

    return seeded(build, derive_seed(seed, "liquid", "readout"))


def _first_stream(module: LiquidNetwork, n_images: int, image_size: int, seed: int) -> Tensor:
    """Return the input spikes (n_steps, n_inputs) of images that follow each other."""
    drawn = procedural_images(
        n_images, size=max(8, image_size), random_state=derive_seed(seed, "liquid", "images")
    )
    rate = module.rates(torch.from_numpy(drawn.astype(np.float32) / 255).permute(0, 3, 1, 2))
    total = module.phase + torch.cumsum(rate.repeat_interleave(_IMAGE_MS, 0), 0)
    return torch.floor(total).diff(dim=0, prepend=torch.floor(module.phase)[None])
