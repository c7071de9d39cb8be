"""Multivariate noise normalisation: whiten channels by the noise of the training epochs."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._core.checks import check_option
from ..._core.errors import InputError
from ...metrics.rsa.noise import noise_covariance

Pooling = Literal["time", "each_time", "epoch"]
Shrinkage = Literal["identity", "diagonal", "none", "univariate"]
# Directions with less of the largest variance than this are taken for empty, such as that of an average
# reference: nothing was recorded there, so nothing is amplified.
_EMPTY = 1e-10
# Channels of one unit differ by less than this in the standard deviation of their noise.
_UNITS_APART = 100.0


class MultivariateNoiseNormalizer(TransformerMixin, BaseEstimator):
    """Whiten channels by the covariance of the noise, estimated from the training epochs only.

    The noise is what epochs of one condition do not share: their residuals from the condition's mean. With
    Sigma = D R D its covariance (shrunk), D the standard deviations and R the correlations, X becomes
    R^(-1/2) D^(-1) X. Euclidean distances afterwards are Mahalanobis distances before, as they are with
    Sigma^(-1/2), from which this differs by a rotation, and by bearing channels of different units. Fit it
    inside each fold, on the training part.

    Parameters
    ----------
    pooling : {"time", "each_time", "epoch"}
        ``"time"``: Sigma over epochs at every time, then the mean over times. ``"each_time"``: a Sigma for
        every time. ``"epoch"``: Sigma over the times within each epoch, then the mean over epochs; it takes
        slow changes within an epoch for noise, whatever evoked them, and needs no conditions.
    shrinkage : {"identity", "diagonal", "none", "univariate"}
        Ledoit and Wolf's towards a multiple of the identity, Schafer and Strimmer's towards the variances,
        none, or variances alone; see :func:`alignkit.metrics.rsa.noise_covariance`. ``"identity"`` is for
        channels of one unit; ``"diagonal"`` also for magnetometers beside gradiometers or EEG.

    Attributes
    ----------
    covariance_ : ndarray of shape (n_channels, n_channels) or (n_times, n_channels, n_channels)
        Sigma, in the squared unit of the data.
    whitener_ : ndarray of the same shape
        R^(-1/2) D^(-1): whitened data are ``whitener_ @ X``.

    References
    ----------
    Guggenmos M, Sterzer P, Cichy RM (2018). Multivariate pattern analysis for MEG: a comparison of
    dissimilarity measures. NeuroImage 173:434, doi:10.1016/j.neuroimage.2018.02.044.

    Kessy A, Lewin A, Strimmer K (2018). Optimal whitening and decorrelation. Am Stat 72:309,
    doi:10.1080/00031305.2016.1277159 (ZCA-cor).

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((2000, 2, 1))
    >>> noise[:, 1] += 2 * noise[:, 0]
    >>> conditions = np.repeat(["cat", "dog"], 1000)
    >>> normalizer = MultivariateNoiseNormalizer().fit(noise, conditions)
    >>> (np.cov(normalizer.transform(noise)[:, :, 0].T) + 0.01).round(1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    covariance_: NDArray[np.float64]
    whitener_: NDArray[np.float64]

    def __init__(self, pooling: Pooling = "time", shrinkage: Shrinkage = "identity") -> None:
        self.pooling = pooling
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Estimate the noise from the training epochs.

        Parameters
        ----------
        X : array-like of shape (n_epochs, n_channels, n_times) or (n_epochs, n_channels)
            In any unit, without NaN.
        y : array-like of shape (n_epochs,), optional
            Condition of each epoch; by default all are of one condition.

        Raises
        ------
        InputError
            If conditions do not fit the epochs, no condition has two epochs, a channel is constant, or
            ``"epoch"`` is asked of data without times.
        """
        check_option("pooling", self.pooling, ("time", "each_time", "epoch"))
        data = self._as_cube(X, reset=True)
        if self.pooling == "epoch":
            self.covariance_ = self._over_times(data)
        else:
            residuals, freedom = _residuals(data, y)
            each = [self._covariance(residuals[:, :, time], freedom) for time in range(data.shape[2])]
            self.covariance_ = np.stack(each) if self.pooling == "each_time" else np.mean(each, axis=0)
        self.whitener_ = _whitener(self.covariance_)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Whiten the channels.

        Parameters
        ----------
        X : array-like of shape (n_epochs, n_channels, n_times) or (n_epochs, n_channels)
            With the channels of `fit`, and with ``"each_time"`` its times.

        Returns
        -------
        whitened : ndarray of the shape of X
            In standard deviations of the noise; float32 stays float32.

        Raises
        ------
        InputError
            If the number of times is another than in `fit`, with ``"each_time"``.
        """
        check_is_fitted(self)
        data = self._as_cube(X, reset=False)
        if self.pooling != "each_time":
            whitened = np.matmul(self.whitener_.astype(data.dtype), data)
        else:
            if data.shape[2] != len(self.whitener_):
                raise InputError(
                    f"`X` has {data.shape[2]} times, but the noise was estimated at {len(self.whitener_)}."
                )
            by_time = np.matmul(self.whitener_.astype(data.dtype), data.transpose(2, 1, 0))
            whitened = by_time.transpose(2, 1, 0)
        return np.ascontiguousarray(whitened if np.asarray(X).ndim == 3 else whitened[:, :, 0])

    def _as_cube(self, X: ArrayLike, *, reset: bool) -> NDArray[np.floating[Any]]:
        data = validate_data(
            self, X, reset=reset, allow_nd=True, dtype=[np.float64, np.float32], ensure_min_samples=1
        )
        if data.ndim > 3:
            raise InputError(f"`X` must be epochs x channels [x times], got shape {data.shape}.")
        return np.asarray(data if data.ndim == 3 else data[:, :, None])

    def _covariance(self, residuals: NDArray[np.float64], freedom: float) -> NDArray[np.float64]:
        if self.shrinkage == "identity":
            _check_one_unit(residuals)
        return noise_covariance(residuals, dof=freedom, shrinkage=self.shrinkage)

    def _over_times(self, data: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_times = data.shape[2]
        if n_times < 3:
            raise InputError(
                f"pooling 'epoch' needs epochs of at least 3 times, got {n_times}; use pooling 'time'."
            )
        each = [self._covariance(epoch.T.astype(np.float64), n_times - 1) for epoch in data]
        return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def _residuals(data: NDArray[np.floating[Any]], y: ArrayLike | None) -> tuple[NDArray[np.float64], float]:
    """Return what conditions with two epochs or more do not share, and its degrees of freedom."""
    labels = np.zeros(len(data), dtype=np.intp) if y is None else np.asarray(y)
    if labels.ndim != 1 or len(labels) != len(data):
        raise InputError(f"`y` must name the condition of each of {len(data)} epochs, got {labels.shape}.")
    codes, _ = pd.factorize(labels)
    counts = np.bincount(codes)
    keep = counts[codes] > 1
    if keep.sum() < 3:
        raise InputError(
            f"no noise can be estimated: {int(keep.sum())} epochs (n_samples = {len(data)}) are of a "
            "condition with another epoch, at least 3 are needed. Give `y` with repeated conditions."
        )
    residuals = data[keep].astype(np.float64)
    codes = codes[keep]
    for code in np.unique(codes):
        residuals[codes == code] -= residuals[codes == code].mean(axis=0)
    return residuals, float(keep.sum() - (counts > 1).sum())


def _check_one_unit(residuals: NDArray[np.float64]) -> None:
    """Refuse channels of different units, whose mean variance would bury the smaller ones."""
    spread = residuals.std(axis=0)
    if spread.min() > 0 and spread.max() > _UNITS_APART * spread.min():
        raise InputError(
            f"the noise of the channels spans {spread.min():.2g} to {spread.max():.2g}: they seem to have "
            "different units. Set `shrinkage` to 'diagonal', or normalise each kind by itself."
        )


def _whitener(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    # In correlations, volts beside teslas lose no digits.
    correlation = covariance / (deviation[..., :, None] * deviation[..., None, :])
    variances, directions = np.linalg.eigh(correlation)
    is_empty = variances <= _EMPTY * variances[..., -1:]
    scale = np.where(is_empty, 0.0, 1 / np.sqrt(np.where(is_empty, 1.0, variances)))
    root: NDArray[np.float64] = (directions * scale[..., None, :]) @ np.swapaxes(directions, -1, -2)
    return root / deviation[..., None, :]
