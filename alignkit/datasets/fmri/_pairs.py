"""Which files are of one run: by the entities of their names, or by their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..._core.errors import InputError, MissingDataError

RunKey = tuple[str, str, int]
_TOLD_APART_BY = ("sub", "ses", "task", "run")


def entities(path: Path) -> dict[str, str]:
    """Return the key-value pairs of a BIDS file name."""
    pairs = re.findall(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9+]+)", path.name.split(".")[0])
    return dict(pairs)


def pair_by_run(
    folder: Path, subject: str, series: Sequence[Path], tables: Sequence[Path], what: str
) -> tuple[list[Path], list[Path]]:
    """Return series and tables of the same session, task and run, sorted by these.

    Raises
    ------
    InputError
        If two files are of one run.
    MissingDataError
        If a file has no partner.
    """
    by_series, by_table = _by_run(folder, series), _by_run(folder, tables)
    for these, others, missing in ((by_series, by_table, what), (by_table, by_series, "BOLD series")):
        alone = [path for key, path in these.items() if key not in others]
        if alone:
            raise MissingDataError(
                f"{len(alone)} of {len(these)} files of {subject} have no {missing} of the same session, "
                f"task and run: {', '.join(path.name for path in alone[:3])}. Add them, or narrow the "
                "patterns."
            )
    return list(by_series.values()), [by_table[key] for key in by_series]


def pair_in_order(
    series: Sequence[Path], tables: Sequence[Path], what: str, notes: list[str], *, is_given: bool
) -> tuple[list[Path], list[Path]]:
    """Return series and tables as they are, the first with the first; add a note where nobody said so.

    Raises
    ------
    InputError
        If there are more of one than of the other, or two names of a pair contradict each other.
    """
    if len(series) != len(tables):
        raise InputError(
            f"`bold` names {len(series)} files and `{what}` {len(tables)}; they are paired in their order. "
            "Give one for each run."
        )
    for one, other in zip(series, tables, strict=True):
        here, there = entities(one), entities(other)
        for key in _TOLD_APART_BY:
            if key in here and key in there and _plain(here[key]) != _plain(there[key]):
                raise InputError(
                    f"{one.name} and {other.name} are paired, by their order, but their names say {key}-"
                    f"{here[key]} and {key}-{there[key]}. Give `{what}` in the order of `bold`."
                )
    if len(series) > 1 and not is_given:
        notes.append(
            f"Series and {what} were paired in the order of their names: {series[0].name} with "
            f"{tables[0].name}, {series[1].name} with {tables[1].name}, and so on."
        )
    return list(series), list(tables)


def say_runs(series: Sequence[Path], tables: Sequence[Path]) -> bool:
    """Tell whether names of several files say which of them are of one run."""
    keys = [[_run_key(path) for path in paths] for paths in (series, tables)]
    return len(series) > 1 and all(len(set(of_kind)) == len(of_kind) for of_kind in keys)


def _run_key(path: Path) -> RunKey:
    found = entities(path)
    run = found.get("run", "1")
    return found.get("ses", ""), found.get("task", ""), int(run) if run.isdigit() else 1


def _plain(label: str) -> str:
    """Return a label such that 01 is 1."""
    return label.lstrip("0") or "0"


def _by_run(folder: Path, paths: Sequence[Path]) -> dict[RunKey, Path]:
    found: dict[RunKey, Path] = {}
    for path in paths:
        key = _run_key(path)
        if key in found:
            raise InputError(
                f"{found[key].relative_to(folder)} and {path.relative_to(folder)} are both run {key[2]} of "
                "one session and task; narrow the pattern (by space-, desc-, echo-, acq-) to one file for "
                "each run."
            )
        found[key] = path
    return dict(sorted(found.items()))
