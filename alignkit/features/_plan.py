"""What is fixed when an extraction starts, and taken up again when it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._core.atomic import write_text

PLAN = "plan.json"
_FORMAT = 1
# Rows of all layers together wait in memory until there are so many bytes of them.
_GROUP_BYTES = 32 * 2**20


@dataclass
class ExtractionPlan:
    """Everything that decides the bits of an extraction.

    Attributes
    ----------
    request : mapping
        What was asked for, and of what (digests of weights and stimuli, versions), as JSON values.
    batches : list of [row, size]
        From that row on, passes hold so many stimuli. One entry, and another after each time that memory
        did not suffice.
    input : list of int
        Shape of one stimulus after preprocessing.
    rows_per_group : int
        All layers are written out, and the fact noted, every so many rows; 0 before the first pass.
    layers : mapping of str to mapping
        Of each layer: `units` it has after pooling, `kept` after projection, `steps` of time, `seed` of its
        projection (None without one).
    """

    request: dict[str, Any]
    batches: list[list[int]]
    input: list[int] = field(default_factory=list)
    rows_per_group: int = 0
    layers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def batch_size(self) -> int:
        """Stimuli that are read together; passes never cross such a batch."""
        return self.batches[0][1]

    def size_at(self, row: int) -> int:
        """Return how many stimuli a pass that starts at a row holds."""
        return next(size for first, size in reversed(self.batches) if first <= row)

    def shrink(self, row: int, size: int) -> None:
        """Let passes be smaller from a row on."""
        self.batches.append([row, size])

    def fix_layers(self, layers: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what the first pass has shown, and the rows of a group that follow from it."""
        self.layers = {name: dict(facts) for name, facts in layers.items()}
        row_bytes = sum(4 * facts["kept"] * facts["steps"] for facts in self.layers.values())
        # Whole batches, so that an extraction that goes on makes the passes an unbroken one makes.
        self.rows_per_group = self.batch_size * max(1, _GROUP_BYTES // (row_bytes * self.batch_size))

    def row_shape(self, layer: str) -> tuple[int, ...]:
        """Return the shape of one stimulus's row: (kept,), or (kept, steps)."""
        facts = self.layers[layer]
        return (facts["kept"],) if facts["steps"] == 1 else (facts["kept"], facts["steps"])

    def save(self, folder: Path) -> None:
        """Write to a folder, whole or not at all."""
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, allow_nan=False)
        write_text(folder / PLAN, text + "\n")


def read_plan(folder: Path) -> ExtractionPlan | None:
    """Return the plan of a folder; None where there is none that can be read."""
    try:
        values = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            return None
        plan = ExtractionPlan(**values)
        sizes = [[int(row), int(size)] for row, size in plan.batches]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return plan if sizes and sizes[0][0] == 0 and min(size for _, size in sizes) >= 1 else None


def differences(earlier: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in which settings two requests differ; empty where they do not."""
    names = [name for name in {**earlier, **wanted} if earlier.get(name) != wanted.get(name)]
    return ", ".join(
        f"{name} {_short(earlier.get(name))} and now {_short(wanted.get(name))}" for name in sorted(names)
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def plain(value: Any) -> Any:
    """Return a value as JSON gives it back, so that requests compare equal after a round trip."""

    def other(unknown: Any) -> Any:
        return unknown.item() if isinstance(unknown, np.generic) else str(unknown)

    return json.loads(json.dumps(value, default=other))
