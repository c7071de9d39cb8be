"""The containers: what was recorded, what was shown, what a network made of it, and the scores."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "ChannelScores",
    "Features",
    "RDMs",
    "Recording",
    "Scores",
    "SensorGeometry",
    "StimulusSet",
    "Study",
    "VolumeGeometry",
]

if TYPE_CHECKING:
    from .features import Features
    from .geometry import SensorGeometry, VolumeGeometry
    from .rdms import RDMs
    from .recording import Recording
    from .scores import ChannelScores, Scores
    from .stimuli import StimulusSet
    from .study import Study

_HOMES = {
    "ChannelScores": "scores",
    "Features": "features",
    "RDMs": "rdms",
    "Recording": "recording",
    "Scores": "scores",
    "SensorGeometry": "geometry",
    "StimulusSet": "stimuli",
    "Study": "study",
    "VolumeGeometry": "geometry",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
