"""The ridge encoder: linear, one cross-validated penalty per channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .._core.checks import check_option
from .._core.errors import InputError
from ..metrics import column_correlation, column_r2
from ..solvers import ridge_cv
from ._folds import CrossValidation, make_folds
from ._registry import ENCODERS
from ._storage import load_encoder, save_encoder

_KIND = "ridge"


class RidgeEncoder(RegressorMixin, BaseEstimator):
    """Predict every channel from features by ridge regression.

    Each channel gets the penalty that predicts held-out samples best (mean R2 over folds) and is then
    fitted to all samples at that penalty.

    Parameters
    ----------
    alphas : array of shape (n_alphas,), optional
        Penalties to choose from, all positive. By default 19 from 0.1 to 1e8 in half decades. With z-scored
        features the eigenvalues of X'X add up to n_samples * n_units, so that this reaches from hardly any
        penalty to one that leaves nothing even with 1,000 stimuli and 100,000 units.
    cv : int, list of (train, test) or splitter, default=5
        Folds that choose the penalty. A number makes shuffled folds, of whole groups where groups are given;
        a splitter is called as ``split(X, Y, groups)``.
    standardize : bool, default=True
        Z-score each feature, in every fold by its training part alone. Constant features get weight 0.
    device : str, default="auto"
        Torch device; "auto" takes CUDA where there is one.
    random_state : int or None, default=0
        Seed of the shuffled folds.

    Attributes
    ----------
    best_alphas_ : ndarray of shape (n_channels,)
        The penalty of each channel.
    cv_scores_ : ndarray of shape (n_channels,)
        Mean R2 over folds at that penalty. It was chosen as the best of several and is no test score.
    coef_ : ndarray of shape (n_units, n_channels)
        Weights in the units of X, whether or not it was z-scored; (n_units,) for a one-dimensional Y.
    intercept_ : ndarray of shape (n_channels,)
        Prediction at X = 0; a float for a one-dimensional Y.
    n_features_in_ : int
        Number of units seen in `fit`.

    Notes
    -----
    A constant channel is predicted by its constant, with `cv_scores_` 0 and the largest alpha.

    References
    ----------
    Hoerl AE, Kennard RW (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics, doi:10.1080/00401706.1970.10488634.

    Naselaris T et al. (2011). Encoding and decoding in fMRI. NeuroImage,
    doi:10.1016/j.neuroimage.2010.07.073.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, weights = rng.standard_normal((100, 5)), rng.standard_normal((5, 3))
    >>> encoder = RidgeEncoder().fit(X[:80], X[:80] @ weights)
    >>> bool(encoder.score(X[80:], X[80:] @ weights) > 0.99)
    True
    """

    def __init__(
        self,
        *,
        alphas: ArrayLike | None = None,
        cv: CrossValidation = 5,
        standardize: bool = True,
        device: str = "auto",
        random_state: int | None = 0,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.standardize = standardize
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, Y: ArrayLike, groups: ArrayLike | None = None) -> RidgeEncoder:
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
        self : RidgeEncoder

        Raises
        ------
        InputError
            If there are NaN, the numbers of samples differ, an alpha is not positive, `cv` gives fewer than
            2 folds, a fold has an empty part or a group on both sides.
        """
        features, responses = self._check_pair(X, Y, reset=True)
        folds = make_folds(self.cv, features, responses, groups, self.random_state)
        alphas = np.logspace(-1, 8, 19) if self.alphas is None else self.alphas
        targets, scale = _scaled(responses.reshape(len(responses), -1))
        result = ridge_cv(
            features,
            targets,
            alphas=alphas,
            folds=folds,
            standardize=self.standardize,
            device=self.device,
        )
        self.best_alphas_ = result.best_alphas
        self.cv_scores_ = result.cv_scores
        single = responses.ndim == 1
        coef, intercept = result.coef * scale, result.intercept * scale
        self.coef_ = coef[:, 0] if single else coef
        self.intercept_ = intercept[0] if single else intercept
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Predict responses.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.

        Returns
        -------
        prediction : ndarray of shape (n_samples, n_channels) or (n_samples,)
            In the unit of the responses that were fitted.
        """
        check_is_fitted(self)
        try:
            features = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        except ValueError as error:
            raise InputError(str(error)) from error
        return np.asarray(features @ self.coef_ + self.intercept_)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the mean R2 over channels, at most 1; a constant channel counts as 0.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses.

        Returns
        -------
        score : float
            At most 1, higher is better.
        """
        return float(self.score_channels(X, y, metric="r2").mean())

    def score_channels(
        self, X: ArrayLike, Y: ArrayLike, *, metric: Literal["r", "r2"] = "r"
    ) -> NDArray[np.float64]:
        """Return the score of every channel.

        Parameters
        ----------
        X : array of shape (n_samples, n_units)
            Features.
        Y : array of shape (n_samples, n_channels) or (n_samples,)
            Recorded responses.
        metric : {"r", "r2"}, default="r"
            Pearson's r, NaN where response or prediction is constant; or R2, 0 where the response is.

        Returns
        -------
        scores : ndarray of shape (n_channels,)
            At most 1, higher is better.
        """
        check_option("metric", metric, ("r", "r2"))
        check_is_fitted(self)
        features, responses = self._check_pair(X, Y, reset=False)
        truth = responses.reshape(len(responses), -1)
        prediction = (features @ self.coef_ + self.intercept_).reshape(len(features), -1)
        if truth.shape != prediction.shape:
            raise InputError(
                f"`Y` must have the {prediction.shape[1]} channel(s) that were fitted, got {truth.shape[1]}."
            )
        if metric == "r":
            return column_correlation(truth, prediction)
        return column_r2(truth, prediction)

    def save(self, folder: str | Path) -> None:
        """Write the fitted encoder to a folder, whole or not at all.

        Parameters
        ----------
        folder : path
            Made new, or replaced if it holds an encoder. `cv` is kept when it is a number.
        """
        check_is_fitted(self)
        cv = int(self.cv) if isinstance(self.cv, int | np.integer) else None
        alphas = None if self.alphas is None else np.asarray(self.alphas, dtype=float).tolist()
        parameters = {
            "alphas": alphas,
            "cv": cv,
            "standardize": bool(self.standardize),
            "device": self.device,
            "random_state": None if self.random_state is None else int(self.random_state),
        }
        arrays = {
            "coef": np.asarray(self.coef_),
            "intercept": np.asarray(self.intercept_),
            "best_alphas": self.best_alphas_,
            "cv_scores": self.cv_scores_,
        }
        save_encoder(folder, _KIND, parameters, arrays)

    @classmethod
    def load(cls, folder: str | Path) -> RidgeEncoder:
        """Read an encoder that `save` wrote.

        Parameters
        ----------
        folder : path
            What was given to `save`.

        Returns
        -------
        encoder : RidgeEncoder
            Fitted; predicts the same bits. `cv` is 5 where it was not a number.

        Raises
        ------
        MissingDataError
            If the folder or one of its files is not there.
        InputError
            If it is damaged or holds something else.
        """
        parameters, arrays = load_encoder(folder, _KIND)
        if parameters.get("cv") is None:
            parameters["cv"] = 5
        try:
            encoder = cls(**parameters)
            encoder.coef_ = arrays["coef"]
            intercept = arrays["intercept"]
            encoder.best_alphas_, encoder.cv_scores_ = arrays["best_alphas"], arrays["cv_scores"]
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{folder} does not hold what a ridge encoder needs ({error}). Fit and save it again."
            ) from error
        encoder.intercept_ = intercept if intercept.ndim else intercept[()]
        encoder.n_features_in_ = len(encoder.coef_)
        return encoder

    def _check_pair(self, X: Any, Y: Any, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        try:
            features, responses = validate_data(
                self, X, Y, reset=reset, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        return features, responses

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


ENCODERS.register(
    _KIND,
    summary="linear map from features to each channel, with a cross-validated ridge penalty per channel",
    paper="Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634; "
    "Naselaris et al. 2011, doi:10.1016/j.neuroimage.2010.07.073",
)(RidgeEncoder)


def _scaled(responses: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Divide channels by a power of two near their SD, and return that: squares of teslas underflow."""
    spread = responses.std(axis=0, dtype=np.float64)
    power = np.where(spread > 0, np.round(np.log2(np.where(spread > 0, spread, 1.0))), 0.0)
    # A power of two changes exponents only: in the ordinary range the results keep their bits.
    scale = np.exp2(power)
    return (responses / scale).astype(responses.dtype), scale.astype(responses.dtype)
