"""Recordings converted once into shards that are read at the speed of the disk."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.atomic import atomic_file, atomic_folder, remove_leftovers
from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_file
from ..._core.progress import track
from ...recordings.recording import Recording
from .shard_folder import (
    CHANNELS,
    FACTS,
    PARTS,
    RECORDINGS,
    Settings,
    ShardFolder,
    open_shards,
    read_part,
    read_settings,
    shard_path,
    write_settings,
)
from .sources import ContinuousRecording, as_continuous

if TYPE_CHECKING:
    import mne

_MB = 1 << 20
# Below this a float16 loses digits, and above the other it is infinite.
_SMALLEST, _LARGEST = 6.2e-5, 65504.0
_MOST_SMALL = 0.01


def write_shards(
    recordings: Iterable[ContinuousRecording | Recording | mne.io.BaseRaw],
    folder: str | Path,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    scale: float = 1.0,
    shard_mb: float = 64.0,
    chunk_mb: float = 1.0,
    align_s: float | None = None,
) -> ShardFolder:
    """Convert continuous recordings once into sharded zarr, for :class:`WindowDataset`.

    Time is the first axis and nothing is compressed, so a window of all channels is one run of bytes. A
    recording is written whole or not at all; called again, the function skips what is there already (data of
    a lazy recording are not even read) and goes on.

    Parameters
    ----------
    recordings : iterable of ContinuousRecording, Recording or mne.io.Raw
        All with the same channels, in one order, and the same sampling rate. A generator keeps one in memory.
    folder : str or Path
        Where they go.
    dtype : {"float32", "float16"}
        As stored. Half precision halves what is read, and keeps three digits.
    scale : float, default=1.0
        Stored numbers are multiplied by it when they are read: 1e-6 stores volts as microvolts, which half
        precision needs.
    shard_mb, chunk_mb : float
        Sizes of a file and of the least piece that other readers of zarr take, in megabytes (2**20 bytes). At
        most about three shards are in memory.
    align_s : float, optional
        A shard then holds a multiple of this many seconds, so that windows of that length and stride never
        lie in two files.

    Returns
    -------
    shards : ShardFolder
        The folder, opened.

    Raises
    ------
    InputError
        If recordings differ in channels or rate, hold NaN, have one name, overflow or vanish in float16, or
        `folder` was begun with other settings or recordings.

    Examples
    --------
    >>> import tempfile
    >>> rest = ContinuousRecording("sub-1_rest", np.zeros((500, 2)), ["Fz", "Cz"], 100.0)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     write_shards([rest], Path(place) / "shards")
    ShardFolder(1 recordings, 0.00139 h of 2 channels at 100 Hz, 4e-06 GB of float32)
    """
    check_option("dtype", dtype, ("float32", "float16"))
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"`scale` must be above 0, got {scale}.")
    if not 0 < chunk_mb <= shard_mb:
        raise InputError(
            f"`chunk_mb` must lie above 0 and not above `shard_mb`, got {chunk_mb} and {shard_mb}."
        )
    folder = Path(folder)
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    remove_leftovers(folder / PARTS)
    settings: Settings | None = None
    rows: list[dict[str, Any]] = []
    first: ContinuousRecording | None = None
    for given in track(recordings, f"writing shards into {folder}"):
        recording = as_continuous(given)
        if recording.name in {row["recording"] for row in rows}:
            raise InputError(f"two recordings are called {recording.name!r}; give each its own name.")
        if settings is None or first is None:
            first = recording
            settings = _settings(recording, dtype, scale, shard_mb, chunk_mb, align_s)
            _begin(folder, settings, recording)
        _check_alike(first, recording)
        rows.append(_write_once(folder / PARTS / recording.name, recording, settings))
    if not rows:
        raise InputError("`recordings` is empty; there is nothing to write.")
    _finish(folder, rows)
    return open_shards(folder)


def verify_shards(folder: str | Path) -> None:
    """Read every shard and compare it with the digest of what was written.

    Raises
    ------
    InputError
        Naming the shards that are missing, cut short or changed.
    """
    shards = open_shards(folder)
    damaged: list[str] = []
    for name in track(list(shards.recordings["recording"]), f"verifying {folder}"):
        for number, said in enumerate(read_part(shards.folder / PARTS / name)["shards"]):
            path = shards.shard_path(name, number)
            if not path.is_file():
                damaged.append(f"{path} (missing)")
            elif path.stat().st_size != said["bytes"]:
                damaged.append(f"{path} ({path.stat().st_size} of {said['bytes']} bytes)")
            elif digest_file(path) != said["sha256"]:
                damaged.append(f"{path} (changed)")
    if damaged:
        raise InputError(
            f"{len(damaged)} shard(s) are damaged: {'; '.join(damaged[:5])}. Remove the folder of each such "
            f"recording in {shards.folder / PARTS} and {RECORDINGS}, and call `write_shards` again."
        )


def _settings(
    recording: ContinuousRecording,
    dtype: str,
    scale: float,
    shard_mb: float,
    chunk_mb: float,
    align_s: float | None,
) -> Settings:
    n_channels = len(recording.channel_names)
    row_bytes = n_channels * np.dtype(dtype).itemsize
    chunk = max(1, int(chunk_mb * _MB) // row_bytes)
    if align_s is not None:
        unit = align_s * recording.sfreq_hz
        if not (unit > 0 and abs(unit - round(unit)) < 1e-6 * unit):
            raise InputError(
                f"`align_s` is {align_s} s, which is {unit:g} samples at {recording.sfreq_hz:g} Hz; a whole "
                "number above 0 is wanted."
            )
        chunk = max(1, chunk // round(unit)) * round(unit)
    per_shard = max(1, round(shard_mb * _MB / (chunk * row_bytes)))
    return Settings(dtype, float(scale), float(recording.sfreq_hz), chunk, chunk * per_shard, n_channels)


def _begin(folder: Path, settings: Settings, recording: ContinuousRecording) -> None:
    known = read_settings(folder)
    if known is None:
        with atomic_file(folder / CHANNELS) as temporary:
            pd.DataFrame(recording.channels).to_parquet(temporary, index=False)
        write_settings(folder, settings)
    elif known != settings:
        differing = [
            f"{name} {getattr(known, name)} there, {getattr(settings, name)} now"
            for name in Settings.__dataclass_fields__
            if getattr(known, name) != getattr(settings, name)
        ]
        raise InputError(
            f"{folder} was begun with other settings: {'; '.join(differing)}. Use the same, or "
            "another folder."
        )
    elif list(pd.read_parquet(folder / CHANNELS)["name"].astype(str)) != recording.channel_names:
        raise InputError(f"{folder} was begun with other channels; use another folder.")


def _check_alike(first: ContinuousRecording, recording: ContinuousRecording) -> None:
    if recording.sfreq_hz != first.sfreq_hz:
        raise InputError(
            f"{recording.name!r} has {recording.sfreq_hz:g} Hz but {first.name!r} has {first.sfreq_hz:g} Hz; "
            "the recordings of a folder share their sampling rate. Resample, or write each rate to its own "
            "folder."
        )
    ours, theirs = recording.channel_names, first.channel_names
    if ours == theirs:
        return
    lacking, extra = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
    how = (
        "in another order"
        if not lacking and not extra
        else (f"without {', '.join(lacking[:5]) or 'none'} and with {', '.join(extra[:5]) or 'none'} beside")
    )
    raise InputError(
        f"{recording.name!r} has {len(ours)} channels, {first.name!r} {len(theirs)}: those of the former "
        f"come {how}. Pick the same channels in the same order, or write each set to its own folder."
    )


def _write_once(part: Path, recording: ContinuousRecording, settings: Settings) -> dict[str, Any]:
    """Write a recording, unless it is there; return its row of the table."""
    facts = recording.facts()
    if part.is_dir():
        known = read_part(part)
        differing = [key for key in facts if known.get(key) != facts[key]]
        if differing:
            raise InputError(
                f"{part} was written with another {', '.join(differing)}; remove it, or use another folder."
            )
    else:
        with atomic_folder(part) as temporary:
            n_samples = _write_array(temporary, recording, settings)
            files = [shard_path(temporary, number) for number in range(settings.n_shards(n_samples))]
            known = facts | {
                "n_samples": n_samples,
                "shards": [{"bytes": path.stat().st_size, "sha256": digest_file(path)} for path in files],
            }
            (temporary / FACTS).write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    labels = {key: value for key, value in known["labels"].items()}
    return {key: value for key, value in known.items() if key not in ("labels", "shards")} | labels


def _write_array(part: Path, recording: ContinuousRecording, settings: Settings) -> int:
    import zarr
    from zarr.codecs import BytesCodec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.create_array(
            str(part / "data.zarr"),
            shape=(0, settings.n_channels),
            dtype=settings.dtype,
            chunks=(settings.chunk_samples, settings.n_channels),
            shards=(settings.shard_samples, settings.n_channels),
            filters=None,
            compressors=None,
            serializer=BytesCodec(endian="little"),
            fill_value=0,
            # A silent stretch is written like any other: readers count on every chunk being there.
            config={"write_empty_chunks": True},
        )
        n_samples = 0
        for block in _blocks(recording, settings):
            array.resize((n_samples + len(block), settings.n_channels))
            array[n_samples:] = block
            n_samples += len(block)
    if n_samples == 0:
        raise InputError(f"{recording.name!r} holds no samples; leave it out.")
    return n_samples


def _blocks(recording: ContinuousRecording, settings: Settings) -> Iterator[NDArray[Any]]:
    """Yield the data a shard at a time, as they are stored."""
    block = np.empty((settings.shard_samples, settings.n_channels), dtype=settings.dtype)
    filled = 0
    for piece in recording.pieces():
        stored = _stored(recording, piece, settings)
        start = 0
        while start < len(stored):
            n_rows = min(len(stored) - start, len(block) - filled)
            block[filled : filled + n_rows] = stored[start : start + n_rows]
            start, filled = start + n_rows, filled + n_rows
            if filled == len(block):
                yield block
                filled = 0
    if filled:
        yield block[:filled]


def _stored(recording: ContinuousRecording, piece: NDArray[Any], settings: Settings) -> NDArray[Any]:
    scaled = piece if settings.scale == 1.0 else piece / settings.scale
    if settings.dtype == "float16":
        size = np.abs(scaled)
        top = float(size.max(initial=0))
        small = float(((size > 0) & (size < _SMALLEST)).mean()) if size.size else 0.0
        if top > _LARGEST or small > _MOST_SMALL:
            trouble = (
                f"values up to {top:.3g}, beyond {_LARGEST:g}"
                if top > _LARGEST
                else f"{small:.0%} of its values below {_SMALLEST:g}, where float16 loses digits"
            )
            raise InputError(
                f"{recording.name!r} has {trouble}; set `scale` so that stored values lie near 1 (1e-6 for "
                "EEG in volts), or use float32."
            )
    with np.errstate(over="ignore"):
        stored = np.asarray(scaled, dtype=settings.dtype)
    if not np.isfinite(stored).all():
        raise InputError(f"{recording.name!r} holds values beyond {settings.dtype}; set `scale`.")
    return stored


def _finish(folder: Path, rows: list[dict[str, Any]]) -> None:
    table = pd.DataFrame(rows)
    known = {path.name for path in (folder / PARTS).iterdir() if not path.name.startswith(".")}
    extra = sorted(known - set(table["recording"]))
    if extra:
        raise InputError(
            f"{folder / PARTS} holds {len(extra)} recording(s) that were not among those given: "
            f"{', '.join(extra[:5])}. Give all recordings together, or use another folder."
        )
    with atomic_file(folder / RECORDINGS) as temporary:
        table.to_parquet(temporary, index=False)
