"""How models and recordings are compared: one file per kind."""

from __future__ import annotations

from . import (
    cka,
    classify,
    curvature,
    encoders,
    geometry,
    metric,
    partition,
    rsa,
    searchlight,
    shape,
    similarity,
    stochastic,
    topological,
    topology,
    weighted_rsa,
)
from ._comparison import COMPARISONS, Context, Outcome, Picture
from ._encoding import JOINED, Recipe, prepare
from .partition import KIND as PARTITION
from .recipes import RECIPES

__all__ = [
    "COMPARISONS",
    "Context",
    "JOINED",
    "Outcome",
    "PARTITION",
    "Picture",
    "RECIPES",
    "Recipe",
    "cka",
    "classify",
    "curvature",
    "encoders",
    "geometry",
    "metric",
    "partition",
    "prepare",
    "rsa",
    "searchlight",
    "shape",
    "similarity",
    "stochastic",
    "topological",
    "topology",
    "weighted_rsa",
]
