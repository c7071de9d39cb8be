"""NumPy in, NumPy out; torch in, torch out: how every metric takes its arrays."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from .._core.errors import InputError

if TYPE_CHECKING:
    import torch

P = ParamSpec("P")
T = TypeVar("T")


def torch_too(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function on NumPy arrays take torch tensors as well.

    Tensors, also in lists and tuples, are handed on as arrays. The arrays of the result (or of a tuple, a
    dictionary or a dataclass that is the result) then come back as tensors on the first tensor's device;
    plain numbers stay numbers. A `device` parameter that is left at None becomes the device of the tensors.
    """
    takes_device = "device" in inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        # Who has a tensor has loaded torch; nobody else should have to.
        tensor = next(_tensors((args, kwargs)), None) if "torch" in sys.modules else None
        if tensor is None:
            return function(*args, **kwargs)
        given: dict[str, Any] = dict(kwargs)
        if takes_device and given.get("device") is None:
            given["device"] = str(tensor.device)
        result = function(*_to_numpy(args), **_to_numpy(given))
        found: T = _to_torch(result, tensor.device)
        return found

    return call


def as_array(value: T) -> T:
    """Return tensors as arrays, and anything else as it is."""
    return _to_numpy(value) if "torch" in sys.modules else value


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, sys.modules["torch"].Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _to_numpy(value: Any) -> Any:
    if isinstance(value, sys.modules["torch"].Tensor):
        return _array_of(value)
    if isinstance(value, dict):
        return {name: _to_numpy(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_numpy(item) for item in value)
    return value


def _array_of(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    torch = sys.modules["torch"]
    if tensor.layout != torch.strided:
        raise InputError(f"tensors must be dense, got one of layout {tensor.layout}. Use `to_dense()`.")
    held = tensor.detach().cpu()
    # NumPy has no bfloat16; float32 holds each of its numbers.
    return np.asarray((held.float() if held.dtype == torch.bfloat16 else held).numpy())


def _to_torch(value: Any, device: torch.device) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return sys.modules["torch"].from_numpy(np.ascontiguousarray(value)).to(device)
    if isinstance(value, dict):
        return {name: _to_torch(item, device) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_torch(item, device) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: _to_torch(getattr(value, f.name), device) for f in fields(value) if f.init}
        return replace(value, **changed)
    return value
