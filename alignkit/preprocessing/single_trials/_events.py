"""Runs and their events, checked, as one table of trials."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError

# A response is largest some 5 s after its trial: one cut off before is hardly measured.
LATE_S = 8.0
_NEEDED = ("stimulus_id", "onset_s", "duration_s")
_MADE = ("run", "session", "repetition")


def check_runs(runs: Any) -> list[Any]:
    """Return the runs, (n_volumes, n_voxels) each, of the same voxels."""
    if isinstance(runs, np.ndarray) and runs.ndim == 2:
        raise InputError(f"`runs` must be a list with an array per run, got one of shape {runs.shape}.")
    series = [run if isinstance(run, np.ndarray) else np.asarray(run) for run in runs]
    if not series:
        raise InputError("`runs` is empty; give an array of volumes x voxels for each run.")
    for number, run in enumerate(series, start=1):
        if len(run.shape) != 2 or run.shape[0] < 2 or run.shape[1] < 1:
            raise InputError(f"run {number} must be volumes x voxels, got shape {tuple(run.shape)}.")
        if run.dtype.kind not in "fiu":
            raise InputError(f"run {number} must hold real numbers, got dtype {run.dtype}.")
        if run.shape[1] != series[0].shape[1]:
            raise InputError(
                f"all runs must have the same voxels, got {series[0].shape[1]} in run 1 and {run.shape[1]} "
                f"in run {number}. Mask all runs with one mask."
            )
    return series


def check_sessions(sessions: Sequence[str] | None, n_runs: int) -> list[str] | None:
    """Return a session per run."""
    if sessions is None:
        return None
    if isinstance(sessions, str) or len(sessions) != n_runs:
        raise InputError(f"`sessions` must name a session for each of {n_runs} runs, got {sessions!r}.")
    return [str(session) for session in sessions]


def trials_table(
    events: Any,
    n_volumes: Sequence[int],
    *,
    tr_s: float,
    sessions: list[str] | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row per trial, in order of run and onset, and notes."""
    if isinstance(events, pd.DataFrame) or len(events) != len(n_volumes):
        what = "one table" if isinstance(events, pd.DataFrame) else f"{len(events)} tables"
        raise InputError(f"`events` must hold a table for each of {len(n_volumes)} runs, got {what}.")
    tables = []
    for number, (table, length) in enumerate(zip(events, n_volumes, strict=True), start=1):
        checked = _check_table(table, number, length * tr_s, tr_s)
        checked["run"] = number
        if sessions is not None:
            checked["session"] = sessions[number - 1]
        tables.append(checked)
    trials = pd.concat(tables, ignore_index=True)
    trials["repetition"] = trials.groupby("stimulus_id").cumcount() + 1
    order = ["stimulus_id", "run", *(["session"] if sessions is not None else [])]
    order += ["onset_s", "duration_s", "repetition"]
    trials = trials[[*order, *(column for column in trials.columns if column not in order)]]
    ends = np.array(n_volumes)[trials["run"] - 1] * tr_s
    late = trials["onset_s"].to_numpy() > ends - LATE_S
    if not late.any():
        return trials, []
    first = trials[late].iloc[0]
    note = (
        f"{int(late.sum())} trial(s) start within the last {LATE_S:g} s of their run, the first "
        f"{first['stimulus_id']!r} at {first['onset_s']:g} s of run {first['run']}: most of the response is "
        "not recorded, and its estimate is noisy."
    )
    warnings.warn(note, UserWarning, stacklevel=3)
    return trials, [note]


def _check_table(table: pd.DataFrame, run: int, end_s: float, tr_s: float) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"the events of run {run} must be a DataFrame, got {type(table).__name__}.")
    missing = [column for column in _NEEDED if column not in table]
    if missing:
        raise InputError(
            f"the events of run {run} need the column(s) {', '.join(missing)}; they have "
            f"{', '.join(map(str, table.columns)) or 'none'}."
        )
    if not len(table):
        raise InputError(f"run {run} has no event; leave the run out, it has no trial to estimate.")
    checked = table.drop(columns=[column for column in _MADE if column in table]).reset_index(drop=True)
    if checked["stimulus_id"].isna().any():
        raise InputError(
            f"the events of run {run} have {int(checked['stimulus_id'].isna().sum())} row(s) "
            "without `stimulus_id`. Drop what shows no stimulus."
        )
    checked["stimulus_id"] = checked["stimulus_id"].map(str)
    for column in ("onset_s", "duration_s"):
        checked[column] = _seconds(checked[column], run)
    checked = checked.sort_values("onset_s", kind="stable", ignore_index=True)
    outside = checked[(checked["onset_s"] < 0) | (checked["onset_s"] >= end_s)]
    if len(outside):
        worst = outside.iloc[0]
        raise InputError(
            f"{len(outside)} event(s) of run {run} lie outside its {end_s:g} s, such as "
            f"{worst['stimulus_id']!r} at {worst['onset_s']:g} s. Check the repetition time and the events, "
            "or drop them."
        )
    gaps = np.diff(checked["onset_s"].to_numpy())
    if len(gaps) and gaps.min() < 1e-3 * tr_s:
        first = int(gaps.argmin())
        pair = checked["stimulus_id"].iloc[first : first + 2].tolist()
        raise InputError(
            f"run {run} has two trials at one onset, {checked['onset_s'].iloc[first]:g} s: {pair[0]!r} and "
            f"{pair[1]!r}. Their responses cannot be told apart; make one trial of them."
        )
    return checked


def _seconds(values: pd.Series, run: int) -> NDArray[np.float64]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers) | ((numbers < 0) if values.name == "duration_s" else False)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"the events of run {run} have {values.tolist()[row]!r} as `{values.name}`; a time in seconds is "
            "wanted."
        )
    return np.asarray(numbers, dtype=np.float64)
