"""`alignkit decode`: what was seen, heard or done, from a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("decode")(decode)


def decode(
    config: Annotated[Path, typer.Argument(help="A YAML file, or the folder of an earlier run.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/<name of the file>.")] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:N, instead of the configuration's.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit decoders, evaluate them on held-out trials, and keep them for `alignkit predict`.

    A configuration names the recording, what is decoded (`target: {label: COLUMN}` for classes,
    `target: {model: NETWORK}` for the embedding of each stimulus), and the decoders: ridge, lda, logistic, or
    a network with an objective (`alignkit list decoders`, `brain-networks`, `objectives`). Nothing that is
    held out chooses anything; the report has a protocol for every score. A run that was cut short goes on.
    """
    from ..pipelines import decode_config, default_out, load_decode_config

    loaded, base = load_decode_config(config)
    if device is not None:
        loaded = loaded.model_copy(update={"device": device})
    with progress_bars(quiet=json):
        result = decode_config(loaded, base=base, out=out or default_out(config), command=typed())
    print_json(result.to_json()) if json else say(result.to_text())
