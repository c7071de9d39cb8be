"""Cross-validation folds in which no group straddles the training and the test part."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, Protocol, cast, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupKFold, KFold

from .._core.errors import InputError

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


class Splitter(Protocol):
    """Anything with scikit-learn's ``split``."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Yield (train, test) row indices."""


CrossValidation = int | str | Splitter | Sequence[tuple[ArrayLike, ArrayLike]]
GROUP_OUT = "leave-one-group-out"
LEAVE_ONE_OUT: Literal["leave-one-out"] = "leave-one-out"


@overload
def make_folds(
    cv: Any,
    X: NDArray[Any],
    Y: NDArray[Any],
    groups: ArrayLike | None,
    random_state: int | None,
    *,
    chosen: str = ...,
) -> list[Fold]: ...


@overload
def make_folds(
    cv: Any,
    X: NDArray[Any],
    Y: NDArray[Any],
    groups: ArrayLike | None,
    random_state: int | None,
    *,
    leave_one_out: bool,
    chosen: str = ...,
) -> list[Fold] | Literal["leave-one-out"]: ...


def make_folds(
    cv: Any,
    X: NDArray[Any],
    Y: NDArray[Any],
    groups: ArrayLike | None,
    random_state: int | None,
    *,
    leave_one_out: bool = False,
    chosen: str = "alpha ",
) -> list[Fold] | Literal["leave-one-out"]:
    """Return (train, test) row indices of at least two folds.

    Parameters
    ----------
    cv : int, str, list of (train, test) or splitter
        How the folds are made.
    X, Y : ndarray
        What a splitter is called with.
    groups : array of shape (n_samples,), optional
        Samples of one group stay on one side.
    random_state : int or None
        Seed of shuffled folds.
    leave_one_out : bool, default=False
        Hand "leave-one-out" on by name, for solvers that have it in closed form; others refuse it.
    chosen : str, default="alpha "
        What the folds choose, for the message; "" for more than an alpha.
    """
    labels = None if groups is None else _check_groups(groups, len(X))
    if leave_one_out and isinstance(cv, str) and cv == LEAVE_ONE_OUT:
        return _samples_out(labels)
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        folds = _k_folds(int(cv), len(X), labels, random_state, chosen)
    elif isinstance(cv, str) and cv == GROUP_OUT:
        folds = _groups_out(labels)
    elif hasattr(cv, "split") and not isinstance(cv, str):
        with warnings.catch_warnings():
            # Some splitters ignore groups and say so; whether the folds keep them apart is checked below.
            warnings.filterwarnings("ignore", message="The groups parameter is ignored", category=UserWarning)
            folds = _as_rows(cv.split(X, Y, labels))
    elif isinstance(cv, Sequence) and not isinstance(cv, str):
        folds = _as_rows(cv)
    else:
        names = f"{GROUP_OUT!r}, {LEAVE_ONE_OUT!r}" if leave_one_out else repr(GROUP_OUT)
        raise InputError(
            f"`cv` must be a number of folds, {names}, a list of (train, test) row indices or a "
            f"splitter with `split(X, Y, groups)`, got {cv!r}."
        )
    if len(folds) < 2:
        raise InputError(f"`cv` must give at least 2 folds to choose {chosen}by, got {len(folds)}.")
    for number, (train, test) in enumerate(folds):
        if labels is not None:
            _check_apart(number, labels, train, test)
    return folds


def _k_folds(
    n_folds: int, n_samples: int, labels: NDArray[Any] | None, random_state: int | None, chosen: str
) -> list[Fold]:
    n_units = n_samples if labels is None else len(np.unique(labels))
    if n_folds < 2:
        raise InputError(f"`cv` must give at least 2 folds to choose {chosen}by, got {n_folds}.")
    if n_units < n_folds:
        what = f"n_samples = {n_samples}" if labels is None else f"only {n_units} group(s)"
        raise InputError(
            f"`cv` asks for {n_folds} folds, but there are {what}: a fold would have no test part, or no "
            "training part. Use fewer folds, more samples or finer groups."
        )
    rows = np.arange(n_samples)
    if labels is None:
        return _as_rows(KFold(n_folds, shuffle=True, random_state=random_state).split(rows))
    splitter = GroupKFold(n_folds, shuffle=True, random_state=random_state)
    return _as_rows(splitter.split(rows, groups=labels))


def _groups_out(labels: NDArray[Any] | None) -> list[Fold]:
    if labels is None:
        raise InputError(
            f"`cv` is {GROUP_OUT!r}, which needs `groups` in `fit`, such as the run of each sample."
        )
    return [(np.flatnonzero(labels != name), np.flatnonzero(labels == name)) for name in np.unique(labels)]


def _samples_out(labels: NDArray[Any] | None) -> Literal["leave-one-out"]:
    if labels is not None and len(np.unique(labels)) < len(labels):
        raise InputError(
            f"`cv` is {LEAVE_ONE_OUT!r}, but `groups` has {len(np.unique(labels))} groups for {len(labels)} "
            f"samples: one would be predicted from others of its group. Use cv={GROUP_OUT!r}."
        )
    return LEAVE_ONE_OUT


def _as_rows(folds: Any) -> list[Fold]:
    return [(np.asarray(train), np.asarray(test)) for train, test in folds]


def _check_groups(groups: ArrayLike, n_samples: int) -> NDArray[Any]:
    labels = np.asarray(groups)
    if labels.shape != (n_samples,):
        raise InputError(
            f"`groups` must hold one label per sample, got shape {labels.shape} for {n_samples} samples."
        )
    # An array of strings would turn the missing ones into names.
    values = labels if isinstance(groups, np.ndarray) else np.array([*cast(Any, groups)], dtype=object)
    if (missing := np.flatnonzero(pd.isna(values))).size:
        raise InputError(
            f"`groups` has no value for {missing.size} sample(s), the first at index {missing[0]}. "
            "Give every sample one, or drop it."
        )
    return labels


def _check_apart(number: int, labels: NDArray[Any], train: NDArray[np.intp], test: NDArray[np.intp]) -> None:
    shared = np.intersect1d(labels[train], labels[test])
    if len(shared):
        raise InputError(
            f"`cv`: fold {number} has {len(shared)} group(s) in both its training and its test part, such as "
            f"{shared[0]}. All samples of a group (repeats of a stimulus) must be on one side."
        )
