"""The encoders by name. Facts of every entry: `summary`, `paper`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core.registry import Registry

ENCODERS: Registry[Callable[..., Any]] = Registry("encoders")
