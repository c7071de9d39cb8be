"""Results: a tidy table of scores, and scores per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.atomic import atomic_file, atomic_folder
from .._core.errors import InputError, MissingDataError
from ._storage import open_array, read_facts, read_table, write_array, write_facts, write_table

TEXT_COLUMNS = (
    "subject", "roi", "model", "family", "layer", "metric", "fold", "unit", "closer", "ceiling_estimator",
)  # fmt: skip
NUMBER_COLUMNS = (
    "time_s", "value", "ceiling_lower", "ceiling_upper", "ceiling_se", "normalized",
    "ci_low", "ci_high", "p", "p_corrected", "n",
)  # fmt: skip
COLUMNS = (
    "subject", "roi", "time_s", "model", "family", "layer", "metric", "fold", "value", "unit", "closer",
    "ceiling_lower", "ceiling_upper", "ceiling_se", "ceiling_estimator", "normalized",
    "ci_low", "ci_high", "p", "p_corrected", "correction", "n",
)  # fmt: skip
HIGHER, LOWER, NEITHER = "higher", "lower", "neither"
_KEY = ["subject", "roi", "time_s", "model", "layer", "metric", "fold"]


class Scores:
    """A tidy table, one row per (subject, roi, time, model, layer, metric, fold).

    Parameters
    ----------
    table : DataFrame
        Columns among :data:`COLUMNS`; missing text becomes ``""`` and missing numbers NaN. `subject` is
        ``"all"`` and `fold` is ``"all"`` on rows that summarise; `layer` is ``"(chosen)"`` where the layer
        was chosen on data that the score does not use. `closer` is ``"higher"`` (by default) or, where
        the value is a distance, ``"lower"``, or ``"neither"`` where it describes one system.

    Raises
    ------
    InputError
        For unknown columns, a row that comes twice, or an interval that excludes its estimate.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        unknown = sorted(set(map(str, table.columns)) - set(COLUMNS))
        if unknown:
            raise InputError(f"scores have no column(s) {', '.join(unknown)}; known: {', '.join(COLUMNS)}.")
        numbers = {c: _numbers(table, c) for c in NUMBER_COLUMNS}
        texts = {c: _texts(table, c) for c in (*TEXT_COLUMNS, "correction")}
        full = pd.DataFrame({**texts, **numbers}, columns=list(COLUMNS))
        full["closer"] = full["closer"].replace("", HIGHER)
        strange = sorted(set(full["closer"]) - {HIGHER, LOWER, NEITHER})
        if strange:
            raise InputError(f"`closer` must be {HIGHER!r}, {LOWER!r} or {NEITHER!r}, got {strange[0]!r}.")
        repeated = full.duplicated(_KEY)
        if repeated.any():
            row = full[repeated].iloc[0][_KEY].to_dict()
            raise InputError(f"{int(repeated.sum())} score(s) come more than once, such as {row}.")
        outside = (full["value"] < full["ci_low"] - 1e-9) | (full["value"] > full["ci_high"] + 1e-9)
        if outside.any():
            first = full[outside].iloc[0]
            raise InputError(
                f"the interval [{first['ci_low']:.4g}, {first['ci_high']:.4g}] of {first['model']!r} "
                f"excludes its estimate {first['value']:.4g}; the resampling is wrong."
            )
        self.table = full

    @classmethod
    def concat(cls, parts: Sequence[Scores]) -> Scores:
        """Join several tables."""
        tables = [part.table for part in parts if len(part.table)]
        return cls(pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS)))

    def __len__(self) -> int:
        return len(self.table)

    def select(self, **conditions: Any) -> Scores:
        """Keep the rows whose columns have the given values."""
        keep = np.ones(len(self.table), dtype=bool)
        for column, value in conditions.items():
            if column not in self.table:
                raise InputError(f"scores have no column {column!r}; known: {', '.join(COLUMNS)}.")
            keep &= (self.table[column] == value).to_numpy()
        return Scores(self.table[keep])

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def save(self, path: str | Path) -> None:
        """Write as parquet or CSV, by the file's suffix, whole or not at all."""
        path = Path(path)
        with atomic_file(path) as temporary:
            if path.suffix == ".csv":
                self.table.to_csv(temporary, index=False)
            else:
                write_table(temporary, self.table)

    @classmethod
    def load(cls, path: str | Path) -> Scores:
        """Read what :meth:`save` wrote."""
        path = Path(path)
        if path.suffix != ".csv":
            return cls(read_table(path))
        if not path.is_file():
            raise MissingDataError(f"{path} is missing; run the comparison again, or check the path.")
        # Names stay text: a subject "01" is not 1, and a model may be called "None".
        texts = dict.fromkeys((*TEXT_COLUMNS, "correction"), "str")
        empty = {column: ["", "nan"] for column in NUMBER_COLUMNS}
        return cls(pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=empty))

    def __repr__(self) -> str:
        models = self.table["model"].nunique()
        metrics = ", ".join(sorted(set(self.table["metric"])))
        return f"Scores({len(self)} rows, {models} model(s), metrics {metrics})"


def closeness(table: pd.DataFrame) -> pd.Series:
    """Return the values of some rows, distances with the other sign: the largest is the best."""
    return table["value"].where(table["closer"] != LOWER, -table["value"])


@dataclass(frozen=True, eq=False)
class ChannelScores:
    """The channel-wise result of one subject and one model.

    Attributes
    ----------
    values : ndarray of shape (n_layers, n_channels)
        float64, in `unit`; NaN where a channel has no score.
    layers : tuple of str
        Name of each row.
    channels : DataFrame of n_channels rows
        The recording's channel table.
    subject, model, metric, unit : str
        What the scores are.
    """

    values: NDArray[np.float64]
    layers: tuple[str, ...]
    channels: pd.DataFrame
    subject: str
    model: str
    metric: str
    unit: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", self.channels.reset_index(drop=True))
        wanted = (len(self.layers), len(self.channels))
        if self.values.shape != wanted:
            raise InputError(
                f"`values` must have shape (n_layers, n_channels) = {wanted}, got {self.values.shape}."
            )

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy table, a row per layer and channel."""
        parts = [
            self.channels.assign(layer=layer, value=row, subject=self.subject, model=self.model,
                                 metric=self.metric, measured_in=self.unit)
            for layer, row in zip(self.layers, self.values, strict=True)
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def save(self, folder: str | Path) -> None:
        """Write to a folder (zarr, parquet, JSON), whole or not at all."""
        with atomic_folder(folder) as temporary:
            write_array(temporary / "values.zarr", self.values)
            write_table(temporary / "channels.parquet", self.channels)
            facts = {"layers": list(self.layers), "subject": self.subject, "model": self.model}
            write_facts(temporary, "ChannelScores", {**facts, "metric": self.metric, "unit": self.unit})

    @classmethod
    def load(cls, folder: str | Path) -> ChannelScores:
        """Read what :meth:`save` wrote."""
        facts = read_facts(folder, "ChannelScores")
        folder = Path(folder)
        return cls(
            open_array(folder / "values.zarr")[...],
            tuple(facts["layers"]),
            read_table(folder / "channels.parquet"),
            subject=facts["subject"],
            model=facts["model"],
            metric=facts["metric"],
            unit=facts["unit"],
        )

    def __repr__(self) -> str:
        median = np.nanmedian(self.values, axis=1).max() if self.values.size else np.nan
        n_layers, n_channels = self.values.shape
        return (
            f"ChannelScores({self.subject}, {self.model}, {self.metric} in {self.unit}: "
            f"{n_layers} layer(s) x {n_channels} channels, best layer's median {median:.3g})"
        )


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in table:
        return np.full(len(table), np.nan)
    return pd.to_numeric(table[column]).to_numpy(dtype=np.float64, na_value=np.nan)


def _texts(table: pd.DataFrame, column: str) -> list[str]:
    return [""] * len(table) if column not in table else [str(v) for v in table[column].fillna("")]
