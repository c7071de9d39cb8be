"""From the rows of one pass after the other to whole groups on disk, in a thread beside the network."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..recordings.features import layer_file
from ._journal import Journal
from ._layer_writer import LayerWriter
from ._plan import ExtractionPlan

# Passes whose rows may wait for the disk before the network waits too.
_N_WAITING = 2


class GroupWriter:
    """Collect the rows of all layers, and write and note them a group at a time.

    Parameters
    ----------
    folder : Path
        Where arrays and journal are.
    plan : ExtractionPlan
        With layers and group size fixed.
    n_rows : int
        Stimuli in all.
    done : int
        Rows that are there already; 0 makes the arrays anew.
    """

    def __init__(self, folder: Path, plan: ExtractionPlan, n_rows: int, done: int) -> None:
        group = plan.rows_per_group
        self.journal = Journal(folder)
        self.n_rows = n_rows
        self.group = group
        self.writers = {
            name: LayerWriter(folder / layer_file(number), n_rows, plan.row_shape(name), group)
            for number, name in enumerate(plan.layers)
        }
        for writer in self.writers.values():
            if done:
                writer.open()
            else:
                writer.create()
        self._start = done
        self._waiting: dict[str, NDArray[np.float32]] = {}
        self._n_waiting = 0

    def add(self, rows: Mapping[str, NDArray[np.float32]]) -> None:
        """Take the next rows of every layer; they may cross the end of a group."""
        n_rows = len(next(iter(rows.values())))
        taken = 0
        while taken < n_rows:
            size = min(n_rows - taken, self._capacity() - self._n_waiting)
            for name, values in rows.items():
                self._buffer(name)[self._n_waiting : self._n_waiting + size] = values[taken : taken + size]
            self._n_waiting += size
            taken += size
            if self._n_waiting == self._capacity():
                self._write()

    def _capacity(self) -> int:
        return min(self.group, self.n_rows - self._start)

    def _buffer(self, name: str) -> NDArray[np.float32]:
        if name not in self._waiting:
            shape = (self._capacity(), *self.writers[name].shape[1:])
            self._waiting[name] = np.empty(shape, np.float32)
        return self._waiting[name]

    def _write(self) -> None:
        files: list[str] = []
        for name, writer in self.writers.items():
            files += writer.write(self._start, self._waiting[name][: self._n_waiting])
        self._start += self._n_waiting
        self._n_waiting = 0
        self.journal.add(self._start, files)


class SideThread:
    """Run one function on what comes, in order, in a thread of its own; its errors come out here.

    Parameters
    ----------
    work : callable
        Called with each item.
    """

    def __init__(self, work: Callable[[Any], None]) -> None:
        self._work = work
        self._items: queue.Queue[Any] = queue.Queue(_N_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._error is None:
            # What waits is not written: the caller fails with an error of its own.
            self._error = error
        self._items.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def put(self, item: Any) -> None:
        """Hand an item over, waiting where the thread is behind.

        Raises
        ------
        BaseException
            What an earlier item ended with.
        """
        self._raise()
        self._items.put(item)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            if self._error is None:
                try:
                    self._work(item)
                except BaseException as error:
                    self._error = error
