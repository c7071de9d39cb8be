"""A standard architecture with seeded random weights, as its declared facts call it."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..._core.errors import InputError
from ..._core.random import derive_seed
from .._images import IMAGENET_MEAN, IMAGENET_STD, check_count, square
from .._network import Network, declared
from ._random_weights import seeded, settle


def random_network(
    name: str, build: Callable[[], nn.Module], *, image_size: int, seed: int, least: int, multiple: int = 1
) -> Network:
    """Return the declared network of what `build` makes under `seed`.

    Parameters
    ----------
    name : str
        As in the registry.
    build : callable
        Draws its weights from torch's generator.
    image_size, seed : int
        Options of the network.
    least, multiple : int
        What `image_size` must be at least, and a multiple of.
    """
    check_count("image_size", image_size, least=least)
    check_count("seed", seed, least=0)
    if image_size % multiple:
        raise InputError(f"`image_size` must be a multiple of {multiple} (the patches), got {image_size}.")
    module = seeded(build, seed)
    preparation = square(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    images_seed = derive_seed(seed, name, "batch-norm")
    # Always of one size, so that a seed gives the same network whatever the size of its images.
    settle(module, preparation, seed=images_seed, size=224)
    return declared(
        name,
        module,
        preparation,
        notes=(
            f"Weights are random (seed {seed}); batch-norm statistics, where it has any, come from "
            "procedural images, never from stimuli.",
        ),
        options={"image_size": image_size, "seed": seed},
    )
