"""`alignkit list`: what can be named in a configuration."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ._output import print_json, print_table

_COLUMNS = (
    "name", "family", "modality", "kind", "subjects", "stimuli", "size", "signals", "targets", "licence",
    "summary",
)  # fmt: skip
_MODEL_COLUMNS = ("name", "family", "mechanism", "parameters", "learns", "paper")


class Family(StrEnum):
    """What can be listed."""

    models = "models"
    metrics = "metrics"
    datasets = "datasets"
    encoders = "encoders"
    comparisons = "comparisons"
    decoders = "decoders"
    brain_networks = "brain-networks"
    objectives = "objectives"


def add_to(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("list")(list_names)


def list_names(
    family: Annotated[Family, typer.Argument(help="What to list.")],
    json: Annotated[bool, typer.Option("--json", help="Print every fact as JSON.")] = False,
) -> None:
    """List models, metrics, datasets, encoders, comparisons or parts of decoders with their facts."""
    from ..pipelines import catalogue

    rows = catalogue(family.value)
    if json:
        print_json(rows)
    else:
        wanted = _MODEL_COLUMNS if family is Family.models else _COLUMNS
        print_table(rows, [column for column in wanted if any(column in row for row in rows)])
