"""One comparison per encoder: held-out correlation of its predictions, per channel."""

from __future__ import annotations

from typing import Literal

from . import recipes
from ._comparison import COMPARISONS, Context, Outcome
from ._encoding_run import Options, compare_by_encoding

_NEEDS = "features or labels; recordings with stimuli, or a continuous recording with timed features"


@COMPARISONS.register(
    "ridge",
    summary="held-out correlation of ridge predictions, per channel",
    needs=_NEEDS,
    paper="Naselaris et al. 2011, doi:10.1016/j.neuroimage.2010.07.073",
)
def ridge(
    context: Context,
    *,
    alphas: list[float] | None = None,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit a penalised linear map from every layer to every channel, and score it on held-out stimuli.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    alphas : list of float, optional
        Penalties to choose from, per channel; by default the encoder's.
    n_folds : int, default=5
        Outer folds; no stimulus is on both sides. Of a continuous recording: whole runs, or contiguous time.
    n_inner : int, default=5
        Folds within the training part that choose penalty and layer.
    n_splits : int, default=20
        Random halves of the repetitions for the ceiling.
    groups : str, optional
        Column of the samples whose values stay on one side of every split; by default what the dataset
        names as near-duplicates, otherwise the stimulus.

    Returns
    -------
    outcome : Outcome
        Region scores are medians over channels of the mean r over folds; per-channel values beside them.
    """
    recipe = recipes.ridge(alphas=alphas, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "kernel-ridge",
    summary="held-out correlation of kernel ridge predictions, per channel",
    needs=_NEEDS,
    paper="Saunders et al. 1998, ICML",
)
def kernel_ridge(
    context: Context,
    *,
    kernel: recipes.Kernel = "rbf",
    gamma: float | list[float] | None = None,
    degree: int = 3,
    alphas: list[float] | None = None,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit ridge regression in the space of a kernel.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    kernel : {"linear", "polynomial", "rbf"}, default="rbf"
        The kernel.
    gamma : float or list of float, optional
        Width of the kernel, or widths to choose from.
    degree : int, default=3
        Of the polynomial kernel.
    alphas : list of float, optional
        Penalties to choose from, per channel; by default the encoder's.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.kernel_ridge(kernel=kernel, gamma=gamma, degree=degree, alphas=alphas, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "banded-ridge",
    summary="held-out correlation of banded ridge over all layers of a model, per channel",
    needs=_NEEDS,
    paper="Dupre la Tour et al. 2022, doi:10.1016/j.neuroimage.2022.119728",
)
def banded_ridge(
    context: Context,
    *,
    alphas: list[float] | None = None,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit all layers of a model at once, each with a weight of its own per channel.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    alphas : list of float, optional
        Penalties to choose from, per channel; by default the encoder's.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.banded_ridge(alphas=alphas, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "stacking",
    summary="held-out correlation of stacked ridge regressions, one per layer of a model",
    needs=_NEEDS,
    paper="Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1",
)
def stacking(
    context: Context,
    *,
    alphas: list[float] | None = None,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Combine one ridge regression per layer of a model, with convex weights per channel.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    alphas : list of float, optional
        Penalties to choose from, per channel; by default the encoder's.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.stacking(alphas=alphas, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "pls",
    summary="held-out correlation of partial least squares predictions, per channel",
    needs=_NEEDS,
    paper="de Jong 1993, doi:10.1016/0169-7439(93)85002-X",
)
def pls(
    context: Context,
    *,
    n_components: int | list[int] | Literal["cv"] = 25,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit partial least squares of all channels together.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    n_components : int, list of int or "cv", default=25
        Components, or numbers to choose from.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.pls(n_components=n_components, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "fractional-ridge",
    summary="held-out correlation of fractional ridge predictions, per channel",
    needs=_NEEDS,
    paper="Rokem & Kay 2020, doi:10.1093/gigascience/giaa133",
)
def fractional_ridge(
    context: Context,
    *,
    fractions: list[float] | None = None,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit ridge regression at a fraction of the unpenalised weights' norm, per channel.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    fractions : list of float, optional
        Fractions to choose from, in (0, 1]; by default .001 to 1.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.fractional_ridge(fractions=fractions, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "elastic-net",
    summary="held-out correlation of elastic-net predictions, per channel",
    needs=_NEEDS,
    paper="Zou & Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x",
)
def elastic_net(
    context: Context,
    *,
    l1_ratio: float = 0.5,
    alphas: list[float] | None = None,
    n_alphas: int = 50,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit the elastic net, per channel.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    l1_ratio : float, default=0.5
        Share of the penalty on absolute weights.
    alphas : list of float, optional
        Penalties in scikit-learn's scale; by default a path per channel.
    n_alphas : int, default=50
        Length of that path.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.elastic_net(l1_ratio=l1_ratio, alphas=alphas, n_alphas=n_alphas, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "lasso",
    summary="held-out correlation of lasso predictions, per channel",
    needs=_NEEDS,
    paper="Tibshirani 1996, doi:10.1111/j.2517-6161.1996.tb02080.x",
)
def lasso(
    context: Context,
    *,
    alphas: list[float] | None = None,
    n_alphas: int = 50,
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Fit the lasso, per channel.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    alphas : list of float, optional
        Penalties in scikit-learn's scale; by default a path per channel.
    n_alphas : int, default=50
        Length of that path.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.lasso(alphas=alphas, n_alphas=n_alphas, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))


@COMPARISONS.register(
    "principal-components",
    summary="held-out correlation of principal-components regression, per channel",
    needs=_NEEDS,
    paper="Jolliffe 1982, doi:10.2307/2348005",
)
def principal_components(
    context: Context,
    *,
    n_components: int | list[int] | Literal["cv"] = "cv",
    n_folds: int = 5,
    n_inner: int = 5,
    n_splits: int = 20,
    groups: str | None = None,
) -> Outcome:
    """Regress every channel on the features' leading principal components.

    Parameters
    ----------
    context : Context
        Data, models and options of the run.
    n_components : int, list of int or "cv", default="cv"
        Components, or numbers to choose from per channel.
    n_folds, n_inner, n_splits, groups
        See :func:`ridge`.

    Returns
    -------
    outcome : Outcome
        See :func:`ridge`.
    """
    recipe = recipes.principal_components(n_components=n_components, n_inner=n_inner)
    return compare_by_encoding(context, recipe, Options(n_folds, n_splits, groups))
