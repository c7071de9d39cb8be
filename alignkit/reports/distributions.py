"""How scores spread over channels: voxels, sensors, electrodes or neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._core.errors import InputError
from . import _format, _style
from ._style import INK, RULE, SMALL, FamilyStyle
from .figures import NARROW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_channel_values(
    values: pd.DataFrame,
    *,
    roi: str,
    metric: str,
    width: int = 548,
    unit: str = "",
    styles: Mapping[str, FamilyStyle] | None = None,
) -> Figure:
    """Draw the spread of a score over channels, a row per model, largest median first.

    The thin line covers the 5th to 95th percentile, the thick one the quartiles, the mark is the median;
    median and number of channels stand on the right. Channels without a value (NaN) are not counted.

    Parameters
    ----------
    values : DataFrame
        Columns roi, model, metric, value; a row per channel.
    roi, metric : str
        What to draw.
    width : int, default=548
        In CSS pixels.
    unit : str, default=""
        Unit of the values.
    styles : mapping of str to FamilyStyle, optional
        Colour and mark per model.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        If no channel has a value in this region and metric.
    """
    rows = values[(values["roi"] == roi) & (values["metric"] == metric) & values["value"].notna()]
    if rows.empty:
        raise InputError(f"no channel has a value with roi {roi!r} and metric {metric!r}.")
    spread = rows.groupby("model")["value"].quantile(np.array([0.05, 0.25, 0.5, 0.75, 0.95])).unstack()
    spread = spread.assign(n=rows.groupby("model").size())
    spread = spread.iloc[np.argsort(-spread[0.5].to_numpy(), kind="stable")]
    styles = styles or _style.family_styles([str(m) for m in spread.index])
    stacked = width < NARROW
    step = 42 if stacked else 27
    left = 10.0 if stacked else min(max(_style.text_width(str(m)) for m in spread.index), 0.36 * width) + 14
    with _style.drawing():
        figure = _style.new_figure(width, 12 + step * len(spread) + 50)
        axes = _style.new_axes(figure, left=left, right=12 if stacked else 130, top=12, bottom=50)
        axes.set_ylim(len(spread) - 0.5, -0.5)
        axes.set_yticks([])
        axes.axvline(0, color=INK, linewidth=1.0, zorder=1)
        _draw_rows(axes, spread, styles, left=left, width=width, stacked=stacked)
        axes.set_xlabel(f"{metric} ({unit})" if unit and unit != metric else metric, labelpad=6)
    return figure


def _draw_rows(
    axes: Axes,
    spread: pd.DataFrame,
    styles: Mapping[str, FamilyStyle],
    *,
    left: float,
    width: int,
    stacked: bool,
) -> None:
    names = _style.shorten_all([str(m) for m in spread.index], width - 150 if stacked else left - 13)
    for i, (model, row) in enumerate(spread.iterrows()):
        y = i + (0.2 if stacked else 0.0)
        style = styles[str(model)]
        axes.axhline(i + 0.5, color=RULE, linewidth=0.6, zorder=0.5)
        axes.hlines(y, row[0.05], row[0.95], color=style.colour, linewidth=1.2, zorder=2)
        axes.hlines(y, row[0.25], row[0.75], color=style.colour, linewidth=6, alpha=0.45, zorder=3)
        axes.scatter(row[0.5], y, s=60, marker=style.mark, color=style.colour, edgecolor="white", zorder=4)
        at = i - 0.24 if stacked else float(i)
        said = f"{_format.number(float(row[0.5]))}, n = {int(row['n']):,}"
        axes.annotate(
            names[i], (0, at), (0 if stacked else -left + 4, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points", va="center_baseline",
        )  # fmt: skip
        axes.annotate(
            said, (1, at), (0 if stacked else 124, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center_baseline", ha="right", size=SMALL,
        )  # fmt: skip
    low, high = float(np.nanmin(spread[0.05])), float(np.nanmax(spread[0.95]))
    margin = 0.05 * (max(high, 0) - min(low, 0)) or 0.1
    axes.set_xlim(min(low, 0) - margin, max(high, 0) + margin)
