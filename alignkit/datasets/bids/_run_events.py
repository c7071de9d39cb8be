"""What was shown in a run, from its events table: the same rules for every kind of recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._tables import read_table
from ..fmri._event_checks import agree_on_ids, refuse_repeats

NOT_AVAILABLE = ("", "n/a", "N/A", "nan")
_ID_COLUMNS = ("stimulus_id", "stim_file", "trial_type")
# The reader's own columns: what a table says of them would be taken for ours.
_TAKEN = {"onset", "duration", "stimulus_id", "run", "session", "task", "repetition", "onset_s", "duration_s"}


@dataclass(frozen=True)
class EventRules:
    """Which rows of an events table are samples, and what names their stimulus.

    Attributes
    ----------
    id_column : str or None
        By default the first of `stimulus_id`, `stim_file` (the file's stem) and `trial_type`.
    trial_types : sequence of str or None
        Keep rows whose `trial_type` is one of these.
    rest : str
        A label that is no stimulus.
    """

    id_column: str | None = None
    trial_types: Sequence[str] | None = None
    rest: str = "rest"


def run_events(path: Path, rules: EventRules) -> pd.DataFrame:
    """Read the events of one run.

    Parameters
    ----------
    path : Path
        An ``events.tsv``.
    rules : EventRules
        Which rows, and what names the stimulus.

    Returns
    -------
    events : DataFrame
        `stimulus_id`, `onset_s`, `duration_s` (NaN where the table has ``n/a``), then the table's other
        columns that say anything of these rows; sorted by onset.

    Raises
    ------
    InputError
        If a column is missing, an onset is no time, an event is there twice, or no stimulus is left.
    """
    texts = ("trial_type", "stim_file", *([rules.id_column] if rules.id_column else []))
    table = read_table(path, needs=["onset"], texts=texts)
    if rules.trial_types is not None:
        if "trial_type" not in table:
            raise InputError(f"`trial_types` is given, but {path} has no column trial_type.")
        table = table[table["trial_type"].isin(list(rules.trial_types))]
    column = _id_column(path, table, rules.id_column)
    ids = table[column]
    if column == "stim_file":
        ids = ids.map(lambda file: PurePosixPath(file).stem if file not in NOT_AVAILABLE else "")
    shown = ~ids.isin([*NOT_AVAILABLE, rules.rest])
    if "trial_type" in table:
        shown &= table["trial_type"] != rules.rest
    if not shown.any():
        chosen = f" with a trial_type in {list(rules.trial_types)}" if rules.trial_types is not None else ""
        raise InputError(f"{path} names no stimulus in the column {column!r}{chosen}.")
    table, ids = table[shown], ids[shown]
    made = pd.DataFrame(
        {
            "stimulus_id": ids,
            "onset_s": _seconds(path, table["onset"], may_lack=False),
            "duration_s": _seconds(path, table["duration"], may_lack=True) if "duration" in table else np.nan,
        }
    )
    refuse_repeats(path, made)
    for name in table.columns:
        lacks = table[name].isna() | table[name].astype(str).isin(NOT_AVAILABLE)
        if name not in _TAKEN and not lacks.all():
            made[name] = table[name]
    return made.sort_values("onset_s", kind="stable").reset_index(drop=True)


def check_id_columns(tables: Sequence[tuple[str, Path]]) -> None:
    """Refuse runs that name stimuli by different columns; `tables` has the name and the events of each."""
    agree_on_ids([(name, _id_column(path, read_table(path), None)) for name, path in tables])


def check_stems(events: Sequence[pd.DataFrame], where: Path) -> None:
    """Refuse two stimulus files with one stem: they would be one stimulus."""
    by_stem: dict[str, str] = {}
    for table in events:
        if "stim_file" not in table:
            continue
        for stimulus_id, file in zip(table["stimulus_id"], table["stim_file"], strict=True):
            if file in NOT_AVAILABLE:
                continue
            other = by_stem.setdefault(stimulus_id, file)
            if other != file and stimulus_id == PurePosixPath(file).stem:
                raise InputError(
                    f"the events in {where} have the stimulus files {other!r} and {file!r}, which would be "
                    f"one stimulus {stimulus_id!r}; add a column 'stimulus_id', or name the column as "
                    "`id_column`."
                )


def write_events(events: pd.DataFrame, path: Path) -> Path:
    """Write events for a reader of tables; it takes the ids from `stimulus_id`."""
    table = events.rename(columns={"onset_s": "onset", "duration_s": "duration"})
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.12g")
    return path


def _id_column(path: Path, table: pd.DataFrame, wanted: str | None) -> str:
    columns = [str(column) for column in table.columns]
    if wanted is not None:
        if wanted not in columns:
            raise InputError(f"`id_column` is {wanted!r}, {did_you_mean(wanted, columns)} ({path})")
        return wanted
    found = [column for column in _ID_COLUMNS if column in columns]
    if not found:
        raise InputError(
            f"{path} has none of the columns {', '.join(_ID_COLUMNS)}, but {', '.join(columns)}; name the "
            "one that holds the stimulus as `id_column`."
        )
    return found[0]


def _seconds(path: Path, values: pd.Series, *, may_lack: bool) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    lacks = values.isna() | values.astype(str).isin(NOT_AVAILABLE)
    bad = ~np.isfinite(numbers.to_numpy())
    if may_lack:
        bad = (bad & ~lacks.to_numpy()) | (numbers.to_numpy() < 0)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{path}: {values.name!r} is {str(values.iloc[row])!r}, a time in seconds is wanted."
        )
    return numbers
