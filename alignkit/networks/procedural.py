"""Images drawn by a seed: 1/f noise, shapes and gratings, for statistics that no test stimulus may set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._core.random import RandomState, as_generator
from ._images import check_count

Image = NDArray[np.float64]


def procedural_images(n_images: int, *, size: int = 224, random_state: RandomState = 0) -> NDArray[np.uint8]:
    """Draw colour images whose spectra and edges are roughly those of natural ones.

    Each has a background of 1/f noise in three correlated colours; three in four carry one to six shapes
    (ellipses and rotated boxes) filled with a colour, a grating or noise of their own.

    Parameters
    ----------
    n_images : int
        How many.
    size : int, default=224
        Height and width, in pixels.
    random_state : int, Generator or None, default=0
        The same seed gives the same images.

    Returns
    -------
    images : uint8 array of shape (n_images, size, size, 3)

    Raises
    ------
    InputError
        If `n_images` is below 1 or `size` below 8.

    Examples
    --------
    >>> procedural_images(2, size=16).shape
    (2, 16, 16, 3)
    """
    check_count("n_images", n_images, least=1)
    check_count("size", size, least=8)
    generator = as_generator(random_state)
    images = np.empty((n_images, size, size, 3), np.uint8)
    for number in range(n_images):
        canvas = noise_canvas(size, generator)
        if number % 4:
            for _ in range(int(generator.integers(1, 7))):
                _add_shape(canvas, generator)
        images[number] = np.round(canvas.clip(0, 1) * 255).astype(np.uint8)
    return images


def noise_canvas(size: int, generator: np.random.Generator) -> Image:
    """Return 1/f noise in three correlated colours, (size, size, 3), about within [0, 1]."""
    row = np.fft.fftfreq(size)[:, None]
    column = np.fft.rfftfreq(size)[None, :]
    radius = np.hypot(row, column)
    radius[0, 0] = np.inf
    white = np.fft.rfft2(generator.standard_normal((4, size, size)))
    waves = np.fft.irfft2(white / radius, s=(size, size))
    waves /= waves.std(axis=(1, 2), keepdims=True)
    # Luminance carries most of a natural image's variance, colour little.
    mixed = waves[:1] + 0.35 * waves[1:]
    contrast = generator.uniform(0.08, 0.25)
    brightness = generator.uniform(0.3, 0.7)
    return np.moveaxis(brightness + contrast * mixed, 0, -1)


def _add_shape(canvas: Image, generator: np.random.Generator) -> None:
    size = canvas.shape[0]
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    angle = generator.uniform(0, np.pi)
    x0, y0 = generator.uniform(0.1, 0.9, 2)
    long, short = generator.uniform(0.05, 0.3, 2)
    u = ((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) / long
    v = ((y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)) / short
    inside = u**2 + v**2 < 1 if generator.random() < 0.5 else np.maximum(abs(u), abs(v)) < 1
    canvas[inside] = filling(x, y, generator)[inside]


def filling(x: Image, y: Image, generator: np.random.Generator) -> Image:
    """Return a colour, a grating or noise of its own for every point of a plane, (size, size, 3)."""
    colour = generator.uniform(0, 1, 3)
    kind = generator.integers(3)
    if kind == 0:
        return np.broadcast_to(colour, (*x.shape, 3))
    if kind == 1:
        angle, cycles = generator.uniform(0, np.pi), generator.uniform(4, 30)
        wave = np.sin(2 * np.pi * cycles * (x * np.cos(angle) + y * np.sin(angle)))
        contrast = generator.uniform(0.1, 0.5)
        return np.asarray(colour + contrast * wave[..., None])
    return noise_canvas(x.shape[0], generator)
