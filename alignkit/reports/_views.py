"""Which rows of a table of scores mean what, and what a ceiling says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..recordings.scores import HIGHER, LOWER, Scores, closeness
from . import _format

CHOSEN = "(chosen)"
EVERY = "all"


def model_rows(scores: Scores) -> pd.DataFrame:
    """Return a row per region, model and metric: the model-level results that are not over time."""
    table = scores.table
    return table[_summarises(table) & (table["layer"] == CHOSEN) & table["time_s"].isna()]


def time_rows(scores: Scores) -> pd.DataFrame:
    """Return the model-level results over time."""
    table = scores.table
    return table[_summarises(table) & (table["layer"] == CHOSEN) & table["time_s"].notna()]


def layer_rows(scores: Scores) -> pd.DataFrame:
    """Return the layer profiles, layers in the order of the table."""
    table = scores.table
    return table[_summarises(table) & ~table["layer"].isin([CHOSEN, ""]) & table["time_s"].isna()]


def subject_rows(scores: Scores) -> pd.DataFrame:
    """Return one value per subject, region, model and metric."""
    table = scores.table
    named = (table["subject"] != EVERY) & (table["fold"] == EVERY) & (table["layer"] == CHOSEN)
    return table[named & table["time_s"].isna()]


def names(rows: pd.DataFrame, column: str) -> list[str]:
    """Return the different values of a column, in order of appearance."""
    return [str(value) for value in rows[column].drop_duplicates()]


def of(rows: pd.DataFrame, **conditions: str) -> pd.DataFrame:
    """Return the rows whose columns have the given values."""
    keep = np.ones(len(rows), dtype=bool)
    for column, value in conditions.items():
        keep &= (rows[column] == value).to_numpy(dtype=bool)
    return rows[keep]


def ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows from the best value to the worst, unknown ones last, ties by name."""
    keyed = rows.assign(_closeness=closeness(rows))
    ordered = keyed.sort_values(["_closeness", "model"], ascending=[False, True], na_position="last")
    return ordered.drop(columns="_closeness")


def is_group_mean(metric: str) -> bool:
    """Say whether a metric compares with the mean of subjects, which no per-subject ceiling bounds."""
    return "group mean" in metric.lower()


def reference(
    rows: pd.DataFrame, chance: Mapping[str, float], without_zero: Sequence[str] = ()
) -> float | None:
    """Return the value that means "nothing": chance where it is known, 0 for correlations and the like."""
    metric = str(rows["metric"].iloc[0])
    if metric in chance:
        return float(chance[metric])
    related = (rows["closer"] == HIGHER).all() and metric not in without_zero
    return 0.0 if related and "accuracy" not in metric.lower() else None


def bound_name(rows: pd.DataFrame) -> str:
    """Return what the bound that noise sets is called: values cannot be better."""
    return "floor" if is_distance(rows) else "ceiling"


def is_distance(rows: pd.DataFrame) -> bool:
    """Say whether the values of some rows of one metric are better the lower they are."""
    return bool((rows["closer"] == LOWER).any())


def region_name(roi: str) -> str:
    """Return a region's name, also where none was given."""
    return roi or "all channels"


def family_name(family: str) -> str:
    """Return a family's name, also where none was given."""
    return family or "no family"


def axis_label(rows: pd.DataFrame) -> str:
    """Return metric and unit for an axis."""
    metric = " / ".join(names(rows, "metric"))
    unit = " / ".join(u for u in names(rows, "unit") if u)
    return f"{metric} ({unit})" if unit and unit != metric else metric


@dataclass(frozen=True)
class Ceiling:
    """The noise ceiling of one region and metric.

    Attributes
    ----------
    lower, upper : float
        Bounds in the metric's unit; equal where there is one estimate; NaN where there is none.
    se : float
        Standard error, or NaN.
    estimator : str
        How it was estimated.
    """

    lower: float
    upper: float
    se: float
    estimator: str

    @property
    def known(self) -> bool:
        """Whether there is a ceiling at all."""
        return bool(np.isfinite(self.upper))

    @property
    def text(self) -> str:
        """Bounds and standard error, then the estimator in brackets."""
        if not self.known:
            return ""
        same = self.lower == self.upper
        bounds = _format.number(self.upper)
        if not same:
            bounds = f"{_format.number(self.lower)} to {bounds}"
        error = f", SE {_format.number(self.se)}" if np.isfinite(self.se) else ""
        return f"{bounds}{error} ({self.estimator or 'estimator not named'})"


def ceiling_of(row: pd.Series) -> Ceiling:
    """Return the ceiling of one row; a single bound counts as both."""
    lower, upper = float(row["ceiling_lower"]), float(row["ceiling_upper"])
    if not np.isfinite(upper):
        upper = lower
    if not np.isfinite(lower):
        lower = upper
    return Ceiling(lower, upper, float(row["ceiling_se"]), str(row["ceiling_estimator"]))


def ceilings(rows: pd.DataFrame) -> list[Ceiling]:
    """Return the different ceilings of some rows; none for a metric of the group mean."""
    found: dict[tuple[float, float, str], Ceiling] = {}
    for _, row in rows.iterrows():
        ceiling = ceiling_of(row)
        if ceiling.known and not is_group_mean(str(row["metric"])):
            found.setdefault((ceiling.lower, ceiling.upper, ceiling.estimator), ceiling)
    return list(found.values())


def _summarises(table: pd.DataFrame) -> pd.Series:
    return (table["subject"] == EVERY) & (table["fold"] == EVERY)
