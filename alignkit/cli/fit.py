"""`alignkit fit`: an encoder on a new recording."""

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
from ._output import print_json, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("fit")(fit)


def fit(
    out: Annotated[Path, typer.Option(help="Folder for scores, encoder and report.")],
    recording: Recordings = None,
    dataset: DatasetName = None,
    stimuli: Stimuli = None,
    samples: Samples = None,
    events: Events = None,
    model: Annotated[str, typer.Option(help="A network; `alignkit list models`.")] = "gabor-energy",
    encoder: Annotated[str, typer.Option(help="ridge, pls, ... (`alignkit list comparisons`).")] = "ridge",
    layer: Annotated[str | None, typer.Option(help="By default the best in cross-validation.")] = None,
    subject: Subject = None,
    window: Window = None,
    set_: Options = None,
    channels: Channels = None,
    variable: Variable = None,
    transpose: Transpose = False,
    groups: Annotated[
        str | None, typer.Option(help="Column of the samples whose values stay on one side of a split.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit an encoder, score it on held-out stimuli, and keep it for `alignkit predict`."""
    from ..pipelines import fit_encoder

    given = given_by(
        recording, dataset=dataset, samples=samples, events=events, stimuli=stimuli, channels=channels,
        variable=variable, transpose=transpose, subject=subject, options=set_,
    )  # fmt: skip
    with progress_bars(quiet=json):
        result = fit_encoder(
            given, model=model, encoder=encoder, layer=layer, groups=groups, window_s=window, out=out,
            seed=seed, command=typed(),
        )  # fmt: skip
    print_json(result.to_json()) if json else say(result.to_text())
