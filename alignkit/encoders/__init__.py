"""Encoders: estimators that predict recorded responses from a model's features."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._core.lazy import lazy_names

__all__ = [
    "BandedRidgeEncoder",
    "ENCODERS",
    "ElasticNetEncoder",
    "Encoder",
    "FIRDesign",
    "FractionalRidgeEncoder",
    "HRFDesign",
    "KernelRidgeEncoder",
    "LayerFits",
    "PLSEncoder",
    "PrincipalComponentsEncoder",
    "RidgeEncoder",
    "StackedEncoder",
    "TemporalReceptiveField",
    "TimeResolvedEncoder",
    "VariancePartition",
    "detrend_runs",
    "fit_layers",
    "lanczos_resample",
    "load_encoder",
    "trim_runs",
    "variance_partition",
]

if TYPE_CHECKING:
    from ._estimator import Encoder
    from ._registry import ENCODERS
    from ._variance_table import VariancePartition
    from .banded import BandedRidgeEncoder
    from .components import PrincipalComponentsEncoder
    from .designs import FIRDesign, HRFDesign
    from .detrending import detrend_runs, trim_runs
    from .elastic_net import ElasticNetEncoder
    from .fractional import FractionalRidgeEncoder
    from .kernel_ridge import KernelRidgeEncoder
    from .layers import LayerFits, fit_layers
    from .loading import load_encoder
    from .partition import variance_partition
    from .pls import PLSEncoder
    from .receptive_field import TemporalReceptiveField
    from .resampling import lanczos_resample
    from .ridge import RidgeEncoder
    from .stacking import StackedEncoder
    from .time_resolved import TimeResolvedEncoder

_HOMES = {
    "BandedRidgeEncoder": "banded",
    "ElasticNetEncoder": "elastic_net",
    "Encoder": "_estimator",
    "FIRDesign": "designs",
    "FractionalRidgeEncoder": "fractional",
    "HRFDesign": "designs",
    "KernelRidgeEncoder": "kernel_ridge",
    "LayerFits": "layers",
    "PLSEncoder": "pls",
    "PrincipalComponentsEncoder": "components",
    "RidgeEncoder": "ridge",
    "StackedEncoder": "stacking",
    "TemporalReceptiveField": "receptive_field",
    "TimeResolvedEncoder": "time_resolved",
    "VariancePartition": "_variance_table",
    "detrend_runs": "detrending",
    "fit_layers": "layers",
    "lanczos_resample": "resampling",
    "load_encoder": "loading",
    "trim_runs": "detrending",
    "variance_partition": "partition",
}
_named, __dir__ = lazy_names(__name__, _HOMES, "ENCODERS")


def __getattr__(name: str) -> Any:
    if name == "ENCODERS":
        # Every module puts its own entries in; the registry is whole once all are loaded.
        for home in sorted(set(_HOMES.values())):
            import_module(f".{home}", __name__)
        return import_module("._registry", __name__).ENCODERS
    return _named(name)
