"""Windows out of shards, against reading the same files from end to end, and against naive loaders.

asv runs the classes; ``python benchmarks/bench_streaming.py [GB]`` writes random EEG (129 channels, 500 Hz)
and prints, for interleaved passes, megabytes per second and the ratio to the sequential read of the same
round. Before each pass the files are dropped from the page cache (fsync and POSIX_FADV_DONTNEED); a disk that
is itself cached, as that of a virtual machine, still answers faster than its medium. The sequential read goes
through every shard in order, 16 MB at a time into one buffer. Loaders read every window once, in random order
and do nothing with the batches. Peers read such windows one by one, in random order, from a FIF file
(MNE) or from the shards by zarr itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alignkit.datasets.streaming.shards import write_shards
from alignkit.datasets.streaming.sources import ContinuousRecording
from alignkit.datasets.streaming.windows import WindowDataset, loader

N_CHANNELS, RATE_HZ, WINDOW_S, BATCH = 129, 500.0, 2.0, 32
ROUNDS = 5


def make_shards(folder: Path, gigabytes: float, n_recordings: int = 16) -> int:
    """Write shards; return their bytes."""
    pieces = max(1, round(gigabytes * 1e9 / n_recordings / (4 * N_CHANNELS * 10 * RATE_HZ)))

    def data(number: int) -> Callable[[], Iterator[Any]]:
        def read() -> Iterator[Any]:
            for piece in range(pieces):
                rng = np.random.default_rng([number, piece])
                yield rng.standard_normal((int(10 * RATE_HZ), N_CHANNELS), dtype=np.float32)

        return read

    names = [f"E{channel + 1}" for channel in range(N_CHANNELS)]
    recordings = (
        ContinuousRecording(f"sub-{number:03d}", data(number), names, RATE_HZ)
        for number in range(n_recordings)
    )
    return write_shards(recordings, folder, align_s=WINDOW_S).n_bytes


def drop(folder: Path) -> None:
    """Take the files out of the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def sequential(folder: Path) -> int:
    buffer = bytearray(16 << 20)
    total = 0
    for path in sorted(folder.rglob("c/*/0")):
        descriptor = os.open(path, os.O_RDONLY)
        while got := os.readv(descriptor, [buffer]):
            total += got
        os.close(descriptor)
    return total


def windows(folder: Path, n_workers: int) -> int:
    dataset = WindowDataset(folder, window_s=WINDOW_S, batch_size=BATCH)
    return sum(4 * batch["data"].numel() for batch in loader(dataset, n_workers))


def zarr_windows(folder: Path, count: int) -> int:
    """Read some of the windows through zarr, in random order."""
    import zarr

    arrays = [zarr.open_array(str(path), mode="r") for path in sorted(folder.glob("recordings/*/data.zarr"))]
    length = int(WINDOW_S * RATE_HZ)
    rng = np.random.default_rng(0)
    total = 0
    for _ in range(count):
        array = arrays[rng.integers(len(arrays))]
        start = int(rng.integers(array.shape[0] // length)) * length
        total += array[start : start + length].nbytes
    return total


def write_fif(folder: Path, path: Path) -> None:
    """Write the first recording of the shards as a FIF file."""
    import mne
    import zarr

    data = zarr.open_array(str(next(iter(sorted(folder.glob("recordings/*/data.zarr"))))), mode="r")[...]
    info = mne.create_info([f"E{channel + 1}" for channel in range(N_CHANNELS)], RATE_HZ, "eeg")
    mne.io.RawArray(data.T, info, verbose="error").save(path, fmt="single", verbose="error")


def fif_windows(path: Path, count: int) -> int:
    """Read some windows of a FIF file through MNE, in random order; single precision on disk."""
    import mne

    raw = mne.io.read_raw_fif(path, preload=False, verbose="error")
    length = int(WINDOW_S * RATE_HZ)
    starts = np.random.default_rng(0).integers(raw.n_times // length, size=count) * length
    return sum(raw.get_data(start=int(s), stop=int(s) + length, verbose="error").size * 4 for s in starts)


def rate(call: Callable[[], int], folder: Path) -> float:
    """Return megabytes per second of a cold pass."""
    drop(folder)
    start = time.perf_counter()
    return call() / (time.perf_counter() - start) / 1e6


class Streaming:
    """Time of a pass over half a gigabyte of windows, cold."""

    params = [0, 2]
    param_names = ["workers"]
    number = 1
    warmup_time = 0

    def setup_cache(self) -> str:
        folder = Path(tempfile.mkdtemp())
        make_shards(folder, 0.5)
        return str(folder)

    def setup(self, folder: str, n_workers: int) -> None:
        drop(Path(folder))

    def time_pass(self, folder: str, n_workers: int) -> None:
        windows(Path(folder), n_workers)


def main() -> None:
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory() as place:
        shards, fif = Path(place) / "shards", Path(place) / "peer" / "first_raw.fif"
        fif.parent.mkdir()
        start = time.perf_counter()
        n_bytes = make_shards(shards, gigabytes)
        took = time.perf_counter() - start
        print(
            f"{n_bytes / 1e9:.2f} GB written in {took:.1f} s ({n_bytes / took / 1e6:.0f} MB/s, with digests)"
        )
        write_fif(shards, fif)
        calls: dict[str, tuple[Callable[[], int], Path]] = {
            "sequential": (lambda: sequential(shards), shards),
            "0 workers": (lambda: windows(shards, 0), shards),
            "2 workers": (lambda: windows(shards, 2), shards),
            "zarr, 200 windows": (lambda: zarr_windows(shards, 200), shards),
            "MNE FIF, 50 windows": (lambda: fif_windows(fif, 50), fif.parent),
        }
        found: dict[str, list[float]] = {name: [] for name in calls}
        ratios: dict[str, list[float]] = {name: [] for name in calls}
        for first in range(ROUNDS):
            # Each round begins with another one: what comes later may find the host's cache warmed.
            names = [*calls][first % len(calls) :] + [*calls][: first % len(calls)]
            for name in names:
                found[name].append(rate(*calls[name]))
            for name in names:
                ratios[name].append(found[name][-1] / found["sequential"][-1])
        for name, rates in found.items():
            each = ", ".join(f"{one:.0f}" for one in rates)
            middle = float(np.median(ratios[name]))
            print(
                f"{name:20s} MB/s {each}; best {max(rates) / max(found['sequential']):.2f} of the best "
                f"sequential, median of rounds {middle:.2f}"
            )


if __name__ == "__main__":
    main()
