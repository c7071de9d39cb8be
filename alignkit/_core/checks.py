"""Argument checks whose wording is written once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UnknownNameError


def check_option(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return `value` when it is one of `allowed`; otherwise list what is, close matches first."""
    options = list(allowed)
    if value in options:
        return value
    raise UnknownNameError(f"`{name}` is {value!r}, {did_you_mean(value, options)}")


def did_you_mean(value: str, options: Collection[str]) -> str:
    """Finish an error sentence with close matches and the whole list."""
    # Likeness does not depend on case; of options that differ in nothing else, the first is shown.
    spelled = {str(option).lower(): str(option) for option in reversed(list(options))}
    close = [spelled[name] for name in get_close_matches(str(value).lower(), list(spelled), n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else "which is not known. "
    return f"{hint}Known: {', '.join(sorted(options)) or 'none'}."


def check_array(
    name: str,
    value: ArrayLike,
    *,
    ndim: int | tuple[int, ...],
    dtype: type[np.floating[Any]] | None = None,
    finite: bool = True,
    min_rows: int = 1,
) -> NDArray[Any]:
    """Return `value` as a floating array of the wanted dimension, without NaN or infinity.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array-like
        What the caller gave.
    ndim : int or tuple of int
        The dimensions that are fine.
    dtype : numpy floating type, optional
        Converted to it; by default floats keep their precision and integers become float64.
    finite : bool, default=True
        Refuse NaN and infinity.
    min_rows : int, default=1
        The least length of the first axis.

    Returns
    -------
    array : ndarray
        `value` itself where nothing had to be converted.

    Raises
    ------
    InputError
        With the argument's name, the shape or count that came, and what to do.
    """
    if np.ma.is_masked(value):
        raise InputError(f"`{name}` has masked values; drop those samples or channels, or fill them.")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"`{name}` must be an array, got rows of different lengths.") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"`{name}` must hold real numbers, got dtype {array.dtype}.")
    wanted = (ndim,) if isinstance(ndim, int) else ndim
    if array.ndim not in wanted:
        dimensions = " or ".join(str(n) for n in wanted)
        raise InputError(f"`{name}` must have {dimensions} dimension(s), got shape {array.shape}.")
    if array.shape[0] < min_rows:
        raise InputError(f"`{name}` needs at least {min_rows} rows, got {array.shape[0]}.")
    if dtype is not None:
        array = array.astype(dtype, copy=False)
    elif array.dtype.kind != "f":
        array = array.astype(np.float64)
    if finite:
        check_finite(name, array)
    return array


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Refuse NaN and infinity, saying how many and where the first one is."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"`{name}` holds {int(bad.sum())} NaN or infinite value(s), the first at index {first}. "
            "Drop those samples or channels, or interpolate them, before the analysis."
        )


def check_same_samples(name_x: str, X: NDArray[Any], name_y: str, Y: NDArray[Any]) -> None:
    """Refuse two arrays whose first axes differ."""
    if X.shape[0] != Y.shape[0]:
        raise InputError(
            f"`{name_x}` and `{name_y}` must have the same number of samples, got {X.shape[0]} and "
            f"{Y.shape[0]}. Drop the samples without a partner, or align both by `stimulus_id`."
        )


def check_unique(name: str, values: Sequence[Any]) -> None:
    """Refuse duplicates, naming the first few."""
    seen: set[Any] = set()
    repeated: list[Any] = []
    for value in values:
        if value in seen and value not in repeated:
            repeated.append(value)
        seen.add(value)
    if repeated:
        shown = ", ".join(repr(value) for value in repeated[:5])
        raise InputError(
            f"`{name}` must be unique, but {len(repeated)} value(s) come more than once: {shown}. "
            "Give each its own name."
        )
