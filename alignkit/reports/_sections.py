"""The figures of each section, drawn once for a desk and once for a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import Markup

from ..recordings.scores import Scores, closeness
from . import _format, _inline, _style, _views
from .differences import plot_differences
from .distributions import plot_channel_values
from .figures import plot_ranking
from .matrices import Matrix, plot_matrix
from .profiles import MOST_RINGS, plot_layer_profile, plot_time_course
from .summary import RunSummary
from .tables import PlainTable, caption, difference_table, layer_table, time_table
from .twins import plot_twins, twin_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, SLIM = 548, 364
MOST_TABLE_ROWS = 400
MOST_PROFILES = 16


@dataclass(frozen=True)
class Panel:
    """One figure: its heading, and itself for a wide and for a narrow page."""

    title: str
    wide: Markup
    slim: Markup


@dataclass(frozen=True)
class Block:
    """The figures of one metric, what they show, and the same numbers as a table."""

    metric: str
    caption: str
    panels: tuple[Panel, ...]
    table: PlainTable | None = None
    table_title: str = ""


@dataclass(frozen=True)
class LegendEntry:
    """One family of models and its mark."""

    family: str
    mark: Markup


def styles_of(summary: RunSummary) -> dict[str, _style.FamilyStyle]:
    """Return one style per family for the whole page."""
    return _style.family_styles(_views.names(summary.scores.table, "family"))


def legend(styles: Mapping[str, _style.FamilyStyle], families: Iterable[str], key: str) -> list[LegendEntry]:
    """Return some families with their marks; `key` makes this legend's ids its own."""
    shown = set(families)
    entries = []
    for i, (family, style) in enumerate(styles.items()):
        if family not in shown:
            continue
        with _style.drawing():
            figure = _style.new_figure(16, 16)
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            axes.scatter(0, 0, s=80, marker=style.mark, color=style.colour)
        name = _views.family_name(family)
        entries.append(LegendEntry(name, _inline.to_svg(figure, key=f"{key}{i}", alt=f"mark of {name}")))
    return entries


def ranking_blocks(summary: RunSummary, styles: Mapping[str, _style.FamilyStyle]) -> list[Block]:
    """Return per metric the models in order, and the differences between them."""
    rows = _views.model_rows(summary.scores)
    blocks = []
    for i, metric in enumerate(m for m in _views.names(rows, "metric") if not _views.is_group_mean(m)):
        part = _views.of(rows, metric=metric)
        panels: list[Panel] = []
        for j, roi in enumerate(_views.names(part, "roi")):
            panels.extend(_region_panels(summary, styles, part, roi, f"rank{i}-{j}"))
        differences = summary.differences[summary.differences["metric"] == metric]
        table = difference_table(differences) if 0 < len(differences) <= MOST_TABLE_ROWS else None
        text = _ranking_caption(summary, part, len(differences) > 0)
        blocks.append(Block(metric, text, tuple(panels), table, "All pairwise differences as a table"))
    return blocks


def _region_panels(
    summary: RunSummary, styles: Mapping[str, _style.FamilyStyle], part: pd.DataFrame, roi: str, key: str
) -> list[Panel]:
    metric, region = str(part["metric"].iloc[0]), _views.region_name(roi)
    ordered = _views.ranked(_views.of(part, roi=roi))
    best = ordered.iloc[0]
    reference = _views.reference(part, summary.chance, summary.without_zero)
    alt = (
        f"{len(ordered)} model(s) in {region} by {metric}; first is {best['model']} with "
        f"{_format.number(float(best['value']))}. The results table holds every value."
    )

    def rank(width: int) -> Figure:
        return plot_ranking(
            summary.scores, roi=roi, metric=metric, width=width, reference=reference, styles=styles
        )  # fmt: skip

    panels = [panel_of(f"{region}: ranking", rank, key, alt)]
    chosen = summary.differences[
        (summary.differences["roi"] == roi) & (summary.differences["metric"] == metric)
    ]  # fmt: skip
    order = [str(model) for model in ordered["model"]]
    if len((set(chosen["model_a"]) | set(chosen["model_b"])) & set(order)) > 1:
        unit = next((u for u in _views.names(ordered, "unit") if u), metric)

        def differ(width: int) -> Figure:
            return plot_differences(chosen, roi=roi, metric=metric, order=order, width=width, unit=unit)

        alt = f"Differences between every pair of {len(order)} models in {region} by {metric}."
        panels.append(panel_of(f"{region}: pairwise differences", differ, f"{key}-d", alt))
    return panels


def _ranking_caption(summary: RunSummary, part: pd.DataFrame, with_differences: bool) -> str:
    metric = str(part["metric"].iloc[0])
    dots = _views.of(_views.subject_rows(summary.scores), metric=metric)
    said = ["Large mark and number: a model's value."]
    if part["ci_low"].notna().any():
        said.append("Line: its interval.")
    if dots["subject"].nunique() > 1:
        said.append(f"Small dots: the {dots['subject'].nunique()} subjects.")
    if _views.ceilings(part):
        said.append(f"Band (or thick line): noise {_views.bound_name(part)}.")
    reference = _views.reference(part, summary.chance, summary.without_zero)
    if reference is not None:
        said.append(f"Thin line: {'chance' if reference else '0, no relation'}.")
    said.append(caption(part, summary.metric_notes.get(metric, "")))
    if with_differences:
        how = " / ".join(
            str(c) for c in summary.differences["correction"].dropna().drop_duplicates() if str(c)
        )
        said.append(
            "Pairwise differences: colour is the column's model minus the row's (numbers are ranks); "
            f"stars or dots mark p < .05, corrected ({how or 'method not named'})."
        )
    return " ".join(said)


def twin_blocks(summary: RunSummary) -> list[Block]:
    """Return per metric every network beside its twins."""
    if summary.twins is None or summary.twins.empty:
        return []
    blocks = []
    for i, metric in enumerate(_views.names(summary.twins, "metric")):
        rows = _views.of(summary.twins, metric=metric)
        of_metric = summary.scores.table[summary.scores.table["metric"] == metric]
        unit = next((u for u in _views.names(of_metric, "unit") if u), metric)
        panels = []
        for j, roi in enumerate(_views.names(rows, "roi")):
            alt = (
                f"{_views.of(rows, roi=roi)['model'].nunique()} networks and their twins in "
                f"{_views.region_name(roi)} by {metric}."
            )
            draw = partial(_twins, rows, roi, metric, unit)
            panels.append(panel_of(_views.region_name(roi), draw, f"twin{i}-{j}", alt))
        text = (
            "Filled: a network; open: its twins, the same network before training, and a standard one "
            "without the mechanism (the methods say of how many parameters). A star: the difference holds "
            "(corrected p < .05)."
        )
        blocks.append(Block(metric, text, tuple(panels), twin_rows(rows), "All twins as a table"))
    return blocks


def _twins(rows: pd.DataFrame, roi: str, metric: str, unit: str, width: int) -> Figure:
    return plot_twins(rows, roi=roi, metric=metric, width=width, unit=unit)


def layer_blocks(summary: RunSummary, styles: Mapping[str, _style.FamilyStyle]) -> list[Block]:
    """Return per metric the layer profiles of each region, and all layers as a table."""
    rows = _views.layer_rows(summary.scores)
    drawn = _leading(summary.scores, rows)
    blocks = []
    for i, metric in enumerate(_views.names(rows, "metric")):
        part = _views.of(rows, metric=metric)
        sizes = part.groupby(["roi", "model"])["layer"].size()
        reference = _views.reference(part, summary.chance, summary.without_zero)
        panels = []
        for j, roi in enumerate(_views.names(part, "roi")):
            if not (sizes[sizes.index.get_level_values("roi") == roi] > 1).any():
                continue

            def draw(
                width: int, roi: str = roi, metric: str = metric, at: float | None = reference
            ) -> Figure:
                return plot_layer_profile(
                    drawn, roi=roi, metric=metric, width=width, reference=at, styles=styles
                )  # fmt: skip

            region = _views.region_name(roi)
            alt = f"{metric} by layer depth in {region}. The table below holds every value."
            panels.append(panel_of(region, draw, f"layer{i}-{j}", alt))
        if not panels:
            continue
        single = sorted({str(m) for m in sizes[sizes < 2].index.get_level_values("model")})
        text = (
            "One line per model, layers from first to last. The ring is the best value of its line: "
            "picking it here would be circular, so the ranking uses a layer chosen on other data. "
        )
        if sizes.groupby("roi").size().max() > MOST_RINGS:
            text = "One line per model, layers from first to last. "
        n_models = int(sizes.groupby("roi").size().max())
        if n_models > MOST_PROFILES:
            text += f"Of {n_models} models the {MOST_PROFILES} with the best layers are drawn. "
        elif single:
            text += f"Not drawn, for they have one layer: {_format.listing(single)}. "
        note = summary.metric_notes.get(metric, "")
        text += caption(part, note)
        table = layer_table(part, note) if len(part) <= MOST_TABLE_ROWS else None
        blocks.append(Block(metric, text, tuple(panels), table, "All layers as a table"))
    return blocks


def _leading(scores: Scores, rows: pd.DataFrame) -> Scores:
    """Return the scores of each region's models with the best layers: more lines than these nobody reads."""
    if len(rows["model"].unique()) <= MOST_PROFILES:
        return scores
    others = []
    for _, part in rows.groupby(["metric", "roi"], sort=False):
        several = part[part.groupby("model")["layer"].transform("size") > 1]
        best = closeness(several).groupby(several["model"]).max().nlargest(MOST_PROFILES)
        others.append(part[~part["model"].isin(best.index)])
    # All other rows stay: the ceiling is read from them.
    return Scores(scores.table.drop(index=pd.concat(others).index))


def time_blocks(summary: RunSummary, styles: Mapping[str, _style.FamilyStyle]) -> list[Block]:
    """Return per metric the courses over time of each region."""
    rows = _views.time_rows(summary.scores)
    blocks = []
    for i, metric in enumerate(_views.names(rows, "metric")):
        part = _views.of(rows, metric=metric)
        reference = _views.reference(part, summary.chance, summary.without_zero)
        panels = []
        for j, roi in enumerate(_views.names(part, "roi")):

            def draw(
                width: int, roi: str = roi, metric: str = metric, at: float | None = reference
            ) -> Figure:
                return plot_time_course(
                    summary.scores, roi=roi, metric=metric, width=width, reference=at, styles=styles
                )  # fmt: skip

            region = _views.region_name(roi)
            panels.append(
                panel_of(region, draw, f"time{i}-{j}", f"{metric} by time in {region}, a line per model.")
            )
        said = caption(part, summary.metric_notes.get(metric, ""))
        text = f"One line per model; bars below mark windows with corrected p < .05. {said}"
        table = time_table(part, summary.metric_notes.get(metric, ""))
        blocks.append(Block(metric, text, tuple(panels), table, "Peaks and windows as a table"))
    return blocks


def matrix_panels(summary: RunSummary) -> list[tuple[Panel, str]]:
    """Return the matrices, each with its caption."""
    panels = []
    for i, matrix in enumerate(summary.matrices):
        alt = f"{matrix.unit} by {matrix.row_axis} (rows) and {matrix.column_axis} (columns)."
        panel = panel_of(matrix.title, partial(_matrix, matrix), f"matrix{i}", alt)
        panels.append((panel, matrix.caption))
    return panels


def _matrix(matrix: Matrix, width: int) -> Figure:
    return plot_matrix(matrix, width=width)


def channel_blocks(summary: RunSummary, styles: Mapping[str, _style.FamilyStyle]) -> list[Block]:
    """Return per metric how scores spread over the channels of each region."""
    values = summary.channel_values
    if values is None:
        return []
    values = values[values["value"].notna()]
    table = summary.scores.table
    family = dict(zip(table["model"], table["family"], strict=True))
    by_model = {
        str(m): styles.get(str(family.get(m, "")), _style.FamilyStyle(_style.MUTED, "o"))
        for m in values["model"].drop_duplicates()
    }
    blocks = []
    for i, metric in enumerate(_views.names(values, "metric")):
        part = values[values["metric"] == metric]
        unit = next((u for u in table.loc[table["metric"] == metric, "unit"] if u), "")
        panels = []
        for j, roi in enumerate(_views.names(part, "roi")):

            def draw(width: int, roi: str = roi, metric: str = metric, unit: str = unit) -> Figure:
                return plot_channel_values(
                    values, roi=roi, metric=metric, width=width, unit=unit, styles=by_model
                )  # fmt: skip

            region = _views.region_name(roi)
            panels.append(
                panel_of(region, draw, f"channel{i}-{j}", f"Spread of {metric} over channels in {region}.")
            )
        text = (
            "A row per model, sorted by median. Mark and number: median over channels; thick line: "
            "quartiles; thin line: 5th to 95th percentile; n counts channels of all subjects."
        )
        blocks.append(Block(metric, text, tuple(panels)))
    return blocks


def panel_of(title: str, draw: Callable[[int], Figure], key: str, alt: str) -> Panel:
    wide = _inline.to_svg(draw(WIDE), key=f"{key}w", alt=alt)
    return Panel(title, wide, _inline.to_svg(draw(SLIM), key=f"{key}s", alt=alt))
