"""Metrics: pure functions on arrays that compare patterns, dissimilarities and predictions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "METRICS",
    "centred_gram",
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
    from .alignment import centred_gram, cka, cka_from_grams, hsic
    from .compare import compare_rdms
    from .correlation import column_correlation, column_r2
    from .crossvalidated import crossnobis
    from .dissimilarities import rdm
    from .noise import noise_covariance

# No module bears its function's name: once loaded, it would hide the function.
_MODULES = {
    "centred_gram": "alignment",
    "cka": "alignment",
    "cka_from_grams": "alignment",
    "column_correlation": "correlation",
    "column_r2": "correlation",
    "compare_rdms": "compare",
    "crossnobis": "crossvalidated",
    "hsic": "alignment",
    "noise_covariance": "noise",
    "rdm": "dissimilarities",
}


# Names are handed on when first used, so that importing the package stays light (PEP 562).
def __getattr__(name: str) -> Any:
    if name == "METRICS":
        # Every module puts its own entries in; the registry is whole once all are loaded.
        for module in sorted(set(_MODULES.values())):
            import_module(f".{module}", __name__)
        return import_module("._registry", __name__).METRICS
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
