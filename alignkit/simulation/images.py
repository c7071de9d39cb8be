"""Images for simulated participants: cut from pictures that ship with scikit-learn, and drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .._core.atomic import atomic_folder
from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ..recordings.stimuli import StimulusSet

Rng = np.random.Generator
Colour = tuple[int, int, int]
# Shapes are drawn larger and shrunk, so that their edges are smooth.
_OVERSAMPLING = 2
# Empty sky evokes nothing: a cut whose grey levels vary less than this is drawn again, a few times.
_LEAST_CONTRAST = 35.0
# Every image is brought to this mean and standard deviation of grey levels (of 255).
_LEVEL = 125.0
_CONTRAST = 45.0
_LUMA = np.array([0.299, 0.587, 0.114])
_CUTS = 20


def make_stimuli(
    folder: str | Path, *, n_images: int = 96, size: int = 128, random_state: RandomState = 0
) -> StimulusSet:
    """Draw images of eight categories and write them as PNG, with a table of their labels.

    Photographs are random cuts of the two pictures that ship with scikit-learn, digits are its handwritten
    digits; blobs, polygons, gratings, lattices and clouds are drawn. Position, size, colour, contrast and
    background vary within every category, so that no category is one picture.

    Parameters
    ----------
    folder : str or Path
        Where ``<stimulus_id>.png`` and ``stimuli.tsv`` go; replaced whole, or not at all.
    n_images : int, default=96
        At least 8; categories take turns, so counts differ by one at most.
    size : int, default=128
        Width and height in pixels, at least 32.
    random_state : int, Generator or None, default=0
        The same seed draws the same pixels.

    Returns
    -------
    stimuli : StimulusSet
        In the order of categories. Labels: `category` (8), `contour` (curved or straight) and `kind`
        (photograph, object or texture).

    Raises
    ------
    InputError
        If `n_images` or `size` is too small.
    """
    if n_images < len(CATEGORIES):
        raise InputError(f"`n_images` must be at least {len(CATEGORIES)}, one per category, got {n_images}.")
    if size < 32:
        raise InputError(f"`size` must be at least 32 pixels, got {size}.")
    rng = as_generator(random_state)
    rows: list[dict[str, str]] = []
    with atomic_folder(folder) as temporary:
        for number, (category, (draw, contour, kind)) in enumerate(CATEGORIES.items()):
            for index in range((n_images - number - 1) // len(CATEGORIES) + 1):
                name = f"{category}{index + 1:02d}"
                _equalised(draw(size, rng)).save(temporary / f"{name}.png")
                labels = {"category": category, "contour": contour, "kind": kind}
                rows.append({"stimulus_id": name, "file": f"{name}.png", **labels})
        table = pd.DataFrame(rows)
        table.to_csv(temporary / "stimuli.tsv", sep="\t", index=False, lineterminator="\n")
    return StimulusSet(table, Path(folder))


def read_stimuli(folder: str | Path) -> StimulusSet:
    """Read the folder that :func:`make_stimuli` wrote."""
    folder = Path(folder)
    return StimulusSet(pd.read_csv(folder / "stimuli.tsv", sep="\t", dtype=str), folder)


@cache
def _photograph(name: str) -> Image.Image:
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image(name))


@cache
def _digits() -> NDArray[np.float64]:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().images, dtype=np.float64)


def _cut(name: str, size: int, rng: Rng) -> Image.Image:
    picture = _photograph(name)
    for _ in range(_CUTS):
        side = int(rng.integers(110, 280))
        left = int(rng.integers(0, picture.width - side))
        top = int(rng.integers(0, picture.height - side))
        box = (left, top, left + side, top + side)
        cut = picture.resize((size, size), Image.Resampling.LANCZOS, box=box)
        if np.asarray(cut.convert("L")).std() >= _LEAST_CONTRAST:
            break
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cut


def _building(size: int, rng: Rng) -> Image.Image:
    return _cut("china.jpg", size, rng)


def _flower(size: int, rng: Rng) -> Image.Image:
    return _cut("flower.jpg", size, rng)


def _digit(size: int, rng: Rng) -> Image.Image:
    background = _background(size, rng)
    strokes = _digits()[rng.integers(len(_digits()))] / 16 * 255
    side = int(size * rng.uniform(0.4, 0.85))
    mask = Image.fromarray(strokes.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    mask = mask.filter(ImageFilter.GaussianBlur(side / 40)).point(lambda value: 255 * (value > 110))
    left, top = (int(v) for v in rng.integers(0, size - side + 1, size=2))
    background.paste(_object_colour(rng), (left, top), mask)
    return background


def _blob(size: int, rng: Rng) -> Image.Image:
    """Draw a closed smooth outline: a circle whose radius swings with low frequencies."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radius = np.ones_like(angle)
    for frequency in (2, 3, 4):
        radius += rng.uniform(-0.22, 0.22) * np.cos(frequency * angle + rng.uniform(0, 2 * np.pi))
    return _outline(angle, radius, size, rng)


def _polygon(size: int, rng: Rng) -> Image.Image:
    """Draw a closed outline of straight edges: a polygon, or a star."""
    n_corners = int(rng.integers(3, 7))
    star = n_corners > 3 and rng.random() < 0.5
    angle = np.linspace(0, 2 * np.pi, n_corners * (1 + star), endpoint=False) + rng.uniform(0, 2 * np.pi)
    radius = rng.uniform(0.8, 1.2, size=len(angle))
    if star:
        radius[1::2] *= 0.45
    return _outline(angle, radius, size, rng)


def _outline(angle: NDArray[Any], radius: NDArray[Any], size: int, rng: Rng) -> Image.Image:
    big = size * _OVERSAMPLING
    image = _background(size, rng).resize((big, big), Image.Resampling.BICUBIC)
    reach = big * rng.uniform(0.16, 0.36)
    centre = rng.uniform(reach, big - reach, size=2)
    corners = centre + reach * np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    points = [(float(x), float(y)) for x, y in corners]
    pen = ImageDraw.Draw(image)
    if rng.random() < 0.6:
        pen.polygon(points, fill=_object_colour(rng))
    else:
        width = int(rng.integers(5, 13)) * big // 256
        pen.line([*points, points[0], points[1]], fill=_object_colour(rng), width=width, joint="curve")
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _grating(size: int, rng: Rng) -> Image.Image:
    x, y = _grid(size)
    angle, frequency = rng.uniform(0, np.pi), 2 ** rng.uniform(1.3, 4.2)
    wave = np.sin(2 * np.pi * frequency * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 2 * np.pi))
    centre, width = rng.uniform(-0.2, 0.2, size=2), rng.uniform(0.12, 0.4)
    window = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
    return _tinted(0.5 + 0.5 * rng.uniform(0.4, 1.0) * wave * window, rng)


def _lattice(size: int, rng: Rng) -> Image.Image:
    """Draw checks, or bricks of straight lines, turned and scaled at random."""
    x, y = _grid(size)
    angle, scale = rng.uniform(0, np.pi), 2 ** rng.uniform(2.0, 3.8)
    u = scale * (x * np.cos(angle) + y * np.sin(angle))
    v = scale * (y * np.cos(angle) - x * np.sin(angle)) * rng.uniform(0.5, 1.0)
    if rng.random() < 0.5:
        pattern = (np.floor(u) + np.floor(v)) % 2
    else:
        shifted = u + 0.5 * (np.floor(v) % 2)
        pattern = ((shifted % 1 < 0.15) | (v % 1 < 0.15)).astype(np.float64)
    return _tinted(0.5 + rng.uniform(0.5, 1.0) * (pattern - 0.5), rng)


def _cloud(size: int, rng: Rng) -> Image.Image:
    values = _noise(size, rng, slope=rng.uniform(0.8, 2.2))
    return _tinted(0.5 + rng.uniform(0.15, 0.25) * values, rng)


def _background(size: int, rng: Rng) -> Image.Image:
    """Return a plain ground with faint 1/f noise."""
    level, contrast = rng.uniform(0.3, 0.7), rng.uniform(0.0, 0.06)
    return _tinted(level + contrast * _noise(size, rng, slope=1.2), rng)


def _noise(size: int, rng: Rng, *, slope: float) -> NDArray[np.float64]:
    """Return noise with amplitude 1 / frequency**slope, mean 0 and variance 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) / frequency**slope, s=(size, size))
    return np.asarray((values - values.mean()) / values.std(), dtype=np.float64)


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axis = np.arange(size) / size - 0.5
    x, y = np.meshgrid(axis, axis)
    return x, y


def _tinted(grey: NDArray[np.float64], rng: Rng) -> Image.Image:
    """Turn values in [0, 1] into a slightly coloured picture."""
    tint = 1 + rng.uniform(-0.12, 0.12, size=3)
    return Image.fromarray((np.clip(grey[..., None] * tint, 0, 1) * 255).round().astype(np.uint8))


def _equalised(image: Image.Image) -> Image.Image:
    """Bring the grey levels to a common mean and standard deviation.

    Otherwise overall contrast alone would explain most of what any model of vision does.
    """
    values = np.asarray(image, dtype=np.float64)
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    for _ in range(5):
        values = (values - grey.mean()) * (_CONTRAST / max(grey.std(), 1.0)) + _LEVEL
        values = np.clip(values, 0, 255)
        grey = values @ _LUMA
    return Image.fromarray(values.round().astype(np.uint8))


def _object_colour(rng: Rng) -> Colour:
    base = rng.choice([rng.uniform(0, 60), rng.uniform(195, 255)])
    red, green, blue = (int(v) for v in np.clip(base + rng.uniform(-40, 40, size=3), 0, 255))
    return red, green, blue


CATEGORIES: dict[str, tuple[Callable[[int, Rng], Image.Image], str, str]] = {
    "building": (_building, "straight", "photograph"),
    "flower": (_flower, "curved", "photograph"),
    "digit": (_digit, "curved", "object"),
    "blob": (_blob, "curved", "object"),
    "polygon": (_polygon, "straight", "object"),
    "grating": (_grating, "straight", "texture"),
    "lattice": (_lattice, "straight", "texture"),
    "cloud": (_cloud, "curved", "texture"),
}
