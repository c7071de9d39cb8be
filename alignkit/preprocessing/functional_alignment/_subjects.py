"""Responses of known subjects through their maps and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array
from ..._core.errors import InputError

Floats = NDArray[np.float64]


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
