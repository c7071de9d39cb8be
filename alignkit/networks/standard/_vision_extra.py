"""timm and torchvision: imported where they can be, and their preprocessing in our words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..._core.errors import InputError, MissingDataError
from .._images import ImagePreparation, Triple
from ._hub import first_line

_NUMBERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5, "random": 2}


def vision_package(name: str) -> Any:
    """Return the imported package.

    Raises
    ------
    MissingDataError
        If it is not installed, or does not work with the torch that is.
    """
    try:
        return import_module(name)
    # A torchvision that was built for another torch ends in a RuntimeError, or whatever its parts raise.
    except Exception as error:
        raise MissingDataError(
            f"{name} cannot be imported here ({type(error).__name__}: {first_line(error)}); "
            'pip install "alignkit[vision]", with a torchvision built for the torch that is installed.'
        ) from error


def timm_preparation(config: Mapping[str, Any], *, network: str) -> ImagePreparation:
    """Return the preparation that timm's ``resolve_data_config`` describes.

    Parameters
    ----------
    config : mapping
        With ``input_size``, ``interpolation``, ``mean``, ``std``, ``crop_pct`` and ``crop_mode``.
    network : str
        For messages.

    Raises
    ------
    InputError
        If the network takes no colour images, or the settings ask for what is not known here.
    """
    channels, height, width = (int(value) for value in config["input_size"])
    if channels != 3:
        raise InputError(f"{network!r} takes images of {channels} channel(s), wanted 3 (red, green, blue).")
    mode = config.get("crop_mode") or "center"
    if mode not in ("center", "squash"):
        raise InputError(
            f"the preprocessing of {network!r} has crop_mode {mode!r}; known are 'center' and 'squash'."
        )
    share = float(config.get("crop_pct") or 0.875)
    large = (math.floor(height / share), math.floor(width / share))
    if mode == "center" and large[0] != large[1]:
        raise InputError(
            f"{network!r} takes images of {width} x {height} pixels; alignkit prepares square ones only."
        )
    return ImagePreparation(
        size=large if mode == "squash" else None,
        shortest_edge=large[0] if mode == "center" else None,
        crop=(height, width),
        resample=_resampling(str(config["interpolation"]), network),
        mean=_triple(config["mean"]),
        std=_triple(config["std"]),
        rounding="nearest",
    )


def torchvision_preparation(preset: Any, *, network: str) -> ImagePreparation:
    """Return the preparation that a torchvision preset of image classification describes.

    Parameters
    ----------
    preset : object
        With ``resize_size``, ``crop_size``, ``mean``, ``std`` and ``interpolation``.
    network : str
        For messages.

    Raises
    ------
    InputError
        If it is a preset of another task.
    """
    needed = ("resize_size", "crop_size", "mean", "std", "interpolation")
    if not all(hasattr(preset, each) for each in needed) or len(preset.crop_size) != 1:
        raise InputError(
            f"the preprocessing of {network!r} is {type(preset).__name__}; known is that of image "
            "classification only."
        )
    return ImagePreparation(
        shortest_edge=int(preset.resize_size[0]),
        crop=(int(preset.crop_size[0]),) * 2,
        resample=_resampling(str(preset.interpolation.value), network),
        mean=_triple(preset.mean),
        std=_triple(preset.std),
        rounding="nearest",
    )


def _resampling(name: str, network: str) -> int:
    if name not in _NUMBERS:
        raise InputError(
            f"the preprocessing of {network!r} interpolates by {name!r}; known are "
            f"{', '.join(sorted(_NUMBERS))}."
        )
    return _NUMBERS[name]


def _triple(values: Any) -> Triple:
    red, green, blue = (float(value) for value in values)
    return (red, green, blue)
