"""Scores along the depth of a model, and along time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError
from ..recordings.scores import Scores
from . import _style, _views
from ._style import BAND, BAND_EDGE, INK, MUTED, SMALL, FamilyStyle
from .figures import NARROW, key_lines, write_key
from .time_windows import stretches, told_from_nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 2, 1.5, 2)),
)
_LABEL_STEP = 15.0
MOST_RINGS = 12


def plot_layer_profile(
    scores: Scores,
    *,
    roi: str,
    metric: str,
    width: int = 548,
    reference: float | None = 0.0,
    styles: Mapping[str, FamilyStyle] | None = None,
) -> Figure:
    """Draw value by depth, a line per model; models with one layer have no profile and are left out.

    Depth is the layer's place among the model's scored layers. Up to 12 models get a ring at their largest
    value.

    Parameters
    ----------
    scores : Scores
        With rows of subject ``"all"``, fold ``"all"`` and layers in order of depth.
    roi, metric : str
        What to draw.
    width : int, default=548
        In CSS pixels.
    reference : float or None, default=0.0
        Where a line is drawn: the value of a model that explains nothing.
    styles : mapping of str to FamilyStyle, optional
        Colour and mark per family.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        If no model has two layers in this region and metric.
    """
    rows = _views.of(_views.layer_rows(scores), roi=roi, metric=metric)
    rows = rows[rows.groupby("model")["layer"].transform("size") > 1]
    if rows.empty:
        raise InputError(f"no model has two layers with roi {roi!r} and metric {metric!r}.")
    ceiled = _views.of(_views.model_rows(scores), roi=roi, metric=metric)
    curves = {
        model: (np.linspace(0, 1, len(part)), part["value"].to_numpy(dtype=np.float64))
        for model, part in ((m, rows[rows["model"] == m]) for m in _views.names(rows, "model"))
    }
    styles = styles or _style.family_styles(_views.names(_views.model_rows(scores), "family"))
    with _style.drawing():
        figure, axes = _frame(rows, ceiled, curves, styles, width=width, reference=reference)
        for line in axes.get_lines()[: len(curves)] if len(curves) <= MOST_RINGS else []:
            values = np.asarray(line.get_ydata(), dtype=np.float64)
            if np.isfinite(values).any():
                peak = int(np.nanargmin(values) if _views.is_distance(rows) else np.nanargmax(values))
                axes.plot(
                    np.asarray(line.get_xdata())[peak], values[peak], marker="o", markersize=12,
                    markerfacecolor="none", markeredgecolor=line.get_color(), markeredgewidth=1.4,
                )  # fmt: skip
        axes.set_xticks([0, 0.5, 1], ["first", "middle", "last"])
        axes.set_xlabel("layer, by depth in the model", labelpad=6)
    return figure


def plot_time_course(
    scores: Scores,
    *,
    roi: str,
    metric: str,
    width: int = 548,
    reference: float | None = 0.0,
    styles: Mapping[str, FamilyStyle] | None = None,
) -> Figure:
    """Draw value by time relative to stimulus onset, a line per model.

    Below the lines a bar per model marks the windows whose corrected p is below .05.

    Parameters
    ----------
    scores : Scores
        With rows of subject ``"all"``, fold ``"all"``, layer ``"(chosen)"`` and `time_s` in seconds.
    roi, metric : str
        What to draw.
    width : int, default=548
        In CSS pixels.
    reference : float or None, default=0.0
        Where a line is drawn: the value of a model that explains nothing.
    styles : mapping of str to FamilyStyle, optional
        Colour and mark per family.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        If no result over time has this region and metric.
    """
    rows = _views.of(_views.time_rows(scores), roi=roi, metric=metric).sort_values("time_s", kind="stable")
    if rows.empty:
        raise InputError(f"no result over time has roi {roi!r} and metric {metric!r}.")
    curves = {
        model: (part["time_s"].to_numpy(dtype=np.float64), part["value"].to_numpy(dtype=np.float64))
        for model, part in ((m, rows[rows["model"] == m]) for m in _views.names(rows, "model"))
    }
    styles = styles or _style.family_styles(_views.names(rows, "family"))
    with _style.drawing():
        figure, axes = _frame(rows, rows.iloc[:0], curves, styles, width=width, reference=reference)
        for line in axes.get_lines()[: len(curves)]:
            line.set_marker("")
        _draw_told(axes, rows, list(curves), {m: styles[str(f)].colour for m, f in _families(rows).items()})
        if rows["time_s"].min() < 0 < rows["time_s"].max():
            axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.5)
        axes.set_xlabel("time from stimulus onset (s)", labelpad=6)
    return figure


def _families(rows: pd.DataFrame) -> dict[str, str]:
    return dict(zip(rows["model"], rows["family"], strict=True))


def _draw_told(axes: Axes, rows: pd.DataFrame, models: list[str], colours: Mapping[str, str]) -> None:
    told = told_from_nothing(rows)
    if not len(told):
        return
    times = np.unique(rows["time_s"].to_numpy(dtype=np.float64))
    half = float(np.median(np.diff(times))) / 2 if len(times) > 1 else 0.005
    low, high = axes.get_ylim()
    step = 0.035 * (high - low)
    marked = [model for model in models if (told["model"] == model).any()]
    for place, model in enumerate(marked, start=1):
        for start, stop in stretches(rows["time_s"], told.loc[told["model"] == model, "time_s"]):
            axes.hlines(
                low - place * step, start - half, stop + half, color=colours[model], linewidth=4, zorder=2
            )
    axes.set_ylim(low - (len(marked) + 1) * step, high)


def _frame(
    rows: pd.DataFrame,
    ceiled: pd.DataFrame,
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    styles: Mapping[str, FamilyStyle],
    *,
    width: int,
    reference: float | None,
) -> tuple[Figure, Axes]:
    label_width = min(max(map(_style.text_width, curves)), 0.3 * width) + 24
    key = key_lines(ceiled, width - 28)
    top, bottom = 34 + 15 * len(key), 52
    plot_height = max(230.0 if width < NARROW else 270.0, _LABEL_STEP * len(curves))
    figure = _style.new_figure(width, top + round(plot_height) + bottom)
    axes = _style.new_axes(figure, left=46, right=label_width, top=top, bottom=bottom)
    axes.spines["left"].set_visible(True)
    family = _families(rows)
    for (model, (x, y)), dashes in zip(curves.items(), _dashes(curves, family), strict=True):
        style = styles[str(family[model])]
        axes.plot(
            x, y, color=style.colour, linestyle=dashes, marker=style.mark, markersize=5, linewidth=1.8
        )  # fmt: skip
    shown = _views.ceilings(ceiled)
    if len(shown) == 1:
        axes.axhspan(
            shown[0].lower, shown[0].upper, facecolor=BAND, edgecolor=BAND_EDGE, linewidth=0, zorder=0
        )
        if shown[0].lower == shown[0].upper:
            axes.axhline(shown[0].upper, color=BAND_EDGE, linewidth=2, zorder=0)
        write_key(figure, key)
    if reference is not None:
        axes.axhline(reference, color=INK, linewidth=1.0, zorder=1)
    axes.annotate(
        _views.axis_label(rows), (0, 1), (-42, 12), xycoords="axes fraction", textcoords="offset points"
    )  # fmt: skip
    _label_ends(axes, curves, {m: styles[str(f)].colour for m, f in family.items()}, plot_height, label_width)
    return figure, axes


def _dashes(
    curves: Mapping[str, object], family: Mapping[str, str]
) -> list[str | tuple[int, tuple[float, ...]]]:  # fmt: skip
    """Tell models of one family apart by their dashes."""
    seen: dict[str, int] = {}
    chosen = []
    for model in curves:
        place = seen.get(family[model], 0)
        seen[family[model]] = place + 1
        chosen.append(_DASHES[place % len(_DASHES)])
    return chosen


def _label_ends(
    axes: Axes,
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    colours: Mapping[str, str],
    height: float,
    room: float,
) -> None:
    """Name each line at its end, names spread so that none covers another."""
    low, high = axes.get_ylim()
    edge = axes.get_window_extent().width
    ends = {
        m: (x[np.isfinite(y)][-1], y[np.isfinite(y)][-1])
        for m, (x, y) in curves.items()
        if np.isfinite(y).any()
    }
    wanted = {m: (y - low) / (high - low) * height for m, (_, y) in ends.items()}
    order = sorted(wanted, key=lambda m: wanted[m])
    shown = dict(zip(order, _style.shorten_all(order, room - 21, SMALL), strict=True))
    for model, at in zip(order, _spread([wanted[m] for m in order], height), strict=True):
        axes.annotate(
            shown[model], ends[model], (edge + 18, at), xycoords="data",
            textcoords="axes points", va="center_baseline", size=SMALL, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colours[model], "linewidth": 0.7,
                "shrinkA": 1, "shrinkB": 4, "relpos": (0, 0.5)},
        )  # fmt: skip


def _spread(wanted: list[float], height: float) -> list[float]:
    """Move sorted heights as little as needed to keep a line's distance, within the axes."""
    placed = list(wanted)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + _LABEL_STEP)
    if placed:
        placed[-1] = min(placed[-1], height)
    for i in reversed(range(len(placed) - 1)):
        placed[i] = min(placed[i], placed[i + 1] - _LABEL_STEP)
    return placed
