"""Responses of known subjects through their maps and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]


class SubjectMaps(BaseEstimator):
    """Maps of several subjects to a common space: what estimators on lists of arrays share.

    Attributes
    ----------
    maps_ : list of ndarray of shape (n_channels_i, n_dimensions)
        Of each subject.
    means_ : list of ndarray of shape (n_channels_i,)
        Taken off first.
    """

    maps_: list[Floats]
    means_: list[Floats]

    def transform(self, X: Sequence[ArrayLike]) -> list[Floats]:
        """Return new responses of all fitted subjects in the common space.

        Parameters
        ----------
        X : sequence of arrays of shape (n_samples, n_channels_i)
            In the order of `fit` (and of `add_subject`), each of the subject's own channels.

        Returns
        -------
        common : list of ndarray of shape (n_samples, n_dimensions)
            ``(X_i - mean_i) @ map_i``: about 0, where the training samples were centred.
        """
        check_is_fitted(self)
        return map_subjects(X, self.maps_, self.means_)

    def transform_subject(self, X: ArrayLike, *, subject: int) -> Floats:
        """Return new responses of one fitted subject in the common space.

        Parameters
        ----------
        X : array of shape (n_samples, n_channels_i)
            New responses.
        subject : int
            Its place in `fit`, or what `add_subject` gave.

        Returns
        -------
        common : ndarray of shape (n_samples, n_dimensions)
        """
        check_is_fitted(self)
        return map_subject(X, self.maps_, self.means_, subject)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def map_subjects(Xs: Sequence[ArrayLike], maps: Sequence[Floats], means: Sequence[Floats]) -> list[Floats]:
    """Return every subject's responses in the common space.

    Raises
    ------
    InputError
        For another number of subjects or channels.
    """
    if len(Xs) != len(maps):
        raise InputError(
            f"`X` must hold an array for each of the {len(maps)} fitted subjects, got {len(Xs)}; use "
            "`transform_subject` for one."
        )
    return [map_subject(X, maps, means, subject) for subject, X in enumerate(Xs)]


def map_subject(X: ArrayLike, maps: Sequence[Floats], means: Sequence[Floats], subject: int) -> Floats:
    """Return one subject's responses in the common space."""
    _check_subject(subject, len(maps))
    array = check_array("X", X, ndim=2, dtype=np.float64)
    if array.shape[1] != len(maps[subject]):
        raise InputError(
            f"subject {subject} was fitted with {len(maps[subject])} channels, got {array.shape[1]}. Its "
            "channels must be the same, in the same order."
        )
    mapped: Floats = (array - means[subject]) @ maps[subject]
    return mapped


def map_back(shared: ArrayLike, maps: Sequence[Floats], means: Sequence[Floats], subject: int) -> Floats:
    """Return responses of the common space as those of one subject's channels."""
    _check_subject(subject, len(maps))
    array = check_array("shared", shared, ndim=2, dtype=np.float64)
    if array.shape[1] != maps[subject].shape[1]:
        raise InputError(f"`shared` must have {maps[subject].shape[1]} features, got {array.shape[1]}.")
    back: Floats = array @ maps[subject].T + means[subject]
    return back


def _check_subject(subject: int, n_subjects: int) -> None:
    if not 0 <= subject < n_subjects:
        raise InputError(f"`subject` must lie in 0..{n_subjects - 1}, got {subject}.")
