"""Scaling of channels by median and interquartile range, with outliers clamped."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..._core.errors import InputError
from ._spread import robust_spread


class RobustChannelScaler(TransformerMixin, BaseEstimator):
    """Subtract each channel's median, divide by its robust standard deviation, and clamp.

    Fit it on the training part of a fold only. Epochs are pooled: a channel has one median and one spread
    over all epochs and times.

    Parameters
    ----------
    clamp : float or None, default=20.0
        Values beyond this many robust standard deviations are set to it; None keeps them.

    Attributes
    ----------
    center_ : ndarray of shape (n_channels,)
        Medians, in the unit of the data.
    scale_ : ndarray of shape (n_channels,)
        Interquartile range / 1.349; 1 for a channel whose range is 0.

    References
    ----------
    Defossez A, Caucheteux C, Rapin J, Kabeli O, King J-R (2023). Decoding speech perception from non-invasive
    brain recordings. Nature Machine Intelligence 5:1097, doi:10.1038/s42256-023-00714-5 (clamping at 20).

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((50, 3, 20)) * [[1.0], [10.0], [1e-6]]
    >>> scaled = RobustChannelScaler().fit_transform(X)
    >>> scaled.std(axis=(0, 2)).round(1).tolist()
    [1.0, 1.0, 1.0]
    """

    center_: NDArray[np.float64]
    scale_: NDArray[np.float64]

    def __init__(self, clamp: float | None = 20.0) -> None:
        self.clamp = clamp

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Take medians and spreads from the training part.

        Parameters
        ----------
        X : array-like of shape (n_epochs, n_channels, n_times) or (n_samples, n_channels)
            In any unit, without NaN.
        y : ignored

        Raises
        ------
        InputError
            If `clamp` is not above 0.
        """
        if self.clamp is not None and not self.clamp > 0:
            raise InputError(f"`clamp` must be above 0, got {self.clamp}.")
        data = _as_data(self, X, reset=True)
        rows = data if data.ndim == 2 else data.transpose(0, 2, 1).reshape(-1, data.shape[1])
        self.center_, spread = robust_spread(rows)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Scale and clamp.

        Parameters
        ----------
        X : array-like of shape (n_epochs, n_channels, n_times) or (n_samples, n_channels)
            With the channels of `fit`.

        Returns
        -------
        scaled : ndarray of the shape of X
            In robust standard deviations of the training part; float32 stays float32.
        """
        check_is_fitted(self)
        data = _as_data(self, X, reset=False)
        shape = (-1, 1) if data.ndim == 3 else (-1,)
        scaled = (data - self.center_.reshape(shape)) / self.scale_.reshape(shape)
        if self.clamp is not None:
            np.clip(scaled, -self.clamp, self.clamp, out=scaled)
        return np.asarray(scaled, dtype=data.dtype)


def _as_data(estimator: BaseEstimator, X: ArrayLike, *, reset: bool) -> NDArray[np.floating[Any]]:
    data = validate_data(
        estimator, X, reset=reset, allow_nd=True, dtype=[np.float64, np.float32], ensure_min_samples=1
    )
    if data.ndim > 3:
        raise InputError(
            f"`X` must be samples x channels or epochs x channels x times, got shape {data.shape}."
        )
    return np.asarray(data)
