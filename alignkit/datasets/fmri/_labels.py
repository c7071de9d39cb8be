"""Names of region numbers, from a table or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..._core.errors import InputError
from .._arrays import readable, require_file
from .._tables import read_table


def region_names(path: str | Path) -> dict[int, str]:
    """Read the name of each region number, from a table (`index`, `name`) or JSON."""
    path = require_file(path)
    if path.suffix.lower() == ".json":
        return _json_names(path)
    table = read_table(path, needs=["index", "name"])
    with readable(path, "region numbers"):
        names = {int(i): str(n) for i, n in zip(table["index"], table["name"], strict=True)}
    if len(names) != len(table):
        raise InputError(f"{path} lists a region number twice.")
    return names


def check_named(source: str | Path, present: Sequence[int], names: Mapping[int, str]) -> None:
    """Refuse region numbers that have no name."""
    unknown = [number for number in present if number not in names]
    if unknown:
        raise InputError(
            f"{source} has no name for the region number(s) {', '.join(map(str, unknown[:10]))}."
        )


def _json_names(path: Path) -> dict[int, str]:
    with readable(path, "region names"):
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        if all(str(key).lstrip("-").isdigit() for key in content):
            return {int(key): str(value) for key, value in content.items()}
        return {int(value): str(key) for key, value in content.items()}
