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
    from .correlation import column_correlation, column_r2
    from .rsa.compare import compare_rdms
    from .rsa.crossvalidated import crossnobis
    from .rsa.dissimilarities import rdm
    from .rsa.noise import noise_covariance
    from .similarity.kernel_alignment import centred_gram, cka, cka_from_grams, hsic

# No module bears its function's name: once loaded, it would hide the function.
_MODULES = {
    "centred_gram": "similarity.kernel_alignment",
    "cka": "similarity.kernel_alignment",
    "cka_from_grams": "similarity.kernel_alignment",
    "column_correlation": "correlation",
    "column_r2": "correlation",
    "compare_rdms": "rsa.compare",
    "crossnobis": "rsa.crossvalidated",
    "hsic": "similarity.kernel_alignment",
    "noise_covariance": "rsa.noise",
    "rdm": "rsa.dissimilarities",
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
