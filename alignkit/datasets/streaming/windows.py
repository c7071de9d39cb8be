"""Batches of windows for torch, in one order for any number of workers.

This module imports torch; it is loaded when it is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ._plan import Epoch, Index, Plan
from ._reader import ShardReader
from .shard_folder import ShardFolder, open_shards
from .sources import FACTS

Batch = dict[str, Any]
Transform = Callable[[Batch, np.random.Generator], Batch]
_MB = 1 << 20
# Batches that are read while the caller works on another.
_READ_AHEAD = 2


class WindowDataset(IterableDataset[Batch]):
    """Windows of all recordings of a folder, as batches.

    Whole batches are dealt to the workers of a ``DataLoader`` in turn, and it hands them out in turn, so the
    sequence is the same, bit for bit, for any number of workers. Every window comes exactly once per epoch.
    Windows are mixed in groups: runs of neighbouring windows, drawn from all recordings at random, as many as
    `buffer_mb` hold, are shuffled among each other. While a group is used, the operating system fetches the
    next one into its file cache. A process itself holds one batch.

    Parameters
    ----------
    folder : str, Path or ShardFolder
        From :func:`write_shards`.
    window_s : float
        Length of a window, in seconds; a whole number of samples.
    stride_s : float, optional
        From one window's start to the next one's; by default `window_s`. What is left at the end of a
        recording and is shorter than a window is not used.
    batch_size : int, default=32
        Windows of a batch.
    shuffle : bool, default=True
        Random order; otherwise recording by recording, in time.
    seed : int, default=0
        Of the order, together with the epoch.
    select : mapping of str to value or list of values, optional
        Keep the recordings whose column (`subject`, `session`, `task`, `run`, or a label) has that value.
    buffer_mb : float, default=256
        Data that are mixed at a time, in megabytes (2**20 bytes). Up to twice as much lies in the operating
        system's file cache, which gives it up when memory is needed.
    run_mb : float, default=8
        Data that are read in one piece.
    drop_last : bool, default=False
        Leave the last batch out where it is not full.
    transform : callable, optional
        ``transform(batch, generator)`` returns the batch as it is wanted. It runs in the workers; the NumPy
        generator depends on seed, epoch and batch only.

    Raises
    ------
    MissingDataError
        If there are no finished shards.
    InputError
        If windows are no whole number of samples, longer than every recording, or nothing is selected.

    Notes
    -----
    Iteration yields dictionaries: `data`, a float32 tensor (batch, channels, times), in the unit of the
    recordings, whose memory has times before channels (``contiguous()`` copies it); `recording`, the row of
    :attr:`recordings` (int64); `start_s`, from the recording's begin (float64); `labels`, a dictionary with
    a tensor (of numbers) or a list (of texts) for every label.

    Without :meth:`set_epoch` every pass has the same order. A pass without workers reads two batches ahead in
    a thread, and is the fastest where batches need little work: what workers make goes through shared memory.
    Workers are for transforms that keep a processor busy.

    Examples
    --------
    >>> import tempfile
    >>> from alignkit.datasets.streaming.shards import write_shards
    >>> from alignkit.datasets.streaming.sources import ContinuousRecording
    >>> rest = ContinuousRecording("rest", np.zeros((500, 2)), ["Fz", "Cz"], 100.0, labels={"age": 30})
    >>> with tempfile.TemporaryDirectory() as place:
    ...     windows = WindowDataset(write_shards([rest], place), window_s=1.0, batch_size=4)
    ...     [(tuple(batch["data"].shape), batch["labels"]["age"].tolist()) for batch in windows]
    [((4, 2, 100), [30, 30, 30, 30]), ((1, 2, 100), [30])]
    """

    def __init__(
        self,
        folder: str | Path | ShardFolder,
        *,
        window_s: float,
        stride_s: float | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        select: Mapping[str, Any] | None = None,
        buffer_mb: float = 256.0,
        run_mb: float = 8.0,
        drop_last: bool = False,
        transform: Transform | None = None,
    ) -> None:
        super().__init__()
        self._shards = _selected(folder if isinstance(folder, ShardFolder) else open_shards(folder), select)
        if batch_size < 1:
            raise InputError(f"`batch_size` must be at least 1, got {batch_size}.")
        if not 0 < run_mb <= buffer_mb:
            raise InputError(
                f"`run_mb` must lie above 0 and not above `buffer_mb`, got {run_mb} and {buffer_mb}."
            )
        settings = self._shards.settings
        self._length = _whole("window_s", window_s, settings.sfreq_hz)
        self._stride = _whole("stride_s", window_s if stride_s is None else stride_s, settings.sfreq_hz)
        n_samples = self._shards.recordings["n_samples"].to_numpy(dtype=np.int64)
        n_windows = np.maximum((n_samples - self._length) // self._stride + 1, 0)
        if not n_windows.any():
            longest = n_samples.max() / settings.sfreq_hz
            raise InputError(
                f"no recording is as long as a window of {window_s:g} s; the longest has {longest:g} s."
            )
        read_bytes = min(self._length, self._stride) * settings.row_bytes
        per_group = int(buffer_mb * _MB) // (batch_size * read_bytes)
        self._plan = Plan(
            n_windows,
            run_windows=max(1, int(run_mb * _MB) // read_bytes),
            batch_size=batch_size,
            group_batches=max(1, per_group),
            shuffle=shuffle,
            drop_last=drop_last,
            seed=seed,
        )
        self.transform = transform
        # Shared, so that workers that live on see another epoch.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._labels = _label_columns(self._shards.recordings)

    @property
    def recordings(self) -> pd.DataFrame:
        """The recordings that are used, a row each; `recording` of a batch counts these rows."""
        return self._shards.recordings

    @property
    def channels(self) -> pd.DataFrame:
        """The channels, a row each."""
        return self._shards.channels

    @property
    def n_windows(self) -> int:
        """Windows of an epoch."""
        return self._plan.total

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass: another epoch, another order."""
        if epoch < 0:
            raise InputError(f"`epoch` must not be negative, got {epoch}.")
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return self._plan.n_batches

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        plan, epoch = self._plan, Epoch(self._plan, int(self._epoch[0]))
        reader, ahead = ShardReader(self._shards), ShardReader(self._shards)
        # Announcing costs the processor as much as reading does: each has a thread, and files, of its own.
        announcing, reading = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        batches: deque[Future[Batch]] = deque()
        try:
            for number in range(first, min(plan.group_batches, len(self)), step):
                announcing.submit(self._announce, ahead, epoch.group(0), number)
            for number in range(first, len(self), step):
                group, place = divmod(number, plan.group_batches)
                if group + 1 < plan.n_groups:
                    announcing.submit(self._announce, ahead, epoch.group(group + 1), place)
                batches.append(reading.submit(self._batch, reader, epoch.batch(number), epoch.number, number))
                if len(batches) > _READ_AHEAD:
                    yield batches.popleft().result()
            while batches:
                yield batches.popleft().result()
        finally:
            for thread, files in ((announcing, ahead), (reading, reader)):
                thread.shutdown(wait=True, cancel_futures=True)
                files.close()

    def _announce(self, reader: ShardReader, group: Index, place: int) -> None:
        """Announce a batch's worth of a group's windows, in the order of the disk."""
        size = self._plan.batch_size
        windows = group[place * size : (place + 1) * size]
        if not len(windows):
            return
        recording, number = self._plan.locate(windows)
        apart = (np.diff(windows) != 1) | (np.diff(recording) != 0) | (self._stride > self._length)
        cuts = np.flatnonzero(apart) + 1
        for first, last in zip([0, *cuts], [*(cuts - 1), len(windows) - 1], strict=True):
            n_samples = int(number[last] - number[first]) * self._stride + self._length
            reader.announce(int(recording[first]), int(number[first]) * self._stride, n_samples)

    def _batch(self, reader: ShardReader, windows: Index, epoch: int, number: int) -> Batch:
        settings = self._shards.settings
        recording, place = self._plan.locate(windows)
        start = place * self._stride
        stored = np.dtype(settings.dtype)
        shape = (len(start), self._length, settings.n_channels)
        data = _shared_empty(shape) if stored == np.float32 else None
        values = np.empty(shape, dtype=stored) if data is None else data.numpy()
        for slot, (which, sample) in enumerate(zip(recording, start, strict=True)):
            reader.read(int(which), int(sample), values[slot])
        if data is None:
            data = torch.from_numpy(values).to(torch.float32)
        if settings.scale != 1.0:
            data *= settings.scale
        batch: Batch = {
            "data": data.transpose(1, 2),
            "recording": torch.from_numpy(recording),
            "start_s": torch.from_numpy(start / settings.sfreq_hz),
            "labels": {
                name: column[recording]
                if isinstance(column, torch.Tensor)
                else [column[i] for i in recording]
                for name, column in self._labels.items()
            },
        }
        if self.transform is None:
            return batch
        return self.transform(batch, np.random.default_rng([self._plan.seed, epoch, 2, number]))


def loader(
    dataset: WindowDataset,
    n_workers: int = 0,
    *,
    prefetch: int = 2,
    pin_memory: bool = False,
    persistent: bool = False,
) -> DataLoader[Batch]:
    """Return a DataLoader that hands out the batches of a dataset as they are, in order.

    Parameters
    ----------
    dataset : WindowDataset
        Makes whole batches itself.
    n_workers : int, default=0
        Processes beside this one; the sequence of batches does not depend on it.
    prefetch : int, default=2
        Batches that each worker keeps ready.
    pin_memory : bool, default=False
        Copy to page-locked memory, for a GPU.
    persistent : bool, default=False
        Keep the workers from one pass to the next.

    Returns
    -------
    batches : DataLoader
        Iterate over it; its length is the number of batches.
    """
    return DataLoader(
        dataset,
        batch_size=None,
        num_workers=n_workers,
        prefetch_factor=prefetch if n_workers else None,
        pin_memory=pin_memory,
        persistent_workers=persistent and n_workers > 0,
    )


def _selected(shards: ShardFolder, select: Mapping[str, Any] | None) -> ShardFolder:
    table = shards.recordings
    keep = np.ones(len(table), dtype=bool)
    for column, wanted in (select or {}).items():
        if column not in table:
            raise InputError(
                f"`select` names {column!r}, {did_you_mean(column, list(map(str, table.columns)))}"
            )
        values = list(wanted) if isinstance(wanted, Sequence) and not isinstance(wanted, str) else [wanted]
        keep &= table[column].isin(values).to_numpy()
        if not keep.any():
            there = sorted({str(value) for value in table[column]})
            raise InputError(f"`select` leaves no recording: {column} is one of {', '.join(there[:10])}.")
    kept = table[keep].reset_index(drop=True)
    return ShardFolder(shards.folder, shards.settings, kept, shards.channels)


def _whole(name: str, seconds: float, sfreq_hz: float) -> int:
    samples = seconds * sfreq_hz
    if not (np.isfinite(samples) and samples >= 1 and abs(samples - round(samples)) < 1e-6 * samples):
        raise InputError(
            f"`{name}` is {seconds} s, which is {samples:g} samples at {sfreq_hz:g} Hz; a whole number of at "
            "least 1 is wanted."
        )
    return round(samples)


def _label_columns(table: pd.DataFrame) -> dict[str, torch.Tensor | list[str]]:
    columns: dict[str, torch.Tensor | list[str]] = {}
    for name in table.columns:
        if name in FACTS:
            continue
        values = table[name]
        if pd.api.types.is_bool_dtype(values) and not values.isna().any():
            columns[str(name)] = torch.tensor(values.to_numpy(dtype=bool))
        elif pd.api.types.is_integer_dtype(values) and not values.isna().any():
            columns[str(name)] = torch.tensor(values.to_numpy(dtype=np.int64))
        elif pd.api.types.is_numeric_dtype(values):
            columns[str(name)] = torch.tensor(values.to_numpy(dtype=np.float64, na_value=np.nan))
        else:
            columns[str(name)] = ["" if pd.isna(value) else str(value) for value in values]
    return columns


def _shared_empty(shape: tuple[int, ...]) -> torch.Tensor:
    """Return room for a batch; in a worker, memory that the main process sees without a copy."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=torch.float32)
    # As torch's own collation does it; a tensor of private memory would be copied on its way out.
    storage = torch.UntypedStorage._new_shared(4 * int(np.prod(shape)))  # type: ignore[no-untyped-call]
    data = torch.empty(0, dtype=torch.float32)
    data.set_(storage, 0, shape)  # type: ignore[call-overload]
    return data


__all__ = ["Batch", "Index", "Transform", "WindowDataset", "loader"]
