"""The containers: what was recorded, what was shown, what a network made of it, and the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

__all__ = [
    "ChannelScores",
    "Features",
    "RDMs",
    "Recording",
    "Scores",
    "SensorGeometry",
    "StimulusSet",
    "Study",
    "SurfaceGeometry",
    "Track",
    "VolumeGeometry",
    "write_maps",
]

if TYPE_CHECKING:
    from .features import Features
    from .geometry import SensorGeometry, VolumeGeometry
    from .maps import write_maps
    from .rdms import RDMs
    from .recording import Recording
    from .scores import ChannelScores, Scores
    from .stimuli import StimulusSet
    from .study import Study
    from .surface_geometry import SurfaceGeometry
    from .tracks import Track

_HOMES = {
    "ChannelScores": "scores",
    "Features": "features",
    "RDMs": "rdms",
    "Recording": "recording",
    "Scores": "scores",
    "SensorGeometry": "geometry",
    "StimulusSet": "stimuli",
    "Study": "study",
    "SurfaceGeometry": "surface_geometry",
    "Track": "tracks",
    "VolumeGeometry": "geometry",
    "write_maps": "maps",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
