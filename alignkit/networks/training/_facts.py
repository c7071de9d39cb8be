"""What a training leaves, as a source of networks."""

from __future__ import annotations

from .._language import LANGUAGE_MODELS
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
LANGUAGE_MODELS.declare(
    "trained",
    "alignkit.networks.training.trained:trained_language",
    family="language, trained here",
    mechanism="that of the model",
    layers=(),
    paper="",
    trained=True,
    required=("name",),
    summary="a language model that `alignkit train` wrote: trained:FOLDER, or trained:FOLDER@EPOCH",
)
