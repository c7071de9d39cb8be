"""Weights from a file into a module: nothing pickled is run, nothing is left to chance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..._core.errors import InputError, MissingDataError
from ._hub import first_line


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, or of a ``.pth`` that holds nothing but tensors.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged, or would have to run code to be read.
    """
    if not path.is_file():
        raise MissingDataError(f"the file of weights {path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors, or is no file of weights ({first_line(error)}). Pickled "
            "objects can run code and are not opened; save its state_dict as safetensors where you trust it."
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(
            f"{path} is damaged or no file of weights ({first_line(error)}); get the file again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise InputError(f"{path} holds no table of tensors by name, wanted a state_dict.")
    return dict(state)


def fill(module: nn.Module, state: Mapping[str, torch.Tensor], *, source: str, name: str) -> None:
    """Put the tensors into the module, every one of them in its place.

    Raises
    ------
    InputError
        If names or shapes are not those of the module; the first of each is named.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    left_over = sorted(state.keys() - wanted.keys())
    shapes = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in sorted(wanted.keys() & state.keys())
        if state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(found)} {what} (first {found[0]})"
        for found, what in (
            (missing, "tensor(s) are missing"),
            (shapes, "tensor(s) have another shape"),
            (left_over, "tensor(s) have no place in it"),
        )
        if found
    ]
    if problems:
        raise InputError(
            f"{source} holds weights of another architecture than {name!r}: {'; '.join(problems)}. Give "
            "the file that belongs to it."
        )
    module.load_state_dict(dict(state))
