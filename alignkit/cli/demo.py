"""`alignkit demo`: the main job on simulated participants whose true models are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("demo-report"),
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Simulate participants, compare models with them, and report what was recovered."""
    from ..pipelines import demo_config, load_config, run_config

    loaded, base = load_config(demo_config())
    with progress_bars(quiet=json):
        result = run_config(loaded, base=base, out=out, command=typed())
    print_json(result.to_json()) if json else say(result.to_text())
