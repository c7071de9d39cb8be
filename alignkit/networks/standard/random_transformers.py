"""Standard vision transformers as they are before training."""

from __future__ import annotations

from functools import partial

from .._network import Network
from ._random_modules import swin_tiny_tapped, vit_stages
from ._random_network import random_network


def random_deit_tiny(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build DeiT-Ti (12 blocks, 192 units, 3 heads, patches of 16 pixels) with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; a multiple of 16.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``embedding``, ``block4``, ``block8``, ``block12`` and ``norm``, each (n_tokens, 192); the
        first token is the class token. ``block1`` ... ``block12`` can all be asked for.

    Raises
    ------
    InputError
        If `image_size` is no multiple of 16 or `seed` is no whole number of at least 0.

    References
    ----------
    Touvron H, et al. (2021). Training data-efficient image transformers & distillation through attention.
    ICML. https://arxiv.org/abs/2012.12877
    """
    build = partial(vit_stages, 192, 3, image_size)
    return random_network("random-deit-tiny", build, image_size=image_size, seed=seed, least=16, multiple=16)


def random_swin_tiny(*, image_size: int = 224, seed: int = 0) -> Network:
    """Build Swin-T with random weights.

    Parameters
    ----------
    image_size : int, default=224
        Height and width, in pixels, that images are brought to; a multiple of 32 and at least
        224, below which the last windows would be larger than the image.
    seed : int, default=0
        Draws the weights.

    Returns
    -------
    network : Network
        Layers ``embedding`` and ``stage1`` ... ``stage4`` (each after its patches were merged), each
        (n_tokens, n_units); there is no class token.

    Raises
    ------
    InputError
        If `image_size` is below 224 or no multiple of 32, or `seed` is no whole number of at least 0.

    References
    ----------
    Liu Z, et al. (2021). Swin transformer: hierarchical vision transformer using shifted windows. ICCV.
    https://doi.org/10.1109/ICCV48922.2021.00986
    """
    return random_network(
        "random-swin-tiny", swin_tiny_tapped, image_size=image_size, seed=seed, least=224, multiple=32
    )
