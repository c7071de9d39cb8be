"""`alignkit predict`: responses to new stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import progress_bars, say


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("predict")(predict)


def predict(
    model: Annotated[Path, typer.Option(help="Folder that `alignkit fit` wrote.")],
    stimuli: Annotated[Path, typer.Option(help="Folder with new images.")],
    out: Annotated[Path | None, typer.Option(help="csv, npz, or maps: nii.gz, func.gii, -ave.fif.")] = None,
) -> None:
    """Predict each channel's response to new images with a fitted encoder."""
    from ..pipelines import predict_responses

    with progress_bars():
        say(predict_responses(model=model, stimuli=stimuli, out=out))
