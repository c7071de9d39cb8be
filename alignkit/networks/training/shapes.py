"""Eight outlines on noise: a labelled set that is drawn by a seed and holds no test stimulus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core.random import RandomState, as_generator
from .._images import check_count
from ..procedural import filling, noise_canvas

SHAPES = ("bar", "box", "cross", "disc", "hexagon", "ring", "star", "triangle")

Plane = NDArray[np.float64]


def shape_images(
    n_images: int, *, size: int = 64, random_state: RandomState = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw images of one shape each, anywhere, at any angle, filled with anything.

    The outline alone tells the class: place, size, angle, colour and texture of figure and ground are drawn
    from the same distributions for all of them. The ground is 1/f noise in three correlated colours.

    Parameters
    ----------
    n_images : int
        How many; classes come in turn, so that each has as many (but for a remainder).
    size : int, default=64
        Height and width, in pixels.
    random_state : int, Generator or None, default=0
        The same seed gives the same images.

    Returns
    -------
    images : uint8 array of shape (n_images, size, size, 3)
    labels : int64 array of shape (n_images,)
        Places in ``SHAPES``.

    Raises
    ------
    InputError
        If `n_images` is below 1 or `size` below 16.

    Examples
    --------
    >>> images, labels = shape_images(16, size=32)
    >>> images.shape, labels[:3].tolist()
    ((16, 32, 32, 3), [0, 1, 2])
    """
    check_count("n_images", n_images, least=1)
    check_count("size", size, least=16)
    generator = as_generator(random_state)
    labels = np.arange(n_images) % len(SHAPES)
    images = np.empty((n_images, size, size, 3), np.uint8)
    for number, label in enumerate(labels):
        images[number] = _draw(SHAPES[label], size, generator)
    return images, labels


def _draw(shape: str, size: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    canvas = noise_canvas(size, generator)
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    angle, radius = generator.uniform(0, 2 * np.pi), generator.uniform(0.18, 0.34)
    x0, y0 = generator.uniform(0.36, 0.64, 2)
    u = ((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) / radius
    v = ((y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)) / radius
    inside = _inside(shape, u, v)
    filled = filling(x, y, generator)
    # A figure as bright as its ground would be no figure.
    gap = filled[inside].mean() - canvas[inside].mean()
    if abs(gap) < 0.2:
        filled = filled + (0.3 if gap >= 0 else -0.3)
    canvas[inside] = filled[inside]
    return np.asarray(np.round(canvas.clip(0, 1) * 255), dtype=np.uint8)


def _inside(shape: str, u: Plane, v: Plane) -> NDArray[np.bool_]:
    """Return which points belong to the figure; every outline fits the unit circle, and about fills it."""
    distance, angle = np.hypot(u, v), np.arctan2(v, u)
    if shape == "disc":
        inside = distance < 0.85
    elif shape == "ring":
        inside = (distance < 1) & (distance > 0.55)
    elif shape == "bar":
        inside = (abs(u) < 1) & (abs(v) < 0.3)
    elif shape == "cross":
        inside = ((abs(u) < 0.95) & (abs(v) < 0.3)) | ((abs(v) < 0.95) & (abs(u) < 0.3))
    elif shape == "star":
        inside = distance < 0.65 + 0.35 * np.cos(5 * angle)
    else:
        n_corners = {"triangle": 3, "box": 4, "hexagon": 6}[shape]
        step = 2 * np.pi / n_corners
        inside = distance * np.cos(angle % step - step / 2) < np.cos(step / 2)
    return np.asarray(inside)
