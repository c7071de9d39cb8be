"""Named feature spaces: which columns of the features belong to which, and features given one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core.checks import check_array
from .._core.errors import InputError

Columns = NDArray[np.intp]
Spaces = Mapping[str, int | slice | Sequence[int] | NDArray[np.integer[Any]]]

WHOLE = "all"


def resolve_spaces(spaces: Any, n_features: int) -> dict[str, Columns]:
    """Return the columns of every space; together they are all columns, each once.

    Parameters
    ----------
    spaces : mapping or None
        Name to number of columns (the next ones), slice or list of columns. None is one space of all.
    n_features : int
        Columns in all.
    """
    if spaces is None:
        return {WHOLE: np.arange(n_features)}
    if not isinstance(spaces, Mapping) or not spaces:
        raise InputError(
            "`spaces` must map names to columns, such as {'motion': 10, 'words': slice(10, 60)}, "
            f"got {spaces!r}."
        )
    resolved: dict[str, Columns] = {}
    following = 0
    for name, given in spaces.items():
        if not isinstance(name, str):
            raise InputError(f"`spaces` must have names as keys, got {name!r}.")
        resolved[name] = _columns(name, given, following, n_features)
        following = int(resolved[name].max()) + 1
    _check_each_once(resolved, n_features)
    return resolved


def join_spaces(X: Mapping[str, ArrayLike], columns: Mapping[str, Columns] | None) -> NDArray[Any]:
    """Return the features of all spaces side by side, in the order of `columns` (or of X itself)."""
    if not X:
        raise InputError("`X` is an empty mapping; give an array for every feature space.")
    pieces = {name: check_array(f"X[{name!r}]", value, ndim=2) for name, value in X.items()}
    lengths = {name: len(piece) for name, piece in pieces.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"`X` must have the same samples in every feature space, got {lengths}. "
            "Resample the spaces to one time base, or align them by `stimulus_id`."
        )
    if columns is None:
        return np.concatenate(list(pieces.values()), axis=1)
    if set(pieces) != set(columns):
        raise InputError(
            f"`X` must hold the feature spaces {', '.join(columns)}, got {', '.join(map(str, pieces))}."
        )
    widths = {name: piece.shape[1] for name, piece in pieces.items()}
    wanted = {name: len(rows) for name, rows in columns.items()}
    if widths != {name: wanted[name] for name in widths}:
        raise InputError(
            f"`X` has feature spaces of {widths} columns, but {wanted} were fitted or named in `spaces`."
        )
    dtype = np.result_type(*pieces.values())
    joined = np.empty((len(next(iter(pieces.values()))), sum(wanted.values())), dtype)
    for name, rows in columns.items():
        joined[:, rows] = pieces[name]
    return joined


def plain_spaces(columns: Mapping[str, Columns]) -> dict[str, int | list[int]]:
    """Return the spaces as JSON can hold them: numbers of columns where they follow each other."""
    plain: dict[str, int | list[int]] = {}
    following = 0
    for name, rows in columns.items():
        consecutive = np.array_equal(rows, np.arange(following, following + len(rows)))
        plain[name] = len(rows) if consecutive else rows.tolist()
        following = int(rows.max()) + 1
    return plain


def _columns(name: str, given: Any, following: int, n_features: int) -> Columns:
    if isinstance(given, slice):
        columns = np.arange(n_features)[given]
    elif isinstance(given, int | np.integer) and not isinstance(given, bool):
        columns = np.arange(following, following + int(given))
    else:
        columns = np.asarray(given)
        if columns.ndim != 1 or (columns.size and columns.dtype.kind not in "iu"):
            raise InputError(
                f"`spaces[{name!r}]` must be a number of columns, a slice or a list of columns, "
                f"got {given!r}."
            )
    if not columns.size:
        raise InputError(f"`spaces[{name!r}]` has no columns ({given!r}). Leave it out.")
    if columns.min() < 0 or columns.max() >= n_features:
        raise InputError(
            f"`spaces[{name!r}]` reaches from column {columns.min()} to {columns.max()}, but the features "
            f"have {n_features} columns."
        )
    return columns.astype(np.intp)


def _check_each_once(resolved: Mapping[str, Columns], n_features: int) -> None:
    count = np.bincount(np.concatenate(list(resolved.values())), minlength=n_features)
    if (count != 1).any():
        wrong = int(np.flatnonzero(count != 1)[0])
        raise InputError(
            f"`spaces` must name every one of the {n_features} columns once; column {wrong} is named "
            f"{count[wrong]} times. Drop columns that you do not want from `X`."
        )
