"""One comparison per encoder: held-out correlation of its predictions, per channel."""

from __future__ import annotations

from . import recipes
from ._comparison import COMPARISONS, Context, Outcome
from ._encoding_run import Options, compare_by_encoding

_NEEDS = "features or labels; recordings with stimuli"


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
        Outer folds; no stimulus is on both sides.
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
