"""Folds of stimuli for what is fitted on some and scored on others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from .._core.random import RandomState, as_generator
from ..solvers._held_out import check_parts
from ._labels import unique_labels

Rows = NDArray[np.intp]
Fold = tuple[Rows, Rows]
CrossValidation = int | Sequence[tuple[ArrayLike, ArrayLike]]
# A correlation over two stimuli is 1 or -1 whatever they are.
LEAST = 3


def stimulus_folds(
    cv: CrossValidation,
    n_stimuli: int,
    *,
    groups: ArrayLike | None = None,
    random_state: RandomState = 0,
    least: int = LEAST,
) -> list[Fold]:
    """Return (train, test) row indices of each fold.

    Parameters
    ----------
    cv : int or sequence of (train, test)
        The number of folds into which stimuli, or whole groups, are drawn at random; or the folds.
    n_stimuli : int
        Number of rows.
    groups : array of shape (n_stimuli,), optional
        Stimuli with equal labels stay together.
    random_state : int, Generator or None, default=0
        For the draw.
    least : int, default=3
        Test stimuli that a fold must have, and training stimuli.

    Returns
    -------
    folds : list of (train, test)
        Row indices.

    Raises
    ------
    InputError
        If folds are too few or too small, share rows or groups, or groups do not fit or are missing.
    """
    labels = _group_numbers(groups, n_stimuli)
    if not isinstance(cv, int | np.integer):
        folds = check_parts(cv, n_stimuli)
    else:
        n_groups = int(labels.max()) + 1
        if not 2 <= cv <= n_groups:
            raise InputError(
                f"`cv` must be from 2 to the number of {'stimuli' if groups is None else 'groups'}, "
                f"{n_groups}, got {cv}."
            )
        drawn = as_generator(random_state).permutation(n_groups)
        parts = [np.flatnonzero(np.isin(labels, part)) for part in np.array_split(drawn, cv)]
        folds = [(np.setdiff1d(np.arange(n_stimuli), part), part) for part in parts]
    for number, (train, test) in enumerate(folds):
        if min(len(train), len(test)) < least:
            raise InputError(
                f"every fold needs at least {least} training and {least} test stimuli, but fold {number} of "
                f"{len(folds)} has {len(train)} and {len(test)}. Use a smaller `cv` or more stimuli."
            )
        shared = np.intersect1d(labels[train], labels[test])
        if len(shared):
            raise InputError(
                f"fold {number} has {len(shared)} of the `groups` in both its training and its test part. "
                "Keep each group in one part, or give the number of folds."
            )
    return folds


def _group_numbers(groups: ArrayLike | None, n_stimuli: int) -> Rows:
    if groups is None:
        return np.arange(n_stimuli)
    given = np.asarray(groups)
    if given.shape != (n_stimuli,):
        raise InputError(
            f"`groups` must hold one label per stimulus, got shape {given.shape} for {n_stimuli} stimuli."
        )
    return unique_labels("groups", given)[1]
