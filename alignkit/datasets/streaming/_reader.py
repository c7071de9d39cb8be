"""Windows out of shards: one run of bytes each, straight to where they are wanted."""

from __future__ import annotations

import os
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError, MissingDataError
from .shard_folder import _CHECKSUM_BYTES, _INDEX_BYTES, ShardFolder

_MOST_OPEN = 64
# Linux drops what lies beyond the largest request of a disk, which is often little above one megabyte.
_ANNOUNCED_BYTES = 1 << 20


class ShardReader:
    """Reads samples of recordings; opens a shard when it is wanted, and checks it then.

    Parameters
    ----------
    shards : ShardFolder
        What is read.
    """

    def __init__(self, shards: ShardFolder) -> None:
        self._shards, self._settings = shards, shards.settings
        self._names = [str(name) for name in shards.recordings["recording"]]
        self._n_samples = shards.recordings["n_samples"].to_numpy(dtype=np.int64)
        self._open: OrderedDict[tuple[int, int], int] = OrderedDict()

    def read(self, recording: int, start: int, out: NDArray[np.generic]) -> None:
        """Fill `out` of shape (n_samples, n_channels) from a recording's sample `start` on.

        Raises
        ------
        MissingDataError
            If the shard's file is gone.
        InputError
            If it is cut short or no shard.
        """
        target = memoryview(out.reshape(-1).view(np.uint8).data)
        done = 0
        for shard, offset, n_bytes in self._parts(recording, start, len(out)):
            descriptor = self._descriptor(recording, shard)
            stop = done + n_bytes
            while done < stop:
                got = os.preadv(descriptor, [target[done:stop]], offset)
                if got == 0:
                    raise InputError(f"{self._path(recording, shard)} is cut short; {_REMEDY}")
                done, offset = done + got, offset + got

    def announce(self, recording: int, start: int, n_samples: int) -> None:
        """Tell the operating system what will be read soon, so that the disk works in the meantime."""
        if not hasattr(os, "posix_fadvise"):
            return
        for shard, offset, n_bytes in self._parts(recording, start, n_samples):
            descriptor = self._descriptor(recording, shard)
            for begin in range(offset, offset + n_bytes, _ANNOUNCED_BYTES):
                length = min(_ANNOUNCED_BYTES, offset + n_bytes - begin)
                os.posix_fadvise(descriptor, begin, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def _parts(self, recording: int, start: int, n_samples: int) -> list[tuple[int, int, int]]:
        """Return shard, first byte and number of bytes of each file that the samples lie in."""
        length, row = self._settings.shard_samples, self._settings.row_bytes
        stop = min(start + n_samples, int(self._n_samples[recording]))
        parts = []
        while start < stop:
            shard, within = divmod(start, length)
            n_rows = min(length - within, stop - start)
            parts.append((shard, within * row, n_rows * row))
            start += n_rows
        return parts

    def _descriptor(self, recording: int, shard: int) -> int:
        key = (recording, shard)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        if len(self._open) >= _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1])
        path = self._path(recording, shard)
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise MissingDataError(
                f"the shard {path} cannot be opened ({error.strerror}); {_REMEDY}"
            ) from error
        try:
            self._check(descriptor, recording, shard)
        except BaseException:
            os.close(descriptor)
            raise
        if hasattr(os, "posix_fadvise"):
            # Windows are announced by themselves; reading on after each would fetch what is not wanted.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        self._open[key] = descriptor
        return descriptor

    def _check(self, descriptor: int, recording: int, shard: int) -> None:
        """Refuse a file of another size, or whose chunks do not lie one after the other."""
        settings = self._settings
        wanted = settings.shard_bytes(int(self._n_samples[recording]), shard)
        there = os.fstat(descriptor).st_size
        if there != wanted:
            path = self._path(recording, shard)
            raise InputError(f"the shard {path} has {there} bytes, {wanted} are wanted; {_REMEDY}")
        n_chunks = settings.shard_samples // settings.chunk_samples
        n_bytes = n_chunks * _INDEX_BYTES
        index = np.frombuffer(os.pread(descriptor, n_bytes, wanted - n_bytes - _CHECKSUM_BYTES), dtype="<u8")
        chunk_bytes = settings.chunk_samples * settings.row_bytes
        used = (wanted - n_bytes - _CHECKSUM_BYTES) // chunk_bytes
        offsets, lengths = index.reshape(n_chunks, 2)[:used].T
        if (offsets != np.arange(used, dtype=np.uint64) * chunk_bytes).any() or (
            lengths != chunk_bytes
        ).any():
            path = self._path(recording, shard)
            raise InputError(f"the index of the shard {path} is damaged; {_REMEDY}")

    def _path(self, recording: int, shard: int) -> str:
        return str(self._shards.shard_path(self._names[recording], shard))


_REMEDY = "remove its recording's folder and call `write_shards` again."
