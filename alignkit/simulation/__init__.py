"""Participants with a known truth, written to disk in real formats and read back like real recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

# The dataset registers when the family is imported; what it needs is loaded when it is built.
from .dataset import simulated

__all__ = [
    "DEFAULT_REGIONS",
    "Region",
    "make_stimuli",
    "simulate",
    "simulate_blurred_viewing",
    "simulate_conditions",
    "simulate_decoding",
    "simulate_population",
    "simulated",
]

if TYPE_CHECKING:
    from ._simulate import simulate
    from .conditions import simulate_conditions
    from .decoding import simulate_decoding
    from .images import make_stimuli
    from .population import simulate_population
    from .responses import DEFAULT_REGIONS, Region
    from .viewing import simulate_blurred_viewing

_HOMES = {
    "DEFAULT_REGIONS": "responses",
    "Region": "responses",
    "make_stimuli": "images",
    "simulate": "_simulate",
    "simulate_blurred_viewing": "viewing",
    "simulate_conditions": "conditions",
    "simulate_decoding": "decoding",
    "simulate_population": "population",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES, "simulated")
