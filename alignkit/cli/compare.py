"""`alignkit compare`: families of models against one recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, print_table, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("compare")(compare)


def compare(
    recording: Annotated[Path, typer.Option(help="npy, npz, mat, h5, csv: `data` (n_samples, n_channels).")],
    samples: Annotated[Path, typer.Option(help="Table with a `stimulus_id` (file stem) per sample.")],
    stimuli: Annotated[Path, typer.Option(help="Folder with an image per stimulus.")],
    model: Annotated[
        list[str] | None, typer.Option(help="A network; repeat it. By default one of each kind.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="An encoder, rsa or cka; repeat it. By default ridge.")
    ] = None,
    channels: Annotated[Path | None, typer.Option(help="Table with a `name` per channel.")] = None,
    variable: Annotated[str | None, typer.Option(help="Which array of the file.")] = None,
    groups: Annotated[
        str | None, typer.Option(help="Column of the samples whose values stay on one side of a split.")
    ] = None,
    transpose: Annotated[bool, typer.Option(help="The file holds channels x samples.")] = False,
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/compare"),
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare models with one recording and print the ranking."""
    from ..pipelines import compare_models

    with progress_bars(quiet=json):
        result = compare_models(
            recording=recording, samples=samples, channels=channels, stimuli=stimuli, variable=variable,
            models=model, metrics=metric, groups=groups, transpose=transpose, out=out, seed=seed,
            command=typed(),
        )  # fmt: skip
    if json:
        print_json(result.to_json())
        return
    print_table(result.ranking(), result.ranking_columns, title="Scores, the best first")
    say(f"report: {result.report}")
