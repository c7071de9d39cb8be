"""The image itself: the simplest model, and the one every other must beat."""

from __future__ import annotations

from .._images import check_count, square
from .._network import Network, declared


def pixels(*, size: int = 32) -> Network:
    """Build the pixel model.

    Parameters
    ----------
    size : int, default=32
        Height and width, in pixels, that images are brought to; the layer has 3 * size * size units.

    Returns
    -------
    network : Network
        One layer, ``pixels``: red, green and blue in [0, 1].

    Raises
    ------
    InputError
        If `size` is no whole number of at least 1.

    Examples
    --------
    >>> pixels(size=16).preprocessing["image"]["size"]
    [16, 16]
    """
    from torch import nn

    preparation = square(check_count("size", size, least=1))
    module = nn.Sequential()
    module.add_module("pixels", nn.Identity())
    return declared("pixels", module, preparation)
