"""What lies beside a run's file and belongs to it: events, motion, a sidecar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable
from .._tables import read_table
from ..bids.entities import parse_name
from ..fmri._confounds import STRATEGIES, _new_name
from .event_timing import EventTimes

Floats = NDArray[np.float64]
_NAMES = ("stimulus_id", "stim_file", "trial_type", "event", "description", "value", "event_code")
_EMPTY = ("", "n/a", "N/A", "nan")
_MOTION_WORDS = ("moest", "motion", "moco", "mcf", "realign")
_SAME_RUN = ("sub", "ses", "task", "run")
_SUFFIX_WORDS = ("_bold", "_eeg", "_meg", "_ieeg", "_nirs", "_raw", "-raw")


def stem_of(path: Path) -> str:
    """Return a file's name without its endings and the word for its kind."""
    stem = path.name.split(".")[0] if path.name.endswith(".gz") else path.stem
    for word in _SUFFIX_WORDS:
        stem = stem.removesuffix(word)
    return stem


def events_beside(path: Path) -> Path | None:
    """Return the table of events that belongs to a run's file; None where none, or not one, does."""
    return _one_of(path, [each for each in sorted(path.parent.glob("*events*.tsv")) if each.is_file()])


def motion_beside(path: Path) -> Path | None:
    """Return the motion parameters or confounds of a run's file; None where none, or not one, does."""
    found = [each for each in sorted(path.parent.glob("*")) if each.is_file() and _is_motion(each)]
    return _one_of(path, found)


def mask_beside(path: Path) -> Path | None:
    """Return the brain mask of a run's file, by BIDS names."""
    found = sorted(each for end in ("nii", "nii.gz") for each in path.parent.glob(f"*_mask.{end}"))
    wanted = parse_name(path.name).entities
    keys = (*_SAME_RUN, "space", "res")
    same = [each for each in found if _same(parse_name(each.name).entities, wanted, keys)]
    return same[0] if len(same) == 1 and "sub" in wanted else None


def sidecar_beside(path: Path) -> dict[str, Any]:
    """Return what the JSON of a file's name says; empty where there is none.

    Raises
    ------
    InputError
        If it is no JSON object.
    """
    stem = path.name.split(".")[0] if path.name.endswith(".gz") else path.stem
    place = path.with_name(f"{stem}.json")
    if not place.is_file():
        return {}
    with readable(place, "JSON"):
        content = json.loads(place.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise InputError(
            f"{place} holds a {type(content).__name__}, an object of names and values is wanted."
        )
    return content


def read_event_times(path: Path) -> EventTimes:
    """Read the onsets of a table of events; rows whose name is empty are left out.

    Raises
    ------
    InputError
        If it has no onsets, or one is no time.
    """
    table = read_table(path, texts=("stim_file", "trial_type", "event", "description"))
    column = next((name for name in ("onset", "onset_s") if name in table), None)
    if column is None:
        raise InputError(f"{path} has no column 'onset', it has {', '.join(table.columns)}.")
    onsets = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(onsets).all():
        row = int((~np.isfinite(onsets)).argmax())
        raise InputError(f"{path}: the onset of row {row + 1} is {str(table[column].iloc[row])!r}, no time.")
    lasting = next((name for name in ("duration", "duration_s") if name in table), None)
    durations = (
        None if lasting is None else pd.to_numeric(table[lasting], errors="coerce").to_numpy(np.float64)
    )
    named = next((name for name in _NAMES if name in table and _says_anything(table[name])), None)
    names = ["event"] * len(table) if named is None else [str(value) for value in table[named]]
    keep = np.array([name.strip() not in _EMPTY for name in names], dtype=bool)
    events = EventTimes.of(names, list(onsets), None if durations is None else list(durations))
    kept = events.table[~events.table["name"].str.strip().isin(_EMPTY)] if not keep.all() else events.table
    return EventTimes(kept.reset_index(drop=True), named or "")


def read_motion(path: Path, *, n_volumes: int) -> tuple[Floats, str]:
    """Read three translations (mm) and three rotations (radians) of each volume.

    Parameters
    ----------
    path : Path
        fMRIPrep's confounds of any version, or six columns without a header: ``.par`` (FSL, rotations first),
        ``rp_*`` (SPM, translations first), ``.1D`` (AFNI, rotations first, in degrees); of other names the
        three columns that vary less are the rotations.
    n_volumes : int
        Of the series.

    Returns
    -------
    motion : ndarray of shape (n_volumes, 6)
        Empty cells of the first volume are 0.
    how : str
        How the columns were read.

    Raises
    ------
    InputError
        If there are no such columns, or their number is not that of the volumes.
    """
    if path.suffix.lower() in (".tsv", ".csv"):
        table = read_table(path)
        table.columns = [_new_name(str(name)) for name in table.columns]
        wanted = list(STRATEGIES["motion6"])
        if not set(wanted) <= set(table.columns):
            raise InputError(f"{path} has none of the motion parameters {', '.join(wanted)}.")
        values = table[wanted].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
        how = "the table's own names"
    else:
        with readable(path, "six motion parameters in each line"):
            values = np.loadtxt(path, ndmin=2, dtype=np.float64)
        if values.shape[1] != 6:
            raise InputError(f"{path} has {values.shape[1]} columns; six motion parameters are wanted.")
        values, how = _in_order(path, values)
    if len(values) != n_volumes:
        raise InputError(f"{path} has {len(values)} rows, the series has {n_volumes} volumes.")
    # What pandas hands over may be its own, and not to be written to.
    values = np.array(values)
    values[0] = np.nan_to_num(values[0])
    if not np.isfinite(values).all():
        raise InputError(f"{path} has cells without a number after the first volume.")
    return values, how


def _in_order(path: Path, values: Floats) -> tuple[Floats, str]:
    name = path.name.lower()
    if name.startswith("rp_"):
        return values, "translations first, as SPM writes them"
    if name.endswith(".par"):
        return values[:, [3, 4, 5, 0, 1, 2]], "rotations first, as FSL writes them"
    if name.endswith(".1d"):
        turned = values[:, [3, 4, 5, 0, 1, 2]]
        turned[:, 3:] = np.deg2rad(turned[:, 3:])
        return turned, "rotations first and in degrees, as AFNI writes them"
    spread = values.std(axis=0)
    if spread[:3].max() < spread[3:].max():
        return values[
            :, [3, 4, 5, 0, 1, 2]
        ], "the three columns that vary less (the first) taken for rotations"
    return values, "the three columns that vary less (the last) taken for rotations"


def _is_motion(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(".tsv"):
        return "confounds" in name or "motion" in name
    if name.startswith("rp_") and name.endswith(".txt"):
        return True
    return name.endswith((".par", ".1d")) or (name.endswith(".txt") and any(w in name for w in _MOTION_WORDS))


def _one_of(path: Path, found: Sequence[Path]) -> Path | None:
    """Return the one that belongs to the run: by its entities, its name, or for being the only one."""
    wanted = parse_name(path.name).entities
    if "sub" in wanted:
        found = [each for each in found if _same(parse_name(each.name).entities, wanted, _SAME_RUN)]
        return found[0] if len(found) == 1 else None
    stem = stem_of(path)
    named = [each for each in found if stem in each.name]
    if len(named) == 1:
        return named[0]
    return found[0] if len(found) == 1 and not named else None


def _same(one: dict[str, str], other: dict[str, str], keys: Sequence[str]) -> bool:
    return all(one.get(key, "").lstrip("0") == other.get(key, "").lstrip("0") for key in keys)


def _says_anything(column: pd.Series) -> bool:
    return not column.astype(str).str.strip().isin(_EMPTY).all()
