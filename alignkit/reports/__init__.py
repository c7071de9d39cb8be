"""What a run found, as one self-contained page: tables, figures, methods and warnings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = [
    "BrainMap",
    "RunSummary",
    "plot_channel_values",
    "plot_differences",
    "plot_layer_profile",
    "plot_map",
    "plot_ranking",
    "plot_time_course",
    "render",
    "write_report",
]

if TYPE_CHECKING:
    from .differences import plot_differences
    from .distributions import plot_channel_values
    from .figures import plot_ranking
    from .maps import plot_map
    from .page import render, write_report
    from .profiles import plot_layer_profile, plot_time_course
    from .summary import BrainMap, RunSummary

_HOMES = {
    "BrainMap": "summary",
    "RunSummary": "summary",
    "plot_channel_values": "distributions",
    "plot_differences": "differences",
    "plot_layer_profile": "profiles",
    "plot_map": "maps",
    "plot_ranking": "figures",
    "plot_time_course": "profiles",
    "render": "page",
    "write_report": "page",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
