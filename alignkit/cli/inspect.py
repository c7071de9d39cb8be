"""`alignkit inspect`: what a path holds, how it would be read, and whether its data can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("inspect")(inspect)


def inspect(
    path: Annotated[Path, typer.Argument(help="A BIDS folder, a public set's folder, or a file.")],
    report: Annotated[
        Path | None, typer.Option(help="Read the data and write a quality report (.html).")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="With --report: look at this one only.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what is there and the `dataset:` YAML that reads it; with --report, check the data."""
    from ..pipelines import inspect_path

    with progress_bars(quiet=json):
        result = inspect_path(path, report=report, subject=subject, command=typed())
    print_json(result.to_json()) if json else say(result.to_text())
