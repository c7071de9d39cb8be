"""One subject's channels turned to another's by the best orthogonal map."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._pairs import check_pair, check_source
from ._rotations import centred, closest_orthonormal, row_space

Floats = NDArray[np.float64]


class ProcrustesAlignment(TransformerMixin, BaseEstimator):
    """Map responses of one subject (source) onto those of another (target) by a rotation.

    Finds the matrix R with orthonormal columns or rows that brings ``s (X - mean_X) R + mean_Y`` closest to Y
    (least squares; rotations, reflections and, where `scaling`, one factor s). A rotation keeps all distances
    between samples: the source's geometry is not changed, only looked at along the target's channels.

    Parameters
    ----------
    scaling : bool, default=False
        Fit the factor s too; otherwise it is 1.
    center : bool, default=True
        Take out the mean of every channel first, and give the result the target's mean.

    Attributes
    ----------
    coef_ : ndarray of shape (n_source_channels, n_target_channels)
        s R.
    scale_ : float
        s.
    rank_ : int
        Directions of the source that are mapped; the others, about which the samples say nothing, go to 0.
    source_mean_ : ndarray of shape (n_source_channels,)
        Mean of the source's channels; zeros without centring.
    target_mean_ : ndarray of shape (n_target_channels,)
        Mean of the target's channels; zeros without centring.
    n_features_in_ : int
        Number of source channels.

    Notes
    -----
    With as many channels on both sides, and more samples than channels, this is the orthogonal Procrustes
    problem. With fewer source than target channels the rows of R are orthonormal and R is optimal too. With
    more source channels, its columns are: R maximises the covariance with the target and is the best map onto
    the target filled up with zeros; channels of the source beyond the target's dimension are lost.

    With fewer samples than channels R is a rotation between the subspaces that the samples span (rank at
    most n - 1), and everything else is dropped: it is unique, where a full rotation would have to guess.

    References
    ----------
    Schönemann PH (1966). A generalized solution of the orthogonal Procrustes problem. Psychometrika,
    doi:10.1007/BF02289451.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((20, 2))
    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> ProcrustesAlignment().fit(X, X @ turn + 3.0).coef_.round(6) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.]])
    """

    def __init__(self, *, scaling: bool = False, center: bool = True) -> None:
        self.scaling = scaling
        self.center = center

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Find the map.

        Parameters
        ----------
        X : array of shape (n_samples, n_source_channels)
            Responses of the source.
        y : array of shape (n_samples, n_target_channels)
            Responses of the target to the same samples; (n_samples,) for one channel.

        Returns
        -------
        self : ProcrustesAlignment

        Raises
        ------
        InputError
            If numbers of samples differ, there are fewer than 2, or NaN.
        """
        source, target = check_pair(self, X, y)
        source, self.source_mean_ = centred(source, self.center)
        target, self.target_mean_ = centred(target, self.center)
        (left, from_source), (right, from_target) = row_space(source), row_space(target)
        rotation, values = closest_orthonormal(left.T @ right)
        self.rank_ = len(values)
        power = float(np.sum((left @ rotation) ** 2))
        self.scale_ = float(values.sum() / power) if self.scaling and power > 0 else 1.0
        self.coef_ = self.scale_ * (from_source @ rotation @ from_target.T)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return responses of the source in the target's channels.

        Parameters
        ----------
        X : array of shape (n_samples, n_source_channels)
            Responses of the source, to any samples.

        Returns
        -------
        aligned : ndarray of shape (n_samples, n_target_channels)
            In the target's unit.
        """
        check_is_fitted(self)
        aligned: Floats = (check_source(self, X) - self.source_mean_) @ self.coef_ + self.target_mean_
        return aligned

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags
