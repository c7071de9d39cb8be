"""Repetition times that BIDS says further up than beside a series."""

from __future__ import annotations

import json
from pathlib import Path

from ..._core.errors import InputError
from .._arrays import readable
from ._pairs import entities
from ._volumes import header_tr, open_image


def inherited_tr(folder: Path, bold: list[Path]) -> float | None:
    """Return the repetition time that sidecars above the series give, where headers say none.

    Parameters
    ----------
    folder : Path
        The data set: JSON files from here down to each series count, the nearest and longest name most.
    bold : list of Path
        The series of one subject.

    Raises
    ------
    InputError
        If a header says another time.
    """
    missing: list[float] = []
    for path in bold:
        said = _said(folder, path)
        if said is None:
            continue
        tr_s, sidecar = said
        header_s, _ = header_tr(path, open_image(path))
        if not header_s:
            missing.append(tr_s)
        elif abs(header_s - tr_s) > 1e-3 * tr_s:
            raise InputError(
                f"{path.name} has a repetition time of {header_s:g} s in its header but {tr_s:g} s in "
                f"{sidecar.relative_to(folder)}; say which is right with `tr_s`."
            )
    is_one = len(missing) == len(bold) and len(set(missing)) == 1
    return missing[0] if is_one else None


def _said(folder: Path, path: Path) -> tuple[float, Path] | None:
    """Return what the nearest sidecar says, unless it is the series' own: its reader looks at that."""
    own = path.with_name(path.name.partition(".")[0] + ".json")
    has = entities(path)
    found: tuple[float, Path] | None = None
    inner = path.parent.relative_to(folder).parts if path.parent.is_relative_to(folder) else ()
    for depth in range(len(inner) + 1):
        place = folder.joinpath(*inner[:depth])
        applicable = [
            sidecar
            for sidecar in sorted(place.glob("*bold.json"), key=lambda each: (len(entities(each)), each.name))
            if sidecar.is_file() and entities(sidecar).items() <= has.items()
        ]
        for sidecar in applicable:
            with readable(sidecar, "JSON"):
                value = dict(json.loads(sidecar.read_text(encoding="utf-8"))).get("RepetitionTime")
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise InputError(f"{sidecar}: RepetitionTime is {value!r}, a number of seconds is wanted.")
            if value is not None:
                found = (float(value), sidecar)
    return None if found is None or found[1] == own else found
