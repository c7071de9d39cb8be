"""Paths as the patterns of the readers want them."""

from __future__ import annotations

from pathlib import Path

from ..bids.entities import parse_name


def subject_pattern(path: Path) -> tuple[Path, str, str] | None:
    """Return folder, pattern with ``{subject}``, and subject of a file; None where none fits its name.

    A file below ``sub-<label>`` is found from the folder that holds all subjects; of any other name the last
    part without an underscore stands for the subject.
    """
    path = path.resolve()
    if any(mark in path.name for mark in "*?[{"):
        return None
    label = parse_name(path.name).entities.get("sub")
    for parent in path.parents:
        if parent.name.startswith("sub-") and (label is None or parent.name == f"sub-{label}"):
            below = path.relative_to(parent.parent).as_posix()
            name = parent.name.removeprefix("sub-")
            return parent.parent, below.replace(f"sub-{name}", "sub-{subject}"), name
    if label is not None:
        return path.parent, path.name.replace(f"sub-{label}", "sub-{subject}"), label
    stem, dot, ending = path.name.partition(".")
    head, _, last = stem.rpartition("_")
    if not last:
        return None
    return path.parent, f"{head}_{{subject}}{dot}{ending}" if head else f"{{subject}}{dot}{ending}", last
