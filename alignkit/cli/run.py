"""`alignkit run`: a configuration, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("run")(run)


def run(
    config: Annotated[Path, typer.Argument(help="A YAML file, or a run folder to run again.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/<name of the file>.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a configuration and write scores, maps and a report; an interrupted run goes on."""
    from ..pipelines import default_out, load_config, run_config

    loaded, base = load_config(config)
    with progress_bars(quiet=json):
        result = run_config(loaded, base=base, out=out or default_out(config), command=typed())
    print_json(result.to_json()) if json else say(result.to_text())
