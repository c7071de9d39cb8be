"""Matrices, stimuli and brains as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._core.progress import track
from . import _inline, _style, _views
from ._sections import Panel, panel_of
from .maps import is_mni, map_limits, plot_map
from .rdm_images import (
    AxisLayout,
    axis_layout,
    evenly,
    gradient,
    matrix_png,
    percentiles,
    thumbnail_jpeg,
)
from .sensor_maps import SensorMap, plot_sensors
from .summary import BrainMap, RunSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ON_AXIS = 120
MOST_LABELS = 32
MOST_STIMULI = 400
MOST_MAPS = 8


@dataclass(frozen=True)
class MatrixCard:
    """One dissimilarity matrix: what it is, and its picture."""

    name: str
    detail: str
    picture: str


@dataclass(frozen=True)
class RdmView:
    """What the section on dissimilarity matrices shows."""

    brain: tuple[MatrixCard, ...]
    models: tuple[MatrixCard, ...]
    first: MatrixCard
    layout: AxisLayout | None
    labels: tuple[str, ...]
    label_width: int
    stimuli: tuple[tuple[int, str, str], ...]
    shown: frozenset[int]
    n_stimuli: int
    measure: str
    gradient: str


@dataclass(frozen=True)
class MapCard:
    """One brain map: what it is, and either pictures with their size in CSS pixels or plain slices."""

    title: str
    caption: str
    alt: str
    pictures: tuple[tuple[str, int, int], ...]
    slices: Panel | None


def rdm_view(summary: RunSummary) -> RdmView | None:
    """Return the matrices as pictures, with the stimuli where there are any."""
    rdms = summary.rdms
    if rdms is None or not len(rdms):
        return None
    squares = np.full((len(rdms), rdms.n_stimuli, rdms.n_stimuli), np.nan)
    rows, columns = np.triu_indices(rdms.n_stimuli, 1)
    for square, values in zip(squares, rdms.values, strict=True):
        square[rows, columns] = square[columns, rows] = percentiles(values)
    cards = [_card(row, square) for (_, row), square in zip(rdms.table.iterrows(), squares, strict=True)]
    is_brain = [str(role) == "brain" for role in rdms.table["role"]]
    brain = tuple(card for card, mine in zip(cards, is_brain, strict=True) if mine)
    models = tuple(card for card, mine in zip(cards, is_brain, strict=True) if not mine)
    n = rdms.n_stimuli
    pictured = bool(summary.rdm_thumbnails)
    on_axis = n <= (MOST_ON_AXIS if pictured else MOST_LABELS)
    shown = list(evenly(n, MOST_STIMULI)) if pictured else []
    labels = tuple(_style.shorten(name, 150, _style.SMALL) for name in rdms.stimulus_ids) if on_axis else ()
    return RdmView(
        brain=brain,
        models=models,
        first=(brain or models)[0],
        layout=axis_layout(n) if on_axis else None,
        labels=() if pictured else labels,
        label_width=round(max((_style.text_width(text, _style.SMALL) for text in labels), default=0)) + 12,
        stimuli=tuple(
            (i, rdms.stimulus_ids[i], _inline.data_uri(_thumbnail(summary, i), "image/jpeg")) for i in shown
        ),
        shown=frozenset(shown),
        n_stimuli=n,
        measure=rdms.measure,
        gradient=gradient(),
    )


def _thumbnail(summary: RunSummary, i: int) -> bytes:
    return thumbnail_jpeg(summary.rdm_thumbnails[i], index=i)


def _card(row: pd.Series, square: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> MatrixCard:
    known = (str(row[c]) for c in ("roi", "subject") if c in row and isinstance(row[c], str) and row[c])
    known = ("all subjects" if part == _views.EVERY else part for part in known)
    name = str(row["name"])
    detail = ", ".join(part for part in known if part != name)
    return MatrixCard(name, detail, _inline.data_uri(matrix_png(square)))


def map_cards(maps: Sequence[BrainMap]) -> list[MapCard]:
    """Return the first maps as pictures; maps of one metric share their colours."""
    cards = []
    drawn = maps[:MOST_MAPS]
    for i, one in enumerate(track(drawn, "drawing brain maps")):
        alike = [other for other in drawn if (other.metric, other.unit) == (one.metric, one.unit)]
        limits = map_limits(alike)
        alt = f"{one.title}: {one.metric} of {one.model} in {one.subject}"
        pictures, slices = [], None
        if is_mni(one):
            for figure in plot_map(one, limits=limits):
                width, height = (round(float(v) * 72) for v in figure.get_size_inches())
                pictures.append((_inline.to_png_uri(figure), width, height))
        else:

            def draw(width: int, one: BrainMap = one, limits: tuple[float, float] = limits) -> Figure:
                return plot_map(one, limits=limits, width=width)[0]

            slices = panel_of(one.title, draw, f"map{i}", alt)
        caption = _map_caption(one, len(alike))
        cards.append(MapCard(one.title, caption, alt, tuple(pictures), slices))
    return cards


def sensor_cards(maps: Sequence[SensorMap]) -> list[MapCard]:
    """Return the first maps of sensors as pictures."""
    cards = []
    for one in maps[:MOST_MAPS]:
        figure = plot_sensors(one)
        width, height = (round(float(v) * 72) for v in figure.get_size_inches())
        pictures = ((_inline.to_png_uri(figure), width, height),)
        cards.append(
            MapCard(one.title, one.caption, f"{one.title} on the sensors, {one.unit}", pictures, None)
        )
    return cards


def _map_caption(one: BrainMap, n_alike: int) -> str:
    unit = f" ({one.unit})" if one.unit and one.unit != one.metric else ""
    said = [f"{one.metric}{unit} of {one.model or 'all models'}, subject {one.subject}, space: {one.space}."]
    if is_mni(one):
        said.append(
            "Slices through the centre of the largest connected region, over the MNI152 template, "
            "coordinates in mm; glass brain with the largest value along each line of sight."
        )
    else:
        said.append("Slices of the recorded volume; voxels without a value are grey.")
    if n_alike > 1:
        said.append(f"The {n_alike} maps of this metric share one colour range.")
    return " ".join(said)


def region_of(roi: object) -> str:
    """Return a region's name for a table that did not come from scores."""
    return _views.region_name(roi if isinstance(roi, str) else "")
