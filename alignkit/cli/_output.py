"""What the command line prints: tables, progress, JSON, and errors as one red line."""

from __future__ import annotations

import json
import math
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from .._core import progress


def fail(message: str, *, code: int, debug: bool = False) -> NoReturn:
    """Print one red line on standard error and end with `code`."""
    if debug:
        traceback.print_exc()
    line = " ".join(message.split())
    typer.secho(f"alignkit: {line}", fg=typer.colors.RED, err=True)
    sys.exit(code)


def typed() -> str:
    """Return the command as it was typed."""
    return shlex.join(["alignkit", *sys.argv[1:]])


def say(text: str = "") -> None:
    """Print a line for a person."""
    typer.echo(text)


def print_json(value: Any) -> None:
    """Print JSON for a machine; NaN and infinity (no bound) become null."""
    typer.echo(json.dumps(_finite(value), indent=1, allow_nan=False, default=str))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str = "") -> None:
    """Print rows as a table that fits the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(row.get(column, ""))) for column in columns))
    # A pipe has no width: wide enough that no value is cut.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table)


@contextmanager
def progress_bars(quiet: bool = False) -> Iterator[None]:
    """Show the library's progress as bars on standard error inside the block."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(description: str, done: int, total: int | None) -> None:
            if description not in tasks:
                tasks[description] = bars.add_task(description, total=total)
            bars.update(tasks[description], completed=done, total=total)

        with progress.reporting(report):
            yield


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
