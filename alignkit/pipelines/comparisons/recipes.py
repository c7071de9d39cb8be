"""The encoders of a run, each with what a report says of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...encoders import RidgeEncoder
from ._encoding import Recipe

_NASELARIS = (
    "Naselaris T, Kay KN, Nishimoto S, Gallant JL (2011). Encoding and decoding in fMRI. NeuroImage "
    "56:400-410. doi:10.1016/j.neuroimage.2010.07.073"
)
_HOERL = (
    "Hoerl AE, Kennard RW (1970). Ridge regression. Technometrics 12:55-67. "
    "doi:10.1080/00401706.1970.10488634"
)
_PENALTY = "penalty (per channel) and layer (per fold) were"


def ridge(*, alphas: list[float] | None = None, n_inner: int = 5) -> Recipe:
    """Return ridge regression, a penalty per channel."""
    grid = None if alphas is None else np.array(alphas)
    encoder = RidgeEncoder(alphas=grid, cv=n_inner)
    return Recipe("ridge", encoder, "A ridge regression", _PENALTY, (_HOERL, _NASELARIS))


RECIPES: dict[str, Callable[[], Recipe]] = {"ridge": ridge}
