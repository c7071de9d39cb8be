"""What the rows of a dissimilarity matrix are: stimuli, or blocks of a run-wise design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Items:
    """Rows of the matrices of a comparison, and the pairs that count.

    Attributes
    ----------
    ids : tuple of str
        Unique name of each row.
    stimulus_ids : tuple of str
        The stimulus of each row; in a run-wise design several rows show one.
    units : ndarray of int, shape (n_items,)
        What is resampled: the row's stimulus (with its near-duplicates), or its run.
    blocks : ndarray of int, shape (n_items,)
        Rows may be exchanged within a block under the null.
    pairs : ndarray of int
        Positions, among all n (n - 1) / 2 pairs, of those that count.
    """

    ids: tuple[str, ...]
    stimulus_ids: tuple[str, ...]
    units: Index
    blocks: Index
    pairs: Index

    @property
    def n_units(self) -> int:
        """Number of stimuli or runs that are resampled."""
        return int(self.units.max()) + 1

    @property
    def run_wise(self) -> bool:
        """Whether rows are blocks of runs, compared between runs only."""
        return len(set(self.stimulus_ids)) < len(self.stimulus_ids)

    def pairs_within(self, half: NDArray[np.bool_] | None) -> Index:
        """Return which of the pairs that count have both ends among some of the units (or all)."""
        rows, columns = self._ends
        if half is None:
            return np.arange(len(rows))
        return np.flatnonzero(half[self.units[rows]] & half[self.units[columns]])

    def pair_weights(self, unit_weights: NDArray[np.float64], pairs: Index) -> NDArray[np.float64]:
        """Return how often each pair occurs when units occur so often; copies of a unit make no pair."""
        rows, columns = (ends[pairs] for ends in self._ends)
        return unit_weights[self.units[rows]] * unit_weights[self.units[columns]]

    def exchange(self, rng: np.random.Generator) -> Index:
        """Exchange rows at random within their blocks; return where each pair's value comes from."""
        n = len(self.ids)
        order = np.arange(n)
        for block in range(int(self.blocks.max()) + 1):
            members = np.flatnonzero(self.blocks == block)
            order[members] = members[rng.permutation(len(members))]
        rows, columns = self._ends
        return self._positions[order[rows], order[columns]]

    @cached_property
    def _ends(self) -> tuple[Index, Index]:
        rows, columns = np.triu_indices(len(self.ids), 1)
        return rows[self.pairs], columns[self.pairs]

    @cached_property
    def _positions(self) -> Index:
        rows, columns = self._ends
        positions = np.full((len(self.ids), len(self.ids)), -1, dtype=np.intp)
        positions[rows, columns] = positions[columns, rows] = np.arange(len(self.pairs))
        return positions


def stimulus_items(stimulus_ids: Sequence[str], groups: Sequence[str] | None = None) -> Items:
    """Make every stimulus a row, and every pair count; near-duplicates (`groups`) are resampled together."""
    n = len(stimulus_ids)
    ids = tuple(stimulus_ids)
    units = np.arange(n) if groups is None else numbered(groups)
    return Items(ids, ids, units, np.zeros(n, dtype=np.intp), np.arange(n * (n - 1) // 2))


def numbered(names: Sequence[str]) -> Index:
    """Return the number of each name, in order of first appearance."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)


def run_wise_items(stimulus_ids: Sequence[str], runs: Sequence[str]) -> Items:
    """Make every block of every run a row, and only pairs between runs count.

    Blocks of one run share its slow noise; a pair within a run would measure that.
    """
    units = numbered(runs)
    rows, columns = np.triu_indices(len(runs), 1)
    ids: list[str] = []
    for run, stimulus in zip(runs, stimulus_ids, strict=True):
        name = f"{run}:{stimulus}"
        shown = sum(known == name or known.startswith(f"{name}#") for known in ids)
        ids.append(f"{name}#{shown + 1}" if shown else name)
    return Items(tuple(ids), tuple(stimulus_ids), units, units, np.flatnonzero(units[rows] != units[columns]))
