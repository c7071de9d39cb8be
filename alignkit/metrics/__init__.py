"""Metrics: pure functions on arrays that compare patterns, dissimilarities and predictions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "METRICS",
    "cka",
    "cka_from_grams",
    "column_correlation",
    "column_r2",
    "compare_rdms",
    "crossnobis",
    "hsic",
    "noise_covariance",
    "rdm",
]

if TYPE_CHECKING:
    from ._registry import METRICS
    from .cka import cka, cka_from_grams, hsic
    from .compare import compare_rdms
    from .correlation import column_correlation, column_r2
    from .crossnobis import crossnobis
    from .noise_covariance import noise_covariance
    from .rdm import rdm

_MODULES = {
    "cka": "cka",
    "cka_from_grams": "cka",
    "column_correlation": "correlation",
    "column_r2": "correlation",
    "compare_rdms": "compare",
    "crossnobis": "crossnobis",
    "hsic": "cka",
    "noise_covariance": "noise_covariance",
    "rdm": "rdm",
}


# Names are handed on when first used, so that importing the package stays light (PEP 562).
def __getattr__(name: str) -> Any:
    if name == "METRICS":
        # Every module puts its own entries in; the registry is whole once all are loaded.
        for module in sorted(set(_MODULES.values())):
            import_module(f".{module}", __name__)
        value = import_module("._registry", __name__).METRICS
    elif name in _MODULES:
        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A module may bear its function's name: once loaded it would hide the function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
