"""The options by which commands name a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Recordings = Annotated[
    list[Path] | None,
    typer.Option(
        "--recording",
        help="A matrix (npy, npz, mat, h5, zarr, csv), a BIDS folder, NIfTI or M/EEG runs (repeat it), NWB.",
    ),
]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", help="A known data set (`alignkit list datasets`) instead of files."),
]
Samples = Annotated[
    Path | None, typer.Option(help="Of a matrix: table with a `stimulus_id` (file stem) per sample.")
]
Events = Annotated[
    list[Path] | None, typer.Option(help="Table with onset, duration and stimulus; one per run, repeat it.")
]
Stimuli = Annotated[
    Path | None, typer.Option(help="Folder with an image per stimulus; by default the data set's own.")
]
Channels = Annotated[Path | None, typer.Option(help="Of a matrix: table with a `name` per channel.")]
Variable = Annotated[str | None, typer.Option(help="Of a matrix: which array of the file.")]
Transpose = Annotated[bool, typer.Option(help="The matrix file holds channels x samples.")]
Subject = Annotated[str | None, typer.Option(help="The subject that is meant.")]
Window = Annotated[
    tuple[float, float] | None,
    typer.Option(help="Of data with times: average from START to STOP, seconds from onset."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of the dataset, NAME=VALUE in YAML (delay_s=4); repeat it."),
]


def given_by(
    recording: Sequence[Path] | None,
    *,
    dataset: str | None = None,
    samples: Path | None,
    events: Sequence[Path] | None,
    stimuli: Path | None,
    channels: Path | None,
    variable: str | None,
    transpose: bool,
    subject: str | None,
    options: Sequence[str] | None,
) -> Any:
    """Return a :class:`alignkit.pipelines.Given`."""
    from ..pipelines import Given

    return Given(
        recording=tuple(recording or ()),
        dataset=dataset,
        stimuli=stimuli,
        samples=samples,
        channels=channels,
        events=tuple(events or ()),
        subject=subject,
        variable=variable,
        transpose=transpose,
        options=options_of(options),
    )


def options_of(options: Sequence[str] | None) -> dict[str, Any]:
    """Return what was given as NAME=VALUE, read as YAML."""
    import yaml

    from .._core.errors import InputError

    made: dict[str, Any] = {}
    for option in options or ():
        name, separator, value = option.partition("=")
        if not separator or not name.strip():
            raise InputError(f"--set {option}: NAME=VALUE is wanted, such as delay_s=4.")
        try:
            made[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(
                f"--set {option}: the value is no YAML ({' '.join(str(error).split())})."
            ) from error
    return made
