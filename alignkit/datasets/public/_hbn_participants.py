"""Who is in HBN-EEG: releases, consent, quality, and which recordings a task has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError
from .._tables import read_table
from ._named_subjects import choose_named_subjects

# Recordings that users of the set found to be unusable.
KNOWN_BAD = (
    "sub-NDARWV769JM7", "sub-NDARME789TD2", "sub-NDARUA442ZVF", "sub-NDARJP304NK1", "sub-NDARTY128YLU",
    "sub-NDARDW550GU6", "sub-NDARLD243KRE", "sub-NDARUJ292JXV", "sub-NDARBA381JGH",
)  # fmt: skip
TRAITS = ("sex", "age", "ehq_total", "p_factor", "attention", "internalizing", "externalizing")
_RUN = re.compile(r"(sub-\w+?)_task-(\w+?)(?:_run-(\d+))?_eeg\.(?:set|bdf|fif)")


@dataclass(frozen=True)
class Participant:
    """One child's recordings of a task.

    Attributes
    ----------
    name : str
        Such as ``"sub-NDARAC904DMU"``.
    facts : dict
        `release` and traits.
    runs : dict of int to Path
        By run; a task with one recording has run 1.
    """

    name: str
    facts: dict[str, Any]
    runs: dict[int, Path]


def find_participants(
    root: Path,
    task: str,
    *,
    subjects: Sequence[str] | None,
    releases: Sequence[str] | None,
    commercial_only: bool,
    with_caution: bool,
) -> tuple[list[Participant], tuple[str, ...]]:
    """Return the participants with recordings of a task, and notes on who was left out.

    Parameters
    ----------
    root : Path
        A release's folder, or one that holds several.
    task : str
        As in the files' names.
    subjects : sequence of str, optional
        With or without ``sub-``; by default all that the other options allow.
    releases : sequence of str, optional
        Such as ``["R1"]``.
    commercial_only : bool
        Whether to keep only those who agreed to commercial use.
    with_caution : bool
        Whether to keep recordings that the owners flag with ``caution``.

    Raises
    ------
    MissingDataError
        If there is no release, or nobody has the task.
    InputError
        If a named participant did not agree, is not there, or is flagged.
    """
    rows = {str(row["participant_id"]): row for row in _table(root, releases).to_dict("records")}
    runs = {name: _runs(Path(row["folder"]), name, task) for name, row in rows.items()}
    present = [name for name, own in runs.items() if own]
    files = f"*_task-{task}_eeg.set"
    chosen = choose_named_subjects(subjects, present, folder=root, files=files, prefix="sub-")
    refused = [name for name in chosen if str(rows[name]["commercial_use"]).lower() != "yes"]
    left_out, notes = _left_out(chosen, refused if commercial_only else [], is_named=subjects is not None)
    found, n_flagged = [], 0
    for name in (name for name in chosen if name not in left_out):
        flags = {run: rows[name].get(_column(task, run, len(runs[name]))) for run in runs[name]}
        flagged = [run for run, flag in flags.items() if flag == "caution"]
        n_flagged += len(flagged)
        kept = {run: path for run, path in runs[name].items() if with_caution or run not in flagged}
        if kept:
            traits = {trait: rows[name][trait] for trait in TRAITS if trait in rows[name]}
            found.append(Participant(name, {"release": rows[name]["release_number"], **traits}, kept))
    if n_flagged:
        done = "are among them" if with_caution else "were left out (set `with_caution` to keep them)"
        notes.append(f"{n_flagged} recordings that the owners flag with caution {done}.")
    if not found:
        raise InputError(f"no participant of {len(chosen)} with the task {task} is left. {' '.join(notes)}")
    return found, tuple(notes)


def _left_out(chosen: Sequence[str], refused: Sequence[str], *, is_named: bool) -> tuple[set[str], list[str]]:
    """Return who is left out for want of consent or a usable recording, and notes."""
    bad = [name for name in chosen if name in KNOWN_BAD]
    if refused and is_named:
        raise InputError(
            f"{', '.join(refused[:5])} did not agree to commercial use (column commercial_use of "
            "participants.tsv). If yours is research only, set `purpose` to 'research'."
        )
    if is_named:
        return set(), [f"The recordings of {', '.join(bad)} are known to be bad."] if bad else []
    notes = []
    if refused:
        notes.append(
            f"{len(refused)} of {len(chosen)} participants did not agree to commercial use and were left "
            "out; for research set `purpose` to 'research'."
        )
    if bad:
        notes.append(
            f"{len(bad)} participants with recordings known to be bad were left out: {', '.join(bad)}."
        )
    return {*refused, *bad}, notes


def _table(root: Path, releases: Sequence[str] | None) -> pd.DataFrame:
    """Return the participants of all releases, with the folder of each."""
    places = (
        [root]
        if (root / "participants.tsv").is_file()
        else sorted(path.parent for path in root.glob("*/participants.tsv"))
    )
    if not places:
        raise MissingDataError(
            f"{root} holds no participants.tsv, nor does a folder in it; give a release's folder (ds005505, "
            "...) or the one above."
        )
    tables = []
    for place in places:
        texts = ("participant_id", "release_number", "commercial_use")
        table = read_table(place / "participants.tsv", needs=texts, texts=texts)
        tables.append(table.assign(folder=str(place)))
    table = pd.concat(tables, ignore_index=True)
    check_unique(f"participant_id of {root}", table["participant_id"].to_list())
    if releases is None:
        return table
    known = sorted(set(table["release_number"]))
    for release in releases:
        if release not in known:
            raise UnknownNameError(f"a release of `releases` is {release!r}, {did_you_mean(release, known)}")
    return table[table["release_number"].isin(list(releases))].reset_index(drop=True)


def _runs(folder: Path, subject: str, task: str) -> dict[int, Path]:
    found = {}
    for path in sorted((folder / subject / "eeg").glob(f"{subject}_task-{task}*_eeg.*")):
        match = _RUN.fullmatch(path.name)
        if match is not None and match[2] == task:
            found[int(match[3] or 1)] = path
    return found


def _column(task: str, run: int, n_runs: int) -> str:
    """Return the column of the table that tells a recording's quality."""
    numbered = task in ("contrastChangeDetection", "surroundSupp") or n_runs > 1
    return f"{task}_{run}" if numbered else task
