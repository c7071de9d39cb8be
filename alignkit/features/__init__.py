"""What a network makes of stimuli: hooks, pooling, projection, streamed to disk."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["POOLINGS", "SparseProjection", "extract", "pool"]

if TYPE_CHECKING:
    from .extract import extract
    from .pooling import POOLINGS, pool
    from .projection import SparseProjection

_HOMES = {
    "POOLINGS": "pooling",
    "SparseProjection": "projection",
    "extract": "extract",
    "pool": "pooling",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
