"""Representational dissimilarity matrices, for data that are published as dissimilarities only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._core.atomic import atomic_folder
from .._core.checks import check_unique, did_you_mean
from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json, digest_table
from ._storage import open_array, read_facts, read_table, write_array, write_facts, write_table


@dataclass(frozen=True, eq=False)
class RDMs:
    """Dissimilarities of pairs of stimuli, one row per matrix.

    Attributes
    ----------
    values : ndarray of shape (n_rdms, n_pairs)
        float64; pairs in the order of ``scipy.spatial.distance.squareform`` (rows of the upper triangle).
        NaN where a pair was not measured.
    stimulus_ids : tuple of str
        The stimuli, n_pairs = n (n - 1) / 2.
    table : DataFrame of n_rdms rows
        What each matrix is: `subject`, and where known `roi`, `session`, `time_s`, `name`.
    measure : str
        The dissimilarity, such as ``"correlation"`` (1 - r).
    """

    values: NDArray[np.float64]
    stimulus_ids: tuple[str, ...]
    table: pd.DataFrame
    measure: str = "unknown"

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", self.table.reset_index(drop=True))
        object.__setattr__(self, "stimulus_ids", tuple(str(i) for i in self.stimulus_ids))
        n = len(self.stimulus_ids)
        if self.values.ndim != 2 or self.values.shape[1] != n * (n - 1) // 2:
            wanted = f"(n_rdms, {n * (n - 1) // 2}) for {n} stimuli"
            raise InputError(f"`values` must have shape {wanted}, got {self.values.shape}.")
        if len(self.table) != len(self.values):
            raise InputError(f"`table` has {len(self.table)} rows for {len(self.values)} matrices.")
        if "subject" not in self.table:
            raise InputError("`table` needs a column 'subject'.")
        check_unique("stimulus_ids", self.stimulus_ids)
        if np.isinf(self.values).any():
            raise InputError("`values` holds infinite dissimilarities.")

    @classmethod
    def from_square(
        cls,
        matrices: ArrayLike,
        stimulus_ids: Sequence[str],
        table: pd.DataFrame,
        *,
        measure: str = "unknown",
        tolerance: float = 1e-6,
    ) -> RDMs:
        """Build from square matrices, refusing ones that are no dissimilarity matrices.

        Parameters
        ----------
        matrices : array-like of shape (n_rdms, n_stimuli, n_stimuli)
            Symmetric, zero or NaN on the diagonal; NaN where a pair was not measured.
        stimulus_ids : sequence of str
            Name of each row and column.
        table : DataFrame
            A row per matrix.
        measure : str
            The dissimilarity.
        tolerance : float, default=1e-6
            Largest asymmetry and diagonal that is taken for rounding, relative to the largest entry.
        """
        squares = np.asarray(matrices, dtype=np.float64)
        if squares.ndim == 2:
            squares = squares[None]
        n = len(stimulus_ids)
        if squares.ndim != 3 or squares.shape[1:] != (n, n):
            raise InputError(f"`matrices` must have shape (n_rdms, {n}, {n}), got {squares.shape}.")
        if np.isinf(squares).any():
            raise InputError("`matrices` hold infinite dissimilarities.")
        is_missing = np.isnan(squares)
        if (is_missing != is_missing.transpose(0, 2, 1)).any():
            raise InputError("`matrices` are not symmetric: a pair is missing (NaN) in one order only.")
        squares = np.where(is_missing, 0.0, squares)
        slack = tolerance * max(float(np.abs(squares).max(initial=0.0)), 1e-300)
        asymmetry = np.abs(squares - squares.transpose(0, 2, 1)).max(initial=0.0)
        if asymmetry > slack:
            raise InputError(f"`matrices` are not symmetric: entries differ by up to {asymmetry:.3g}.")
        diagonal = np.abs(np.diagonal(squares, axis1=1, axis2=2)).max(initial=0.0)
        if diagonal > slack:
            raise InputError(f"`matrices` must be zero on the diagonal, got up to {diagonal:.3g}.")
        squares[is_missing] = np.nan
        rows, columns = np.triu_indices(n, 1)
        return cls(squares[:, rows, columns], tuple(stimulus_ids), table, measure)

    @property
    def n_stimuli(self) -> int:
        """Number of stimuli."""
        return len(self.stimulus_ids)

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects, in order of appearance."""
        return [str(s) for s in self.table["subject"].drop_duplicates()]

    @property
    def rois(self) -> list[str]:
        """Names of the regions, sorted; empty where none are named."""
        return sorted({str(roi) for roi in self.table["roi"]}) if "roi" in self.table else []

    @cached_property
    def digest(self) -> str:
        """Digest of values, stimuli, table and measure."""
        table = digest_table(self.table)
        return digest_json([digest_array(self.values), list(self.stimulus_ids), table, self.measure])

    def __len__(self) -> int:
        return len(self.values)

    def square(self) -> NDArray[np.float64]:
        """Return square matrices, shape (n_rdms, n_stimuli, n_stimuli)."""
        n = self.n_stimuli
        squares = np.zeros((len(self), n, n))
        rows, columns = np.triu_indices(n, 1)
        squares[:, rows, columns] = self.values
        squares[:, columns, rows] = self.values
        return squares

    def select(self, **conditions: Any) -> RDMs:
        """Keep the matrices whose table columns have the given values, such as ``roi="IT"``."""
        keep = np.ones(len(self), dtype=bool)
        for column, value in conditions.items():
            if column not in self.table:
                raise InputError(f"`{column}` is no column; {did_you_mean(column, list(self.table.columns))}")
            keep &= (self.table[column] == value).to_numpy()
        if not keep.any():
            wanted = ", ".join(f"{column}={value!r}" for column, value in conditions.items())
            raise InputError(f"no matrix has {wanted}.")
        return replace(self, values=self.values[keep], table=self.table[keep])

    def align(self, stimulus_ids: Sequence[str]) -> RDMs:
        """Return the matrices over `stimulus_ids`, in that order, matched by id."""
        position = {name: i for i, name in enumerate(self.stimulus_ids)}
        stimulus_ids = [str(name) for name in stimulus_ids]
        check_unique("stimulus_ids", stimulus_ids)
        missing = [name for name in stimulus_ids if name not in position]
        if missing:
            raise InputError(f"{len(missing)} stimuli are in no matrix: {', '.join(missing[:5])}.")
        order = np.array([position[name] for name in stimulus_ids], dtype=np.intp)
        rows, columns = np.triu_indices(len(order), 1)
        squares = self.square()[:, order][:, :, order]
        return replace(self, values=squares[:, rows, columns], stimulus_ids=tuple(stimulus_ids))

    def save(self, folder: str | Path) -> None:
        """Write to a folder (zarr, parquet, JSON), whole or not at all."""
        with atomic_folder(folder) as temporary:
            write_array(temporary / "values.zarr", self.values)
            write_table(temporary / "rdms.parquet", self.table)
            write_table(temporary / "stimuli.parquet", pd.DataFrame({"stimulus_id": list(self.stimulus_ids)}))
            write_facts(temporary, "RDMs", {"measure": self.measure})

    @classmethod
    def load(cls, folder: str | Path) -> RDMs:
        """Read what :meth:`save` wrote."""
        facts = read_facts(folder, "RDMs")
        folder = Path(folder)
        ids = tuple(read_table(folder / "stimuli.parquet")["stimulus_id"])
        values = open_array(folder / "values.zarr")[...]
        return cls(values, ids, read_table(folder / "rdms.parquet"), facts["measure"])

    def __repr__(self) -> str:
        rois = f", regions {', '.join(self.rois)}" if self.rois else ""
        subjects = len(self.subjects)
        return f"RDMs({len(self)} of {self.n_stimuli} stimuli, {self.measure}; {subjects} subject(s){rois})"
