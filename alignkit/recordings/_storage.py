"""How containers lie on disk: arrays in zarr, tables in parquet, small facts in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError, MissingDataError

FACTS = "container.json"
_FORMAT = 1


def write_facts(folder: Path, kind: str, facts: Mapping[str, Any]) -> None:
    """Write what kind of container a folder holds, and its small facts."""
    content = {"alignkit": kind, "format": _FORMAT, **facts}
    (folder / FACTS).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_facts(folder: str | Path, kind: str) -> dict[str, Any]:
    """Read a folder's facts, refusing another kind of container."""
    path = Path(folder) / FACTS
    if not path.is_file():
        raise MissingDataError(f"{folder} is no saved {kind}: it has no {FACTS}.")
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is damaged ({error}); save the {kind} again.") from error
    if facts.get("alignkit") != kind:
        raise InputError(f"{folder} holds a {facts.get('alignkit')!r}, wanted a {kind!r}.")
    if facts.get("format") != _FORMAT:
        raise InputError(f"{folder} has format {facts.get('format')}, this alignkit reads {_FORMAT}.")
    return facts


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet, without its index."""
    table.reset_index(drop=True).to_parquet(path, index=False)


def read_table(path: Path) -> pd.DataFrame:
    """Read a parquet table."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise MissingDataError(f"{path} is missing; the saved container is not whole.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as parquet ({error}); save the container again.") from error


def write_array(path: Path, array: NDArray[Any], *, rows_per_chunk: int | None = None) -> None:
    """Write an array as zarr, chunked along its first axis only."""
    import zarr

    rows = rows_per_chunk or rows_of(array.shape, array.dtype.itemsize)
    store = zarr.create_array(
        str(path), shape=array.shape, dtype=array.dtype, chunks=(rows, *array.shape[1:]), overwrite=True
    )
    store[...] = array


def open_array(path: Path) -> Any:
    """Open a zarr array for reading; nothing is loaded until it is sliced."""
    import zarr
    from zarr.errors import ArrayNotFoundError, NodeNotFoundError

    try:
        return zarr.open_array(str(path), mode="r")
    except (ArrayNotFoundError, NodeNotFoundError, FileNotFoundError) as error:
        raise MissingDataError(f"{path} is missing; the saved container is not whole.") from error


def rows_of(shape: tuple[int, ...], itemsize: int, target_bytes: int = 16 * 2**20) -> int:
    """Return how many rows make a chunk of about `target_bytes`."""
    row_bytes = max(1, int(np.prod(shape[1:], dtype=np.int64)) * itemsize)
    return int(max(1, min(max(shape[0], 1), target_bytes // row_bytes)))
