"""Labels of samples as numbers: which are the same, and none missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError


def unique_labels(name: str, labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the different labels in order, and the number of each sample's own.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    labels : ndarray of shape (n_samples,)
        Strings, numbers or dates.

    Returns
    -------
    names : ndarray of shape (n_classes,)
        Sorted.
    codes : ndarray of shape (n_samples,)
        From 0.

    Raises
    ------
    InputError
        If a label is missing (NaN, NaT, None), or labels cannot be sorted because they mix kinds.
    """
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise InputError(
            f"`{name}` holds {len(missing)} NaN or missing label(s), the first at index {missing[0]}. "
            "Drop the samples without a label first."
        )
    try:
        names, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise InputError(
            f"`{name}` mixes labels of the types {', '.join(kinds)}, which have no common order. Give all of "
            "them as strings, or all as numbers."
        ) from error
    return names, codes.astype(np.intp)
