"""Numerical linear algebra that the other families share: ridge regression, many targets at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

__all__ = ["RidgeCVResult", "RidgeFit", "ridge_cv", "ridge_fit"]

if TYPE_CHECKING:
    from .ridge import RidgeCVResult, RidgeFit, ridge_cv, ridge_fit

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, "ridge"))
