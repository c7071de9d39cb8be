"""The PLS encoder: all channels through a few shared components of the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ..solvers.pls_regression import pls_cv
from ._estimator import Encoder, FitData
from ._folds import CrossValidation
from ._registry import ENCODERS
from .components import numbers_of_components


class PLSEncoder(Encoder):
    """Predict all channels together by partial least squares (PLS2).

    The channels share the components: directions of the features that covary most with all channels. With
    25 components of z-scored features and channels this is the mapping of Brain-Score.

    Parameters
    ----------
    n_components : int, sequence of int or "cv", default=25
        How many components, or the numbers to choose from; "cv" is every number from 1 to 50. One number
        serves all channels: the one with the highest mean over channels of mean R2 over folds, of equals
        the smaller. What is above the rank of the features is lowered to it, with a warning.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the number and give `cv_scores_`. A number makes shuffled folds, of whole groups
        where groups are given; a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score features and channels, in every fold by its training part alone. Otherwise features and
        channels count by their variance.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    n_components_ : int
        Number of components used. Fewer than asked for where the features have no more, or where fewer
        already fit the responses exactly.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds with that number; no test score where the number was chosen among several.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X and Y; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    Suits many correlated units, and channels driven by a few directions common to them. A channel's weights
    depend on which others are fitted with it: many channels without signal, or of another region, draw the
    components away. Then, and where a channel is driven by directions of little variance,
    :class:`~alignkit.encoders.RidgeEncoder` predicts better.

    The components are those of NIPALS iterated to convergence. `sklearn.cross_decomposition.PLSRegression`
    stops earlier by default (``tol=1e-6``), and may differ for that reason alone. One fit gives every number
    of components; choosing among them costs no more than the largest. Computed in float64 on the CPU.

    References
    ----------
    Wold S, Sjostrom M, Eriksson L (2001). PLS-regression: a basic tool of chemometrics. Chemometrics and
    Intelligent Laboratory Systems, doi:10.1016/S0169-7439(01)00155-1.

    Schrimpf M et al. (2020). Integrative benchmarking to advance neurally mechanistic models of human
    intelligence. Neuron, doi:10.1016/j.neuron.2020.07.040.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((100, 2))
    >>> X = shared @ rng.standard_normal((2, 200)) + rng.standard_normal((100, 200))
    >>> Y = shared @ rng.standard_normal((2, 5)) + 0.1 * rng.standard_normal((100, 5))
    >>> encoder = PLSEncoder(n_components="cv").fit(X[:80], Y[:80])
    >>> encoder.n_components_, bool(encoder.score(X[80:], Y[80:]) > 0.8)
    (2, True)
    """

    kind = "pls"
    scaled = False  # the components are those of the channels as they are
    arrays = ("coef_", "intercept_", "n_components_", "cv_scores_")

    def __init__(
        self,
        *,
        n_components: ArrayLike | str = 25,
        cv: CrossValidation = 5,
        standardize: bool = True,
        random_state: int | None = 0,
    ) -> None:
        self.n_components = n_components
        self.cv = cv
        self.standardize = standardize
        self.random_state = random_state

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        result = pls_cv(
            data.features,
            data.targets,
            n_components=numbers_of_components(self.n_components),
            folds=data.folds,
            standardize=self.standardize,
        )
        self.n_components_ = result.n_components
        self.cv_scores_ = result.cv_scores
        return {"coef_": result.coef.astype(data.dtype), "intercept_": result.intercept.astype(data.dtype)}


ENCODERS.register(
    PLSEncoder.kind,
    summary="partial least squares: all channels from a few shared components, 25 by default",
    paper="Wold et al. 2001, doi:10.1016/S0169-7439(01)00155-1; "
    "Schrimpf et al. 2020, doi:10.1016/j.neuron.2020.07.040",
)(PLSEncoder)
