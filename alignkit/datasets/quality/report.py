"""What a look at data finds: checks with a verdict, tables, and the numbers behind pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Verdict = Literal["pass", "warn", "fail"]
_ORDER: dict[str, int] = {"fail": 0, "warn": 1, "pass": 2}


@dataclass(frozen=True)
class Check:
    """One question asked of one run, subject or data set.

    Attributes
    ----------
    name : str
        What was asked; the same words for every run.
    where : str
        Of what: a run's name, or ``"all"``.
    verdict : {"pass", "warn", "fail"}
        ``"fail"``: not to be used as it is. ``"warn"``: look at it first.
    detail : str
        One sentence with the numbers.
    """

    name: str
    where: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True)
class Table:
    """Numbers by row, as they are shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, eq=False)
class Curve:
    """Values along an axis, such as displacement over volumes or power over frequency.

    Attributes
    ----------
    title, where : str
        What it shows, and of which run.
    x_label, y_label : str
        With units.
    x : ndarray of shape (n_points,)
        Ascending.
    lines : mapping of str to ndarray of shape (n_points,)
        NaN where there is no value.
    threshold : float or None
        Drawn across.
    log : bool
        Whether the values are drawn on a logarithmic scale.
    marked : ndarray
        Places on the axis that are out of line.
    """

    title: str
    where: str
    x_label: str
    y_label: str
    x: Floats
    lines: Mapping[str, Floats]
    threshold: float | None = None
    log: bool = False
    marked: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Histogram:
    """How values are spread; `mark` is a value of note, such as their median."""

    title: str
    where: str
    label: str
    values: Floats
    mark: float | None = None


@dataclass(frozen=True, eq=False)
class Timeline:
    """When what happened in a run of `length_s` seconds: onsets and durations by name."""

    title: str
    where: str
    length_s: float
    events: Mapping[str, tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False)
class Dots:
    """A value per channel; `flagged` are the names of those that stand out."""

    title: str
    where: str
    label: str
    names: tuple[str, ...]
    values: Floats
    flagged: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices of a volume, each (across, up), with what each is and the size of a pixel in mm."""

    title: str
    where: str
    label: str
    names: tuple[str, ...]
    images: tuple[NDArray[np.float32], ...]
    pixels_mm: tuple[tuple[float, float], ...]


FigureData = Curve | Histogram | Timeline | Dots | Slices


@dataclass(frozen=True, eq=False)
class QualityReport:
    """Everything that a look at data found.

    Attributes
    ----------
    title, path : str
        What was looked at.
    facts : tuple of (str, str)
        How much of what.
    checks : tuple of Check
        In the order in which they were made.
    tables : tuple of Table
        Numbers per run, session or region.
    figures : tuple of Curve, Histogram, Timeline, Dots or Slices
        What is drawn.
    notes : tuple of str
        What was left out or taken for granted.
    """

    title: str
    path: str
    facts: tuple[tuple[str, str], ...] = ()
    checks: tuple[Check, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[FigureData, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks; ``"pass"`` where there is none."""
        return min((check.verdict for check in self.checks), key=_ORDER.__getitem__, default="pass")

    def count(self, verdict: Verdict) -> int:
        """Return how many checks came out so."""
        return sum(check.verdict == verdict for check in self.checks)

    def sorted_checks(self) -> list[Check]:
        """Return the checks, those that failed first, then those in doubt."""
        return sorted(self.checks, key=lambda check: _ORDER[check.verdict])

    def to_text(self) -> str:
        """Return the verdicts as plain text; checks that passed are counted only."""
        said = [f"{self.count('pass')} of {len(self.checks)} checks passed"]
        said += [f"{self.count(each)} {word}" for each, word in _WORDS if self.count(each)]
        lines = [", ".join(said)]
        for check in self.sorted_checks():
            if check.verdict != "pass":
                lines.append(f"  {check.verdict}  {check.name} ({check.where}): {check.detail}")
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold; NaN becomes None."""
        return {
            "title": self.title,
            "path": self.path,
            "verdict": self.verdict,
            "facts": dict(self.facts),
            "checks": [_plain(check) for check in self.checks],
            "tables": [_plain(table) for table in self.tables],
            "figures": [{"kind": type(each).__name__.lower(), **_plain(each)} for each in self.figures],
            "notes": list(self.notes),
        }


_WORDS: tuple[tuple[Verdict, str], ...] = (("fail", "failed"), ("warn", "in doubt"))


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found of one part of the data; parts are added up to a report."""

    checks: tuple[Check, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[FigureData, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        return Findings(
            (*self.checks, *other.checks),
            (*self.tables, *other.tables),
            (*self.figures, *other.figures),
            (*self.notes, *other.notes),
        )


def warn_if(is_doubtful: bool) -> Verdict:
    """Return ``"warn"``, or ``"pass"``."""
    return "warn" if is_doubtful else "pass"


def joined(parts: Iterable[Findings]) -> Findings:
    """Return the findings of all parts, in order."""
    return sum(parts, Findings())


def as_doubles(values: Any) -> Floats:
    """Return numbers in double precision, as figures hold them."""
    return np.asarray(values, dtype=np.float64)


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value
