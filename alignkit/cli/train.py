"""`alignkit train`: a network on a small labelled set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._given import options_of
from ._output import print_json, print_table, progress_bars, say


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("train")(train)


def train(
    network: Annotated[str, typer.Argument(help="A network that learns; `alignkit list models`.")],
    data: Annotated[
        str, typer.Option(help="digits, shapes, a folder with one per class, copy, or a text file.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the trained network.")],
    epochs: Annotated[int | None, typer.Option(help="By default those of the network's recipe.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step; by default the recipe's.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; by default the recipe's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="An option of the network, NAME=VALUE in YAML (image_size=64); repeat it."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    keep_epochs: Annotated[
        bool, typer.Option("--keep-epochs", help="Keep the weights before training and after every epoch.")
    ] = False,
    twin: Annotated[
        bool, typer.Option("--twin", help="Train the standard network of as many parameters too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a network and keep it; `trained:FOLDER` is then a model for every other command."""
    from ..pipelines import train_model

    with progress_bars(quiet=json):
        result = train_model(
            network, data=data, out=out, options=options_of(set_), epochs=epochs, batch_size=batch_size,
            lr=lr, seed=seed, device=device, keep_epochs=keep_epochs, twin=twin,
        )  # fmt: skip
    if json:
        print_json(result.to_json())
        return
    print_table(result.rows(), result.columns, title=result.title)
    if twin:
        say(f"its matched twin, trained the same way: {out / 'matched'}")
    say(f"use it: alignkit compare --model trained:{out} ...")
