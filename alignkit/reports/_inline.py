"""Figures and pictures as text that stands inside a page: nothing is fetched, no id comes twice."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from . import _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ID = re.compile(r'\sid="([^"]*)"')
_REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]+)')


def to_svg(figure: Figure, *, key: str, alt: str) -> Markup:
    """Return a figure as inline SVG, one user unit per CSS pixel.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn inside :func:`alignkit.reports._style.drawing`.
    key : str
        Unique in the page; every id starts with it.
    alt : str
        What a reader who does not see the figure is told.
    """
    buffer = io.StringIO()
    with _style.drawing():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # matplotlib's one style rule has the selector `*`: inline, it would reach the whole page.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(font(?:-family)?: [^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1var(--sans)", svg)
    svg = _own_ids(svg, key)
    width, height = (round(float(v) * 72) for v in figure.get_size_inches())
    body = svg.split(">", 1)[1]
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(alt)}">'
    )
    return Markup(opening + re.sub(r">\s+<", "><", body).strip())


def to_png_uri(figure: Figure) -> str:
    """Return a figure as a ``data:`` address of a PNG with two pixels per CSS pixel."""
    buffer = io.BytesIO()
    with _style.drawing():
        figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None}, facecolor="white")
    return data_uri(buffer.getvalue())


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Return bytes as a ``data:`` address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _own_ids(svg: str, key: str) -> str:
    used = set(_REFERENCE.findall(svg))

    def rename(match: re.Match[str]) -> str:
        return f' id="{key}-{match[1]}"' if match[1] in used else ""

    svg = _ID.sub(rename, svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", svg)
    return re.sub(r'href="#([^"]+)"', rf'href="#{key}-\1"', svg)
