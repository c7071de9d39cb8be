"""alignkit: from brain recordings and stimuli to a defensible statement of which model explains them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


# Names are handed on when first used, so that `import alignkit` stays light (PEP 562).
def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(".recordings", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
