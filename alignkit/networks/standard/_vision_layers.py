"""The layers of networks that are written as rows of modules: those of timm and torchvision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..._core.errors import InputError
from ._hub import first_line

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


def channels_last_note(last: bool) -> tuple[str, ...]:
    """Return what a reader must know of a network that keeps its maps along the last axis."""
    if not last:
        return ()
    return (
        "Its layers give (height, width, n_maps): keep every unit (pooling 'flatten'); a mean over the last "
        "two axes would mix maps with positions.",
    )


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
