"""Folds: (train, test) rows from a number, a splitter, a list, or units that stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from ..._core.errors import InputError
from ..._core.random import derive_seed

Indices = NDArray[np.intp]


class Splitter(Protocol):
    """Anything with scikit-learn's ``split``."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Yield (train, test) row indices."""


Folds = int | Splitter | Sequence[tuple[ArrayLike, ArrayLike]]


def make_folds(
    folds: Folds, targets: NDArray[Any], groups: ArrayLike | None, classifies: bool
) -> list[tuple[Indices, Indices]]:
    """Return what `folds` and `groups` of :func:`cross_validate_over_times` ask for, or refuse it."""
    n_samples = len(targets)
    labels = None if groups is None else np.asarray(groups)
    if labels is not None and labels.shape != (n_samples,):
        raise InputError(f"`groups` must hold one group per sample ({n_samples}), got shape {labels.shape}.")
    if isinstance(folds, (int, np.integer)):
        _check_number(int(folds), targets, labels, classifies)
        splitter = _splitter(int(folds), labels is not None, classifies)
        return list(splitter.split(np.empty((n_samples, 1)), targets, labels))
    given = folds.split(np.empty((n_samples, 1)), targets, labels) if hasattr(folds, "split") else folds
    parts = [
        (_rows(number, "training", train, n_samples), _rows(number, "test", test, n_samples))
        for number, (train, test) in enumerate(given)
    ]
    if not parts:
        raise InputError("`folds` is empty; give at least one (train, test).")
    for number, (train, test) in enumerate(parts):
        _check_apart(number, np.arange(n_samples), train, test, "sample")
        if labels is not None:
            _check_apart(number, labels, train, test, "group")
    return parts


def folds_by_unit(
    codes: Indices, units: NDArray[Any], *, n_folds: int | Literal["units"], seed: int
) -> list[tuple[Indices, Indices]]:
    """Return (train, test) rows that keep units whole, every class in every part.

    Raises
    ------
    InputError
        If there are fewer units than folds, or a part would lack a class.
    """
    n_units = len(np.unique(units))
    n_parts = n_units if n_folds == "units" else n_folds
    if not 2 <= n_parts <= n_units:
        raise InputError(
            f"{n_parts} folds need as many units, and there are {n_units}. Take fewer folds, or smaller "
            "units."
        )
    splitter = LeaveOneGroupOut()
    if n_folds != "units":
        state = derive_seed(seed, "folds") % 2**32
        splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=state)
    parts = [(np.asarray(a), np.asarray(b)) for a, b in splitter.split(codes, codes, units)]
    for train, test in parts:
        for name, rows in (("training", train), ("held-out", test)):
            if len(np.unique(codes[rows])) < len(np.unique(codes)):
                raise InputError(
                    f"the {name} part of a fold lacks a class (held out: "
                    f"{', '.join(np.unique(units[test])[:3])}). Take fewer folds, or units that hold every "
                    "class."
                )
    return parts


def _splitter(n_folds: int, grouped: bool, classifies: bool) -> Splitter:
    if grouped:
        return StratifiedGroupKFold(n_folds) if classifies else GroupKFold(n_folds)  # type: ignore[no-any-return]
    return StratifiedKFold(n_folds) if classifies else KFold(n_folds)  # type: ignore[no-any-return]


def _check_number(n_folds: int, targets: NDArray[Any], groups: NDArray[Any] | None, classifies: bool) -> None:
    if n_folds < 2:
        raise InputError(f"`folds` must be at least 2, got {n_folds}.")
    counts = {"samples": len(targets)}
    if classifies:
        counts["samples of the rarest class"] = int(np.bincount(targets).min())
    if groups is not None:
        counts["groups"] = len(np.unique(groups))
    for what, count in counts.items():
        if count < n_folds:
            raise InputError(
                f"`folds` is {n_folds}, but there are only {count} {what}. Use at most {count} folds"
                f"{', or leave the class out' if 'class' in what else ''}."
            )


def check_classes(
    parts: Sequence[tuple[Indices, Indices]], codes: NDArray[np.intp], classes: NDArray[Any]
) -> None:
    """Refuse folds of which a training part lacks a class."""
    for number, (train, _) in enumerate(parts):
        missing = np.setdiff1d(np.arange(len(classes)), codes[train])
        if len(missing):
            shown = ", ".join(repr(name) for name in classes[missing[:5]].tolist())
            raise InputError(
                f"the training part of fold {number} has no sample of {len(missing)} class(es): {shown}. Use "
                "folds that hold every class in their training parts."
            )


def _rows(number: int, name: str, rows: ArrayLike, n_samples: int) -> Indices:
    index = np.asarray(rows)
    if index.ndim != 1 or index.size == 0 or index.dtype.kind not in "iu":
        raise InputError(
            f"the {name} part of fold {number} must hold row numbers, got shape {index.shape} of "
            f"{index.dtype}."
        )
    if index.min() < 0 or index.max() >= n_samples or len(np.unique(index)) != len(index):
        raise InputError(
            f"the {name} part of fold {number} must hold different rows from 0 to {n_samples - 1}, got "
            f"{len(index)} from {index.min()} to {index.max()}, {len(np.unique(index))} of them different."
        )
    return index.astype(np.intp)


def _check_apart(number: int, labels: NDArray[Any], train: Indices, test: Indices, what: str) -> None:
    both = np.intersect1d(labels[train], labels[test])
    if len(both):
        shown = ", ".join(repr(label) for label in both[:3].tolist())
        raise InputError(
            f"fold {number} has {len(both)} {what}(s) in the training and in the test part: {shown}. Keep "
            "each on one side."
        )
