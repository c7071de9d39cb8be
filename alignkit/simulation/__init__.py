"""Participants with a known truth, written to disk in real formats and read back like real recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

# The dataset registers when the family is imported; what it needs is loaded when it is built.
from .dataset import simulated

__all__ = ["DEFAULT_REGIONS", "Region", "make_stimuli", "simulate", "simulated"]

if TYPE_CHECKING:
    from ._simulate import simulate
    from .images import make_stimuli
    from .responses import DEFAULT_REGIONS, Region

_HOMES = {
    "DEFAULT_REGIONS": "responses",
    "Region": "responses",
    "make_stimuli": "images",
    "simulate": "_simulate",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES, "simulated")
