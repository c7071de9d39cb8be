"""`alignkit doctor`: versions, devices, folders and disk."""

from __future__ import annotations

from typing import Annotated

import typer

from ._output import print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("doctor")(doctor)


def doctor(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Show what alignkit finds on this computer."""
    from ..pipelines import diagnose

    rows = diagnose()
    print_json(rows) if json else print_table(rows, ["name", "value", "note"])
