"""What a training leaves, as a source of networks."""

from __future__ import annotations

from .._network import NETWORKS

NETWORKS.declare(
    "trained",
    "alignkit.networks.training.trained:trained",
    family="trained here",
    mechanism="that of the network",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    summary="what `alignkit train` wrote: trained:FOLDER, or trained:FOLDER@EPOCH",
)
