"""The principal-components encoder: regression on the leading components of the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._core.checks import check_option
from ..solvers.component_regression import components_cv
from ._estimator import Encoder
from ._folds import CrossValidation, make_folds
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

    def fit(self, X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None = None) -> PrincipalComponentsEncoder:
        """Fit the encoder.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        Y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses to the same samples.
        groups : array of shape (n_samples,), optional
            Samples of one group stay on one side of every fold. Give repeats of a stimulus one group.

        Returns
        -------
        self : PrincipalComponentsEncoder

        Raises
        ------
        InputError
            If there are NaN, the numbers of samples differ, a number of components is below 1, `cv` gives
            fewer than 2 folds, a fold has an empty part or a group on both sides.

        Warns
        -----
        UserWarning
            If more components are asked for than the features have.
        """
        features, responses = self._check_pair(X, Y, reset=True)
        if isinstance(self.n_components, str):
            check_option("n_components", self.n_components, ["cv"])
        folds = make_folds(self.cv, features, responses, groups, self.random_state)
        result = components_cv(
            features,
            responses.reshape(len(responses), -1),
            n_components=None if isinstance(self.n_components, str) else self.n_components,
            folds=folds,
            standardize=self.standardize,
        )
        self.n_components_ = result.n_components
        self.cv_scores_ = result.cv_scores
        self._remember(features, responses)
        dtype = np.result_type(features, responses)
        coef, intercept = result.coef.astype(dtype), result.intercept.astype(dtype)
        self.coef_ = coef[:, 0] if responses.ndim == 1 else coef
        self.intercept_ = intercept[0] if responses.ndim == 1 else intercept
        return self


ENCODERS.register(
    PrincipalComponentsEncoder.kind,
    summary="regression on the leading principal components, as many per channel as predict best",
    paper="Massy 1965, doi:10.1080/01621459.1965.10480787",
)(PrincipalComponentsEncoder)
