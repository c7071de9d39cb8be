"""Which window comes when: a function of seed, epoch and position, whoever asks."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plan:
    """The order of all windows, an epoch at a time.

    Windows are numbered over the recordings, one after the other. To mix them without reading all over the
    disk, runs of neighbouring windows are drawn in random order, as many as `group_windows` hold, and
    the windows of such a group are shuffled among each other.

    Attributes
    ----------
    n_windows : ndarray of shape (n_recordings,)
        Of each recording.
    run_windows : int
        Neighbouring windows that are drawn together.
    batch_size : int
        Windows of a batch.
    group_batches : int
        Batches of a group.
    shuffle, drop_last : bool
        Whether the order is random; whether a last batch that is not full is left out.
    seed : int
        Of the order.
    """

    n_windows: Index
    run_windows: int
    batch_size: int
    group_batches: int
    shuffle: bool
    drop_last: bool
    seed: int

    @cached_property
    def ends(self) -> Index:
        """Number after the last window of each recording."""
        return np.cumsum(self.n_windows, dtype=np.int64)

    @cached_property
    def runs(self) -> tuple[Index, Index]:
        """First window and number of windows of each run; no run has windows of two recordings."""
        n_runs = -(-self.n_windows // self.run_windows)
        within = np.arange(int(n_runs.sum())) - np.repeat(np.cumsum(n_runs) - n_runs, n_runs)
        first = np.repeat(self.ends - self.n_windows, n_runs) + within * self.run_windows
        stop = np.minimum(first + self.run_windows, np.repeat(self.ends, n_runs))
        return first, stop - first

    @property
    def total(self) -> int:
        """Number of windows."""
        return int(self.ends[-1])

    @property
    def n_batches(self) -> int:
        """Batches of an epoch."""
        return self.total // self.batch_size if self.drop_last else -(-self.total // self.batch_size)

    @property
    def group_windows(self) -> int:
        """Windows of a group."""
        return self.batch_size * self.group_batches

    @property
    def n_groups(self) -> int:
        """Groups of an epoch."""
        return -(-self.total // self.group_windows)

    def locate(self, windows: Index) -> tuple[Index, Index]:
        """Return the recording of each window, and its number within the recording."""
        recording = np.searchsorted(self.ends, windows, side="right")
        return recording, windows - (self.ends - self.n_windows)[recording]


class Epoch:
    """One epoch of a plan; keeps the group in hand.

    Parameters
    ----------
    plan : Plan
        The plan.
    epoch : int
        Its number: another one, another order.
    """

    def __init__(self, plan: Plan, epoch: int) -> None:
        self.plan, self.number = plan, epoch
        first, length = plan.runs
        if plan.shuffle:
            order = np.random.default_rng([plan.seed, epoch, 0]).permutation(len(first))
            first, length = first[order], length[order]
        self._first, self._stop = first, np.cumsum(length)
        # The group in hand and the one that is announced.
        self._groups: OrderedDict[int, Index] = OrderedDict()
        self._mixed: tuple[int, Index] = (-1, first[:0])

    def group(self, group: int) -> Index:
        """Return the windows of a group as they lie on the disk, run by run."""
        if group not in self._groups:
            start = group * self.plan.group_windows
            position = np.arange(start, min(start + self.plan.group_windows, self.plan.total))
            run = np.searchsorted(self._stop, position, side="right")
            begin = np.where(run > 0, self._stop[run - 1], 0)
            self._groups[group] = self._first[run] + position - begin
            if len(self._groups) > 2:
                self._groups.popitem(last=False)
        return self._groups[group]

    def batch(self, number: int) -> Index:
        """Return the windows of a batch, in order."""
        group, place = divmod(number, self.plan.group_batches)
        if self._mixed[0] != group:
            windows = self.group(group)
            if self.plan.shuffle:
                seed = [self.plan.seed, self.number, 1, group]
                windows = np.random.default_rng(seed).permutation(windows)
            self._mixed = (group, windows)
        start = place * self.plan.batch_size
        return self._mixed[1][start : start + self.plan.batch_size]
