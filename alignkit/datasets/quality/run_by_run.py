"""One look after another at the runs of a data set: what is broken in one does not cost the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from ..._core.errors import InputError
from ..._core.progress import track
from .copies import RunPrint, compare_runs
from .report import Check, Findings, Table, joined

LOG = logging.getLogger(__name__)
READABLE = "the run can be read"
EVENTS = "events are there"
SIDECAR = "a sidecar is there"


class NamedRun(Protocol):
    """Whatever has a name."""

    @property
    def name(self) -> str:
        """What reports call it."""


R = TypeVar("R", bound=NamedRun)
Look = Callable[[R], tuple[Findings, RunPrint, tuple[Any, ...]]]


def look_at_each(
    runs: Sequence[R], look: Look[R], doing: str, *, title: str, columns: tuple[str, ...]
) -> Findings:
    """Look at every run, and at all of them against each other.

    Parameters
    ----------
    runs : sequence of runs
        Of one data set. One that cannot be read is a failed check, and the rest goes on.
    look : callable
        From a run to its findings, its print, and its row of the table.
    doing : str
        What is being done, for a person.
    title, columns : str and tuple of str
        Of the table.
    """
    parts: list[Findings] = []
    prints: list[RunPrint] = []
    rows: list[tuple[Any, ...]] = []
    for run in track(runs, doing):
        try:
            # Damaged values overflow; that they do is what the checks are for.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                found, seen, row = look(run)
        except InputError as error:
            parts.append(Findings((Check(READABLE, run.name, "fail", str(error)),)))
        except MemoryError:
            raise
        except Exception as error:  # One broken run must not cost the report on the others.
            LOG.debug("%s could not be looked at", run.name, exc_info=True)
            detail = f"Its values could not be measured ({type(error).__name__}: {error}); are they damaged?"
            parts.append(Findings((Check(READABLE, run.name, "fail", detail),)))
        else:
            parts.append(found)
            prints.append(seen)
            rows.append(row)
    table = Table(title, columns, tuple(rows))
    return joined([Findings(tables=(table,) if rows else ()), *parts, compare_runs(prints)])
