"""Runs that would vanish without a word: events whose series is not there, and links that nobody follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ..._core.errors import InputError, MissingDataError
from .choose import Selectors
from .entities import RAW, BidsFile, ParsedName, parse_name
from .index import BidsIndex
from .possibilities import Possibility

_OF_RUN = ("sub", "ses", "task", "run")
_OPTIONS = {"sub": "subjects", "ses": "sessions", "task": "tasks", "run": "runs"}


def check_links(index: BidsIndex, chosen: Sequence[Possibility], wanted: Selectors) -> None:
    """Refuse links that were not followed and whose names are those of files that are wanted.

    Raises
    ------
    InputError
        If a recording, its events or its metadata are such a link.
    """
    for link in index.links:
        parsed = parse_name(PurePosixPath(link).name)
        if not _is_of_choice(index, index.folder / link, parsed, chosen):
            continue
        if any(_is_wanted(parsed.entities, each, wanted) for each in chosen):
            raise InputError(
                f"{link} is a link that leaves {index.folder}, or to a folder: it was not followed, and its "
                f"run would be read without it. Link to a file inside, copy it there, or {_narrow(parsed)}."
            )


def check_series(
    index: BidsIndex, chosen: Sequence[Possibility], wanted: Selectors, *, skip: bool
) -> list[str]:
    """Refuse events of wanted runs that have no series; return what is to be noted.

    Subjects of whom a derivative has nothing at all are noted only: it may be of some subjects.

    Raises
    ------
    MissingDataError
        If a table of events has no series, unless `skip`.
    """
    alone = list(_alone(index, chosen, wanted))
    known = {run.subject for each in chosen for run in each.runs}
    is_derived = chosen[0].derivative != RAW
    absent = sorted({file.get("sub") for file in alone} - known) if is_derived else []
    notes = []
    if absent:
        notes.append(f"The derivative {chosen[0].derivative} has no run of sub-{', sub-'.join(absent)}.")
        alone = [file for file in alone if file.get("sub") in known]
    if not alone:
        return notes
    shown = ", ".join(file.relative for file in alone[:5])
    shown += f" and {len(alone) - 5} more" if len(alone) > 5 else ""
    if skip:
        return [*notes, f"{len(alone)} events.tsv have no series and were left out: {shown}."]
    beside = _lookalikes(index, alone[0])
    hint = f" Beside the first lies {', '.join(beside)}: is it misnamed?" if beside else ""
    raise MissingDataError(
        f"{len(alone)} events.tsv have no series of the same run: {shown}.{hint} Add the series under their "
        f"BIDS names, leave the runs out with `subjects`, `sessions` or `runs`, or set `missing_series` to "
        "'skip'."
    )


def _alone(index: BidsIndex, chosen: Sequence[Possibility], wanted: Selectors) -> Iterator[BidsFile]:
    table = index.table
    is_one = (
        (table["suffix"] == "events") & (table["extension"] == ".tsv") & ~table["sub"].isin(["", "emptyroom"])
    )
    is_one &= (table["datatype"] == chosen[0].datatype) & (table["task"] != "")
    is_one &= table["pipeline"].isin([chosen[0].derivative, RAW])
    runs = [run.file.entities for each in chosen for run in each.runs]
    for file in index.files(np.flatnonzero(is_one.to_numpy(dtype=bool))):
        is_wanted = any(_is_wanted(file.entities, each, wanted) for each in chosen)
        if is_wanted and not any(_agree(file.entities, run, _OF_RUN) for run in runs):
            yield file


def _is_wanted(named: Mapping[str, str], each: Possibility, wanted: Selectors) -> bool:
    """Tell whether a name is of what was chosen, as far as it says."""
    if named.get("sub", "") == "" or named.get("task", "") != each.task:
        return False
    for entity, names in (("sub", wanted.subjects), ("ses", wanted.sessions), ("run", wanted.runs)):
        labels = None if names is None else {_plain(entity, str(n).removeprefix(f"{entity}-")) for n in names}
        if labels is not None and entity in named and _plain(entity, named[entity]) not in labels:
            return False
    asked = {name: str(value) for name, value in {**each.entities, **wanted.entities}.items()}
    if each.space:
        asked["space"] = each.space
    return all(
        _plain("run", named[name]) == _plain("run", value)
        for name, value in asked.items()
        if name in named and value
    )


def _agree(one: Mapping[str, str], other: Mapping[str, str], names: Sequence[str]) -> bool:
    return all(_plain(name, one[name]) == _plain(name, other.get(name, "")) for name in names if name in one)


def _is_of_choice(index: BidsIndex, path: Path, parsed: ParsedName, chosen: Sequence[Possibility]) -> bool:
    """Tell whether a link lies in the chosen derivative, or is a table of events of the raw data."""
    roots = {name: root for name, root in index.roots.items() if path.is_relative_to(root)}
    pipeline = max(roots, key=lambda name: len(roots[name].parts), default=RAW)
    datatype = chosen[0].datatype
    if datatype not in path.parts:
        return False
    suffixes = {"bold"} if datatype == "func" else {datatype, "channels"}
    if parsed.suffix == "events":
        return pipeline in (RAW, chosen[0].derivative)
    return pipeline == chosen[0].derivative and parsed.suffix.lower() in suffixes


def _lookalikes(index: BidsIndex, events: BidsFile) -> list[str]:
    """Return files of the run that a reader would know by another name."""
    start = events.name.removesuffix("_events.tsv").lower()
    names = (path.name for path in sorted(events.path.parent.iterdir()))
    taken = (".tsv", ".json", ".bvec", ".bval")
    found = [name for name in names if name.lower().startswith(start) and not name.endswith(taken)]
    links = {PurePosixPath(link).name for link in index.links}
    return [name for name in found if name not in links][:3]


def _narrow(parsed: ParsedName) -> str:
    named = [f"`{_OPTIONS[name]}`" for name in _OF_RUN if name in parsed.entities]
    return f"leave the run out with {', '.join(named)}"


def _plain(entity: str, label: str) -> str:
    return str(int(label)) if entity == "run" and label.isdecimal() else label
