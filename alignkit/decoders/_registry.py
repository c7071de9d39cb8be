"""Brain networks, objectives and decoders by name. Facts of every entry: `summary`, `paper`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._core.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from ._objective import Objective
    from .decoder import Decoder

BRAIN_NETWORKS: Registry[Callable[..., nn.Module]] = Registry("brain networks")
OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objectives")
DECODERS: Registry[Callable[..., Decoder]] = Registry("decoders")
