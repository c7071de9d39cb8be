"""The principal-components encoder: regression on the leading components of the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_option
from ..solvers.component_regression import components_cv
from ._estimator import Encoder, FitData
from ._folds import CrossValidation
from ._registry import ENCODERS


class PrincipalComponentsEncoder(Encoder):
    """Predict every channel from the leading principal components of the features.

    Each channel gets the number of components that predicts held-out samples best (mean R2 over folds) and
    is then fitted to all samples with that number.

    Parameters
    ----------
    n_components : int, sequence of int or "cv", default="cv"
        How many components, or the numbers to choose from; "cv" is every number up to the rank of the
        features. What is above the rank is lowered to it, with a warning.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the number and give `cv_scores_`. A number makes shuffled folds, of whole groups
        where groups are given; a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score each feature before the components are found, in every fold by its training part alone.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    n_components_ : ndarray of shape (n_channels,)
        Number of components of each channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds with that number; no test score where it was chosen among several.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    n_features_in_ : int
        Number of units seen in `fit`.
    fitted_on_ : dict
        Numbers of samples, units and channels, and digests of X and Y.

    Notes
    -----
    Suits responses that follow the directions in which the features vary most, and nothing else. The
    components are found without a look at the responses: where what drives a channel is a direction of
    little variance, every stronger one must be let in first, and
    :class:`~alignkit.encoders.RidgeEncoder` or :class:`~alignkit.encoders.PLSEncoder` predict better.
    Of equally good numbers the smallest is taken. Computed in float64 on the CPU.

    References
    ----------
    Massy WF (1965). Principal components regression in exploratory statistical research. JASA,
    doi:10.1080/01621459.1965.10480787.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> strong = rng.standard_normal((100, 2))
    >>> X = strong @ rng.standard_normal((2, 200)) + rng.standard_normal((100, 200))
    >>> Y = strong @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((100, 3))
    >>> encoder = PrincipalComponentsEncoder().fit(X[:80], Y[:80])
    >>> bool(encoder.score(X[80:], Y[80:]) > 0.9)
    True
    """

    kind = "principal-components"
    arrays = ("coef_", "intercept_", "n_components_", "cv_scores_")

    def __init__(
        self,
        *,
        n_components: ArrayLike | str = "cv",
        cv: CrossValidation = 5,
        standardize: bool = True,
        random_state: int | None = 0,
    ) -> None:
        self.n_components = n_components
        self.cv = cv
        self.standardize = standardize
        self.random_state = random_state

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        result = components_cv(
            data.features,
            data.targets,
            n_components=numbers_of_components(self.n_components),
            folds=data.folds,
            standardize=self.standardize,
        )
        self.n_components_ = result.n_components
        self.cv_scores_ = result.cv_scores
        return {"coef_": result.coef.astype(data.dtype), "intercept_": result.intercept.astype(data.dtype)}


def numbers_of_components(n_components: ArrayLike | str) -> ArrayLike | None:
    """Return the numbers to choose from as the solvers take them: None for "cv"."""
    if not isinstance(n_components, str):
        return n_components
    check_option("n_components", n_components, ["cv"])
    return None


ENCODERS.register(
    PrincipalComponentsEncoder.kind,
    summary="regression on the leading principal components, as many per channel as predict best",
    paper="Massy 1965, doi:10.1080/01621459.1965.10480787",
)(PrincipalComponentsEncoder)
