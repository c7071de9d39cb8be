"""Which device torch computes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    import torch


def pick_device(device: str) -> torch.device:
    """Return the torch device of that name; "auto" takes CUDA where there is one."""
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            f'`device` is {device!r}, which torch does not know. Use "auto", "cpu" or "cuda" (or "cuda:1").'
        ) from error
    if picked.type not in ("cpu", "cuda"):
        raise InputError(f'`device` is {device!r}; alignkit computes on "cpu" or "cuda". Use "auto".')
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f'`device` is {device!r}, but torch sees no CUDA device. Use "auto" or "cpu".')
    return picked
