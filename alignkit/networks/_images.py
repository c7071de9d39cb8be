"""From one RGB image to the numbers a network takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._core.errors import InputError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)

# The numbers are Pillow's, which preprocessor files use too.
_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


@dataclass(frozen=True)
class ImagePreparation:
    """Resize, crop, rescale, standardise and pad one RGB image, in this order.

    Attributes
    ----------
    size : tuple of int, optional
        (height, width) in pixels the image is brought to; its aspect ratio is not kept.
    shortest_edge : int, optional
        Length in pixels the shorter side is brought to instead, keeping the aspect ratio.
    longest_edge : int, optional
        Length in pixels the longer side is brought to instead, keeping the aspect ratio.
    crop : tuple of int, optional
        (height, width) in pixels cut from the centre; an image that is smaller is padded with zeros.
    pad : tuple of int, optional
        (height, width) in pixels that zeros, added below and to the right at the end, fill up.
    resample : int, default=3
        Pillow's number of the interpolation (2 bilinear, 3 bicubic), which smooths before it shrinks.
    scale : float, default=1/255
        Factor on the eight-bit values.
    mean, std : tuple of float
        Taken off, and divided by, per channel (red, green, blue), after scaling.
    order : {"RGB", "BGR"}, default="RGB"
        Order of the channels that come out.
    rounding : {"down", "nearest"}, default="down"
        Where the first row and column of a crop are when an odd number is to be cut: as transformers has
        it, or as torchvision and timm have it (the nearest even number).
    """

    size: tuple[int, int] | None = None
    shortest_edge: int | None = None
    longest_edge: int | None = None
    crop: tuple[int, int] | None = None
    pad: tuple[int, int] | None = None
    resample: int = 3
    scale: float = 1 / 255
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    order: Literal["RGB", "BGR"] = "RGB"
    rounding: Literal["down", "nearest"] = "down"

    def __post_init__(self) -> None:
        if self.resample not in _RESAMPLING:
            raise InputError(
                f"`resample` is {self.resample!r}; Pillow numbers interpolations {sorted(_RESAMPLING)}."
            )
        if min(self.std) <= 0:
            raise InputError(f"`std` must be positive in every channel, got {self.std}.")

    def __call__(self, image: Image) -> torch.Tensor:
        """Return a float32 tensor of shape (3, height, width)."""
        import torch

        pixels = np.asarray(self._resized(image.convert("RGB")), dtype=np.float32)
        if self.crop is not None:
            pixels = _centre(pixels, self.crop, nearest=self.rounding == "nearest")
        scaled = pixels * np.float32(self.scale)
        standard = (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        if self.pad is not None:
            standard = _filled(standard, self.pad)
        if self.order == "BGR":
            standard = standard[:, :, ::-1]
        return torch.from_numpy(np.ascontiguousarray(standard.transpose(2, 0, 1)))

    @property
    def input_size(self) -> int:
        """Height, in pixels, of what comes out; 224 where it depends on the image."""
        fixed = self.pad or self.crop or self.size
        return fixed[0] if fixed else 224

    def at_size(self, size: int) -> ImagePreparation:
        """Return the same preparation of an image that comes out `size` by `size` pixels large.

        Where a part is cut out, it stays the same part of the image.
        """
        if self.crop is None:
            return replace(self, size=(size, size), shortest_edge=None, longest_edge=None, pad=None)
        ratio = size / min(self.crop)
        edge = None if self.shortest_edge is None else max(size, round(self.shortest_edge * ratio))
        whole = None if self.size is None else (round(self.size[0] * ratio), round(self.size[1] * ratio))
        return replace(self, size=whole, shortest_edge=edge, crop=(size, size), pad=None)

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON values, for keys and reports."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        values["resample"] = _RESAMPLING[self.resample]
        # Said only where they are unusual, so that keys of features made before they existed still hold.
        for name, usual in (("order", "RGB"), ("rounding", "down")):
            if values[name] == usual:
                del values[name]
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def _resized(self, image: Image) -> Image:
        from PIL.Image import Resampling

        width, height = image.size
        if self.shortest_edge is not None:
            short, long = sorted((width, height))
            other = int(self.shortest_edge * long / short)
            wanted = (self.shortest_edge, other) if width <= height else (other, self.shortest_edge)
        elif self.longest_edge is not None:
            factor = self.longest_edge / max(width, height)
            wanted = (max(1, int(width * factor + 0.5)), max(1, int(height * factor + 0.5)))
        elif self.size is not None:
            wanted = (self.size[1], self.size[0])
        else:
            return image
        return image if wanted == image.size else image.resize(wanted, Resampling(self.resample))


def square(size: int, *, mean: Triple = (0.0, 0.0, 0.0), std: Triple = (1.0, 1.0, 1.0)) -> ImagePreparation:
    """Return the preparation of our own networks: bicubic, to `size` by `size` pixels."""
    return ImagePreparation(size=(size, size), mean=mean, std=std)


def check_count(name: str, value: int, *, least: int, most: int | None = None) -> int:
    """Return `value` when it is a whole number in [least, most]."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"`{name}` must be a whole number, got {value!r}.")
    if value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"between {least} and {most}"
        raise InputError(f"`{name}` must be {limits}, got {value}.")
    return int(value)


def _centre(
    pixels: np.ndarray[Any, Any], crop: tuple[int, int], *, nearest: bool = False
) -> np.ndarray[Any, Any]:
    height, width = pixels.shape[:2]
    rows, columns = crop
    if height < rows or width < columns:
        # The odd pixel of padding goes to the top and left in transformers, to the others in torchvision.
        top, left = (
            max(0, missing // 2 if nearest else -(-missing // 2))
            for missing in (rows - height, columns - width)
        )
        padded = np.zeros((max(rows, height), max(columns, width), 3), pixels.dtype)
        padded[top : top + height, left : left + width] = pixels
        pixels, (height, width) = padded, padded.shape[:2]
    top, left = (
        round(surplus / 2) if nearest else surplus // 2 for surplus in (height - rows, width - columns)
    )
    return pixels[top : top + rows, left : left + columns]


def _filled(values: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    height, width = values.shape[:2]
    if height > size[0] or width > size[1]:
        raise InputError(
            f"an image of {width} x {height} pixels does not fit into the {size[1]} x {size[0]} pixels that "
            "the network takes; it needs a preparation that resizes."
        )
    filled = np.zeros((*size, 3), values.dtype)
    filled[:height, :width] = values
    return filled
