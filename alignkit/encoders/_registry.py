"""The encoders by name. Facts of every entry: `summary`, `paper`."""

from __future__ import annotations

from .._core.registry import Registry
from ._estimator import Encoder

ENCODERS: Registry[type[Encoder]] = Registry("encoders")
