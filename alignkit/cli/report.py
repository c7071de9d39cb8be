"""`alignkit report`: the page of a finished run, made again from its results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import say


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("report")(report)


def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; by default report.html in it.")] = None,
) -> None:
    """Write the report of a finished run again, without computing anything."""
    from ..pipelines import rebuild_report

    say(f"wrote {rebuild_report(folder, out=out)}")
