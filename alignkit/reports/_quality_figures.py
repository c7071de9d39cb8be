"""Figures of a quality report: curves, spreads, timelines, a mark per channel, slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.quality.report import Curve, Dots, FigureData, Histogram, Slices, Timeline
from . import _format, _style
from ._style import INK, MUTED, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("#0072b2", "#59626d", "#9aa2ab")
_OUT = "#d55e00"
_LEFT = 54
_MOST_POINTS = 1200
_MOST_ROWS = 12
_MOST_FLAGGED = 6
_ROW = 22


def draw(data: FigureData, *, width: int) -> Figure:
    """Draw one figure of a quality report.

    Parameters
    ----------
    data : Curve, Histogram, Timeline, Dots or Slices
        What it shows.
    width : int
        In CSS pixels (72 per inch of the figure).
    """
    with _style.drawing():
        if isinstance(data, Curve):
            return _curve(data, width)
        if isinstance(data, Histogram):
            return _histogram(data, width)
        if isinstance(data, Timeline):
            return _timeline(data, width)
        if isinstance(data, Dots):
            return _dots(data, width)
        return _slices(data, width)


def alternative(data: FigureData) -> str:
    """Return what a reader who does not see the figure is told."""
    if isinstance(data, Timeline):
        count = sum(len(onsets) for onsets, _ in data.events.values())
        return f"{data.title} of {data.where}: {count} over {data.length_s:g} s."
    if isinstance(data, Slices):
        return f"{data.title} of {data.where}: {len(data.images)} axial slices ({data.label})."
    values = np.concatenate(list(data.lines.values())) if isinstance(data, Curve) else data.values
    known = values[np.isfinite(values)]
    if not known.size:
        return f"{data.title} of {data.where}: no value."
    label = data.y_label if isinstance(data, Curve) else data.label
    return f"{data.title} of {data.where}: {known.min():.3g} to {known.max():.3g} ({label})."


def _axes(width: int, plot_height: int, *, title: str, extra: int = 0) -> tuple[Figure, Axes]:
    top = 34 + extra
    figure = _style.new_figure(width, top + plot_height + 50)
    axes = _style.new_axes(figure, left=_LEFT, right=14, top=top, bottom=50)
    axes.spines["left"].set_visible(True)
    axes.annotate(
        title, (0, 1), (-_LEFT + 4, 12), xycoords="axes fraction", textcoords="offset points"
    )  # fmt: skip
    return figure, axes


def _curve(data: Curve, width: int) -> Figure:
    from matplotlib.ticker import MaxNLocator

    several = len(data.lines) > 1
    keys = _key_rows(list(data.lines), width) if several else []
    figure, axes = _axes(width, 190, title=data.y_label, extra=17 * len(keys))
    for place in data.marked:
        axes.axvline(place, color=_OUT, linewidth=2, alpha=0.35, zorder=1)
    for i, values in enumerate(data.lines.values()):
        x, y = _thinned(data.x, values)
        axes.plot(x, y, color=_LINES[i % len(_LINES)], linewidth=1.8 if i == 0 else 1.2, zorder=3 - 0.1 * i)
    if data.threshold is not None:
        axes.axhline(data.threshold, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=2)
    if data.log:
        _log_scale(axes)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if len(data.x) > 1:
        axes.set_xlim(float(data.x[0]), float(data.x[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8 if width > 480 else 5))
    axes.set_xlabel(data.x_label, labelpad=6)
    _write_key(figure, keys)
    return figure


def _histogram(data: Histogram, width: int) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(width, 190, title="how many")
    values = data.values[np.isfinite(data.values)]
    if values.size:
        spread = float(np.ptp(values))
        middle = float(values.mean())
        # All alike: a bar of its own, wide enough to be seen.
        half = 0.5 * max(abs(middle) * 0.1, 0.05)
        limits = (middle - half, middle + half) if spread < 1e-9 * max(1.0, abs(middle)) else None
        edges = np.histogram_bin_edges(values, bins=min(40, max(8, values.size // 4)), range=limits)
        axes.hist(values, bins=list(edges), color=_LINES[0], rwidth=0.92)
    if data.mark is not None and np.isfinite(data.mark):
        axes.axvline(data.mark, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        low, high = axes.get_xlim()
        is_right = (data.mark - low) > 0.6 * (high - low)
        axes.annotate(
            f"median {_format.number(data.mark, decimals=_decimals(data.mark))}", (data.mark, 1),
            (-5 if is_right else 5, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="right" if is_right else "left", size=SMALL, color=MUTED,
        )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7 if width > 480 else 5))
    axes.set_xlabel(data.label, labelpad=6)
    return figure


def _timeline(data: Timeline, width: int) -> Figure:
    from matplotlib.ticker import MaxNLocator

    names = list(data.events)[:_MOST_ROWS]
    left = min(max(_style.text_width(name, SMALL) for name in names), 0.3 * width) + 14
    figure = _style.new_figure(width, 12 + _ROW * len(names) + 50)
    axes = _style.new_axes(figure, left=left, right=14, top=12, bottom=50)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([])
    low = min(0.0, *(float(onsets.min()) for onsets, _ in data.events.values() if len(onsets)))
    high = max(data.length_s, *(float(onsets.max()) for onsets, _ in data.events.values() if len(onsets)))
    margin = 0.01 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    # The run itself, so that what lies outside it is seen to.
    axes.axvspan(0, data.length_s, color="#f0f3f6", zorder=0)
    least = 0.003 * (high - low)
    for row, (name, shown) in enumerate(
        zip(names, _style.shorten_all(names, left - 10, SMALL), strict=True)
    ):  # fmt: skip
        onsets, durations = data.events[name]
        outside = (onsets < 0) | (onsets >= data.length_s)
        for part, colour in ((~outside, _LINES[0]), (outside, _OUT)):
            if part.any():
                spans = list(zip(onsets[part], np.maximum(durations[part], least), strict=True))
                axes.broken_barh(spans, (row - 0.32, 0.64), facecolor=colour, zorder=2)
        axes.annotate(
            shown, (0, row), (-left + 4, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center_baseline", size=SMALL,
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8 if width > 480 else 5))
    axes.set_xlabel("seconds from the first sample", labelpad=6)
    return figure


def _dots(data: Dots, width: int) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes(width, 190, title=data.label)
    places = np.arange(len(data.values))
    flagged = np.isin(np.array(data.names, dtype=object), list(data.flagged))
    axes.scatter(places[~flagged], data.values[~flagged], s=18, color=_LINES[0], alpha=0.7, linewidths=0)
    axes.scatter(places[flagged], data.values[flagged], s=44, color=_OUT, marker="D", zorder=3)
    known = data.values[np.isfinite(data.values)]
    if known.size and known.min() > 0 and known.max() > 20 * known.min():
        _log_scale(axes)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.margins(y=0.12)
    if known.size:
        axes.axhline(float(np.median(known)), color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set_xlim(-0.02 * len(places) - 0.5, 1.02 * len(places) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_xlabel("channel, in the order of the file", labelpad=6)
    _name_flagged(axes, data, flagged)
    return figure


def _name_flagged(axes: Axes, data: Dots, flagged: NDArray[np.bool_]) -> None:
    """Write names beside what stands out, as long as none covers another; the table names all."""
    taken: list[tuple[float, float]] = []
    for place in np.flatnonzero(flagged & np.isfinite(data.values)):
        x, y = axes.transData.transform((place, data.values[place]))
        if any(abs(x - other_x) < 90 and abs(y - other_y) < 14 for other_x, other_y in taken):
            continue
        taken.append((x, y))
        is_right = place > 0.7 * len(data.values)
        axes.annotate(
            data.names[place], (place, data.values[place]), (-7 if is_right else 7, 0),
            textcoords="offset points", size=SMALL, va="center_baseline",
            ha="right" if is_right else "left",
        )  # fmt: skip
        if len(taken) == _MOST_FLAGGED:
            return


def _slices(data: Slices, width: int) -> Figure:
    every = np.concatenate([image[np.isfinite(image)] for image in data.images])
    high = (float(np.quantile(every, 0.98)) if every.size else 1.0) or 1.0
    # Damaged values may all be below zero; they are shown as they are.
    low = 0.0 if high > 0 else float(every.min())
    n_columns = len(data.images) if width >= 480 else min(2, len(data.images))
    n_rows = -(-len(data.images) // n_columns)
    panel = min((width - 76) / n_columns, 330.0)
    shapes = [_extent(image, size) for image, size in zip(data.images, data.pixels_mm, strict=True)]
    tallest = max(up / across for across, up in shapes)
    height = min((panel - 12) * tallest, 340.0)
    total = round(n_rows * (height + 30)) + 10
    figure = _style.new_figure(width, total)
    drawn: Any = None
    for i, (image, name, extent) in enumerate(zip(data.images, data.names, shapes, strict=True)):
        row, column = divmod(i, n_columns)
        top = 26 + row * (height + 30)
        axes = _style.new_axes(
            figure, left=column * panel + 6, right=width - (column + 1) * panel + 6, top=top,
            bottom=total - top - height,
        )  # fmt: skip
        drawn = axes.imshow(
            np.ma.masked_invalid(image.T), origin="lower", vmin=low, vmax=high, cmap="viridis",
            extent=(0, extent[0], 0, extent[1]), interpolation="none",
        )  # fmt: skip
        axes.set_facecolor("#eceef0")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_title(name, size=SMALL, color=MUTED, pad=5)
    _scale(figure, drawn, data.label, min(height, 180.0))
    return figure


def _extent(image: NDArray[np.float32], size: tuple[float, float]) -> tuple[float, float]:
    return image.shape[0] * size[0], image.shape[1] * size[1]


def _scale(figure: Figure, drawn: Any, label: str, length: float) -> None:
    width, height = figure.get_size_inches() * 72
    box = (1 - 52 / width, 1 - (32 + length) / height, 10 / width, length / height)
    low, high = drawn.get_clim()
    bar = figure.colorbar(drawn, cax=figure.add_axes(box), ticks=[low, (low + high) / 2, high])
    bar.outline.set_visible(False)
    bar.ax.set_yticklabels([_format.number(float(tick), decimals=0) for tick in bar.get_ticks()])
    bar.ax.set_title(label, size=SMALL, loc="left", pad=9)


def _log_scale(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", left=False)


def _power_of_ten(value: float, _: int) -> str:
    """Write a tick in full where that is short, otherwise as a power that needs no mathematics."""
    return f"{value:g}" if 1e-3 <= value < 1e4 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return at most so many points, the least and the largest of each stretch, so that no peak is lost."""
    if len(x) <= _MOST_POINTS:
        return x, y
    parts = np.array_split(np.arange(len(x)), _MOST_POINTS // 2)
    kept = []
    for part in parts:
        values = y[part]
        if np.isfinite(values).any():
            kept += sorted({int(part[np.nanargmin(values)]), int(part[np.nanargmax(values)])})
    return x[kept], y[kept]


def _key_rows(names: list[str], width: int) -> list[list[str]]:
    """Return the names of lines in as many rows as they need."""
    rows: list[list[str]] = [[]]
    used = 4.0
    for name in names:
        need = 26 + _style.text_width(name, SMALL) + 14
        if rows[-1] and used + need > width - 8:
            rows.append([])
            used = 4.0
        rows[-1].append(name)
        used += need
    return rows


def _write_key(figure: Figure, rows: list[list[str]]) -> None:
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches() * 72
    number = 0
    for row, names in enumerate(rows):
        at, y = 4.0, 1 - (12 + 17 * row) / height
        for name in names:
            colour = _LINES[number % len(_LINES)]
            line = Line2D([at / width, (at + 18) / width], [y, y], color=colour, linewidth=2.4)
            line.set_transform(figure.transFigure)
            figure.add_artist(line)
            figure.text((at + 24) / width, y, name, size=SMALL, color=MUTED, va="center")
            at += 26 + _style.text_width(name, SMALL) + 14
            number += 1


def _decimals(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
