"""What was shown when, in each run: BIDS events, or a label per volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file
from .._tables import read_table
from ._event_checks import refuse_repeats

NOT_AVAILABLE = ("", "n/a", "N/A", "nan")
_ID_COLUMNS = ("stimulus_id", "stim_file", "trial_type")
_LABEL_COLUMNS = ("stimulus_id", "label", "labels", "trial_type", "target", "targets")
_RUN_COLUMNS = ("run", "runs", "chunk", "chunks")
# Onsets are written with few decimals: a thousandth of a repetition time is rounding.
_SLACK = 1e-3


@dataclass(frozen=True)
class RunEvents:
    """One run's volumes in its file, and what was shown in it.

    `table` has `stimulus_id`, `onset_s` (from the begin of the run's first volume), `duration_s`, and labels;
    it is None where nobody says what was shown.
    """

    run: int | str
    source: Path
    start: int
    stop: int
    table: pd.DataFrame | None


def read_events(path: str | Path, *, rest: str, id_column: str | None = None) -> pd.DataFrame:
    """Read a BIDS events table.

    The stimulus is taken from `id_column`, or else from the first of `stimulus_id`, `stim_file` (the file's
    stem) and `trial_type` that is there. Rows that name no stimulus, or `rest`, are left out.
    """
    path = require_file(path)
    texts = () if id_column is None else (id_column,)
    table = read_table(path, needs=["onset", "duration"], texts=texts)
    column = _id_column(path, table, id_column)
    ids = table[column]
    if column == "stim_file":
        ids = ids.map(lambda file: PurePosixPath(file).stem if file not in NOT_AVAILABLE else "")
    shown = ~ids.isin([*NOT_AVAILABLE, rest])
    if "trial_type" in table:
        shown &= table["trial_type"] != rest
    made = pd.DataFrame({"stimulus_id": ids[shown]})
    for given, name in (("onset", "onset_s"), ("duration", "duration_s")):
        made[name] = _seconds(path, table.loc[shown, given])
    taken = {"onset", "duration", "stimulus_id", "run", "session", "repetition", "onset_s", "duration_s"}
    for other in table.columns:
        if other not in taken:
            made[other] = table.loc[shown, other]
    if not len(made):
        raise InputError(f"{path} names no stimulus in the column {column!r}.")
    refuse_repeats(path, made)
    return made.sort_values("onset_s", kind="stable").reset_index(drop=True)


def chosen_id_column(path: str | Path) -> str:
    """Return the column that :func:`read_events` takes the stimulus from where none is named."""
    return _id_column(Path(path), read_table(path), None)


def read_volume_labels(path: str | Path, *, n_volumes: int, tr_s: float, rest: str) -> list[RunEvents]:
    """Read a label and a run per volume; every labelled volume is an event of one repetition time.

    A csv, tsv or parquet table with columns for label and run, or text with the two in each line.
    """
    path = require_file(path)
    labels, runs = _labels_and_runs(path)
    if len(labels) != n_volumes:
        raise InputError(f"{path} has {len(labels)} labels but the series has {n_volumes} volumes.")
    edges = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1], True])
    names = [runs[edge].item() for edge in edges[:-1]]
    if len(set(names)) != len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: the volumes of run {again} do not stand together.")
    found = []
    for name, start, stop in zip(names, edges[:-1], edges[1:], strict=True):
        shown = [k for k in range(stop - start) if labels[start + k] not in (*NOT_AVAILABLE, rest)]
        table = pd.DataFrame(
            {
                "stimulus_id": [labels[start + k] for k in shown],
                "onset_s": [k * tr_s for k in shown],
                "duration_s": tr_s,
            }
        )
        found.append(RunEvents(name, path, int(start), int(stop), table))
    return found


def check_stems(events: pd.DataFrame, where: Path) -> None:
    """Refuse two stimulus files with one stem: they would be one stimulus."""
    if "stim_file" not in events:
        return
    by_stem: dict[str, str] = {}
    for stimulus_id, file in zip(events["stimulus_id"], events["stim_file"], strict=True):
        # A run without the column has no text there.
        if not isinstance(file, str) or file in NOT_AVAILABLE:
            continue
        other = by_stem.setdefault(stimulus_id, file)
        if other != file and stimulus_id == PurePosixPath(file).stem:
            raise InputError(
                f"the events in {where} have the stimulus files {other!r} and {file!r}, which would be one "
                f"stimulus {stimulus_id!r}; add a column 'stimulus_id'."
            )


def join_blocks(events: pd.DataFrame, *, gap_s: float) -> pd.DataFrame:
    """Join neighbours with one stimulus that are at most `gap_s` apart into one event."""
    if not len(events):
        return events
    ends = events["onset_s"] + events["duration_s"]
    is_same = events["stimulus_id"] == events["stimulus_id"].shift()
    is_near = events["onset_s"] - ends.shift() <= gap_s * (1 + _SLACK)
    block = (~(is_same & is_near)).cumsum()
    joined = events.groupby(block, sort=True).first()
    joined["duration_s"] = ends.groupby(block, sort=True).max() - joined["onset_s"]
    return joined.reset_index(drop=True)


def _id_column(path: Path, table: pd.DataFrame, wanted: str | None) -> str:
    columns = [column for column in (_ID_COLUMNS if wanted is None else (wanted,)) if column in table]
    if not columns:
        names = wanted or " or ".join(_ID_COLUMNS)
        raise InputError(f"{path} needs a column {names}, it has {', '.join(table.columns)}.")
    return columns[0]


def _labels_and_runs(path: Path) -> tuple[list[str], NDArray[np.generic]]:
    if path.suffix.lower() in (".csv", ".tsv", ".parquet"):
        table = read_table(path)
        label = next((c for c in _LABEL_COLUMNS if c in table), None)
        run = next((c for c in _RUN_COLUMNS if c in table), None)
        if label is None or run is None:
            raise InputError(
                f"{path} needs a column for the label ({', '.join(_LABEL_COLUMNS)}) and one for the run "
                f"({', '.join(_RUN_COLUMNS)}), it has {', '.join(table.columns)}."
            )
        return [str(v) for v in table[label]], table[run].to_numpy()
    with readable(path, "text"):
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if lines and lines[0][-1] in _RUN_COLUMNS:
        lines = lines[1:]
    for number, line in enumerate(lines, start=1):
        if len(line) != 2 or not line[1].lstrip("-").isdigit():
            raise InputError(
                f"{path}: line {number} should hold a label and a run number, got {' '.join(line)!r}."
            )
    return [line[0] for line in lines], np.array([int(line[1]) for line in lines])


def _seconds(path: Path, values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    bad = ~np.isfinite(numbers.to_numpy())
    if values.name == "duration":
        bad |= numbers.to_numpy() < 0
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{path}: {values.name!r} is {str(values.iloc[row])!r}, a time in seconds is wanted."
        )
    return numbers
