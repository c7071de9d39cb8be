"""The metrics by name, each with the facts that listings, reports and tests read.

Facts of every entry: `kind` ("distance": patterns to an RDM, or two systems to a number; "comparison": RDM to
RDM; "similarity": data to data; "statistic": of one system; "transform": data to something that is not a
score), `inputs` (what it takes), `range`, `higher_is_closer`, `invariant_to`, `unit`, `paper`, `summary`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core.registry import Registry

METRICS: Registry[Callable[..., Any]] = Registry("metrics")
