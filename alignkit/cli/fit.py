"""`alignkit fit`: an encoder on a new recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import print_json, progress_bars, say, typed


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("fit")(fit)


def fit(
    recording: Annotated[Path, typer.Option(help="npy, npz, mat, h5, csv: `data` (n_samples, n_channels).")],
    samples: Annotated[Path, typer.Option(help="Table with a `stimulus_id` (file stem) per sample.")],
    stimuli: Annotated[Path, typer.Option(help="Folder with an image per stimulus.")],
    out: Annotated[Path, typer.Option(help="Folder for scores, encoder and report.")],
    model: Annotated[str, typer.Option(help="A network; `alignkit list models`.")] = "gabor-energy",
    encoder: Annotated[str, typer.Option(help="ridge, pls, ... (`alignkit list comparisons`).")] = "ridge",
    channels: Annotated[Path | None, typer.Option(help="Table with a `name` per channel.")] = None,
    layer: Annotated[str | None, typer.Option(help="By default the best in cross-validation.")] = None,
    variable: Annotated[str | None, typer.Option(help="Which array of the file.")] = None,
    groups: Annotated[
        str | None, typer.Option(help="Column of the samples whose values stay on one side of a split.")
    ] = None,
    transpose: Annotated[bool, typer.Option(help="The file holds channels x samples.")] = False,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit an encoder, score it on held-out stimuli, and keep it for `alignkit predict`."""
    from ..pipelines import fit_encoder

    with progress_bars(quiet=json):
        result = fit_encoder(
            recording=recording, samples=samples, channels=channels, stimuli=stimuli, variable=variable,
            model=model, encoder=encoder, layer=layer, groups=groups, transpose=transpose, out=out, seed=seed,
            command=typed(),
        )  # fmt: skip
    print_json(result.to_json()) if json else say(result.to_text())
