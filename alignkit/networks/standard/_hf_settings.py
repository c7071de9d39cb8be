"""The image preprocessing that a Hugging Face model was trained with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..._core.errors import InputError
from .._images import IMAGENET_MEAN, IMAGENET_STD, ImagePreparation, Triple

# Steps that ImagePreparation takes; any other `do_...` that is on would be left out silently.
_KNOWN_STEPS = {
    "do_resize",
    "do_center_crop",
    "do_rescale",
    "do_normalize",
    "do_convert_rgb",
    "do_flip_channel_order",
}

# Processors whose steps mean something else than those of all others, though they bear the same names.
_OTHERWISE = {
    "AriaImageProcessor": "splits images into tiles",
    "DeepseekOcr2ImageProcessor": "splits images into tiles",
    "Gemma4ImageProcessor": "gives patches",
    "GLPNImageProcessor": "cuts to multiples of a number",
    "GraniteDoclingImageProcessor": "splits images into tiles",
    "MiniCPMV4_6ImageProcessor": "gives patches",
    "PerceiverImageProcessor": "crops before it resizes",
    "Siglip2ImageProcessor": "gives patches",
    "SuperPointImageProcessor": "takes grey images",
    "TextNetImageProcessor": "resizes to multiples of a number",
}


def preparation_of(settings: Mapping[str, Any], *, network: str) -> ImagePreparation:
    """Return the preparation that the settings of an image processor describe.

    Parameters
    ----------
    settings : mapping
        Content of a ``preprocessor_config.json``, with or without the defaults of its class.
    network : str
        For messages.

    Raises
    ------
    InputError
        If the settings ask for a step, or a size, that is not known here.
    """
    kind = _processor(settings)
    if kind in _OTHERWISE:
        raise InputError(
            f"the preprocessing of {network!r} is a {kind}, which {_OTHERWISE[kind]}; "
            "alignkit does not do that."
        )
    if kind == "SamImageProcessor":
        return _sam(settings)
    unknown = sorted(
        k for k, v in settings.items() if k.startswith("do_") and v is True and k not in _KNOWN_STEPS
    )
    if unknown:
        raise InputError(
            f"the preprocessing of {network!r} asks for {', '.join(unknown)}, which alignkit does not do; "
            f"known are {', '.join(sorted(_KNOWN_STEPS))}. Set them to false in preprocessor_config.json."
        )
    size, shortest, crop = _geometry(settings, network)
    scale, mean, std = _values(settings, twice=kind == "EfficientNetImageProcessor")
    return ImagePreparation(
        size=size,
        shortest_edge=shortest,
        crop=crop,
        resample=int(settings.get("resample", 2)),
        scale=scale,
        mean=mean,
        std=std,
        order="BGR" if settings.get("do_flip_channel_order", False) else "RGB",
    )


def _processor(settings: Mapping[str, Any]) -> str:
    """Return the name of the processor, without the words for its several backends and ages."""
    name = str(settings.get("image_processor_type") or settings.get("feature_extractor_type") or "")
    return re.sub(r"(Pil|Fast)$", "", name).replace("FeatureExtractor", "ImageProcessor")


def _values(settings: Mapping[str, Any], *, twice: bool) -> tuple[float, Triple, Triple]:
    scale = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    # MobileViT takes values as they are, whatever its settings say of a mean.
    if settings.get("do_normalize", True) and _processor(settings) != "MobileViTImageProcessor":
        mean = _triple(settings.get("image_mean"), IMAGENET_MEAN)
        std = _triple(settings.get("image_std"), IMAGENET_STD)
    if twice and settings.get("rescale_offset", False):
        mean = (mean[0] + 1, mean[1] + 1, mean[2] + 1)
    if twice and settings.get("include_top", True):
        # EfficientNet divides by the standard deviation a second time.
        again = _triple(settings.get("image_std"), IMAGENET_STD)
        std = (std[0] * again[0], std[1] * again[1], std[2] * again[2])
    return scale, mean, std


def _sam(settings: Mapping[str, Any]) -> ImagePreparation:
    """Return the preparation of Segment Anything: the longer side to a length, the rest filled up."""
    scale, mean, std = _values(settings, twice=False)
    pad = _pair(settings.get("pad_size")) if settings.get("do_pad", True) else None
    edge = int(settings.get("size", {}).get("longest_edge", 1024))
    resample = int(settings.get("resample", 2))
    return ImagePreparation(longest_edge=edge, pad=pad, resample=resample, scale=scale, mean=mean, std=std)


def _geometry(
    settings: Mapping[str, Any], network: str
) -> tuple[tuple[int, int] | None, int | None, tuple[int, int] | None]:
    crop = None
    if settings.get("do_center_crop", False):
        crop = _pair(settings.get("crop_size", settings.get("size", 224)))
        if crop is None:
            raise InputError(f"the preprocessing of {network!r} has crop_size {settings.get('crop_size')!r}.")
    if not settings.get("do_resize", True):
        return None, None, crop
    size = settings.get("size", 224)
    shortest = _shortest(size, cropped=crop is not None)
    kind = _processor(settings)
    if settings.get("crop_pct") is not None and kind == "PoolFormerImageProcessor":
        return _poolformer(size, float(settings["crop_pct"]), crop)
    if shortest is not None and settings.get("crop_pct") is not None:
        return _convnext(shortest, float(settings["crop_pct"]))
    if shortest is not None and kind == "LevitImageProcessor":
        return None, int(256 / 224 * shortest), crop
    if shortest is not None:
        return None, shortest, crop
    pair = _pair(size)
    if pair is None:
        raise InputError(
            f"the preprocessing of {network!r} has size {size!r}; known are a number, "
            "{'height', 'width'} and {'shortest_edge'}."
        )
    return pair, None, crop


def _shortest(size: Any, *, cropped: bool) -> int | None:
    if isinstance(size, Mapping):
        return int(size["shortest_edge"]) if set(size) == {"shortest_edge"} else None
    # A bare number means the shorter side only where a crop follows.
    return int(size) if cropped and isinstance(size, int) else None


def _convnext(
    shortest: int, crop_pct: float
) -> tuple[tuple[int, int] | None, int | None, tuple[int, int] | None]:
    square = (shortest, shortest)
    # ConvNeXt's rule, which ResNet uses too: enlarge and cut below 384 pixels, squeeze from there on.
    return (None, int(shortest / crop_pct), square) if shortest < 384 else (square, None, None)


def _poolformer(
    size: Any, crop_pct: float, crop: tuple[int, int] | None
) -> tuple[tuple[int, int] | None, int | None, tuple[int, int] | None]:
    pair = _pair(size)
    if pair is None or pair[0] == pair[1]:
        edge = pair[0] if pair else int(size)
        return None, int(edge / crop_pct), crop
    return (int(pair[0] / crop_pct), int(pair[1] / crop_pct)), None, crop


def _pair(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        return (size, size)
    if isinstance(size, Mapping) and set(size) == {"height", "width"}:
        return (int(size["height"]), int(size["width"]))
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return (int(size["shortest_edge"]),) * 2
    return None


def _triple(values: Any, default: Triple) -> Triple:
    if values is None:
        return default
    listed = [float(value) for value in (values if isinstance(values, list | tuple) else [values] * 3)]
    if len(listed) != 3:
        raise InputError(f"image_mean and image_std need three values (red, green, blue), got {listed}.")
    return (listed[0], listed[1], listed[2])
