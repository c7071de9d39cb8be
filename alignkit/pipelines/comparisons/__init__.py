"""How models and recordings are compared: one file per kind."""

from __future__ import annotations

from . import cka, classify, encoders, rsa
from ._comparison import COMPARISONS, Context, Outcome, Picture
from ._encoding import JOINED, Recipe, prepare
from .recipes import RECIPES

PARTITION = "variance-partition"

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
    "encoders",
    "prepare",
    "rsa",
]
