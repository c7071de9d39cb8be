"""What a run found, as one self-contained page: tables, figures, methods and warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

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
    "render_quality",
    "write_quality",
    "write_report",
]

if TYPE_CHECKING:
    from .differences import plot_differences
    from .distributions import plot_channel_values
    from .figures import plot_ranking
    from .maps import plot_map
    from .page import render, write_report
    from .profiles import plot_layer_profile, plot_time_course
    from .quality_page import render_quality, write_quality
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
    "render_quality": "quality_page",
    "write_quality": "quality_page",
    "write_report": "page",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
