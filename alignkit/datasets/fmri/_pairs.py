"""Which files are of one run: by the entities of their names, or by their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..._core.errors import InputError, MissingDataError

RunKey = tuple[str, str, int]
_SHOWN = 3


def entities(path: Path) -> dict[str, str]:
    """Return the key-value pairs of a BIDS file name."""
    pairs = re.findall(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9+]+)", path.name.split(".")[0])
    return dict(pairs)


def _by_run(folder: Path, paths: Sequence[Path]) -> dict[RunKey, Path]:
    found: dict[RunKey, Path] = {}
    for path in paths:
        found_in = entities(path)
        run = found_in.get("run", "1")
        key = (found_in.get("ses", ""), found_in.get("task", ""), int(run) if run.isdigit() else 1)
        if key in found:
            raise InputError(
                f"{found[key].relative_to(folder)} and {path.relative_to(folder)} are both run {key[2]} of "
                "one session and task; narrow the pattern (by space-, desc-, echo-, acq-) to one file for "
                "each run."
            )
        found[key] = path
    return dict(sorted(found.items()))


def _pair(
    folder: Path, subject: str, series: list[Path], tables: list[Path], what: str
) -> tuple[list[Path], list[Path]]:
    by_series, by_table = _by_run(folder, series), _by_run(folder, tables)
    for these, others, missing in ((by_series, by_table, what), (by_table, by_series, "BOLD series")):
        alone = [path for key, path in these.items() if key not in others]
        if alone:
            raise MissingDataError(
                f"{len(alone)} of {len(these)} files of sub-{subject} have no {missing} of the same session, "
                f"task and run: {', '.join(path.name for path in alone[:3])}. Add them, or narrow the "
                "patterns."
            )
    return list(by_series.values()), [by_table[key] for key in by_series]
