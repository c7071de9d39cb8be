"""The fractional ridge encoder: a penalty per channel, told as a share of the unpenalised weights' norm."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..solvers.fractional_ridge import fractional_ridge_cv
from ._estimator import Encoder, FitData
from ._folds import CrossValidation
from ._registry import ENCODERS

logger = logging.getLogger(__name__)


DEFAULT_FRACTIONS = np.concatenate([[0.001, 0.002, 0.005, 0.01, 0.02], np.arange(1, 21) / 20])


class FractionalRidgeEncoder(Encoder):
    """Predict every channel by ridge regression at a cross-validated fraction of its unpenalised norm.

    A fraction g stands for the penalty at which the weights are g times as long as without one. Each channel
    gets the fraction that predicts held-out samples best (mean R2 over folds) and is then fitted to all
    samples at that fraction.

    Parameters
    ----------
    fractions : array of shape (n_fractions,), optional
        Fractions to choose from, each above 0 and at most 1. By default 0.001, 0.002, 0.005, 0.01, 0.02, and
        20 from 0.05 to 1 in steps of 0.05.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the fraction. A number makes shuffled folds, of whole groups where groups are
        given; a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score each feature, in every fold by its training part alone. The norm is that of the weights of
        the z-scored features.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    best_fractions_ : ndarray of shape (n_channels,)
        The fraction of each channel.
    best_alphas_ : ndarray of shape (n_channels,)
        The ridge penalty that this fraction came to on all samples, on the scale of
        :class:`~alignkit.encoders.RidgeEncoder`: 0 at fraction 1, NaN for a constant channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at that fraction. It was chosen as the best of several and is no test score.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X, whether or not it was z-scored; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    A fraction can be compared between channels, regions and models, which a penalty cannot; no grid of
    penalties has to be guessed. It refers to the unpenalised weights of the data at hand. Where units are
    nearly as many as samples or more, or nearly repeat each other, these are long and mostly noise: 0.05 of
    them may be ten times too much, which is why the default begins at 0.001. A logged warning says when most
    channels chose the smallest. Of equally good fractions the smallest is taken. The penalty is solved for,
    so that the norm is that fraction to 1e-6 and better; the package fracridge interpolates between tabulated
    norms, which come within 1 % of it. Computed on the CPU.

    References
    ----------
    Rokem A, Kay K (2020). Fractional ridge regression: a fast, interpretable reparameterization of ridge
    regression. GigaScience, doi:10.1093/gigascience/giaa133.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5))
    >>> Y = X @ rng.standard_normal((5, 2)) + [[0.1, 10.0]] * rng.standard_normal((100, 2))
    >>> encoder = FractionalRidgeEncoder().fit(X, Y)
    >>> bool(encoder.best_fractions_[0] > encoder.best_fractions_[1])
    True
    """

    kind = "fractional-ridge"
    arrays = ("coef_", "intercept_", "best_alphas_", "best_fractions_", "cv_scores_")

    def __init__(
        self,
        *,
        fractions: ArrayLike | None = None,
        cv: CrossValidation = 5,
        standardize: bool = True,
        random_state: int | None = 0,
    ) -> None:
        self.fractions = fractions
        self.cv = cv
        self.standardize = standardize
        self.random_state = random_state

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        fractions = DEFAULT_FRACTIONS if self.fractions is None else self.fractions
        result = fractional_ridge_cv(
            data.features, data.targets, fractions=fractions, folds=data.folds, standardize=self.standardize
        )
        at_edge = np.count_nonzero(result.best_fractions == np.min(fractions))
        if 2 * at_edge > len(result.best_fractions) and np.size(fractions) > 1:
            logger.warning(
                "%d of %d channels chose the smallest fraction, %g: they are noise, or want smaller ones.",
                at_edge,
                len(result.best_fractions),
                np.min(fractions),
            )
        self.best_fractions_ = result.best_fractions
        self.best_alphas_ = result.alphas
        self.cv_scores_ = result.cv_scores
        return {"coef_": result.coef, "intercept_": result.intercept}


ENCODERS.register(
    FractionalRidgeEncoder.kind,
    summary="ridge per channel at a cross-validated fraction of the unpenalised weights' norm",
    paper="Rokem & Kay 2020, doi:10.1093/gigascience/giaa133",
)(FractionalRidgeEncoder)
