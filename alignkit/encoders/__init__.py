"""Encoders: estimators that predict recorded responses from a model's features."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core.lazy import lazy_names

__all__ = [
    "ENCODERS",
    "Encoder",
    "FIRDesign",
    "HRFDesign",
    "LayerFits",
    "RidgeEncoder",
    "detrend_runs",
    "fit_layers",
    "lanczos_resample",
    "load_encoder",
    "trim_runs",
]

if TYPE_CHECKING:
    from ._estimator import Encoder
    from ._registry import ENCODERS
    from .designs import FIRDesign, HRFDesign
    from .detrending import detrend_runs, trim_runs
    from .layers import LayerFits, fit_layers
    from .loading import load_encoder
    from .resampling import lanczos_resample
    from .ridge import RidgeEncoder

_HOMES = {
    "Encoder": "_estimator",
    "FIRDesign": "designs",
    "HRFDesign": "designs",
    "LayerFits": "layers",
    "RidgeEncoder": "ridge",
    "detrend_runs": "detrending",
    "fit_layers": "layers",
    "lanczos_resample": "resampling",
    "load_encoder": "loading",
    "trim_runs": "detrending",
}
_named, __dir__ = lazy_names(__name__, _HOMES, "ENCODERS")


def __getattr__(name: str) -> Any:
    if name == "ENCODERS":
        # Every module puts its own entries in; the registry is whole once all are loaded.
        for home in sorted(set(_HOMES.values())):
            import_module(f".{home}", __name__)
        return import_module("._registry", __name__).ENCODERS
    return _named(name)
