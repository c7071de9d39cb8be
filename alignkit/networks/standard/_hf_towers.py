"""The part of a Hugging Face model that sees: which it is, its layers, and the image sizes it takes."""

from __future__ import annotations

from functools import partial
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from ..._core.errors import InputError
from ._hub import first_line

# Where models of several kinds of input keep the tower of images.
_TOWERS = ("vision_model", "vision_tower", "vision_encoder", "image_model", "visual")


def vision_tower(model: Any, name: str) -> Any:
    """Return the module that takes images, and nothing but images, in colour.

    Raises
    ------
    InputError
        If there is none.
    """
    tower = next((getattr(model, each) for each in _TOWERS if hasattr(model, each)), model)
    parameters = signature(tower.forward).parameters
    needed = {
        key
        for key, parameter in parameters.items()
        if parameter.default is Parameter.empty
        and parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    }
    # Some towers leave their main input at what is said of all models, which is text.
    main = getattr(tower, "main_input_name", "") == "pixel_values" or next(iter(parameters)) == "pixel_values"
    if not main or needed - {"pixel_values"}:
        raise InputError(f"{name!r} is a {type(model).__name__}, which takes more than images.")
    channels = getattr(getattr(tower, "config", model.config), "num_channels", 3)
    if channels != 3:
        raise InputError(f"{name!r} takes images of {channels} channel(s), wanted 3 (red, green, blue).")
    return tower


def blocks_of(tower: nn.Module, name: str) -> tuple[str, ...]:
    """Return the names of a network's blocks or stages, from input to output.

    They are the items of its heaviest list of modules; of a list of lists, the inner items.

    Raises
    ------
    InputError
        If it has no such list.
    """
    lists = {path: m for path, m in tower.named_modules() if isinstance(m, nn.ModuleList) and len(m) > 1}
    outermost = {
        path: module
        for path, module in lists.items()
        if not any(path.startswith(f"{other}.") for other in lists if other != path)
    }
    if not outermost:
        raise InputError(f"{name!r} has no list of blocks or stages that could be its layers.")
    # What takes patches in between the stages may weigh more than they do, and is no layer.
    stages = {path: m for path, m in outermost.items() if "embed" not in path} or outermost
    path = max(stages, key=lambda each: sum(p.numel() for p in stages[each].parameters()))
    return tuple(_items(path, outermost[path]))


def set_image_size(tower: Any, size: int, name: str) -> None:
    """Let a network take images of another size, interpolating the embeddings of positions it has.

    Raises
    ------
    InputError
        If its patches do not fill such an image, or its architecture is bound to one size.
    """
    patch = getattr(getattr(tower, "config", None), "patch_size", 1)
    patch = patch if isinstance(patch, int) else 1
    if size % patch:
        raise InputError(f"`image_size` of {name!r} must be a multiple of {patch} (its patch), got {size}.")
    if "interpolate_pos_encoding" in signature(tower.forward).parameters:
        tower.forward = partial(tower.forward, interpolate_pos_encoding=True)
    try:
        with torch.inference_mode():
            tower.eval()(torch.zeros(1, 3, size, size))
    except (ValueError, RuntimeError, AssertionError, TypeError, IndexError) as error:
        raise InputError(
            f"{name!r} does not take images of {size} x {size} pixels ({first_line(error)}); leave "
            "`image_size` out."
        ) from error


def _items(path: str, modules: nn.ModuleList) -> list[str]:
    names: list[str] = []
    for number, module in enumerate(modules):
        inner = f"{path}.{number}"
        # A list in a list never runs itself.
        names += _items(inner, module) if isinstance(module, nn.ModuleList) else [inner]
    return names
