"""Numerical linear algebra that the other families share: ridge regression, many targets at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["RidgeCVResult", "RidgeFit", "ridge_cv", "ridge_fit"]

if TYPE_CHECKING:
    from .ridge import RidgeCVResult, RidgeFit, ridge_cv, ridge_fit


# Names are handed on when first used, so that importing the package stays light (PEP 562).
def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(".ridge", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
