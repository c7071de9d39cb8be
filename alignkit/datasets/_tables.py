"""Tables of samples, channels and labels from csv, tsv and parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .._core.checks import check_unique
from .._core.errors import InputError
from ._arrays import readable, require_file

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
TEXT_COLUMNS = ("stimulus_id", "name", "roi", "subject", "session", "stim_file", "trial_type")
_SEPARATORS = (";", "\t", ",")
_EMPTY = ("", "n/a", "N/A", "NA", "NaN", "nan", "null")
SAMPLE_COLUMNS = ("stimulus_id", "repetition", "session", "run", "onset_s", "duration_s")


def read_table(path: str | Path, *, needs: Sequence[str] = (), texts: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table; ids and names stay text, so that ``001`` is not ``1`` and ``NA`` is a name.

    Parameters
    ----------
    path : str or Path
        A csv, tsv or parquet file.
    needs : sequence of str
        Columns that must be there, filled in every row.
    texts : sequence of str
        Columns that are text whatever they hold, beside :data:`TEXT_COLUMNS`.

    Raises
    ------
    InputError
        If it cannot be read, or a needed column is missing or has an empty cell.
    """
    path = require_file(path)
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise InputError(f"{path} has the suffix {suffix!r}; a table is {', '.join(TABLE_SUFFIXES)}.")
    with readable(path, "a table"):
        if suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = _read_text(path, "\t" if suffix == ".tsv" else ",", (*TEXT_COLUMNS, *texts))
    table.columns = [str(column).strip() for column in table.columns]
    for column in (*TEXT_COLUMNS, *texts):
        if column in table:
            table[column] = ["" if pd.isna(value) else str(value).strip() for value in table[column]]
    _check_needed(path, table, needs)
    return table


def check_numbers(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse text in columns of numbers; an empty cell is no text.

    Raises
    ------
    InputError
        Naming the column, the row and what stands there.
    """
    for column in columns:
        if column not in table:
            continue
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = (values.isna() & table[column].notna() | np.isinf(values.astype(np.float64))).to_numpy()
        if wrong.any() or pd.api.types.is_bool_dtype(table[column]):
            row = int(wrong.argmax())
            raise InputError(
                f"{path}: {column!r} must hold numbers, got {_shown(table[column].iloc[row])} in data row "
                f"{row + 1}."
            )


def check_repetitions(path: Path, table: pd.DataFrame) -> None:
    """Refuse repetitions that are no whole numbers or below 0.

    Raises
    ------
    InputError
        Naming the row and what stands there.
    """
    if "repetition" not in table:
        return
    check_numbers(path, table, ["repetition"])
    values = pd.to_numeric(table["repetition"]).to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~((values >= 0) & (values == np.rint(values)))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: 'repetition' must be a whole number, 0 or more (alignkit counts from 1), got "
            f"{_shown(table['repetition'].iloc[row])} in data row {row + 1}."
        )


def _shown(value: object) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def _check_header(path: Path, columns: list[str]) -> None:
    if len(columns) == 1 and (found := [sign for sign in _SEPARATORS if sign in columns[0]]):
        named = {";": "semicolons", "\t": "tabs", ",": "commas"}[found[0]]
        raise InputError(
            f"{path} seems to be separated by {named}: its first line is one column, {columns[0]!r}. "
            "Save it with commas (.csv) or tabs (.tsv), and with a point in decimal numbers."
        )
    if any(not column or column.startswith("Unnamed: ") or column == "nan" for column in columns):
        raise InputError(
            f"the first line of {path} has a column without a name. If it is a row index, write the file "
            "without it (in pandas `index=False`)."
        )
    counted = columns == [str(i) for i in range(len(columns))]
    if all(_is_number(column) for column in columns) and not counted:
        raise InputError(
            f"the first line of {path} holds numbers only, but it must name the columns. Add a header line."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_text(path: Path, separator: str, text_columns: Sequence[str]) -> pd.DataFrame:
    # Read as a row: pandas would rename a column that comes twice.
    first = pd.read_csv(path, sep=separator, nrows=1, header=None, dtype="str", encoding="utf-8-sig")
    columns = [str(column).strip() for column in first.iloc[0]]
    check_unique(f"columns of {path}", columns)
    _check_header(path, columns)
    texts = [column for column in columns if column in text_columns]
    table = pd.read_csv(
        path,
        sep=separator,
        header=0,
        names=columns,
        dtype=dict.fromkeys(texts, "str"),
        keep_default_na=False,
        na_values={column: list(_EMPTY) for column in columns if column not in texts},
        encoding="utf-8-sig",
    )
    # pandas takes the first cells of longer rows for an index.
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path} has rows with more cells than its first line has columns ({len(columns)}).")
    return table


def label_table(samples: pd.DataFrame, *, leave_out: Sequence[str] = ()) -> pd.DataFrame | None:
    """Return the columns of a samples table that sort stimuli into categories, a row per stimulus.

    A column counts when it has one value per stimulus, and several stimuli share a value but not all do.
    Columns that sort the stimuli as an earlier column does are left out.
    """
    grouped = samples.groupby("stimulus_id", sort=False)
    table = pd.DataFrame({"stimulus_id": samples["stimulus_id"].drop_duplicates().to_list()})
    partitions: list[tuple[int, ...]] = []
    for column in samples.columns:
        if column in (*SAMPLE_COLUMNS, "stim_file", "n_repetitions", *leave_out):
            continue
        values = samples[column]
        is_continuous = pd.api.types.is_float_dtype(values)
        if is_continuous or values.isna().any() or (grouped[column].nunique() != 1).any():
            continue
        label = grouped[column].first().loc[table["stimulus_id"]].to_list()
        partition = partition_of(label)
        if 1 < len(set(partition)) < len(partition) and partition not in partitions:
            partitions.append(partition)
            table[column] = label
    return table if partitions else None


def partition_of(label: Sequence[object]) -> tuple[int, ...]:
    """Return which items share a label, whatever the labels are called."""
    return tuple(int(code) for code in pd.factorize(np.array(label, dtype=object))[0])


def _check_needed(path: Path, table: pd.DataFrame, needs: Sequence[str]) -> None:
    for column in needs:
        if column not in table:
            raise InputError(
                f"{path} needs a column {column!r}, it has {', '.join(table.columns) or 'none'}. "
                "The first line of a table names its columns."
            )
        empty = table[column].isna() | (table[column].astype(str) == "")
        if empty.any():
            raise InputError(f"{path}: {column!r} is empty in data row {int(empty.to_numpy().argmax()) + 1}.")
    if not len(table):
        raise InputError(f"{path} has no rows.")
