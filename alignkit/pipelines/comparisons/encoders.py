"""One comparison per encoder: held-out correlation of its predictions, per channel."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from . import recipes
from ._comparison import COMPARISONS, Context, Outcome
from ._encoding import Recipe
from ._encoding_run import Options, compare_by_encoding

_NEEDS = "features or labels; recordings with stimuli, or a continuous recording with timed features"


def _common(*, n_folds: int = 5, n_splits: int = 20, groups: str | None = None) -> Options:
    """Take the options that all encoders have in a run; see :class:`Options`."""
    return Options(n_folds, n_splits, groups)


def _comparison(
    kind: str, recipe: Callable[..., Recipe], *, summary: str, paper: str
) -> Callable[..., Outcome]:
    """Register a comparison whose options are those of its recipe and those of all encoders."""
    own = inspect.signature(recipe).parameters
    shared = inspect.signature(_common).parameters

    def compare(context: Context, **options: Any) -> Outcome:
        unknown = set(options) - set(own) - set(shared)
        if unknown:
            raise TypeError(f"{kind} has no option {sorted(unknown)[0]!r}")
        chosen = {name: value for name, value in options.items() if name in own}
        rest = {name: value for name, value in options.items() if name in shared}
        return compare_by_encoding(context, recipe(**chosen), _common(**rest))

    compare.__name__ = compare.__qualname__ = recipe.__name__
    compare.__doc__ = recipe.__doc__
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    # The configuration checks options against the signature, so that it has to be the real one.
    compare.__signature__ = inspect.Signature([context, *own.values(), *shared.values()])  # type: ignore[attr-defined]
    compare.__annotations__ = {**get_type_hints(recipe), **get_type_hints(_common), "context": Context}
    COMPARISONS.register(kind, summary=summary, needs=_NEEDS, paper=paper, named_by=("groups",))(compare)
    return compare


ridge = _comparison(
    "ridge",
    recipes.ridge,
    summary="held-out correlation of ridge predictions, per channel",
    paper="Naselaris et al. 2011, doi:10.1016/j.neuroimage.2010.07.073",
)
kernel_ridge = _comparison(
    "kernel-ridge",
    recipes.kernel_ridge,
    summary="held-out correlation of kernel ridge predictions, per channel",
    paper="Saunders et al. 1998, ICML",
)
banded_ridge = _comparison(
    "banded-ridge",
    recipes.banded_ridge,
    summary="held-out correlation of banded ridge over all layers of a model, per channel",
    paper="Dupre la Tour et al. 2022, doi:10.1016/j.neuroimage.2022.119728",
)
stacking = _comparison(
    "stacking",
    recipes.stacking,
    summary="held-out correlation of stacked ridge regressions, one per layer of a model",
    paper="Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1",
)
pls = _comparison(
    "pls",
    recipes.pls,
    summary="held-out correlation of partial least squares predictions, per channel",
    paper="de Jong 1993, doi:10.1016/0169-7439(93)85002-X",
)
fractional_ridge = _comparison(
    "fractional-ridge",
    recipes.fractional_ridge,
    summary="held-out correlation of fractional ridge predictions, per channel",
    paper="Rokem & Kay 2020, doi:10.1093/gigascience/giaa133",
)
elastic_net = _comparison(
    "elastic-net",
    recipes.elastic_net,
    summary="held-out correlation of elastic-net predictions, per channel",
    paper="Zou & Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x",
)
lasso = _comparison(
    "lasso",
    recipes.lasso,
    summary="held-out correlation of lasso predictions, per channel",
    paper="Tibshirani 1996, doi:10.1111/j.2517-6161.1996.tb02080.x",
)
principal_components = _comparison(
    "principal-components",
    recipes.principal_components,
    summary="held-out correlation of principal-components regression, per channel",
    paper="Jolliffe 1982, doi:10.2307/2348005",
)
