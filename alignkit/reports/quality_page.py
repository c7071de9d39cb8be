"""One self-contained page on the quality of data; nothing is fetched when it is opened."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from .._core.atomic import write_text
from .._core.progress import track
from ..datasets.quality.report import Check, FigureData, QualityReport, Table, Verdict
from . import _format
from ._quality_figures import alternative, draw
from ._sections import Panel, panel_of
from .page import _TEMPLATES, _environment

LOG = logging.getLogger(__name__)
DRAWN = "every picture could be drawn"
MOST_DRAWN = 12
MOST_ROWS = 300
_WORDS: dict[Verdict, str] = {"fail": "failed", "warn": "in doubt", "pass": "passed"}


@dataclass(frozen=True)
class RunBlock:
    """The pictures of one run, and its verdict."""

    name: str
    verdict: Verdict
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class CheckRow:
    """One check over all runs: how many came out how, and the worst of them."""

    name: str
    verdict: Verdict
    counts: str
    detail: str


@dataclass(frozen=True)
class ShownTable:
    """A table with its numbers written out; `numeric` says which columns stand right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    more: str


def render_quality(report: QualityReport, *, command: str = "") -> str:
    """Return a quality report as one HTML page.

    The page holds its styles and figures and no script; opened from a disk or a server it makes no request,
    which its content security policy also enforces. The same report gives the same text.

    Parameters
    ----------
    report : QualityReport
        What a look at data found. Pictures of at most 12 runs are drawn: first of those with the worst
        verdicts.
    command : str, default=""
        What made it, for the foot of the page.

    Returns
    -------
    html : str
        A whole document.
    """
    blocks, n_left_out, undrawn = _blocks(report)
    report = replace(report, checks=(*report.checks, *undrawn))
    doubtful = [check for check in report.sorted_checks() if check.verdict != "pass"]
    context: dict[str, Any] = {
        "report": report,
        "css": Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "sentence": _sentence(report),
        "doubtful": doubtful[:MOST_ROWS],
        "n_more": max(0, len(doubtful) - MOST_ROWS),
        "words": _WORDS,
        "checks": check_rows(report.checks),
        "tables": [_shown(table) for table in _merged(report.tables)],
        "blocks": blocks,
        "n_left_out": n_left_out,
        "command": command,
    }
    context["sections"] = [
        (key, title)
        for key, title, content in (
            ("doubts", "To look at", True),
            ("numbers", "Numbers", context["tables"]),
            ("pictures", "Pictures", blocks),
            ("checks", "Every check", True),
            ("about", "About this page", True),
        )
        if content
    ]
    return _environment().get_template("quality.html.j2").render(context)


def write_quality(report: QualityReport, path: str | Path, *, command: str = "") -> Path:
    """Write the page, whole or not at all.

    Parameters
    ----------
    report : QualityReport
        What a look at data found.
    path : str or Path
        The page's file, such as ``quality.html``.
    command : str, default=""
        What made it.

    Returns
    -------
    path : Path
        The page.
    """
    path = Path(path)
    write_text(path, render_quality(report, command=command))
    return path


def check_rows(checks: tuple[Check, ...]) -> list[CheckRow]:
    """Return a row per kind of check, with how many runs passed and the worst detail."""
    by_name: dict[str, list[Check]] = {}
    for check in checks:
        by_name.setdefault(check.name, []).append(check)
    rows = []
    for name, members in by_name.items():
        worst = min(members, key=lambda check: ("fail", "warn", "pass").index(check.verdict))
        counts = [
            f"{sum(check.verdict == verdict for check in members)} {word}"
            for verdict, word in _WORDS.items()
            if any(check.verdict == verdict for check in members)
        ]
        where = f"{worst.where}: " if len(members) > 1 else ""
        rows.append(CheckRow(name, worst.verdict, ", ".join(counts), f"{where}{worst.detail}"))
    return rows


def _sentence(report: QualityReport) -> str:
    failed, doubtful = report.count("fail"), report.count("warn")
    if failed:
        return f"{_of_checks(failed)} failed: what they name is not to be used as it is."
    if doubtful:
        return f"Nothing failed; {_of_checks(doubtful).lower()} should be looked at before an analysis."
    return f"Every one of {len(report.checks)} checks passed."


def _of_checks(n: int) -> str:
    return "One check" if n == 1 else f"{n} checks"


def _blocks(report: QualityReport) -> tuple[list[RunBlock], int, list[Check]]:
    """Return the pictures by run, the worst runs where not all are drawn, and a failed check per loss."""
    by_run: dict[str, list[FigureData]] = {}
    for figure in report.figures:
        by_run.setdefault(figure.where, []).append(figure)
    order = ("fail", "warn", "pass")
    worst: dict[str, Verdict] = {}
    for check in report.checks:
        # A session's tables of trials are checked under names of their own.
        for name in by_run:
            if check.where in (name, name.split(",")[0]):
                worst[name] = min(worst.get(name, "pass"), check.verdict, key=order.index)
    names = sorted(by_run, key=lambda name: order.index(worst.get(name, "pass")))[:MOST_DRAWN]
    blocks = []
    undrawn: list[Check] = []
    for i, name in enumerate(track([each for each in by_run if each in names], "drawing")):
        panels: list[Panel] = []
        for j, data in enumerate(by_run[name]):
            try:
                panels.append(panel_of(data.title, partial(_drawn, data), f"q{i}-{j}", alternative(data)))
            except Exception as error:  # Broken values break plotting in ways of its own; the page matters.
                LOG.debug("the picture %r of %s could not be drawn", data.title, name, exc_info=True)
                detail = f"{data.title!r} could not be drawn ({type(error).__name__}: {error})."
                undrawn.append(Check(DRAWN, name, "fail", detail))
        verdict = "fail" if len(panels) < len(by_run[name]) else worst.get(name, "pass")
        blocks.append(RunBlock(name, verdict, tuple(panels)))
    return blocks, len(by_run) - len(blocks), undrawn


def _drawn(data: FigureData, width: int) -> Any:
    return draw(data, width=width)


def _merged(tables: tuple[Table, ...]) -> list[Table]:
    """Return tables of one title and the same columns as one."""
    found: dict[tuple[str, tuple[str, ...]], list[tuple[Any, ...]]] = {}
    for table in tables:
        found.setdefault((table.title, table.columns), []).extend(table.rows)
    return [Table(title, columns, tuple(rows)) for (title, columns), rows in found.items()]


def _shown(table: Table) -> ShownTable:
    rows = table.rows[:MOST_ROWS]
    numeric = tuple(
        any(isinstance(row[i], int | float) for row in rows) for i in range(len(table.columns))
    )  # fmt: skip
    more = f"The first {MOST_ROWS} of {len(table.rows)} rows." if len(table.rows) > MOST_ROWS else ""
    written = tuple(tuple(_text(cell) for cell in row) for row in rows)
    return ShownTable(table.title, table.columns, written, numeric, more)


def _text(cell: Any) -> str:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell)
    if isinstance(cell, int) or float(cell).is_integer():
        return f"{int(cell):,}"
    decimals = 3 if abs(cell) < 1 else 2 if abs(cell) < 100 else 1
    return _format.number(float(cell), decimals=decimals)
