"""Matrices with a scale of their own: decoding over times x times, and which class was taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from . import _style
from ._style import INK, MUTED, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST = 440.0
_LARGEST_CELL = 76.0
_ABOVE = 24.0
_BAR = 74.0
MOST_NUMBERS = 12


@dataclass(frozen=True, eq=False)
class Matrix:
    """Values of rows x columns, and what both are.

    Attributes
    ----------
    title, caption : str
        Heading, and what a reader should know.
    values : ndarray of shape (n_rows, n_columns)
        In `unit`; NaN is drawn grey.
    rows, columns : tuple of str or of float
        Names, or times in seconds from onset.
    row_axis, column_axis : str
        What they are, such as ``"trained at"``.
    unit : str
        What the colour says.
    centre : float or None
        The value of the scale's middle, such as chance; None: the scale goes from 0, or from the least value
        where that is below, to the largest.
    """

    title: str
    values: NDArray[np.float64]
    rows: tuple[str, ...] | tuple[float, ...]
    columns: tuple[str, ...] | tuple[float, ...]
    row_axis: str
    column_axis: str
    unit: str
    centre: float | None = None
    caption: str = ""

    def __post_init__(self) -> None:
        wanted = (len(self.rows), len(self.columns))
        if np.shape(self.values) != wanted:
            raise InputError(f"the matrix {self.title!r} must be {wanted}, got {np.shape(self.values)}.")

    @property
    def has_times(self) -> bool:
        """Whether rows and columns are times."""
        return isinstance(self.rows[0], float)


def plot_matrix(matrix: Matrix, *, width: int = 548) -> Figure:
    """Draw a matrix with its scale.

    Parameters
    ----------
    matrix : Matrix
        Of times, drawn from below, or of names, drawn from above.
    width : int, default=548
        In CSS pixels.

    Returns
    -------
    figure : matplotlib Figure
        Not known to pyplot.
    """
    left, below, turned = 62.0, 46.0, False
    side = width - left - _BAR
    if not matrix.has_times:
        left = 34.0 + max(_style.text_width(_short(name), SMALL) for name in matrix.rows)
        side = min(width - left - _BAR, _LARGEST_CELL * len(matrix.columns))
        longest = max(_style.text_width(_short(name), SMALL) for name in matrix.columns)
        turned = longest > min(side, _LARGEST) / len(matrix.columns) - 6
        below = 40.0 + (longest if turned else SMALL)
    side = min(_LARGEST, side)
    height = side * len(matrix.rows) / len(matrix.columns)
    total = height + below + _ABOVE
    with _style.drawing():
        figure = _style.new_figure(width, total)
        axes = _style.new_axes(figure, left=left, right=width - left - side, top=_ABOVE, bottom=below)
        image = _draw(axes, matrix, turned=turned)
        axes.set_xlabel(matrix.column_axis, labelpad=6)
        axes.set_ylabel(matrix.row_axis, labelpad=6)
        bar = figure.add_axes(((left + side + 12) / width, below / total, 10 / width, height / total))
        figure.colorbar(image, cax=bar).outline.set_visible(False)
        # A scale that is even about chance ends in values that a score cannot have; none of them is drawn.
        bar.set_ylim(*_range(matrix))
        bar.tick_params(length=2, labelsize=SMALL, colors=MUTED, labelcolor=INK)
        named = len(matrix.unit) < 10
        bar.set_title(matrix.unit if named else "", fontsize=SMALL, pad=6, loc="left")
    return figure


def _range(matrix: Matrix) -> tuple[float, float]:
    values = np.asarray(matrix.values, dtype=np.float64)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    low = min(low, 0.0) if matrix.centre is None else min(low, matrix.centre)
    high = high if matrix.centre is None else max(high, matrix.centre)
    return low, high if high > low else low + 1.0


def _draw(axes: Axes, matrix: Matrix, *, turned: bool) -> Any:
    values = np.asarray(matrix.values, dtype=np.float64)
    low, high = _range(matrix)
    scale: dict[str, Any] = {"cmap": "Blues", "vmin": low, "vmax": high}
    if matrix.centre is not None:
        reach = max(high - matrix.centre, matrix.centre - low)
        scale = {"cmap": "RdBu_r", "vmin": matrix.centre - reach, "vmax": matrix.centre + reach}
    axes.set_facecolor("#d6d9dd")
    for spine in axes.spines.values():
        spine.set_visible(False)
    if matrix.has_times:
        extent = (*_edges(matrix.columns), *_edges(matrix.rows))
        image = axes.imshow(
            values, origin="lower", extent=extent, aspect="auto", interpolation="nearest", **scale
        )
        for line in (axes.axvline, axes.axhline):
            line(0.0, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        return image
    image = axes.imshow(values, aspect="auto", interpolation="nearest", **scale)
    angle = 90 if turned else 0
    axes.set_xticks(range(len(matrix.columns)), [_short(name) for name in matrix.columns], rotation=angle)
    axes.set_yticks(range(len(matrix.rows)), [_short(name) for name in matrix.rows])
    axes.tick_params(length=0)
    if max(values.shape) <= MOST_NUMBERS:
        _write_numbers(axes, image, values)
    return image


def _write_numbers(axes: Axes, image: Any, values: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            text = f"{value:.2f}".removeprefix("0") if abs(value) < 1 else f"{value:.0f}"
            axes.text(
                column, row, text, ha="center", va="center", fontsize=10, color="white" if dark else INK
            )


def _edges(times: tuple[Any, ...]) -> tuple[float, float]:
    half = (times[-1] - times[0]) / max(len(times) - 1, 1) / 2 or 0.5
    return float(times[0] - half), float(times[-1] + half)


def _short(name: Any) -> str:
    return _style.shorten(str(name), 120, SMALL)
