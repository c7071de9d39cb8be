"""AKOrN: artificial Kuramoto oscillators, vectors on spheres that pull each other into step."""

from __future__ import annotations

from functools import partial
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
from .kuramoto import AttentionCoupling, ConvCoupling, Interaction, KuramotoLayer, vectors_of

Mode = Literal["classification", "objects"]
Coupling = Literal["conv", "attention"]

# Dimensions of an oscillator, layers, steps per layer, and whether oscillators turn by themselves.
_MODES = {"classification": (2, 3, 3, True), "objects": (4, 1, 8, False)}


class Akorn(nn.Module):
    """Patches of an image drive layers of oscillators, whose readouts are averaged and classified.

    Oscillators start anywhere. In evaluation one field of starts, drawn from the seed, is shared by all
    images, so that results depend neither on the batch nor on what ran before; in training every image
    has its own.

    Parameters
    ----------
    mode : {"classification", "objects"}
    n_channels, patch_size, n_classes, seed : int
    coupling : {"conv", "attention"}
    interaction : {"oscillators", "stimulus"}
    """

    def __init__(
        self,
        *,
        mode: Mode,
        n_channels: int,
        patch_size: int,
        coupling: Coupling,
        interaction: Interaction,
        n_classes: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.n_dims, n_layers, n_steps, rotating = _MODES[mode]
        self.seed = seed
        self.draws = torch.Generator().manual_seed(seed)
        self.patches = nn.Conv2d(3, n_channels, patch_size, stride=patch_size)
        self.layers = tuple(f"k{number + 1}" for number in range(n_layers))
        for name in self.layers:
            wiring = ConvCoupling(n_channels) if coupling == "conv" else AttentionCoupling(n_channels)
            layer = KuramotoLayer(
                wiring,
                n_channels=n_channels,
                n_dims=self.n_dims,
                n_steps=n_steps,
                rotating=rotating,
                interaction=interaction,
            )
            self.add_module(name, layer)
        self.classifier = nn.Linear(n_channels, n_classes)

    def start(self, like: torch.Tensor) -> torch.Tensor:
        """Return unit vectors to start from, shaped as `like`, (n_images, n_channels, height, width)."""
        if not self.training:
            self.draws.manual_seed(self.seed)
        n_fields = len(like) if self.training else 1
        # Drawn on the CPU, so that every device starts from the same.
        noise = torch.randn(n_fields, *like.shape[1:], generator=self.draws).to(like)
        vectors = nn.functional.normalize(vectors_of(noise, self.n_dims), dim=2)
        return vectors.flatten(1, 2).expand_as(like)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return class scores, (n_images, n_classes), of images (n_images, 3, height, width)."""
        stimulus = self.patches(images)
        x = self.start(stimulus)
        for name in self.layers:
            x, stimulus = self.get_submodule(name)(x, stimulus)
        scores: torch.Tensor = self.classifier(stimulus.mean((2, 3)))
        return scores


def akorn(
    *,
    mode: Mode = "classification",
    image_size: int = 32,
    patch_size: int = 4,
    n_channels: int = 64,
    coupling: Coupling = "conv",
    interaction: Interaction = "oscillators",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build AKOrN.

    Parameters
    ----------
    mode : {"classification", "objects"}, default="classification"
        Three layers of three steps of oscillators in the plane that turn by themselves, or one layer of
        eight steps of oscillators in four dimensions that do not.
    image_size : int, default=32
        Height and width, in pixels; a multiple of `patch_size`.
    patch_size : int, default=4
        In pixels; the paper takes 8 on larger images.
    n_channels : int, default=64
        Coordinates of all oscillators of a patch; a multiple of 8. The paper takes 256 for objects.
    coupling : {"conv", "attention"}, default="conv"
        How oscillators reach each other.
    interaction : {"oscillators", "stimulus"}, default="oscillators"
        ``"stimulus"`` is the twin in which the same operator reads the stimulus, and no oscillator another.
    n_classes : int, default=10
    seed : int, default=0
        Draws weights, and where oscillators start.

    Returns
    -------
    network : Network
        Per layer k1, k2, ...: ``k1.x`` (coordinates, per step), ``k1.energy`` (one number per step) and
        ``k1.readout``.

    Raises
    ------
    InputError
        If an option is out of its range.

    Notes
    -----
    All layers have the resolution of the patches, and the next layer takes up oscillators where the last
    left them; the paper's classifier widens and coarsens from layer to layer.

    References
    ----------
    Miyato T, Löwe S, Geiger A, Welling M (2025). Artificial Kuramoto oscillatory neurons. ICLR.
    https://arxiv.org/abs/2410.13821

    Examples
    --------
    >>> akorn(mode="objects", image_size=8, n_channels=8).layers
    ('k1.x', 'k1.energy', 'k1.readout')
    """
    check_option("mode", mode, _MODES)
    check_option("coupling", coupling, ("conv", "attention"))
    check_option("interaction", interaction, ("oscillators", "stimulus"))
    check_count("patch_size", patch_size, least=1)
    check_count("image_size", image_size, least=2 * patch_size)
    check_count("n_channels", n_channels, least=8)
    check_count("n_classes", n_classes, least=2)
    check_count("seed", seed, least=0)
    for name, value, divisor in (("image_size", image_size, patch_size), ("n_channels", n_channels, 8)):
        if value % divisor:
            raise InputError(f"`{name}` must be a multiple of {divisor}, got {value}.")
    wiring = {"mode": mode, "patch_size": patch_size, "n_channels": n_channels, "coupling": coupling}

    def build() -> Akorn:
        starts = derive_seed(seed, "akorn", "starts")
        return Akorn(
            mode=mode,
            n_channels=n_channels,
            patch_size=patch_size,
            coupling=coupling,
            interaction=interaction,
            n_classes=n_classes,
            seed=starts,
        )

    module = seeded(build, derive_seed(seed, "akorn"))
    is_coupled = interaction == "oscillators"
    name = "akorn" if mode == "classification" else "akorn-objects"
    options: dict[str, Any] = {**wiring, "image_size": image_size, "n_classes": n_classes, "seed": seed}
    preparation = square(image_size, mean=(0.5,) * 3, std=(0.5,) * 3)
    return declared(
        name if is_coupled else f"{name}-uncoupled",
        module,
        preparation,
        layers=tuple(f"{layer}.{tap}" for layer in module.layers for tap in ("x", "energy", "readout")),
        recipe=Recipe(data="labels", lr=1e-3, epochs=20),
        matched=partial(akorn_uncoupled, **options) if is_coupled else None,
        options=options | {"interaction": interaction},
        notes=(f"Oscillators start from one field of random phases (seed {seed}), the same for all images.",),
    )


def akorn_objects(
    *,
    image_size: int = 32,
    patch_size: int = 4,
    n_channels: int = 64,
    coupling: Coupling = "attention",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`akorn` with ``mode="objects"`` and attention.

    Parameters
    ----------
    image_size, patch_size, n_channels, coupling, n_classes, seed
        As for :func:`akorn`.

    Returns
    -------
    network : Network
    """
    return akorn(
        mode="objects",
        image_size=image_size,
        patch_size=patch_size,
        n_channels=n_channels,
        coupling=coupling,
        n_classes=n_classes,
        seed=seed,
    )


def akorn_objects_uncoupled(
    *,
    image_size: int = 32,
    patch_size: int = 4,
    n_channels: int = 64,
    coupling: Coupling = "attention",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`akorn_objects` with ``interaction="stimulus"``.

    Parameters
    ----------
    image_size, patch_size, n_channels, coupling, n_classes, seed
        As for :func:`akorn`.

    Returns
    -------
    network : Network
    """
    return akorn_uncoupled(
        mode="objects",
        image_size=image_size,
        patch_size=patch_size,
        n_channels=n_channels,
        coupling=coupling,
        n_classes=n_classes,
        seed=seed,
    )


def akorn_uncoupled(
    *,
    mode: Mode = "classification",
    image_size: int = 32,
    patch_size: int = 4,
    n_channels: int = 64,
    coupling: Coupling = "conv",
    n_classes: int = 10,
    seed: int = 0,
) -> Network:
    """Build :func:`akorn` with ``interaction="stimulus"``: as many weights, and oscillators on their own.

    Parameters
    ----------
    mode, image_size, patch_size, n_channels, coupling, n_classes, seed
        As for :func:`akorn`.

    Returns
    -------
    network : Network
    """
    return akorn(
        mode=mode,
        image_size=image_size,
        patch_size=patch_size,
        n_channels=n_channels,
        coupling=coupling,
        interaction="stimulus",
        n_classes=n_classes,
        seed=seed,
    )
