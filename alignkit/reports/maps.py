"""Scores in the brain: over the MNI template where the space is MNI, as plain slices elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError
from . import _format, _style
from ._style import MUTED, SMALL
from .rdm_images import evenly
from .summary import BrainMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SLICES = 8
_BACKGROUND = "#eceef0"
# Axis through the slices -> axes across and up, what stands left and right, and the coordinate's letter.
_VIEWS = {0: (1, 2, "P", "A", "x"), 1: (0, 2, "L", "R", "y"), 2: (0, 1, "L", "R", "z")}


def map_limits(maps: Sequence[BrainMap]) -> tuple[float, float]:
    """Return one colour range for several maps: from 0 where nothing is negative, else even about 0."""
    every = [_values(one) for one in maps]
    finite = [values[np.isfinite(values)] for values in every]
    known = np.concatenate([np.zeros(1, dtype=np.float32), *finite])
    high = max(abs(float(known.min())), abs(float(known.max()))) or 1.0
    return (-high if known.min() < 0 else 0.0), high


def plot_map(
    brain_map: BrainMap, *, limits: tuple[float, float] | None = None, width: int = 548
) -> tuple[Figure, ...]:
    """Draw one map.

    Parameters
    ----------
    brain_map : BrainMap
        Three-dimensional; NaN (in MNI space also exact zeros) are left empty.
    limits : tuple of float, optional
        Colour range in the map's unit, such as :func:`map_limits` gives for several maps.
    width : int, default=548
        In CSS pixels (72 per inch of the figure).

    Returns
    -------
    figures : tuple of matplotlib Figure
        In MNI space slices through the largest connected region and a glass brain, else one figure of slices.
        Not known to pyplot.

    Raises
    ------
    InputError
        If the image is not three-dimensional or holds no value.
    """
    values = _values(brain_map)
    if not np.isfinite(values).any():
        raise InputError(f"the map {brain_map.title!r} holds no finite value.")
    low, high = limits or map_limits([brain_map])
    if is_mni(brain_map):
        return _over_template(brain_map, low, high, width)
    return (_as_slices(brain_map, low, high, width),)


def is_mni(brain_map: BrainMap) -> bool:
    """Say whether a map lies in MNI space, where the template can be drawn under it."""
    return "MNI" in brain_map.space.upper()


def _values(brain_map: BrainMap) -> NDArray[np.float32]:
    values = np.asarray(brain_map.image.dataobj, dtype=np.float32)
    if values.ndim != 3:
        raise InputError(f"the map {brain_map.title!r} must have 3 dimensions, got shape {values.shape}.")
    return values


def _colours(low: float) -> str:
    return "PuOr_r" if low < 0 else "viridis"


def _over_template(brain_map: BrainMap, low: float, high: float, width: int) -> tuple[Figure, ...]:
    import nibabel as nib
    from nilearn import plotting

    # nilearn wants finite values, and leaves those below its threshold empty.
    filled = np.nan_to_num(_values(brain_map), nan=0.0, posinf=0.0, neginf=0.0)
    image = nib.Nifti1Image(filled, brain_map.image.affine)  # type: ignore[no-untyped-call]
    shared: dict[str, Any] = {
        "vmin": low, "vmax": high, "cmap": _colours(low), "threshold": 1e-9, "black_bg": False,
        "cbar_tick_format": "%.2f",
    }  # fmt: skip
    with _style.drawing():
        slices = _style.new_figure(width, round(0.4 * width))
        plotting.plot_stat_map(image, figure=slices, draw_cross=False, **shared)
        glass = _style.new_figure(width, round(0.4 * width))
        plotting.plot_glass_brain(image, figure=glass, plot_abs=False, colorbar=True, **shared)
    return slices, glass


def _as_slices(brain_map: BrainMap, low: float, high: float, width: int) -> Figure:
    import nibabel as nib

    image: Any = nib.as_closest_canonical(brain_map.image)  # type: ignore[no-untyped-call]
    values = np.asarray(image.dataobj, dtype=np.float32)
    through = int(np.argmin(values.shape)) if 1 in values.shape else 2
    across, up, left, right, letter = _VIEWS[through]
    held = np.flatnonzero(np.isfinite(values).any(axis=(across, up)))
    chosen = [int(held[i]) for i in evenly(len(held), MOST_SLICES)]
    spans = [_span(values, axis) for axis in (across, up)]
    size = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    extent = [float(size[a] * (s.stop - s.start)) for a, s in zip((across, up), spans, strict=True)]
    n_columns = min(len(chosen), 4 if width >= 480 else 2)
    n_rows = -(-len(chosen) // n_columns)
    panel = (width - 80) / n_columns
    height = min(panel * extent[1] / extent[0], 420.0)
    with _style.drawing():
        figure = _style.new_figure(width, round(n_rows * (height + 30)) + 8)
        for i, index in enumerate(chosen):
            row, column = divmod(i, n_columns)
            top = 26 + row * (height + 30)
            axes = _style.new_axes(
                figure, left=column * panel + 14, right=width - (column + 1) * panel + 2, top=top,
                bottom=round(n_rows * (height + 30)) + 8 - top - height,
            )  # fmt: skip
            cut = np.take(values, index, axis=through)[spans[0], spans[1]]
            drawn = axes.imshow(
                np.ma.masked_invalid(cut.T), origin="lower", vmin=low, vmax=high, cmap=_colours(low),
                extent=(0, extent[0], 0, extent[1]), interpolation="none",
            )  # fmt: skip
            axes.set_facecolor(_BACKGROUND)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines["bottom"].set_visible(False)
            millimetres = float(image.affine[through, through] * index + image.affine[through, 3])
            shown = f"{letter} = {_format.number(millimetres, decimals=0)} mm"
            axes.set_title(shown, size=SMALL, color=MUTED, pad=5)
            axes.set_title(left, loc="left", size=SMALL, color=MUTED, pad=5)
            axes.set_title(right, loc="right", size=SMALL, color=MUTED, pad=5)
        _scale(figure, drawn, brain_map.unit)
    return figure


def _span(values: NDArray[np.float32], axis: int, margin: int = 2) -> slice:
    held = np.flatnonzero(np.isfinite(values).any(axis=tuple(a for a in range(3) if a != axis)))
    return slice(max(0, int(held[0]) - margin), min(values.shape[axis], int(held[-1]) + margin + 1))


def _scale(figure: Figure, drawn: Any, unit: str) -> None:
    width, height = figure.get_size_inches() * 72
    length = min(height - 44, 200)
    box = (1 - 58 / width, 1 - (30 + length) / height, 10 / width, length / height)
    low, high = drawn.get_clim()
    bar = figure.colorbar(drawn, cax=figure.add_axes(box), ticks=[low, (low + high) / 2, high])
    bar.outline.set_visible(False)
    bar.ax.set_yticklabels([_format.number(float(tick), decimals=2) for tick in bar.get_ticks()])
    bar.ax.set_title(unit, size=SMALL, loc="right", pad=6)
