"""alignkit: from brain recordings and stimuli to a defensible statement of which model explains them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._core.lazy import lazy_names

__version__ = "0.1.0"

__all__ = [
    "ChannelScores",
    "Features",
    "RDMs",
    "Recording",
    "Scores",
    "StimulusSet",
    "Study",
    "__version__",
]

if TYPE_CHECKING:
    from .recordings import ChannelScores, Features, RDMs, Recording, Scores, StimulusSet, Study

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__[:-1], "recordings"))
