"""From a batch of images to what a network that is not visual reads, one row or pixel after the other."""

from __future__ import annotations

import torch

from ..._core.errors import InputError

# Rec. 601: how bright red, green and blue look.
_LUMINANCE = (0.299, 0.587, 0.114)


def grey_images(images: torch.Tensor, *, size: int) -> torch.Tensor:
    """Return luminance, (n_images, size, size), of RGB images of shape (n_images, 3, size, size)."""
    if images.ndim != 4 or tuple(images.shape[1:]) != (3, size, size):
        raise InputError(
            f"wanted images of shape (n_images, 3, {size}, {size}), got {tuple(images.shape)}; prepare them "
            "with the network's `preprocess`."
        )
    weights = images.new_tensor(_LUMINANCE).view(1, 3, 1, 1)
    return (images * weights).sum(1)
