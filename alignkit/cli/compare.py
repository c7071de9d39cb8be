"""`alignkit compare`: families of models against one recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._given import (
    Channels,
    DatasetName,
    Events,
    Options,
    Recordings,
    Samples,
    Stimuli,
    Subject,
    Transpose,
    Variable,
    Window,
    given_by,
)
from ._output import print_json, print_table, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("compare")(compare)


def compare(
    recording: Recordings = None,
    dataset: DatasetName = None,
    stimuli: Stimuli = None,
    samples: Samples = None,
    events: Events = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A network (all: every one that needs no download; trained:FOLDERS/*); repeat it."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="An encoder, rsa or cka; repeat it. By default ridge.")
    ] = None,
    subject: Subject = None,
    window: Window = None,
    set_: Options = None,
    channels: Channels = None,
    variable: Variable = None,
    transpose: Transpose = False,
    groups: Annotated[
        str | None, typer.Option(help="Column of the samples whose values stay on one side of a split.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/compare"),
    twins: Annotated[
        bool, typer.Option("--twins/--no-twins", help="Add untrained and parameter-matched twins.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare models with one recording and print the ranking."""
    from ..pipelines import compare_models

    given = given_by(
        recording, dataset=dataset, samples=samples, events=events, stimuli=stimuli, channels=channels,
        variable=variable, transpose=transpose, subject=subject, options=set_,
    )  # fmt: skip
    with progress_bars(quiet=json):
        result = compare_models(
            given, models=model, metrics=metric, groups=groups, window_s=window, out=out, seed=seed,
            twins=twins, command=typed(),
        )  # fmt: skip
    if json:
        print_json(result.to_json())
        return
    print_table(result.ranking(), result.ranking_columns, title="Scores, the best first")
    say(f"report: {result.report}")
