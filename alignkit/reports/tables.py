"""The tables of a report: what stands in each cell, and the caption that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..recordings.scores import Scores, closeness
from . import _format, _views
from .time_windows import milliseconds, peak_of, stretches_text, told_from_nothing


@dataclass(frozen=True)
class Cell:
    """One model in one region; every text is ready to print, empty where nothing is known."""

    value: str
    interval: str
    of_ceiling: str
    p: str
    stars: str
    best: bool


@dataclass(frozen=True)
class Group:
    """The models of one family; each row is a model's name and a cell per region."""

    family: str
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class ResultTable:
    """Families by regions for one metric.

    Attributes
    ----------
    metric, caption : str
        What is shown.
    regions : tuple of str
        The columns.
    ceilings : tuple of str
        The noise ceiling per region, empty where there is none.
    groups : tuple of Group
        The rows.
    has_family, has_interval, has_ceiling, has_p : bool
        Which columns hold anything.
    """

    metric: str
    caption: str
    regions: tuple[str, ...]
    ceilings: tuple[str, ...]
    groups: tuple[Group, ...]
    has_family: bool
    has_interval: bool
    has_ceiling: bool
    has_p: bool

    @property
    def span(self) -> int:
        """Number of columns of one region."""
        return 1 + self.has_interval + self.has_ceiling + self.has_p


def result_tables(scores: Scores, *, notes: Mapping[str, str], group_mean: bool) -> list[ResultTable]:
    """Return a table per metric: those of the group mean, or all the others.

    Parameters
    ----------
    scores : Scores
        Its model-level results are shown.
    notes : mapping of str to str
        Per metric, what value, interval and n are.
    group_mean : bool
        Which metrics.
    """
    rows = _views.model_rows(scores)
    wanted = [m for m in _views.names(rows, "metric") if _views.is_group_mean(m) == group_mean]
    return [_table(_views.of(rows, metric=metric), notes.get(metric, "")) for metric in wanted]


def _table(rows: pd.DataFrame, note: str) -> ResultTable:
    metric = str(rows["metric"].iloc[0])
    regions = _views.names(rows, "roi")
    bound = _views.bound_name(rows)
    ceilings = [_ceiling_text(_views.ceilings(_views.of(rows, roi=roi)), bound) for roi in regions]
    p = _shown_p(rows)
    bounded = not _views.is_group_mean(metric)
    has_ceiling = bounded and bool(rows["normalized"].notna().any())
    best = {roi: _views.ranked(_views.of(rows, roi=roi))["value"].iloc[0] for roi in regions}
    groups = []
    for family in _by_best(rows, "family"):
        members = _views.of(rows, family=family)
        lines = []
        for model in _by_best(members, "model"):
            row_of = {str(row["roi"]): row for _, row in _views.of(members, model=model).iterrows()}
            cells = (_cell(row_of.get(roi), p, best[roi], has_ceiling) for roi in regions)
            lines.append((model, tuple(cells)))
        groups.append(Group(_views.family_name(family), tuple(lines)))
    return ResultTable(
        metric=metric,
        caption=caption(rows, note, with_ratio=True),
        regions=tuple(map(_views.region_name, regions)),
        ceilings=tuple(ceilings),
        groups=tuple(groups),
        has_family=bool((rows["family"] != "").any()),
        has_interval=bool((rows["ci_low"].notna() & rows["ci_high"].notna()).any()),
        has_ceiling=has_ceiling,
        has_p=bool(rows[p].notna().any()),
    )


def _ceiling_text(ceilings: Sequence[_views.Ceiling], bound: str) -> str:
    if len(ceilings) < 2:
        return "".join(f"{bound} {ceiling.text}" for ceiling in ceilings)
    low, high = min(c.lower for c in ceilings), max(c.upper for c in ceilings)
    how = " / ".join(dict.fromkeys(c.estimator or "estimator not named" for c in ceilings))
    return f"{bound}s differ by model, {_format.number(low)} to {_format.number(high)} ({how})"


def _cell(row: pd.Series | None, p: str, best: float, has_ceiling: bool) -> Cell | None:
    if row is None:
        return None
    value = float(row["value"])
    return Cell(
        value=_format.number(value),
        interval=_format.interval(float(row["ci_low"]), float(row["ci_high"])),
        of_ceiling=_format.percent(float(row["normalized"])) if has_ceiling else "",
        p=_format.p_value(float(row[p])),
        stars=_format.stars(float(row[p])) if p == "p_corrected" else "",
        best=value == best,
    )


def _shown_p(rows: pd.DataFrame) -> str:
    return "p_corrected" if rows["p_corrected"].notna().any() or rows["p"].isna().all() else "p"


def _by_best(rows: pd.DataFrame, column: str) -> list[str]:
    best = closeness(rows).groupby(rows[column]).max()
    return [str(name) for name in best.sort_values(ascending=False).index]


def caption(rows: pd.DataFrame, note: str = "", *, with_ratio: bool = False) -> str:
    """Return what the numbers of one metric are: unit, n, interval, ceiling, p.

    Parameters
    ----------
    rows : DataFrame
        Model-level results of one metric.
    note : str, default=""
        What is known besides: what the value summarises, and what the interval and n cover.
    with_ratio : bool, default=False
        Also say what "of ceiling" is.
    """
    metric = str(rows["metric"].iloc[0])
    parts = [note] if note else []
    unit = " / ".join(u for u in _views.names(rows, "unit") if u)
    n = _format.count_range(rows["n"])
    facts = [f"unit: {unit}" if unit else "", f"n = {n}" if n else ""]
    parts.append("; ".join(fact for fact in facts if fact))
    if _views.is_distance(rows):
        parts.append("Lower is closer")
    if rows["ci_low"].notna().any() and not note:
        parts.append("The interval runs from ci_low to ci_high of scores.csv; Methods say what it covers")
    if _views.is_group_mean(metric):
        parts.append(
            "A comparison with the mean over subjects has no ceiling from single subjects, so none is shown"
        )
    elif with_ratio and rows["normalized"].notna().any():
        parts.append(f"Of ceiling: {_division(rows)}")
    parts.append(_p_sentence(rows))
    return " ".join(f"{_capital(part).rstrip('.')}." for part in parts if part)


def _division(rows: pd.DataFrame) -> str:
    known = rows[rows["normalized"].notna()]
    if np.allclose(known["normalized"], known["value"] / known["ceiling_upper"], rtol=1e-6):
        single = (known["ceiling_lower"] == known["ceiling_upper"]) | known["ceiling_lower"].isna()
        return f"value divided by {'the ceiling' if single.all() else 'the upper bound of the ceiling'}"
    return "as the run computed it (column normalized of scores.csv)"


def _p_sentence(rows: pd.DataFrame) -> str:
    if rows["p_corrected"].notna().any():
        how = " / ".join(c for c in _views.names(rows, "correction") if c) or "method not named"
        return f"p is corrected ({how}); * p < .05, ** p < .01, *** p < .001"
    return "p is not corrected for the number of tests" if rows["p"].notna().any() else ""


def _capital(text: str) -> str:
    # A p-value stays a small p.
    return text if text.startswith("p ") else text[:1].upper() + text[1:]


@dataclass(frozen=True)
class PlainTable:
    """A table without groups: headings, rows of texts, and which columns hold numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def layer_table(rows: pd.DataFrame, note: str = "") -> PlainTable:
    """Return a row per model and layer, a value with its interval per region."""
    regions = _views.names(rows, "roi")
    body = []
    for model in _views.names(rows, "model"):
        part = _views.of(rows, model=model)
        for depth, layer in enumerate(_views.names(part, "layer"), start=1):
            of_layer = {str(row["roi"]): row for _, row in _views.of(part, layer=layer).iterrows()}
            body.append((model, str(depth), layer, *(_with_interval(of_layer.get(roi)) for roi in regions)))
    head = ("Model", "Depth", "Layer", *map(_views.region_name, regions))
    return PlainTable(caption(rows, note), head, tuple(body), (False, True, False, *(True for _ in regions)))


def time_table(rows: pd.DataFrame, note: str = "") -> PlainTable:
    """Return a row per region and model: the best window, and those with corrected p < .05."""
    body = []
    for roi in _views.names(rows, "roi"):
        for model in _views.names(_views.of(rows, roi=roi), "model"):
            part = _views.of(rows, roi=roi, model=model)
            peak = peak_of(part)
            if peak is None:
                continue
            told = told_from_nothing(part)
            when = stretches_text(part["time_s"], told["time_s"]) or _format.NONE
            p = _format.p_value(float(peak["p_corrected"]))
            place = (_views.region_name(roi), model, milliseconds(peak["time_s"]), _with_interval(peak), p)
            body.append((*place, f"{len(told)} of {len(part)}", when))
    head = ("Region", "Model", "Peak", "Value there", "p corrected", "Windows, p < .05", "When")
    text = f"{caption(rows, note)} The peak is picked from all windows, so that its value is optimistic."
    return PlainTable(text, head, tuple(body), (False, False, True, True, True, True, False))


def difference_table(differences: pd.DataFrame) -> PlainTable:
    """Return a row per region and pair of models."""
    how = " / ".join(str(c) for c in differences["correction"].dropna().drop_duplicates() if str(c))
    text = (
        "Difference: A minus B, in the metric's unit. SE: standard error. "
        f"p corrected: {how or 'method not named'}."
    )
    body = tuple(
        (
            _views.region_name(str(row["roi"])), str(row["model_a"]), str(row["model_b"]),
            *(_format.number(float(row[c])) for c in ("difference", "se")),
            *(_format.p_value(float(row[c])) for c in ("p", "p_corrected")),
        )
        for _, row in differences.iterrows()
    )  # fmt: skip
    head = ("Region", "Model A", "Model B", "Difference", "SE", "p", "p corrected")
    return PlainTable(text, head, body, (False, False, False, True, True, True, True))


def _with_interval(row: pd.Series | None) -> str:
    if row is None:
        return _format.NONE
    span = _format.interval(float(row["ci_low"]), float(row["ci_high"]))
    return f"{_format.number(float(row['value']))} {span}".strip()
