"""Dissimilarity matrices and stimuli as small pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.stats import rankdata

from .._core.errors import InputError

LARGEST = 512
THUMBNAIL = 64
_MISSING = (214, 217, 221)


def percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each dissimilarity's percentile within its own matrix, so that matrices can be compared.

    Parameters
    ----------
    values : ndarray of shape (n_pairs,)
        Any unit; NaN stays NaN.

    Returns
    -------
    percentiles : ndarray of shape (n_pairs,)
        In [0, 100]; 0 for the most alike pair, 100 for the least alike; equal values share their mean.

    Examples
    --------
    >>> percentiles(np.array([0.3, 0.1, 0.9])).tolist()
    [50.0, 0.0, 100.0]
    """
    result = np.full(len(values), np.nan)
    known = np.isfinite(values)
    n = int(known.sum())
    if n:
        ranks = rankdata(values[known])
        result[known] = 100 * (ranks - 1) / (n - 1) if n > 1 else 50.0
    return result


def matrix_png(square: NDArray[np.float64]) -> bytes:
    """Return a matrix of percentiles as a picture of one pixel per entry, at most 512 a side.

    Parameters
    ----------
    square : ndarray of shape (n_stimuli, n_stimuli)
        In [0, 100]; NaN (a pair that was not measured, and the diagonal) is drawn grey.
    """
    if len(square) > LARGEST:
        square = _shrink(square)
    index = np.full(square.shape, 255, dtype=np.uint8)
    known = np.isfinite(square)
    index[known] = np.clip(np.rint(square[known] / 100 * 254), 0, 254)
    picture = Image.fromarray(index)
    picture.putpalette([*colours(255).ravel().tolist(), *_MISSING])
    return _png(picture)


def colours(n: int) -> NDArray[np.uint8]:
    """Return `n` colours from alike (dark) to unlike (light), readable with any colour vision and in grey."""
    import matplotlib as mpl

    return np.asarray(np.rint(mpl.colormaps["viridis"](np.linspace(0, 1, n))[:, :3] * 255), dtype=np.uint8)


def thumbnail_jpeg(picture: bytes, *, index: int, side: int = THUMBNAIL) -> bytes:
    """Return a stimulus as a square JPEG on white, whole and in its proportions.

    Raises
    ------
    InputError
        If the bytes are no picture.
    """
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            rgba = opened.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(
            f"`rdm_thumbnails[{index}]` is no picture that can be read ({len(picture)} bytes); "
            "give the bytes of a PNG file."
        ) from error
    fitted = ImageOps.contain(rgba, (side, side), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (side, side), "white")
    square.alpha_composite(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    buffer = io.BytesIO()
    square.convert("RGB").save(buffer, format="JPEG", quality=85, subsampling=0)
    return buffer.getvalue()


@dataclass(frozen=True)
class AxisLayout:
    """Where stimuli stand along the axes of a matrix, in CSS pixels.

    Attributes
    ----------
    cell, side, thumbnail : float
        Size of an entry, of the matrix, of a stimulus.
    margin : float
        What the stimuli take beside the matrix.
    offsets : tuple of (float, float)
        Per stimulus: distance from the outer edge, and along the axis.
    """

    cell: float
    side: float
    thumbnail: float
    margin: float
    offsets: tuple[tuple[float, float], ...]


def axis_layout(
    n_stimuli: int, *, side: float = 460.0, least: float = 22.0, most: float = 48.0
) -> AxisLayout:
    """Place stimuli along an axis, in as many staggered rows as keep them from covering each other."""
    cell = side / n_stimuli
    size = min(most, max(least, cell - 2))
    n_rows = int(np.ceil((size + 1) / cell))
    step = size + 2
    margin = n_rows * step + 4
    offsets = tuple(
        (margin - 4 - (i % n_rows + 1) * step + 2, (i + 0.5) * cell - size / 2) for i in range(n_stimuli)
    )
    return AxisLayout(cell, side, size, margin, offsets)


def gradient(steps: int = 11) -> str:
    """Return the colour scale as the stops of a CSS gradient."""
    return ", ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours(steps))


def evenly(n: int, most: int) -> Sequence[int]:
    """Return at most `most` indices spread evenly over `n`."""
    return range(n) if n <= most else [int(i) for i in np.linspace(0, n - 1, most).round()]


def _shrink(square: NDArray[np.float64]) -> NDArray[np.float64]:
    bounds = np.linspace(0, len(square), LARGEST + 1).round().astype(int)
    known = np.isfinite(square)
    sums = np.add.reduceat(np.add.reduceat(np.where(known, square, 0.0), bounds[:-1], 0), bounds[:-1], 1)
    counts = np.add.reduceat(np.add.reduceat(known.astype(float), bounds[:-1], 0), bounds[:-1], 1)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
