"""Tables of an NWB file: which trials, which stimulus, which units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError

ONSET = "start_time"
_STANDARD = (ONSET, "stop_time", "tags", "timeseries", "id")
_CLAUSE = re.compile(r"\s*(?P<column>[\w ]+?)\s*(?P<sign>==|!=|>=|<=|>|<)\s*(?P<value>.+?)\s*")


def choose_intervals(tables: Mapping[str, pd.DataFrame], wanted: str | None, place: str) -> str:
    """Return the name of the table of trials, the only one or the one wanted.

    Raises
    ------
    InputError
        If there is none, several and none is named, or no such.
    """
    if not tables:
        raise InputError(
            f"{place} has no table of trials or presentations (intervals), so nothing says what was shown "
            "when."
        )
    if wanted is not None:
        if wanted not in tables:
            raise InputError(f"{place}: `intervals` is {wanted!r}, {did_you_mean(wanted, list(tables))}")
        return wanted
    usual = [name for name in tables if name != "invalid_times"]
    if len(usual) != 1:
        shown = "; ".join(f"{name} ({len(t)} rows: {', '.join(t.columns)})" for name, t in tables.items())
        raise InputError(f"{place} has several tables of intervals; choose one with `intervals`: {shown}.")
    return usual[0]


def trials_of(
    table: pd.DataFrame, stimulus_column: str | Sequence[str] | None, where: str | None, place: str
) -> pd.DataFrame:
    """Return `stimulus_id`, `onset_s` and the other plain columns of a table of intervals.

    Raises
    ------
    InputError
        If the stimulus column is not clear or has empty cells, or nothing is left.
    """
    table = table.reset_index(drop=True)
    if where is not None:
        table = table[matching_rows(table, where, f"{place}: `trials`")].reset_index(drop=True)
    if not len(table):
        raise InputError(f"{place} has no row" + (" that `trials` leaves over." if where else "."))
    columns = _stimulus_columns(table, stimulus_column, place)
    for column in columns:
        empty = table[column].isna() | (table[column].astype(str) == "")
        if empty.any():
            raise InputError(
                f"{place}: {column!r} is empty in {int(empty.sum())} of {len(table)} rows, the first is "
                f"{int(empty.to_numpy().argmax())}. Leave them out with `trials`."
            )
    ids = ["_".join(map(label_text, row)) for row in table[columns].itertuples(index=False)]
    samples = pd.DataFrame({"stimulus_id": ids, "onset_s": table[ONSET].astype(np.float64)})
    if "stop_time" in table:
        samples["duration_s"] = table["stop_time"] - table[ONSET]
    for column in table.columns:
        if column not in (*_STANDARD, *columns[: len(columns) == 1]) and column not in samples:
            samples[column] = table[column]
    return samples


def _stimulus_columns(table: pd.DataFrame, wanted: str | Sequence[str] | None, place: str) -> list[str]:
    known = [str(column) for column in table.columns if column not in _STANDARD]
    if wanted is not None:
        columns = [wanted] if isinstance(wanted, str) else list(wanted)
        for column in columns:
            if column not in table:
                raise InputError(f"{place}: `stimulus_column` is {column!r}, {did_you_mean(column, known)}")
        if not columns:
            raise InputError(f"{place}: `stimulus_column` is empty; name some of {', '.join(known)}.")
        return columns
    if "stimulus_id" in table:
        return ["stimulus_id"]
    if len(known) == 1:
        return known
    shown = ", ".join(f"{column} ({table[column].nunique()} values)" for column in known) or "none"
    raise InputError(
        f"{place}: choose what names the stimulus with `stimulus_column`; its columns are {shown}."
    )


def matching_rows(table: pd.DataFrame, where: str, what: str) -> NDArray[np.bool_]:
    """Return which rows meet a condition such as ``quality == good and snr > 2``.

    Parameters
    ----------
    table : DataFrame
        Plain columns.
    where : str
        Comparisons (``== != >= <= > <``) of a column with a value, joined by ``and``. It is compared, never
        run.
    what : str
        What it is, for messages.

    Raises
    ------
    InputError
        If it is no such condition, a column is unknown, or names are compared by size.
    """
    keep = np.ones(len(table), dtype=bool)
    for clause in re.split(r"\s+and\s+", where.strip()):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise InputError(f"{what} must be like 'quality == good and snr > 2', got {where!r}.")
        column, sign, value = match["column"], match["sign"], match["value"].strip("'\"")
        if column not in table:
            raise InputError(
                f"{what} asks for the column {column!r}, "
                f"{did_you_mean(column, list(map(str, table.columns)))}"
            )
        keep &= _compare(table[column], sign, value, what)
    return keep


def _compare(column: pd.Series, sign: str, value: str, what: str) -> NDArray[np.bool_]:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        try:
            number = float(value)
        except ValueError as error:
            raise InputError(f"{what}: {column.name!r} holds numbers, {value!r} is none.") from error
        numbers = column.to_numpy(dtype=np.float64)
        found = {
            "==": numbers == number,
            "!=": numbers != number,
            ">=": numbers >= number,
            "<=": numbers <= number,
            ">": numbers > number,
            "<": numbers < number,
        }
        return np.asarray(found[sign], dtype=bool)
    if sign not in ("==", "!="):
        raise InputError(f"{what}: {column.name!r} holds no numbers, so {sign!r} says nothing; use == or !=.")
    same = np.array([str(entry) == value for entry in column], dtype=bool)
    return same if sign == "==" else ~same


def label_text(value: object) -> str:
    """Return a label as text; whole numbers without their point, as 12.0 and 12 are one stimulus."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
