"""The ridge encoder: linear, one cross-validated penalty per channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_option
from ..solvers import ridge_cv
from ._estimator import ALPHAS, Encoder, FitData
from ._folds import CrossValidation
from ._registry import ENCODERS


class RidgeEncoder(Encoder):
    """Predict every channel from features by ridge regression.

    Each channel gets the penalty that predicts held-out samples best (mean R2 over folds) and is then
    fitted to all samples at that penalty.

    Parameters
    ----------
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive. By default 19 from 0.1 to 1e8 in half decades. With z-scored
        features the eigenvalues of X'X add up to n_samples * n_units, so that this reaches from hardly any
        penalty to one that leaves nothing even with 1,000 stimuli and 100,000 units.
    cv : int, "leave-one-out", "leave-one-group-out", list of (train, test) or splitter, default=5
        Folds that choose the penalty. A number makes shuffled folds, of whole groups where groups are given;
        a splitter is called as ``split(X, Y, groups)``. Leaving one sample out at a time is computed in
        closed form, from one decomposition; leaving one group (a run) out needs `groups`.
    standardize : bool, default=True
        Z-score each feature, in every fold by its training part alone (with "leave-one-out" by all samples).
        Constant features get weight 0.
    missing : {"raise", "drop"}, default="raise"
        What NaN in Y mean: an error, or that each channel is fitted and scored on the samples that it has.
        Channels with other samples missing take decompositions of their own.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    best_alphas_ : ndarray of shape (n_channels,)
        The penalty of each channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at that penalty; with "leave-one-out" one R2, pooled over samples. It was chosen as
        the best of several and is no test score.
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
    A constant channel is predicted by its constant, with `cv_scores_` 0 and the largest alpha.

    References
    ----------
    Hoerl AE, Kennard RW (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics, doi:10.1080/00401706.1970.10488634.

    Naselaris T et al. (2011). Encoding and decoding in fMRI. NeuroImage,
    doi:10.1016/j.neuroimage.2010.07.073.

    Allen DM (1974). The relationship between variable selection and data augmentation and a method for
    prediction. Technometrics, doi:10.1080/00401706.1974.10489157.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, weights = rng.standard_normal((100, 5)), rng.standard_normal((5, 3))
    >>> encoder = RidgeEncoder().fit(X[:80], X[:80] @ weights)
    >>> bool(encoder.score(X[80:], X[80:] @ weights) > 0.99)
    True
    """

    kind = "ridge"
    leave_one_out = True

    def __init__(
        self,
        *,
        alphas: ArrayLike | None = None,
        cv: CrossValidation = 5,
        standardize: bool = True,
        missing: Literal["raise", "drop"] = "raise",
        device: str = "auto",
        random_state: int | None = 0,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.standardize = standardize
        self.missing = missing
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the encoder; see :meth:`Encoder.fit`.

        Parameters
        ----------
        X, Y, groups
            See :meth:`Encoder.fit`.
        sample_weight : array of shape (n_samples,), optional
            Not negative; a weight of 2 is the same as the sample twice, in fits, z-scores and folds' scores.

        Returns
        -------
        self : RidgeEncoder

        Raises
        ------
        InputError
            As in :meth:`Encoder.fit`; also if a weight is negative or all are 0, or a channel has too few
            responses.
        """
        return self._fit(X, Y, groups, sample_weight)

    def _check_options(self) -> None:
        check_option("missing", self.missing, ("raise", "drop"))

    def _solve(self, data: FitData) -> Mapping[str, NDArray[Any]]:
        result = ridge_cv(
            data.features,
            data.targets,
            alphas=ALPHAS if self.alphas is None else self.alphas,
            folds=data.folds,
            standardize=self.standardize,
            sample_weight=data.sample_weight,
            missing=self.missing,
            device=self.device,
        )
        self.best_alphas_ = result.best_alphas
        self.cv_scores_ = result.cv_scores
        return {"coef_": result.coef, "intercept_": result.intercept}


ENCODERS.register(
    RidgeEncoder.kind,
    summary="linear map from features to each channel, with a cross-validated ridge penalty per channel",
    paper="Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634; "
    "Naselaris et al. 2011, doi:10.1016/j.neuroimage.2010.07.073",
)(RidgeEncoder)
