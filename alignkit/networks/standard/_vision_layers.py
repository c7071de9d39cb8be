"""The layers of networks that are written as rows of modules: those of timm and torchvision."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..._core.errors import InputError
from ._hub import first_line

logger = logging.getLogger(__name__)

# Rows of blocks, by the names that timm and torchvision give them.
_ROWS = ("features", "encoder.layers", "trunk_output", "stages", "blocks", "layers")
_HEADS = ("classifier", "fc", "head", "heads", "dropout", "avgpool", "AuxLogits", "aux1", "aux2", "norm")


def row_of_layers(module: nn.Module, announced: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of a network's layers, from input to output.

    Parameters
    ----------
    module : Module
        Whose rows of blocks are looked for: stages, blocks, or what stands in ``features``.
    announced : sequence of str
        Names that the network itself gives for its layers; those that are submodules are taken.
    """
    known = dict(module.named_modules())
    given = tuple(name for name in dict.fromkeys(announced) if name in known)
    if given:
        return given
    for path in _ROWS:
        row = known.get(path)
        if isinstance(row, nn.Sequential | nn.ModuleList) and len(row) > 1:
            return _worth_asking(path, row)
    return tuple(
        name
        for name, child in module.named_children()
        if name not in _HEADS and any(True for _ in child.parameters())
    )


def channels_last_layers(module: nn.Module, size: int) -> tuple[str, ...]:
    """Return the names of submodules that give (n_images, height, width, n_maps) for square images.

    They are told by the shapes of what one image becomes; values are not computed unless the network insists.
    Where height, width and number of maps are all the same, an output is taken to be laid out as those of
    other modules of its class, and with the maps first if those do not agree.

    Parameters
    ----------
    module : Module
        In evaluation mode.
    size : int
        Height and width, in pixels, of the images it takes.
    """
    shapes = _shapes_of_maps(module, size)
    known = dict(module.named_modules())
    by_class: dict[type[nn.Module], set[bool]] = {}
    for name, (_, first, second, third) in shapes.items():
        if not first == second == third:
            by_class.setdefault(type(known[name]), set()).add(first == second)
    return tuple(
        name
        for name, (_, first, second, third) in shapes.items()
        if first == second and (second != third or by_class.get(type(known[name])) == {True})
    )


def _shapes_of_maps(module: nn.Module, size: int) -> dict[str, torch.Size]:
    """Return the shapes of the outputs of four axes to one image, in the order in which modules run."""
    name = type(module).__name__
    with torch.no_grad():
        try:
            return _heard(_hollow(module), torch.empty(1, 3, size, size, device="meta"))
        except Exception:
            # Some networks look at values on their way, and a tensor of mere shape has none.
            logger.debug("%s does not run on shapes alone", name, exc_info=True)
        try:
            return _heard(module, torch.zeros(1, 3, size, size))
        except Exception:
            # What does not take such an image says so itself when images come.
            logger.debug("%s does not take images of %d pixels", name, size, exc_info=True)
    return {}


def _hollow(module: nn.Module) -> nn.Module:
    """Return a copy without values, which takes neither memory nor time."""
    tensors = (*module.parameters(), *module.buffers())
    return copy.deepcopy(module, {id(each): torch.empty_like(each, device="meta") for each in tensors})


def _heard(module: nn.Module, image: torch.Tensor) -> dict[str, torch.Size]:
    shapes: dict[str, torch.Size] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(layer: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Mapping):
                output = output.get("last_hidden_state", next(iter(output.values()), None))
            while isinstance(output, list | tuple) and output:
                output = output[0]
            if isinstance(output, torch.Tensor) and output.ndim == 4 and len(output) == 1:
                shapes[name] = output.shape

        return note

    handles = [each.register_forward_hook(hook(name)) for name, each in module.named_modules() if name]
    try:
        module(image)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def check_size(module: nn.Module, size: int, name: str) -> None:
    """Refuse an image size that the network does not take, by trying one blank image.

    Raises
    ------
    InputError
        With what the network says.
    """
    try:
        with torch.inference_mode():
            module.eval()(torch.zeros(1, 3, size, size))
    except (ValueError, RuntimeError, AssertionError, TypeError, IndexError) as error:
        raise InputError(
            f"{name!r} does not take images of {size} x {size} pixels ({first_line(error)}); leave "
            "`image_size` out."
        ) from error


def _worth_asking(path: str, row: Any) -> tuple[str, ...]:
    names = [(f"{path}.{name}", child) for name, child in row.named_children()]
    simple = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.BatchNorm2d)
    if all(isinstance(child, simple) for _, child in names):
        # In AlexNet and VGG every operation is a module: a layer is what a rectifier gives.
        return tuple(name for name, child in names if isinstance(child, nn.ReLU))
    return tuple(name for name, _ in names)
