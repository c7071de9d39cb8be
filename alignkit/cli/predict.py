"""`alignkit predict`: responses to new stimuli by an encoder, or stimuli of a new recording by a decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._given import Channels, Events, Options, Recordings, Samples, Subject, Transpose, Variable, given_by
from ._output import progress_bars, say


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("predict")(predict)


def predict(
    model: Annotated[Path, typer.Option(help="Folder that `alignkit fit` or `alignkit decode` wrote.")],
    stimuli: Annotated[Path | None, typer.Option(help="Of an encoder: folder with new images.")] = None,
    recording: Recordings = None,
    samples: Samples = None,
    events: Events = None,
    channels: Channels = None,
    variable: Variable = None,
    transpose: Transpose = False,
    set_: Options = None,
    decoder: Annotated[str | None, typer.Option(help="Which decoder, where there are several.")] = None,
    subject: Subject = None,
    calibration: Annotated[
        list[Path] | None, typer.Option(help="Recording of a new subject, of stimuli that the run knows.")
    ] = None,
    calibration_samples: Annotated[
        Path | None, typer.Option(help="Of a calibration matrix: table with a `stimulus_id` per sample.")
    ] = None,
    best: Annotated[int, typer.Option(help="Stimuli named for each trial.")] = 10,
    out: Annotated[
        Path | None,
        typer.Option(help="csv; of an encoder also npz or maps: nii.gz, func.gii, -ave.fif."),
    ] = None,
) -> None:
    """Predict responses to new images with an encoder, or decode a new recording with a decoder."""
    from .._core.errors import InputError, MissingDataError
    from ..pipelines import holds_decoders, predict_responses, predict_stimuli

    with progress_bars():
        if not model.is_dir():
            raise MissingDataError(
                f"the folder {model} does not exist; `alignkit fit` and `decode` write one."
            )
        if not holds_decoders(model):
            if stimuli is None:
                raise InputError(
                    "an encoder predicts responses to new images; give their folder as `--stimuli`."
                )
            if recording:
                raise InputError(
                    f"{model} holds an encoder, which takes `--stimuli`; a `--recording` is decoded with a "
                    "run of `alignkit decode`."
                )
            say(predict_responses(model=model, stimuli=stimuli, out=out))
            return
        if stimuli is not None:
            raise InputError(f"{model} holds decoders, which take a `--recording`, not `--stimuli`.")
        given = given_by(
            recording, samples=samples, events=events, stimuli=None, channels=channels, variable=variable,
            transpose=transpose, subject=None, options=set_,
        )  # fmt: skip
        known = None
        if calibration:
            known = given_by(
                calibration, samples=calibration_samples, events=None, stimuli=None, channels=channels,
                variable=variable, transpose=transpose, subject=None, options=set_,
            )  # fmt: skip
        say(
            predict_stimuli(
                given, model=model, decoder=decoder, subject=subject, calibration=known, n_best=best, out=out
            )
        )
