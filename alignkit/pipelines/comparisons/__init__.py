"""How models and recordings are compared: one file per kind."""

from __future__ import annotations

from . import cka, classify, ridge, rsa
from ._comparison import COMPARISONS, Context, Outcome, Picture
from ._encoding import design, inner_folds

__all__ = [
    "COMPARISONS",
    "Context",
    "Outcome",
    "Picture",
    "cka",
    "classify",
    "design",
    "inner_folds",
    "ridge",
    "rsa",
]
