"""What ridge regression may be given: checked arrays, folds, weights and missing responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array, check_finite, check_option, check_same_samples
from .._core.errors import InputError
from ._held_out import check_parts

Fold = tuple[ArrayLike, ArrayLike]
Rows = NDArray[np.intp]
Folds = list[tuple[Rows, Rows]]
Missing = Literal["raise", "drop"]

LEAVE_ONE_OUT = "leave-one-out"


@dataclass(frozen=True)
class Problem:
    """Targets that share their rows; everything checked."""

    targets: NDArray[Any]  # (n_rows, n_targets), finite
    folds: Folds | None  # None for leave-one-out
    weights: NDArray[np.float64] | None  # (n_rows,), positive
    rows: Rows | None  # of the samples; None for all
    columns: NDArray[np.intp]  # of the targets


def check_targets(features: NDArray[Any], Y: ArrayLike, missing: str, name: str = "X") -> NDArray[Any]:
    """Return the targets as a two-dimensional floating array that fits the features."""
    check_option("missing", missing, ("raise", "drop"))
    targets = check_array("Y", Y, ndim=2, finite=missing == "raise")
    check_same_samples(name, features, "Y", targets)
    if targets.shape[1] == 0:
        raise InputError(f"`Y` has no columns, got shape {targets.shape}.")
    if missing == "drop" and np.isinf(targets).any():
        check_finite("Y", np.where(np.isnan(targets), 0.0, targets))
    return targets


def check_alphas(alphas: ArrayLike) -> NDArray[np.float64]:
    """Return the penalties, all positive."""
    grid = check_array("alphas", alphas, ndim=1, dtype=np.float64, min_rows=1)
    if (grid <= 0).any():
        raise InputError(
            f"`alphas` must be positive, got {grid.min():g}. For plain least squares use a small one, "
            "such as 1e-6."
        )
    return grid


def check_weights(sample_weight: ArrayLike | None, n_samples: int) -> NDArray[np.float64] | None:
    """Return the weights in float64; None where all rows count the same."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    weights = check_array("sample_weight", weights, ndim=1, dtype=np.float64)
    if len(weights) != n_samples:
        raise InputError(
            f"`sample_weight` must hold one weight per sample, got {len(weights)} for {n_samples} samples."
        )
    if (weights < 0).any():
        raise InputError(
            f"`sample_weight` must not be negative, got {weights.min():g}. Use 0 to leave a sample out."
        )
    if not weights.any():
        raise InputError(
            "`sample_weight` is zero for every sample: no weight is left to fit. Use None for equal ones."
        )
    return weights


def check_folds(folds: Sequence[Fold] | str, n_samples: int) -> Folds | None:
    """Return the folds as row numbers, or None for leave-one-out."""
    if isinstance(folds, str):
        check_option("folds", folds, (LEAVE_ONE_OUT,))
        if n_samples < 2:
            raise InputError(
                f"`folds` is {LEAVE_ONE_OUT!r}, which needs at least 2 samples, got n_samples = {n_samples}."
            )
        return None
    return check_parts(folds, n_samples, least_train=1)


def problems(
    targets: NDArray[Any], folds: Folds | None, weights: NDArray[np.float64] | None, least: int
) -> Iterator[Problem]:
    """Yield the targets by which of their responses are missing.

    Parameters
    ----------
    targets : ndarray of shape (n_samples, n_targets)
        NaN where a response is missing.
    folds : list of (train, test) or None
        Of all samples.
    weights : ndarray of shape (n_samples,), optional
        Rows of weight 0 are left out: they change nothing.
    least : int
        Responses that a target must have.
    """
    counted = np.ones(len(targets), bool) if weights is None else weights > 0
    for present, columns in _patterns(targets):
        kept = counted & present
        if kept.all():
            whole = len(columns) == targets.shape[1]
            yield Problem(targets if whole else targets[:, columns], folds, weights, None, columns)
            continue
        rows = np.flatnonzero(kept)
        if len(rows) < least:
            raise InputError(
                f"`Y`: target {columns[0]} has {len(rows)} response(s) (with a weight above 0), but needs at "
                f"least {least}. Leave it out."
            )
        own = None if folds is None else _restricted(folds, kept, bool(present.all()), int(columns[0]))
        kept_weights = None if weights is None else weights[rows]
        yield Problem(targets[np.ix_(rows, columns)], own, kept_weights, rows, columns)


def _patterns(targets: NDArray[Any]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Yield which rows are present, and the targets for which it is just these."""
    n_samples, n_targets = targets.shape
    # NaN survives a sum: a vector tells whether there is any, without a mask of all values.
    with np.errstate(over="ignore", invalid="ignore"):
        some = np.flatnonzero(np.isnan(targets.sum(axis=0)))
    if len(some) == 0:
        yield np.ones(n_samples, bool), np.arange(n_targets)
        return
    full = np.setdiff1d(np.arange(n_targets), some)
    if len(full):
        yield np.ones(n_samples, bool), full
    present = ~np.isnan(targets[:, some])
    packed = np.packbits(present, axis=0).T
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    for number, column in enumerate(first):
        yield present[:, column], some[which.ravel() == number]


def _restricted(folds: Folds, kept: NDArray[np.bool_], weighted: bool, target: int) -> Folds:
    """Return the folds among the rows that are kept; a fold without enough of them is left out."""
    number = np.cumsum(kept) - 1
    parts = [(number[train[kept[train]]], number[test[kept[test]]]) for train, test in folds]
    usable = [len(train) >= 1 and len(test) >= 2 for train, test in parts]
    if weighted and not all(usable):
        at = usable.index(False)
        raise InputError(
            f"`sample_weight` leaves fold {at} with {len(parts[at][0])} training and {len(parts[at][1])} "
            "test row(s), but it needs at least 1 and 2. Use fewer folds, or weights above 0."
        )
    if not any(usable):
        raise InputError(
            f"`Y`: no fold has 1 training and 2 test responses of target {target}, so that its alpha cannot "
            "be chosen. Leave it out, or use fewer folds."
        )
    return [part for part, fine in zip(parts, usable, strict=True) if fine]
