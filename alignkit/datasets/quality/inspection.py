"""What a path holds, in words and as JSON, and the ``dataset:`` block that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .report import Table, _plain


@dataclass(frozen=True)
class Inspection:
    """What was found at a path.

    Attributes
    ----------
    path : str
        Absolute.
    kind : str
        In a few words, such as ``"NIfTI series"``.
    facts : tuple of (str, str)
        Name and value, in the order in which they are shown.
    tables : tuple of Table
        Longer lists, such as the variables of a file.
    dataset : mapping or None
        `kind` and options that read it; None where something is missing for that.
    remark : str
        What the options take for granted, or else what is missing.
    details : mapping
        Further facts for machines.
    notes : tuple of str
        What was found wrong or left out.
    """

    path: str
    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    dataset: Mapping[str, Any] | None = None
    remark: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    text: str = ""

    @property
    def yaml(self) -> str:
        """The ``dataset:`` block; empty where it cannot be read."""
        if self.dataset is None:
            return ""
        return yaml.safe_dump({"dataset": dict(self.dataset)}, sort_keys=False, allow_unicode=True, width=100)

    def to_text(self) -> str:
        """Return everything as plain, aligned text that ends with the YAML, or with what is missing."""
        if self.text:
            return self.text
        width = max((len(name) for name, _ in (*self.facts, ("kind", ""))), default=4)
        lines = [self.path, f"  {'kind':{width}}  {self.kind}"]
        lines += [f"  {name:{width}}  {value}" for name, value in self.facts]
        for table in self.tables:
            lines += ["", *_aligned(table)]
        lines += ["", *(f"Note: {note}" for note in self.notes)] if self.notes else []
        lines.append("")
        if self.remark:
            lines.append(self.remark)
        if self.dataset is None:
            lines.append("No `dataset:` block reads it as it is.")
        else:
            lines += self.yaml.splitlines()
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return the same as values that JSON can hold."""
        return {
            "path": self.path,
            "kind": self.kind,
            "facts": dict(self.facts),
            "tables": [_plain(table) for table in self.tables],
            "dataset": None if self.dataset is None else _plain(self.dataset),
            "yaml": self.yaml,
            "remark": self.remark,
            "notes": list(self.notes),
            **{name: _plain(value) for name, value in self.details.items()},
        }


def _aligned(table: Table) -> list[str]:
    rows = [[str(cell) for cell in row] for row in table.rows]
    heads = list(table.columns)
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]

    def line(cells: list[str]) -> str:
        return "  " + "  ".join(f"{cell:{w}}" for cell, w in zip(cells, widths, strict=True)).rstrip()

    return [f"{table.title}:", line(heads), *map(line, rows)]
