"""Encoders: estimators that predict recorded responses from a model's features."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["ENCODERS", "RidgeEncoder"]

if TYPE_CHECKING:
    from ._registry import ENCODERS
    from .ridge import RidgeEncoder


# Names are handed on when first used, so that importing the package stays light (PEP 562).
def __getattr__(name: str) -> Any:
    if name == "ENCODERS":
        # Every module puts its own entries in; the registry is whole once all are loaded.
        import_module(".ridge", __name__)
        return import_module("._registry", __name__).ENCODERS
    if name == "RidgeEncoder":
        return import_module(".ridge", __name__).RidgeEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
