"""Discrete curvature of representational graphs, in models and in the brain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..._core.errors import InputError
from ...metrics import forman_ricci, node_curvature, ollivier_ricci, representation_graph, ricci_flow
from ._comparison import COMPARISONS, Context, Outcome
from ._measure import Measure, compare_by
from ._systems import Distance, System

Floats = NDArray[np.float64]
Curvature = Literal["ollivier", "forman", "augmented-forman", "balanced-forman"]
Method = Literal["nodes", "edges", "distribution", "communities"]
