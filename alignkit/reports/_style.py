"""Colours, marks and type of every figure: readable without colour, in print and on a phone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1d2126"
MUTED = "#59626d"
RULE = "#dcdfe3"
BAND = "#ece5d3"
BAND_EDGE = "#a8966a"
SIZE = 12.0
SMALL = 11.5

# Okabe and Ito's hues, the light ones darkened to a contrast of 3:1 on white; the mark repeats the colour.
_COLOURS = ("#0072b2", "#d55e00", "#00875f", "#8b2a6b", "#a87900", "#3d8fc0", "#4d4d4d", "#c2477f")
_MISSING_GLYPH = r"Glyph .* missing from font"
_MARKS = ("o", "s", "D", "^", "v", "P", "X", "h")

_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "alignkit",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.linewidth": 0.8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.dpi": 72,
    "savefig.dpi": 72,
}


@dataclass(frozen=True)
class FamilyStyle:
    """How one family of models is drawn.

    Attributes
    ----------
    colour : str
        Hexadecimal.
    mark : str
        Marker code of matplotlib.
    """

    colour: str
    mark: str


def family_styles(families: Sequence[str]) -> dict[str, FamilyStyle]:
    """Return a colour and a mark per family, in order; from the ninth on, new pairs of the same ones."""
    styles = {}
    for i, family in enumerate(dict.fromkeys(families)):
        turn, place = divmod(i, len(_COLOURS))
        styles[family] = FamilyStyle(_COLOURS[place], _MARKS[(place + 3 * turn) % len(_MARKS)])
    return styles


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the house style, whatever matplotlib is set to, and leave its settings as they were."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # Text is laid out by matplotlib and drawn by the browser, which has the glyphs that a font lacks.
        warnings.filterwarnings("ignore", message=_MISSING_GLYPH)
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(_RC)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in CSS pixels, unknown to pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")


def new_axes(figure: Figure, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Return axes with margins in pixels, and no spine but the one below."""
    width, height = figure.get_size_inches() * 72
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(box, facecolor="none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=3, width=0.8)
    return axes


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = SIZE) -> float:
    """Return how many pixels a text takes in DejaVu Sans, which is wider than what most browsers use."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_MISSING_GLYPH)
        font = FontProperties(family="DejaVu Sans", size=size)
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def shorten(text: str, width: float, size: float = SIZE) -> str:
    """Return a text that fits a width in pixels, its middle left out where it has to be."""
    return _longest(len(text), width, size, lambda keep: _without_middle(text, keep))


def shorten_all(texts: Sequence[str], width: float, size: float = SIZE) -> list[str]:
    """Return texts that fit a width; those that would come out the same show where they differ instead."""
    short = {text: shorten(text, width, size) for text in texts}
    for shown in set(short.values()):
        alike = sorted(text for text in short if short[text] == shown)
        if len(alike) > 1:
            start = len(commonprefix(alike))
            for text in alike:
                short[text] = _longest(len(text), width, size, partial(_around, text, start))
    return [short[text] for text in texts]


def _longest(most: int, width: float, size: float, candidate: Callable[[int], str]) -> str:
    # The whole text can be narrower than one with a letter less and an ellipsis more.
    if text_width(candidate(most), size) <= width:
        return candidate(most)
    low, high = 0, most - 1
    while low < high:
        keep = (low + high + 1) // 2
        low, high = (keep, high) if text_width(candidate(keep), size) <= width else (low, keep - 1)
    return candidate(low)


def _without_middle(text: str, keep: int) -> str:
    if keep >= len(text):
        return text
    head = (keep + 1) // 2
    return f"{text[:head]}…{text[len(text) - (keep - head) :]}"


def _around(text: str, place: int, keep: int) -> str:
    start = max(0, min(place - keep // 3, len(text) - keep))
    end = start + keep
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def wrap(text: str, width: float, size: float = SIZE) -> list[str]:
    """Return the lines of a text broken at spaces to fit a width in pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
