"""Exact digests of values, arrays, tables and files (SHA-256)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def digest_json(value: Any) -> str:
    """Return the digest of a JSON-like value; dictionaries compare whatever their order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_array(array: NDArray[Any]) -> str:
    """Return the digest of an array's dtype, shape and bytes."""
    contiguous = np.ascontiguousarray(array)
    hasher = hashlib.sha256(f"{contiguous.dtype.str}{contiguous.shape}".encode())
    hasher.update(contiguous.view(np.uint8).data if contiguous.size else b"")
    return hasher.hexdigest()


def digest_table(table: pd.DataFrame) -> str:
    """Return the digest of a table's column names and values, in order, without its index."""
    return digest_json([list(map(str, table.columns)), table.to_csv(index=False, float_format="%.17g")])


def digest_file(path: str | Path, *, algorithm: str = "sha256") -> str:
    """Return the digest of a file's bytes; other algorithms serve to check what others published."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def digest_files(paths: Iterable[str | Path]) -> str:
    """Return one digest of several files: their names and bytes, whatever order they come in."""
    return digest_json(sorted([Path(path).name, digest_file(path)] for path in paths))
