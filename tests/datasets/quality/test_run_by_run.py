from __future__ import annotations

from dataclasses import dataclass

import pytest

from alignkit._core.errors import InputError
from alignkit.datasets.quality.copies import RunPrint
from alignkit.datasets.quality.report import Check, Findings
from alignkit.datasets.quality.run_by_run import READABLE, look_at_each


@dataclass(frozen=True)
class Run:
    name: str
    fails: Exception | None = None


def look(run):
    if run.fails is not None:
        raise run.fails
    print_ = RunPrint(run.name, "s1", f"data of {run.name}", f"file of {run.name}", "task", {})
    return Findings((Check("looked", run.name, "pass", "fine"),)), print_, (run.name, 1)


def every(*runs):
    return look_at_each(runs, look, "looking", title="Runs", columns=("run", "n"))


def test_a_run_that_cannot_be_read_costs_only_itself():
    found = every(
        Run("a"), Run("b", InputError("b is cut short")), Run("c", ZeroDivisionError("x")), Run("d")
    )
    verdicts = {(check.name, check.where): check for check in found.checks}
    assert verdicts[READABLE, "b"].detail == "b is cut short"
    assert "could not be measured (ZeroDivisionError: x)" in verdicts[READABLE, "c"].detail
    assert [row[0] for row in found.tables[0].rows] == ["a", "d"]


def test_too_little_memory_is_no_fault_of_the_data():
    with pytest.raises(MemoryError):
        every(Run("a", MemoryError()))


def test_without_a_readable_run_there_is_no_table():
    assert every(Run("b", InputError("broken"))).tables == ()
