"""A small vision transformer as it is before training."""

from __future__ import annotations

from functools import partial

from ..._core.errors import InputError
from .._images import check_count, square
from .._network import Network, declared

_HALF = (0.5, 0.5, 0.5)


def random_vit_s(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build ViT-S/16 (12 blocks, 384 units, 6 heads) with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; a multiple of 16.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``embedding``, ``block4``, ``block8``, ``block12`` and ``norm``, each (n_tokens, 384); the
        first token is the class token. ``block1`` ... ``block12`` can all be asked for.

    Raises
    ------
    InputError
        If `image_size` is no multiple of 16 or `seed` is no whole number of at least 0.

    References
    ----------
    Dosovitskiy A, et al. (2021). An image is worth 16x16 words: transformers for image recognition at
    scale. ICLR. https://arxiv.org/abs/2010.11929
    """
    check_count("image_size", image_size, least=16)
    check_count("seed", seed, least=0)
    if image_size % 16:
        raise InputError(f"`image_size` must be a multiple of 16 (the patch), got {image_size}.")
    from ._random_modules import vit_small_stages
    from ._random_weights import seeded

    module = seeded(partial(vit_small_stages, image_size), seed)
    preparation = square(image_size, mean=_HALF, std=_HALF)
    return declared(
        "random-vit-s",
        module,
        preparation,
        notes=(f"Weights are random (seed {seed}).",),
    )
