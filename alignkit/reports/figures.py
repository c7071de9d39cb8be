"""Models of one region in order of their score, with intervals, subjects and the noise ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._core.errors import InputError
from ..recordings.scores import Scores
from . import _format, _style, _views
from ._style import BAND, BAND_EDGE, INK, MUTED, RULE, SMALL, FamilyStyle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW = 480
_LINE = 15


def plot_ranking(
    scores: Scores,
    *,
    roi: str,
    metric: str,
    width: int = 548,
    reference: float | None = 0.0,
    styles: Mapping[str, FamilyStyle] | None = None,
) -> Figure:
    """Draw the models of one region from best to worst.

    A large mark is the model's value, the line its interval, small dots are subjects, the band is the
    noise ceiling. On the right stand the value and stars of the corrected p (``*`` < .05, ``**`` < .01,
    ``***`` < .001). Below a width of 480 pixels names stand above their row.

    Parameters
    ----------
    scores : Scores
        With rows of subject ``"all"``, fold ``"all"`` and layer ``"(chosen)"``.
    roi, metric : str
        What to draw.
    width : int, default=548
        In CSS pixels (72 per inch of the figure).
    reference : float or None, default=0.0
        Where a line is drawn: the value of a model that explains nothing.
    styles : mapping of str to FamilyStyle, optional
        Colour and mark per family; by default the families in order of appearance.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot; nothing has to be closed.

    Raises
    ------
    InputError
        If no model-level result has this region and metric.
    """
    rows = _views.ranked(_views.of(_views.model_rows(scores), roi=roi, metric=metric))
    if rows.empty:
        raise InputError(f"no model-level result has roi {roi!r} and metric {metric!r}.")
    dots = _views.of(_views.subject_rows(scores), roi=roi, metric=metric)
    styles = styles or _style.family_styles(_views.names(_views.model_rows(scores), "family"))
    stacked = width < NARROW
    step = 42 if stacked else 27
    names = [str(name) for name in rows["model"]]
    left = 10.0 if stacked else min(max(map(_style.text_width, names)), 0.36 * width) + 14
    right = 12.0 if stacked else 84.0
    key = key_lines(rows, width - 28)
    top = 14 + _LINE * len(key) + (_LINE if reference else 0)
    with _style.drawing():
        figure = _style.new_figure(width, top + step * len(rows) + 50)
        axes = _style.new_axes(figure, left=left, right=right, top=top, bottom=50)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(*_limits(rows, dots, reference))
        axes.set_yticks([])
        shift = 0.2 if stacked else 0.0
        # Where names stand above their row, band and line keep out of their way.
        above = 0.0 if stacked else 0.5
        _draw_ceiling(axes, rows, above=above)
        write_key(figure, key)
        _draw_reference(axes, reference, len(rows), above=above)
        _draw_models(axes, rows, dots, styles, shift)
        _write_names(axes, rows, left=left, width=width, stacked=stacked)
        _finish_axis(axes, rows, ticks=4 if stacked else 6)
    return figure


def _limits(rows: pd.DataFrame, dots: pd.DataFrame, reference: float | None) -> tuple[float, float]:
    parts = [rows[c].to_numpy() for c in ("value", "ci_low", "ci_high")] + [dots["value"].to_numpy()]
    if not _views.is_group_mean(str(rows["metric"].iloc[0])):
        parts += [rows["ceiling_lower"].to_numpy(), rows["ceiling_upper"].to_numpy()]
    if reference is not None:
        parts.append(np.array([reference]))
    every = np.concatenate(parts)
    every = every[np.isfinite(every)]
    if not every.size:
        return 0.0, 1.0
    low, high = float(every.min()), float(every.max())
    margin = 0.04 * (high - low) or 0.1
    return low - margin, high + margin


def _draw_ceiling(axes: Axes, rows: pd.DataFrame, *, above: float) -> None:
    from matplotlib.patches import Rectangle

    shared = len(_views.ceilings(rows)) == 1
    for i, (_, row) in enumerate(rows.iterrows()):
        ceiling = _views.ceiling_of(row)
        if not ceiling.known or _views.is_group_mean(str(row["metric"])):
            continue
        low, high = i - above, i + (0.5 if shared else 0.45)
        if ceiling.lower == ceiling.upper:
            axes.vlines(ceiling.upper, low, high, color=BAND_EDGE, linewidth=2, zorder=0)
        else:
            corner, extent = (ceiling.lower, low), ceiling.upper - ceiling.lower
            axes.add_patch(Rectangle(corner, extent, high - low, facecolor=BAND, edgecolor="none", zorder=0))


def write_key(figure: Figure, lines: list[str], *, left: float = 4) -> None:
    """Write what the band is at the top of a figure, beside a swatch of it."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches() * 72
    if lines:
        corner = (left / width, 1 - 17 / height)
        swatch = Rectangle(
            corner, 12 / width, 10 / height, facecolor=BAND, edgecolor=BAND_EDGE, linewidth=0.8
        )
        swatch.set_transform(figure.transFigure)
        figure.add_artist(swatch)
    for i, text in enumerate(lines):
        at = 1 - (12 + _LINE * i) / height
        figure.text((left + 18) / width, at, text, size=SMALL, color=MUTED, va="center")


def key_lines(rows: pd.DataFrame, width: float) -> list[str]:
    """Return what the ceiling's band is, broken into lines; nothing where there is no ceiling."""
    texts = [ceiling.text for ceiling in _views.ceilings(rows)]
    if not texts:
        return []
    bound = f"noise {_views.bound_name(rows)}"
    said = f"{bound} {texts[0]}" if len(texts) == 1 else f"{bound}, each model's own"
    return _style.wrap(said, width, SMALL)


def _draw_reference(axes: Axes, reference: float | None, n_rows: int, *, above: float) -> None:
    if reference is None:
        return
    rows = np.arange(n_rows)
    axes.vlines(np.full(n_rows, reference), rows - above, rows + 0.5, color=INK, linewidth=1.0, zorder=1)
    if reference:
        axes.annotate(
            f"chance {_format.number(reference)}", (reference, 1), (-3, 4),
            xycoords=("data", "axes fraction"), textcoords="offset points", size=SMALL, color=INK,
        )  # fmt: skip


def _draw_models(
    axes: Axes,
    rows: pd.DataFrame,
    dots: pd.DataFrame,
    styles: Mapping[str, FamilyStyle],
    shift: float,
) -> None:
    for i, (_, row) in enumerate(rows.iterrows()):
        style = styles[str(row["family"])]
        y = i + shift
        axes.axhline(i + 0.5, color=RULE, linewidth=0.6, zorder=0.5)
        values = np.sort(dots.loc[dots["model"] == row["model"], "value"].to_numpy())
        values = values[np.isfinite(values)]
        # Neighbours in value step aside in turn, so that equal subjects stay countable.
        heights = y + np.resize([0.0, -0.13, 0.13], len(values))
        axes.scatter(values, heights, s=16, color=style.colour, alpha=0.32, linewidths=0, zorder=2)
        axes.hlines(y, row["ci_low"], row["ci_high"], color=style.colour, linewidth=2.4, zorder=3)
        axes.scatter(
            row["value"], y, s=74, marker=style.mark, color=style.colour, edgecolor="white", zorder=4
        )  # fmt: skip


def _write_names(axes: Axes, rows: pd.DataFrame, *, left: float, width: int, stacked: bool) -> None:
    names = _style.shorten_all([str(name) for name in rows["model"]], width - 110 if stacked else left - 13)
    for i, (name, (_, row)) in enumerate(zip(names, rows.iterrows(), strict=True)):
        stars, value = _format.stars(float(row["p_corrected"])), _format.number(float(row["value"]))
        at, start, end = (i - 0.24, 0.0, 0.0) if stacked else (float(i), 4 - left, 78.0)
        axes.annotate(
            name, (0, at), (start, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center_baseline", size=_style.SIZE,
        )  # fmt: skip
        axes.annotate(
            stars, (1, at), (end, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center_baseline", ha="right", size=_style.SIZE,
        )  # fmt: skip
        axes.annotate(
            value, (1, at), (end - 26, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center_baseline", ha="right", size=_style.SIZE,
        )  # fmt: skip


def _finish_axis(axes: Axes, rows: pd.DataFrame, *, ticks: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks))
    axes.set_xlabel(_views.axis_label(rows), labelpad=6)
