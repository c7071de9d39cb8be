"""How a folder of sharded recordings lies on disk, and how it is opened.

::

    settings.json            dtype, scale, sampling rate, sizes of chunks and shards
    channels.parquet         a row per channel
    recordings.parquet       a row per recording; written last, so its presence says that all is there
    recordings/<name>/
        recording.json       facts, number of samples, size and SHA-256 of each shard
        data.zarr/           zarr 3, (n_samples, n_channels), sharded along time, not compressed
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..._core.atomic import write_text
from ..._core.errors import InputError, MissingDataError
from .._arrays import readable

SETTINGS, CHANNELS, RECORDINGS = "settings.json", "channels.parquet", "recordings.parquet"
PARTS, FACTS = "recordings", "recording.json"
_FORMAT = 1
# Of the index that ends a shard: 16 bytes per chunk, and a check sum.
_INDEX_BYTES, _CHECKSUM_BYTES = 16, 4


@dataclass(frozen=True)
class Settings:
    """What all recordings of a folder share.

    Attributes
    ----------
    dtype : {"float32", "float16"}
        As stored, little-endian.
    scale : float
        What stored numbers are multiplied by when they are read.
    sfreq_hz : float
        Sampling rate.
    chunk_samples, shard_samples : int
        Samples of a chunk and of a shard; the latter is a multiple of the former.
    n_channels : int
        Number of channels.
    """

    dtype: str
    scale: float
    sfreq_hz: float
    chunk_samples: int
    shard_samples: int
    n_channels: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.n_channels * np.dtype(self.dtype).itemsize

    def n_shards(self, n_samples: int) -> int:
        """Return how many shards a recording of that many samples has."""
        return -(-n_samples // self.shard_samples)

    def shard_bytes(self, n_samples: int, shard: int) -> int:
        """Return the size of a shard's file."""
        rows = min(self.shard_samples, n_samples - shard * self.shard_samples)
        payload = -(-rows // self.chunk_samples) * self.chunk_samples * self.row_bytes
        return payload + self.shard_samples // self.chunk_samples * _INDEX_BYTES + _CHECKSUM_BYTES


@dataclass(frozen=True, eq=False)
class ShardFolder:
    """A finished folder of sharded recordings.

    Attributes
    ----------
    folder : Path
        Where it is.
    settings : Settings
        What all recordings share.
    recordings : DataFrame
        A row per recording: `recording`, `subject`, `session`, `task`, `run`, `unit`, `sfreq_hz`,
        `n_samples`, and the labels.
    channels : DataFrame
        A row per channel.
    """

    folder: Path
    settings: Settings
    recordings: pd.DataFrame
    channels: pd.DataFrame

    @property
    def n_bytes(self) -> int:
        """Bytes of the data."""
        return int(self.recordings["n_samples"].sum()) * self.settings.row_bytes

    def shard_path(self, recording: str, shard: int) -> Path:
        """Return the file of a shard."""
        return shard_path(self.folder / PARTS / recording, shard)

    def __repr__(self) -> str:
        hours = float(self.recordings["n_samples"].sum()) / self.settings.sfreq_hz / 3600
        return (
            f"ShardFolder({len(self.recordings)} recordings, {hours:.3g} h of {self.settings.n_channels} "
            f"channels at {self.settings.sfreq_hz:g} Hz, {self.n_bytes / 1e9:.3g} GB of "
            f"{self.settings.dtype})"
        )


def shard_path(part: Path, shard: int) -> Path:
    """Return the file of a shard inside a recording's folder."""
    return part / "data.zarr" / "c" / str(shard) / "0"


def open_shards(folder: str | Path) -> ShardFolder:
    """Open a folder that :func:`alignkit.datasets.streaming.shards.write_shards` finished.

    Raises
    ------
    MissingDataError
        If there is none, or its conversion was not finished.
    InputError
        If its facts are damaged or of another version.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    if settings is None:
        raise MissingDataError(f"{folder} holds no sharded recordings: it has no {SETTINGS}.")
    if not (folder / RECORDINGS).is_file():
        raise MissingDataError(
            f"the conversion in {folder} was not finished: {RECORDINGS} is missing. Call `write_shards` "
            "again with the same recordings; it goes on from where it was."
        )
    with readable(folder / RECORDINGS, "a table of recordings"):
        recordings = pd.read_parquet(folder / RECORDINGS)
    with readable(folder / CHANNELS, "a table of channels"):
        channels = pd.read_parquet(folder / CHANNELS)
    return ShardFolder(folder, settings, recordings, channels)


def read_settings(folder: Path) -> Settings | None:
    """Read what the recordings of a folder share; None where nothing was written yet."""
    path = folder / SETTINGS
    if not path.is_file():
        return None
    with readable(path, "settings of sharded recordings"):
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("format")
        settings = Settings(**content) if version == _FORMAT else None
    if settings is None:
        raise InputError(f"{path} has format {version}, this alignkit reads {_FORMAT}.")
    return settings


def write_settings(folder: Path, settings: Settings) -> None:
    """Write what the recordings of a folder share."""
    write_text(folder / SETTINGS, json.dumps({"format": _FORMAT, **asdict(settings)}, indent=1) + "\n")


def read_part(part: Path) -> dict[str, Any]:
    """Read the facts of one recording that was written."""
    with readable(part / FACTS, "facts of a recording"):
        content: dict[str, Any] = json.loads((part / FACTS).read_text(encoding="utf-8"))
    return content
