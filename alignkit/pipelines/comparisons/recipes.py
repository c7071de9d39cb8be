"""The encoders of a run, each with what a report says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ...encoders import (
    BandedRidgeEncoder,
    ElasticNetEncoder,
    FractionalRidgeEncoder,
    KernelRidgeEncoder,
    PLSEncoder,
    PrincipalComponentsEncoder,
    RidgeEncoder,
    StackedEncoder,
)
from ._encoding import Recipe

_NASELARIS = (
    "Naselaris T, Kay KN, Nishimoto S, Gallant JL (2011). Encoding and decoding in fMRI. NeuroImage "
    "56:400-410. doi:10.1016/j.neuroimage.2010.07.073"
)
_HOERL = (
    "Hoerl AE, Kennard RW (1970). Ridge regression. Technometrics 12:55-67. "
    "doi:10.1080/00401706.1970.10488634"
)
_BANDED = (
    "Dupre la Tour T, Eickenberg M, Nunez-Elizalde AO, Gallant JL (2022). Feature-space selection with "
    "banded ridge regression. NeuroImage 264:119728. doi:10.1016/j.neuroimage.2022.119728"
)
_SAUNDERS = (
    "Saunders C, Gammerman A, Vovk V (1998). Ridge regression learning algorithm in dual variables. ICML, "
    "515-521."
)
_DE_JONG = (
    "de Jong S (1993). SIMPLS: an alternative approach to partial least squares regression. Chemometrics and "
    "Intelligent Laboratory Systems 18:251-263. doi:10.1016/0169-7439(93)85002-X"
)
_ROKEM = (
    "Rokem A, Kay K (2020). Fractional ridge regression: a fast, interpretable reparameterization of ridge "
    "regression. GigaScience 9:giaa133. doi:10.1093/gigascience/giaa133"
)
_ZOU = (
    "Zou H, Hastie T (2005). Regularization and variable selection via the elastic net. J R Stat Soc B "
    "67:301-320. doi:10.1111/j.1467-9868.2005.00503.x"
)
_TIBSHIRANI = (
    "Tibshirani R (1996). Regression shrinkage and selection via the lasso. J R Stat Soc B 58:267-288. "
    "doi:10.1111/j.2517-6161.1996.tb02080.x"
)
_JOLLIFFE = (
    "Jolliffe IT (1982). A note on the use of principal components in regression. Applied Statistics "
    "31:300-303. doi:10.2307/2348005"
)
_WOLPERT = (
    "Wolpert DH (1992). Stacked generalization. Neural Networks 5:241-259. doi:10.1016/S0893-6080(05)80023-1"
)
_PENALTY = "penalty (per channel) and layer (per fold) were"

Kernel = Literal["linear", "polynomial", "rbf"]


def ridge(*, alphas: Sequence[float] | None = None, n_inner: int = 5) -> Recipe:
    """Return ridge regression, a penalty per channel."""
    encoder = RidgeEncoder(alphas=_grid(alphas), cv=n_inner)
    return Recipe("ridge", encoder, "A ridge regression", _PENALTY, (_HOERL, _NASELARIS))


def kernel_ridge(
    *,
    kernel: Kernel = "rbf",
    gamma: float | list[float] | None = None,
    degree: int = 3,
    alphas: Sequence[float] | None = None,
    n_inner: int = 5,
) -> Recipe:
    """Return ridge regression in the space of a kernel."""
    encoder = KernelRidgeEncoder(kernel=kernel, gamma=gamma, degree=degree, alphas=_grid(alphas), cv=n_inner)
    words = f"A kernel ridge regression ({kernel} kernel)"
    return Recipe("kernel-ridge", encoder, words, _PENALTY, (_SAUNDERS, _NASELARIS))


def banded_ridge(*, alphas: Sequence[float] | None = None, n_inner: int = 5) -> Recipe:
    """Return banded ridge regression over the layers of a model."""
    encoder = BandedRidgeEncoder(alphas=_grid(alphas), cv=n_inner)
    words = "A banded ridge regression with every layer of a model as a feature space"
    chosen = "weights of the layers and penalty (per channel) were"
    return Recipe("banded-ridge", encoder, words, chosen, (_BANDED, _NASELARIS), joined=True)


def stacking(*, alphas: Sequence[float] | None = None, n_inner: int = 5) -> Recipe:
    """Return stacked ridge regressions, one per layer of a model."""
    encoder = StackedEncoder(alphas=_grid(alphas), cv=n_inner)
    words = "A convex combination, per channel, of one ridge regression per layer of a model"
    chosen = "penalties and weights (per channel) were"
    return Recipe("stacking", encoder, words, chosen, (_WOLPERT, _NASELARIS), joined=True)


def pls(*, n_components: int | list[int] | Literal["cv"] = 25, n_inner: int = 5) -> Recipe:
    """Return partial least squares of all channels together."""
    encoder = PLSEncoder(n_components=n_components, cv=n_inner)
    count = (
        f"{n_components} components" if isinstance(n_components, int) else "components by cross-validation"
    )
    words = (
        f"A partial least squares regression of all channels together ({count}, fewer where the features "
        "span fewer dimensions)"
    )
    number = "" if isinstance(n_components, int) else "number of components and "
    chosen = f"{number}layer (per fold) {'were' if number else 'was'}"
    return Recipe("pls", encoder, words, chosen, (_DE_JONG, _NASELARIS))


def fractional_ridge(*, fractions: list[float] | None = None, n_inner: int = 5) -> Recipe:
    """Return ridge regression at a fraction of the unpenalised weights' norm."""
    encoder = FractionalRidgeEncoder(fractions=_grid(fractions), cv=n_inner)
    words = "A fractional ridge regression"
    chosen = "fraction of the unpenalised norm (per channel) and layer (per fold) were"
    return Recipe("fractional-ridge", encoder, words, chosen, (_ROKEM, _NASELARIS))


def elastic_net(
    *,
    l1_ratio: float = 0.5,
    alphas: Sequence[float] | None = None,
    n_alphas: int = 50,
    n_inner: int = 5,
) -> Recipe:
    """Return the elastic net."""
    encoder = ElasticNetEncoder(l1_ratio=l1_ratio, alphas=_grid(alphas), n_alphas=n_alphas, cv=n_inner)
    words = f"An elastic net ({l1_ratio:g} of the penalty on absolute weights)"
    return Recipe("elastic-net", encoder, words, _PENALTY, (_ZOU, _NASELARIS))


def lasso(*, alphas: Sequence[float] | None = None, n_alphas: int = 50, n_inner: int = 5) -> Recipe:
    """Return the lasso."""
    encoder = ElasticNetEncoder(l1_ratio=1.0, alphas=_grid(alphas), n_alphas=n_alphas, cv=n_inner)
    return Recipe("lasso", encoder, "A lasso", _PENALTY, (_TIBSHIRANI, _NASELARIS))


def principal_components(*, n_components: int | list[int] | Literal["cv"] = "cv", n_inner: int = 5) -> Recipe:
    """Return regression on the leading principal components."""
    encoder = PrincipalComponentsEncoder(n_components=n_components, cv=n_inner)
    words = "A regression on the features' leading principal components"
    chosen = "number of components (per channel) and layer (per fold) were"
    return Recipe("principal-components", encoder, words, chosen, (_JOLLIFFE, _NASELARIS))


RECIPES: dict[str, Callable[[], Recipe]] = {
    "banded-ridge": banded_ridge,
    "elastic-net": elastic_net,
    "fractional-ridge": fractional_ridge,
    "kernel-ridge": kernel_ridge,
    "lasso": lasso,
    "pls": pls,
    "principal-components": principal_components,
    "ridge": ridge,
    "stacking": stacking,
}


def _grid(values: Sequence[float] | None) -> Any:
    return None if values is None else np.array(values, dtype=np.float64)
