"""Stacked regression: one ridge per feature space, combined with convex weights in every channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.progress import track
from ..solvers import ridge_cv, ridge_fit
from ..solvers._simplex import simplex_weights
from ._estimator import ALPHAS, FitData
from ._feature_spaces import Spaces
from ._folds import CrossValidation, Fold
from ._registry import ENCODERS
from ._spaces_encoder import SpacesEncoder

Columns = Mapping[str, NDArray[np.intp]]


class StackedEncoder(SpacesEncoder):
    """Predict every channel by a weighted mean of one ridge regression per feature space.

    Each space is fitted alone, with its own penalty per channel. Their predictions of held-out folds then get
    the weights, not negative and summing to 1, with the smallest squared error; the spaces are fitted again
    to all samples and combined with these weights.

    Parameters
    ----------
    spaces : mapping of str to int, slice or list of int, optional
        The columns of each feature space: how many (the next ones), a slice, or which. Every column belongs
        to one space. By default all are one space; or X itself is a mapping of names to arrays.
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive. By default 19 from 0.1 to 1e8 in half decades.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the penalties and the weights. A number makes shuffled folds, of whole groups where
        groups are given; a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score each feature, in every fold by its training part alone. Constant features get weight 0.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    space_weights_ : ndarray of shape (n_spaces, n_channels)
        Weight of each space's prediction, in [0, 1], summing to 1 in every channel.
    best_alphas_ : ndarray of shape (n_spaces, n_channels)
        The penalty of each space in each channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds of the combined held-out predictions. Penalties and weights were chosen on them: it
        is no test score.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X, those of `space_weights_` included; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    spaces_ : dict of str to ndarray of int
        The columns of each space.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    The weights solve a quadratic program in the inner products of the spaces' held-out residuals, exactly and
    for all channels at once. Unlike banded ridge the spaces do not see each other: where two complement each
    other, a mean of two predictions cannot add them up. In exchange a space costs one ridge regression, where
    banded ridge searches their joint weights. Memory: ``n_folds * n_channels * n_spaces ** 2`` numbers.

    References
    ----------
    Breiman L (1996). Stacked regressions. Machine Learning, doi:10.1007/BF00117832.

    Lin R, Naselaris T, Kay K, Wehbe L (2023). Stacked regressions and structured variance partitioning for
    interpretable brain maps. bioRxiv, doi:10.1101/2023.04.23.537988.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = {"early": rng.standard_normal((120, 5)), "late": rng.standard_normal((120, 5))}
    >>> Y = X["late"] @ rng.standard_normal((5, 3)) + rng.standard_normal((120, 3))
    >>> encoder = StackedEncoder().fit(X, Y)
    >>> bool((encoder.space_weights_[1] > 0.8).all())
    True
    """

    kind = "stacking"
    arrays = ("coef_", "intercept_", "best_alphas_", "cv_scores_", "space_weights_")

    def __init__(
        self,
        *,
        spaces: Spaces | None = None,
        alphas: ArrayLike | None = None,
        cv: CrossValidation = 5,
        standardize: bool = True,
        device: str = "auto",
        random_state: int | None = 0,
    ) -> None:
        self.spaces = spaces
        self.alphas = alphas
        self.cv = cv
        self.standardize = standardize
        self.device = device
        self.random_state = random_state

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        features, targets, folds, columns = data.features, data.targets, data.folds, self._spaces_of(data)
        alphas = ALPHAS if self.alphas is None else self.alphas
        options: dict[str, Any] = {"standardize": self.standardize, "device": self.device}
        fits = [
            ridge_cv(features[:, rows], targets, alphas=alphas, folds=folds, **options)
            for rows in track(columns.values(), "stacking: spaces", len(columns))
        ]
        best = np.stack([found.best_alphas for found in fits])
        forms = residual_products(features, targets, columns, best, folds, options)
        weights = simplex_weights(sum(forms, np.zeros_like(forms[0]))).T
        self.spaces_ = columns
        self.space_weights_ = weights
        self.best_alphas_ = best
        self.cv_scores_ = _combined_r2(forms, weights, targets, folds)
        coef = np.empty((features.shape[1], targets.shape[1]), fits[0].coef.dtype)
        intercept = np.zeros(targets.shape[1], coef.dtype)
        for rows, found, weight in zip(columns.values(), fits, weights.astype(coef.dtype), strict=True):
            coef[rows] = found.coef * weight
            intercept += found.intercept * weight
        return {"coef_": coef, "intercept_": intercept}


def residual_products(
    features: NDArray[Any],
    targets: NDArray[Any],
    columns: Columns,
    alphas: NDArray[np.float64],
    folds: Sequence[Fold],
    options: Mapping[str, Any],
) -> list[NDArray[np.float64]]:
    """Return each fold's inner products of held-out residuals, (n_channels, n_spaces, n_spaces)."""
    products = []
    for train, test in track(folds, "stacking: folds"):
        residuals = []
        for rows, penalty in zip(columns.values(), alphas, strict=True):
            found = ridge_fit(features[np.ix_(train, rows)], targets[train], alphas=penalty, **options)
            predicted = features[np.ix_(test, rows)] @ found.coef + found.intercept
            residuals.append(targets[test].astype(np.float64) - predicted)
        stacked = np.stack(residuals)
        products.append(np.stack([np.einsum("tc,jtc->cj", one, stacked) for one in stacked], axis=1))
    return products


def _combined_r2(
    forms: Sequence[NDArray[np.float64]],
    weights: NDArray[np.float64],
    targets: NDArray[Any],
    folds: Sequence[Fold],
) -> NDArray[np.float64]:
    """Return the mean R2 over folds of the weighted mean of the predictions; 0 for a constant."""
    scores = np.zeros(targets.shape[1])
    for form, (_, test) in zip(forms, folds, strict=True):
        error = np.einsum("jc,cjk,kc->c", weights, form, weights)
        held_out = targets[test].astype(np.float64)
        varies = ~(held_out == held_out[0]).all(axis=0)
        total = np.where(varies, ((held_out - held_out.mean(axis=0)) ** 2).sum(axis=0), 1.0)
        scores += np.where(varies, 1.0 - error / total, 0.0)
    return scores / len(folds)


ENCODERS.register(
    StackedEncoder.kind,
    summary="convex combination of one ridge regression per feature space, with weights per channel",
    paper="Breiman 1996, doi:10.1007/BF00117832; Lin et al. 2023, doi:10.1101/2023.04.23.537988",
)(StackedEncoder)
