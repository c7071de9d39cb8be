"""Participants with a known truth, written to disk in real formats and read back like real recordings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# The dataset registers when the family is imported; what it needs is loaded when it is built.
from .dataset import simulated

__all__ = ["DEFAULT_REGIONS", "Region", "make_stimuli", "simulate", "simulated"]

if TYPE_CHECKING:
    from ._simulate import simulate
    from .images import make_stimuli
    from .responses import DEFAULT_REGIONS, Region

_HOMES = {
    "DEFAULT_REGIONS": "responses",
    "Region": "responses",
    "make_stimuli": "images",
    "simulate": "_simulate",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
