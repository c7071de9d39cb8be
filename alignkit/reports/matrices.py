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
        The value of the scale's middle, such as chance; None: the scale goes from its least value up.
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
    left = 62.0
    if not matrix.has_times:
        left = 34.0 + max(_style.text_width(_short(name), SMALL) for name in matrix.rows)
    side = min(_LARGEST, width - left - _BAR)
    height = side * len(matrix.rows) / len(matrix.columns)
    below = 46.0
    if not matrix.has_times:
        below = 40.0 + max(_style.text_width(_short(name), SMALL) for name in matrix.columns)
    with _style.drawing():
        figure = _style.new_figure(width, height + below + 8)
        axes = _style.new_axes(figure, left=left, right=width - left - side, top=8, bottom=below)
        image = _draw(axes, matrix)
        axes.set_xlabel(matrix.column_axis, labelpad=6)
        axes.set_ylabel(matrix.row_axis, labelpad=6)
        total = height + below + 8
        bar = figure.add_axes(((left + side + 12) / width, below / total, 10 / width, height / total))
        figure.colorbar(image, cax=bar).outline.set_visible(False)
        bar.tick_params(length=2, labelsize=SMALL, colors=MUTED, labelcolor=INK)
        bar.set_title(matrix.unit if len(matrix.unit) < 10 else "", fontsize=SMALL, pad=4)
    return figure


def _draw(axes: Axes, matrix: Matrix) -> Any:
    values = np.asarray(matrix.values, dtype=np.float64)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    scale: dict[str, Any] = {"cmap": "viridis", "vmin": low, "vmax": high if high > low else low + 1}
    if matrix.centre is not None:
        reach = max(high - matrix.centre, matrix.centre - low, 1e-12)
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
    axes.set_xticks(range(len(matrix.columns)), [_short(name) for name in matrix.columns], rotation=90)
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
