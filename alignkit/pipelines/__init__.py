"""Pipelines: the configuration, the store, the stages, and the commands' one function each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

__all__ = [
    "Given",
    "RunConfig",
    "RunResult",
    "Store",
    "catalogue",
    "compare_models",
    "decode_config",
    "default_out",
    "demo_config",
    "diagnose",
    "fit_encoder",
    "holds_decoders",
    "inspect_path",
    "load_config",
    "load_decode_config",
    "predict_responses",
    "predict_stimuli",
    "rebuild_report",
    "run_config",
    "train_model",
    "validate_config",
]

if TYPE_CHECKING:
    from .config import RunConfig, load_config
    from .decoding.config import load_decode_config
    from .decoding.keeping import holds_decoders
    from .decoding.predict import predict_stimuli
    from .decoding.run import decode_config
    from .fit import compare_models, fit_encoder, predict_responses
    from .given import Given
    from .inspect_data import inspect_path
    from .inventory import catalogue, diagnose
    from .result import RunResult
    from .run import default_out, rebuild_report, run_config
    from .store import Store
    from .train import train_model
    from .validate import validate_config

_HOMES = {
    "Given": "given",
    "RunConfig": "config",
    "RunResult": "result",
    "Store": "store",
    "catalogue": "inventory",
    "compare_models": "fit",
    "decode_config": "decoding.run",
    "default_out": "run",
    "diagnose": "inventory",
    "fit_encoder": "fit",
    "holds_decoders": "decoding.keeping",
    "inspect_path": "inspect_data",
    "load_config": "config",
    "load_decode_config": "decoding.config",
    "predict_responses": "fit",
    "predict_stimuli": "decoding.predict",
    "rebuild_report": "run",
    "run_config": "run",
    "train_model": "train",
    "validate_config": "validate",
}


def demo_config() -> Path:
    """Return the configuration of the demo."""
    return Path(__file__).parent / "demo.yaml"


__getattr__, __dir__ = lazy_names(__name__, _HOMES, "demo_config")
