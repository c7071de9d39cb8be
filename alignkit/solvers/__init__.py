"""Numerical linear algebra that the other families share: regressions of many targets at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

__all__ = [
    "BandedRidgeCVResult",
    "ComponentsCVResult",
    "FractionalRidgeCVResult",
    "FractionalRidgeFit",
    "KernelRidgeCVResult",
    "KernelSearchResult",
    "PLSCVResult",
    "RidgeCVResult",
    "RidgeFit",
    "banded_ridge_cv",
    "banded_ridge_subsets",
    "components_cv",
    "fraction_alphas",
    "fractional_ridge_cv",
    "fractional_ridge_fit",
    "gemm_name",
    "kernel_matrix",
    "kernel_ridge_cv",
    "kernel_ridge_search",
    "pls_cv",
    "pls_directions",
    "ridge_cv",
    "ridge_fit",
    "use_gemm",
]

if TYPE_CHECKING:
    from ._gemm import gemm_name, use_gemm
    from .banded_ridge import BandedRidgeCVResult, banded_ridge_cv, banded_ridge_subsets
    from .component_regression import ComponentsCVResult, components_cv
    from .fractional_ridge import (
        FractionalRidgeCVResult,
        FractionalRidgeFit,
        fraction_alphas,
        fractional_ridge_cv,
        fractional_ridge_fit,
    )
    from .kernel_ridge import KernelRidgeCVResult, kernel_ridge_cv
    from .kernel_search import KernelSearchResult, kernel_ridge_search
    from .kernels import kernel_matrix
    from .pls_regression import PLSCVResult, pls_cv, pls_directions
    from .ridge import RidgeCVResult, RidgeFit, ridge_cv, ridge_fit

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BandedRidgeCVResult": "banded_ridge",
        "ComponentsCVResult": "component_regression",
        "FractionalRidgeCVResult": "fractional_ridge",
        "FractionalRidgeFit": "fractional_ridge",
        "KernelRidgeCVResult": "kernel_ridge",
        "KernelSearchResult": "kernel_search",
        "PLSCVResult": "pls_regression",
        "RidgeCVResult": "ridge",
        "RidgeFit": "ridge",
        "banded_ridge_cv": "banded_ridge",
        "banded_ridge_subsets": "banded_ridge",
        "components_cv": "component_regression",
        "fraction_alphas": "fractional_ridge",
        "fractional_ridge_cv": "fractional_ridge",
        "fractional_ridge_fit": "fractional_ridge",
        "gemm_name": "_gemm",
        "kernel_matrix": "kernels",
        "kernel_ridge_cv": "kernel_ridge",
        "kernel_ridge_search": "kernel_search",
        "pls_cv": "pls_regression",
        "pls_directions": "pls_regression",
        "ridge_cv": "ridge",
        "ridge_fit": "ridge",
        "use_gemm": "_gemm",
    },
)
