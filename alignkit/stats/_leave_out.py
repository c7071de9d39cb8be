"""Groups of rows that are left out together for an error bar, and sums over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError


@dataclass(frozen=True)
class RowGroups:
    """Rows that are left out together: the rows in order of their group, and where each group starts."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    codes: NDArray[np.intp]


def row_groups(groups: Sequence[object] | None, n_rows: int) -> RowGroups | None:
    """Return the rows of each label, None where every row stands alone, or refuse."""
    if groups is None:
        return None
    labels = list(groups)
    if len(labels) != n_rows:
        raise InputError(f"`groups` must have one label for each of the {n_rows} rows, got {len(labels)}.")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    if len(numbers) < 2:
        raise InputError(
            f"`groups` must hold at least 2 groups for an error bar, got {len(numbers)} in {n_rows} rows. "
            "Cut the rows into more groups."
        )
    codes = np.array([numbers[label] for label in labels], dtype=np.intp)
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    return RowGroups(codes.argsort(kind="stable"), starts, codes)


def sum_groups(values: NDArray[Any], rows: RowGroups | None, *, axis: int = 0) -> NDArray[Any]:
    """Return the sums over each group's rows; the values themselves where every row stands alone."""
    if rows is None:
        return values.astype(np.intp) if values.dtype == bool else values
    counted = values.astype(np.intp) if values.dtype == bool else values
    return np.asarray(np.add.reduceat(counted.take(rows.order, axis=axis), rows.starts, axis=axis))
