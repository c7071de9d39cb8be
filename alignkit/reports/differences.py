"""Every pair of models of one region, as one triangle that thirty models still fit into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError
from . import _format, _style
from ._style import INK, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_NUMBERS_FROM = 58.0
_STARS_FROM = 24.0
_SMALLEST_CELL = 11.0
_LINE = 17.0
_MANY = 12


def plot_differences(
    differences: pd.DataFrame,
    *,
    roi: str,
    metric: str,
    order: Sequence[str],
    width: int = 548,
    unit: str = "",
) -> Figure:
    """Draw how much each model exceeds each lower-ranked one, and which differences hold.

    Rows and columns are the models in `order`; a cell is the column's model minus the row's. Stars (dots
    where cells are small) mark a corrected p below .05; large cells also hold the number.

    Parameters
    ----------
    differences : DataFrame
        Columns roi, metric, model_a, model_b, difference (a minus b), p_corrected.
    roi, metric : str
        What to draw.
    order : sequence of str
        The models from best to worst; those without a difference are left out.
    width : int, default=548
        Least width in CSS pixels; many models make the figure wider, never a cell narrower than 11
        pixels or lower than 17.
    unit : str, default=""
        Unit of the differences.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        If fewer than two models of `order` have differences in this region and metric.
    """
    rows = differences[(differences["roi"] == roi) & (differences["metric"] == metric)]
    compared = set(rows["model_a"]) | set(rows["model_b"])
    models = [name for name in order if name in compared]
    if len(models) < 2:
        raise InputError(
            f"differences of roi {roi!r} and metric {metric!r} cover {len(models)} of the "
            f"{len(order)} models in `order`; at least 2 are needed."
        )
    excess, p = _matrices(rows, models)
    room = min(
        max(_style.text_width(name) for name in models), (0.36 if len(models) <= _MANY else 0.26) * width
    )
    names = _style.shorten_all(models, room + 1)
    left = room + 36
    cell = max(_SMALLEST_CELL, min(64.0, (width - left - 20) / len(models)))
    if cell < _NUMBERS_FROM:
        cell = min(cell, 34.0)
    width = max(width, round(left + cell * len(models) + 20))
    grid, step = cell * len(models), max(_LINE, min(cell, 27.0))
    with _style.drawing():
        height = round(12 + step * len(models) + 80)
        figure = _style.new_figure(width, height)
        axes = _style.new_axes(figure, left=left, right=width - left - grid, top=12, bottom=80)
        limit = float(np.nanmax(np.abs(excess), initial=0)) or 1.0
        _draw_cells(axes, excess, p, limit, cell)
        _write_ranks(axes, names, left)
        _draw_scale(figure, limit, left=left, length=min(grid, 260.0), unit=unit)
    return figure


def _matrices(
    rows: pd.DataFrame, models: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    place = {name: i for i, name in enumerate(models)}
    excess = np.full((len(models), len(models)), np.nan)
    p = np.full_like(excess, np.nan)
    for a, b, difference, p_corrected in zip(
        rows["model_a"], rows["model_b"], rows["difference"], rows["p_corrected"], strict=True
    ):
        if a in place and b in place and a != b:
            better, worse = sorted((place[a], place[b]))
            excess[worse, better] = difference if place[a] == better else -difference
            p[worse, better] = p_corrected
    return excess, p


def _draw_cells(
    axes: Axes, excess: NDArray[np.float64], p: NDArray[np.float64], limit: float, cell: float
) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    rows, columns = np.nonzero(np.isfinite(excess))
    faces = colour_map()(0.5 + 0.5 * excess[rows, columns] / limit)
    corners = zip(columns - 0.5, rows - 0.5, strict=True)
    boxes = [Rectangle((float(x), float(y)), 1, 1) for x, y in corners]
    axes.add_collection(PatchCollection(boxes, facecolors=faces, edgecolors="white", linewidths=1))
    inks = np.array([INK if _luminance(face) > 0.35 else "white" for face in faces])
    if cell < _STARS_FROM:
        holds = p[rows, columns] < 0.05
        axes.scatter(columns[holds], rows[holds], s=14, color=inks[holds], linewidths=0)
        return
    for row, column, ink in zip(rows, columns, inks, strict=True):
        value, chance = float(excess[row, column]), float(p[row, column])
        digits = _format.number(value, decimals=2) if cell >= _NUMBERS_FROM else ""
        shown = f"{digits}{_format.stars(chance)}"
        axes.text(float(column), float(row), shown, ha="center", va="center_baseline", size=SMALL, color=ink)


def _write_ranks(axes: Axes, names: Sequence[str], left: float) -> None:
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    for i, name in enumerate(names):
        for text, start, side in ((str(i + 1), 22 - left, "right"), (name, 28 - left, "left")):
            axes.annotate(
                text, (0, i), (start, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                va="center_baseline", ha=side, size=_style.SIZE,
            )  # fmt: skip
        # From the cell's left edge: two digits are wider than the narrowest cell, and right of it is free.
        axes.text(i - 0.4, i, str(i + 1), va="center_baseline", size=SMALL, color=_style.MUTED)


def _draw_scale(figure: Figure, limit: float, *, left: float, length: float, unit: str) -> None:
    width, height = figure.get_size_inches() * 72
    length = max(length, 150.0)
    start = min(left, width - length - 24)
    axes = figure.add_axes((start / width, 50 / height, length / width, 9 / height))
    axes.imshow(np.linspace(-1, 1, 128)[None], aspect="auto", cmap=colour_map(), extent=(-limit, limit, 0, 1))
    axes.set_yticks([])
    ticks = [-limit, 0.0, limit]
    axes.set_xticks(ticks, [_format.number(tick, decimals=2) for tick in ticks])
    axes.tick_params(length=3, width=0.8, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_visible(False)
    said = f"column minus row ({unit})" if unit else "column minus row"
    said = _style.shorten(said, width - 8)
    start = min(start, width - 4 - _style.text_width(said))
    figure.text(start / width, 12 / height, said, va="center")


def colour_map() -> Colormap:
    """Return purple to orange through near-white: told apart by every kind of colour vision."""
    import matplotlib as mpl

    return mpl.colormaps["PuOr_r"]


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
