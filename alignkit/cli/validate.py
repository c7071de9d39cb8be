"""`alignkit validate`: is a configuration right, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, say


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("validate")(validate)


def validate(
    config: Annotated[Path, typer.Argument(help="A YAML file.")],
    json: Annotated[bool, typer.Option("--json", help="Print the resolved configuration as JSON.")] = False,
) -> None:
    """Check every key, kind and option of a configuration, and that its data can be loaded."""
    from ..pipelines import validate_config

    resolved = validate_config(config)
    print_json(resolved) if json else say(f"{config} is valid: {resolved['sentence']}")
