"""Events of MEG-MASC: words, phonemes and sounds, each described by the text of a Python dictionary."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._tables import read_table

# A description has a dozen entries; what is longer is none.
_LONGEST = 5_000


def read_spoken_events(path: Path) -> pd.DataFrame:
    """Read a run's events.

    Parameters
    ----------
    path : Path
        ``*_events.tsv`` with `onset`, `duration` and `trial_type`. A description is read as a literal (text,
        numbers, containers); nothing in it is ever run.

    Returns
    -------
    events : DataFrame
        `onset_s`, `duration_s`, `kind` (``"word"``, ``"phoneme"``, ``"sound"``), `text`, `condition`,
        `story`, `segment` (stem of the sound file), `sequence`, and `start_s`, the place in that file;
        missing entries are ``""`` and NaN. In order of onset.

    Raises
    ------
    InputError
        If the table lacks a column, or a description is no dictionary of plain values.
    """
    table = read_table(path, needs=("onset", "trial_type"))
    onset = pd.to_numeric(table["onset"], errors="coerce")
    if onset.isna().any():
        row = int(onset.isna().to_numpy().argmax()) + 1
        raise InputError(f"{path}: the onset of event {row} is no time in seconds.")
    described = [_described(path, row, text) for row, text in enumerate(table["trial_type"], start=1)]
    duration = pd.to_numeric(table["duration"], errors="coerce") if "duration" in table else np.nan
    events = pd.DataFrame(
        {
            "onset_s": onset,
            "duration_s": duration,
            "kind": [_text(each, "kind") for each in described],
            "text": [_text(each, _text(each, "kind")) for each in described],
            "condition": [_text(each, "condition") for each in described],
            "segment": [PurePosixPath(_text(each, "sound")).stem for each in described],
            "sequence": [_text(each, "sequence_id") for each in described],
            "start_s": [_number(each.get("start")) for each in described],
        }
    )
    stories = [_text(each, "story") for each in described]
    # A sound is named after its story and its number.
    named = events["segment"].str.replace(r"_[\d.]+$", "", regex=True)
    events["story"] = [story or name for story, name in zip(stories, named, strict=True)]
    return events.sort_values("onset_s", kind="stable").reset_index(drop=True)


def select_spoken(
    events: pd.DataFrame, kind: str, conditions: Sequence[str], *, where: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the words or phonemes of some conditions, with `stimulus_id`, and what was left out.

    The id is the place in the sound: what is heard again in another session has the same.

    Raises
    ------
    InputError
        If there is none of that kind, or no such condition.
    """
    own = events[events["kind"] == kind]
    if not len(own):
        raise InputError(f"{where} holds no event of the kind {kind!r}; it has {_counted(events['kind'])}.")
    known = sorted(set(own["condition"]))
    for condition in conditions:
        if condition not in known:
            raise InputError(
                f"{where} has no {kind} of `conditions` {condition!r}, {did_you_mean(condition, known)}"
            )
    kept = own[own["condition"].isin(list(conditions))]
    left = own[~own["condition"].isin(list(conditions))]
    notes = [
        f"{where}: {len(left)} {kind}s of other conditions were left out ({_counted(left['condition'])})."
    ]
    kept = kept.assign(stimulus_id=_ids(kept))
    twice = kept["stimulus_id"].duplicated()
    if twice.any():
        notes.append(f"{where}: {int(twice.sum())} {kind}s are listed twice; the first was taken.")
    return kept[~twice].reset_index(drop=True), tuple(notes) if len(left) else tuple(notes[1:])


def _ids(events: pd.DataFrame) -> list[str]:
    number = events.groupby("story", sort=False).cumcount()
    columns = [events[name].to_list() for name in ("segment", "start_s", "story", "text")]
    return [
        f"{segment}-{start:09.3f}-{text}" if segment and start == start else f"{story}-{place:05d}-{text}"
        for segment, start, story, text, place in zip(*columns, number.to_list(), strict=True)
    ]


def _described(path: Path, row: int, text: str) -> Mapping[str, Any]:
    try:
        value = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(
            f"{path}: `trial_type` of event {row} is {text[:60]!r}, the text of a dictionary of plain values "
            "is wanted (it is never run). Is this the events file of MEG-MASC?"
        )
    return value


def _text(described: Mapping[str, Any], key: str) -> str:
    value = described.get(key)
    if value is None or value != value:
        return ""
    # Numbers come as 3.0 where others of their column are missing.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _counted(values: pd.Series) -> str:
    return (
        ", ".join(f"{count} {name or 'without'}" for name, count in values.value_counts().items()) or "none"
    )
