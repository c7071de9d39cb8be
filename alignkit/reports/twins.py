"""Every network beside its own twins: what training adds, and what the mechanism adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .._core.errors import InputError
from . import _format, _style, _views
from ._style import INK, SMALL
from .tables import PlainTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Kinds of twins: the mark of each, and how it is called.
MARKS = {
    "untrained": ("o", "untrained twin"),
    "matched": ("s", "matched twin: standard, without the mechanism"),
}
_NARROW = 480
_KEY_LINE = 18.0


def plot_twins(twins: pd.DataFrame, *, roi: str, metric: str, width: int = 548, unit: str = "") -> Figure:
    """Draw each network's value beside those of its twins.

    A filled dot is the network, an open dot its untrained twin, an open square its matched twin, a standard
    network without the mechanism; a line joins them. A star on the right, with the mark of the twin, says
    that the network differs from it (corrected p < .05). Below a width of 480 pixels names stand above
    their row.

    Parameters
    ----------
    twins : DataFrame
        Columns roi, metric, model, kind, value, twin_value, p_corrected.
    roi, metric : str
        What to draw.
    width : int, default=548
        In CSS pixels.
    unit : str, default=""
        Of the values, for the axis.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.

    Raises
    ------
    InputError
        If there are no twins in this region and metric.
    """
    rows = twins[(twins["roi"] == roi) & (twins["metric"] == metric)]
    if rows.empty:
        raise InputError(f"no network has a twin in roi {roi!r} by metric {metric!r}.")
    order = _by_value(rows)
    stacked = width < _NARROW
    step = 40 if stacked else 25
    kinds = [kind for kind in MARKS if kind in set(rows["kind"])]
    left = 10.0 if stacked else min(max(map(_style.text_width, order)), 0.4 * width) + 14
    top = 12 + _KEY_LINE * (1 + len(kinds))
    with _style.drawing():
        figure = _style.new_figure(width, top + step * len(order) + 48)
        axes = _style.new_axes(figure, left=left, right=64, top=top, bottom=48)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_yticks([])
        for place, name in enumerate(order):
            _draw_row(axes, rows[rows["model"] == name], place + (0.18 if stacked else 0.0))
            label = _style.shorten(name, width - 20 if stacked else left - 12)
            _write_name(axes, label, place - (0.24 if stacked else 0.0), left=left, stacked=stacked)
        axes.set_xlabel(unit or metric)
        axes.locator_params(axis="x", nbins=4 if stacked else 6)
        _write_key(figure, kinds)
    return figure


def twin_rows(twins: pd.DataFrame) -> PlainTable:
    """Return a row per region, network and twin."""
    body = tuple(
        (
            _views.region_name(str(row["roi"])), str(row["model"]), str(row["twin"]), str(row["kind"]),
            *(_format.number(float(row[c])) for c in ("value", "twin_value", "difference", "se")),
            *(_format.p_value(float(row[c])) for c in ("p", "p_corrected")),
        )
        for _, row in twins.iterrows()
    )  # fmt: skip
    head = (
        "Region", "Network", "Twin", "Kind", "Value", "Twin's value", "Difference", "SE", "p", "p corrected",
    )  # fmt: skip
    text = (
        "Difference: the network minus its twin, in the metric's unit. SE: standard error. p corrected: over "
        "these pairs alone, per metric and kind of twin."
    )
    return PlainTable(text, head, body, (False,) * 4 + (True,) * 6)


def _by_value(rows: pd.DataFrame) -> list[str]:
    values = rows.drop_duplicates("model").sort_values("value", ascending=False, kind="stable")
    return [str(name) for name in values["model"]]


def _draw_row(axes: Axes, rows: pd.DataFrame, place: float) -> None:
    value = float(rows["value"].iloc[0])
    for _, row in rows.iterrows():
        mark, _ = MARKS[str(row["kind"])]
        twin = float(row["twin_value"])
        axes.plot([value, twin], [place, place], color=INK, linewidth=0.8, alpha=0.5, zorder=1)
        axes.scatter(
            twin, place, s=66, marker=mark, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=2
        )
    # Smaller than its twins, so that one of equal value shows as a ring.
    axes.scatter(value, place, s=24, color=INK, zorder=3)
    sure = [str(row["kind"]) for _, row in rows.iterrows() if row["p_corrected"] < 0.05]
    text = " ".join("*○" if kind == "untrained" else "*□" for kind in sure)
    axes.annotate(
        text, (1, place), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
        va="center", ha="left", fontsize=SMALL,
    )  # fmt: skip


def _write_name(axes: Axes, name: str, place: float, *, left: float, stacked: bool) -> None:
    axes.annotate(
        name, (0, place), xycoords=("axes fraction", "data"), xytext=(0 if stacked else -8, 0),
        textcoords="offset points", va="center", ha="left" if stacked else "right",
    )  # fmt: skip


def _write_key(figure: Figure, kinds: list[str]) -> None:
    width, height = figure.get_size_inches() * 72
    lines = [("o", INK, "network"), *((MARKS[kind][0], "white", MARKS[kind][1]) for kind in kinds)]
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    for number, (mark, face, text) in enumerate(lines):
        y = height - 12 - _KEY_LINE * number
        axes.scatter(16, y, s=34, marker=mark, facecolor=face, edgecolor=INK, linewidth=1.1)
        axes.text(28, y, text, va="center", fontsize=SMALL)
