"""One subject's channels predicted from another's by ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..._core.errors import InputError
from ...solvers.ridge import ridge_cv
from ...stats.blocks import blocked_folds
from ...stats.folds import grouped_folds
from ._pairs import check_pair, check_source

Floats = NDArray[np.float64]
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 8, 19))


class RidgeAlignment(TransformerMixin, BaseEstimator):
    """Predict every channel of one subject (target) from all channels of another (source).

    Any linear map, unlike :class:`ProcrustesAlignment`: it may stretch and mix, so that noise shrinks and
    geometry is not kept. The penalty of each target channel is chosen by cross-validation within the samples
    that are given.

    Parameters
    ----------
    alphas : sequence of float, default=19 from 0.1 to 1e8
        Penalties to choose from, for z-scored source channels.
    n_folds : int, default=5
        Folds of that choice: whole `groups`, or without them blocks of neighbouring samples, since neighbours
        in time share noise.
    standardize : bool, default=True
        Z-score the source's channels, in every fold by its training part.
    device : str, default="cpu"
        Torch device of the solver.
    random_state : int, default=0
        Of the shuffle of groups.

    Attributes
    ----------
    coef_ : ndarray of shape (n_source_channels, n_target_channels)
        Weights, in the units of the data.
    intercept_ : ndarray of shape (n_target_channels,)
        Prediction at X = 0.
    best_alphas_ : ndarray of shape (n_target_channels,)
        The penalty of each target channel.
    n_features_in_ : int
        Number of source channels.

    References
    ----------
    Hoerl AE, Kennard RW (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics, doi:10.1080/00401706.1970.10488634.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, weights = rng.standard_normal((60, 3)), rng.standard_normal((3, 2))
    >>> alignment = RidgeAlignment().fit(X, X @ weights)
    >>> bool(np.abs(alignment.coef_ - weights).max() < 0.01)
    True
    """

    def __init__(
        self,
        *,
        alphas: Sequence[float] = ALPHAS,
        n_folds: int = 5,
        standardize: bool = True,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.alphas = alphas
        self.n_folds = n_folds
        self.standardize = standardize
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[object] | None = None) -> Self:
        """Choose the penalties and find the map.

        Parameters
        ----------
        X : array of shape (n_samples, n_source_channels)
            Responses of the source.
        y : array of shape (n_samples, n_target_channels)
            Responses of the target to the same samples; (n_samples,) for one channel.
        groups : sequence of length n_samples, optional
            The run or the stimulus of each sample: a group stays on one side of a fold.

        Returns
        -------
        self : RidgeAlignment

        Raises
        ------
        InputError
            If numbers of samples differ, there are NaN, or too few samples or groups for the folds.
        """
        source, target = check_pair(self, X, y)
        if groups is not None and len(groups) != len(source):
            raise InputError(f"`groups` must have an entry per sample, got {len(groups)} for {len(source)}.")
        least = 2 * self.n_folds
        if groups is None and len(source) < least:
            raise InputError(
                f"{len(source)} samples are too few for {self.n_folds} folds of at least 2 each (n_samples = "
                f"{len(source)}); use fewer folds or more samples."
            )
        folds = (
            blocked_folds(len(source), n_folds=self.n_folds)
            if groups is None
            else grouped_folds(groups, n_folds=self.n_folds, random_state=self.random_state)
        )
        result = ridge_cv(
            source,
            target,
            alphas=np.asarray(self.alphas),
            folds=folds,
            standardize=self.standardize,
            device=self.device,
        )
        self.coef_, self.intercept_ = result.coef, result.intercept
        self.best_alphas_ = result.best_alphas
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the target's responses as predicted from the source.

        Parameters
        ----------
        X : array of shape (n_samples, n_source_channels)
            Responses of the source, to any samples.

        Returns
        -------
        aligned : ndarray of shape (n_samples, n_target_channels)
            In the target's unit, shrunk towards its mean.
        """
        check_is_fitted(self)
        aligned: Floats = check_source(self, X) @ self.coef_ + self.intercept_
        return aligned

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
