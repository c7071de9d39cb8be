"""Arrays out of zarr stores (version 2 and 3), and nothing that runs code."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.errors import InputError

_MARKS = ("zarr.json", ".zarray", ".zgroup")
# Codecs that only compress, reorder or scale. Others are refused: `pickle` runs what it finds.
_CODECS = frozenset(
    "bytes transpose sharding_indexed crc32c crc32 adler32 fletcher32 jenkins_lookup3 gzip zlib bz2 lzma lz4 "
    "zstd blosc shuffle bitshuffle delta fixedscaleoffset astype quantize bitround packbits cast_value "
    "vlen-utf8 vlen-bytes zfpy pcodec".split()
)
# Of a Blosc buffer; its last four bytes are the size of the whole.
_BLOSC_HEADER = 16
_NESTED = ("codecs", "index_codecs", "filters", "compressor")


def is_zarr(path: Path) -> bool:
    """Return whether a folder is the root of a zarr store."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)


def store_files(path: Path) -> list[Path]:
    """Return every file of a store, sorted."""
    return sorted(Path(root) / name for root, _, names in os.walk(path) for name in names)


def zarr_arrays(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield name and array of everything that a store holds, nothing read yet.

    Raises
    ------
    InputError
        If a codec may run code or is not known, or a part of the store is a link that leads out of it.
    """
    import zarr

    _check_store(path)
    with warnings.catch_warnings():
        # About files beside the arrays, and about dtypes whose form in version 3 is not settled.
        warnings.simplefilter("ignore")
        # Consolidated metadata may say other than what lies beside the arrays; only the latter is checked.
        root = zarr.open(str(path), mode="r", use_consolidated=False)
        if isinstance(root, zarr.Array):
            yield path.stem, root
            return
        for name, item in sorted(root.members(max_depth=None)):
            if isinstance(item, zarr.Array):
                yield name, item


def read_zarr_array(path: Path, array: Any) -> NDArray[Any]:
    """Read a whole array of the store `path`; texts come as ``str``.

    Raises
    ------
    InputError
        If a chunk is cut short where zarr itself would not notice.
    """
    _check_chunks(path / array.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.asarray(array[...])
    # Variable-length text has a dtype of its own in NumPy 2, or is an array of objects.
    return values if values.dtype.kind not in "OT" else _as_texts(values)


def is_number(array: Any) -> bool:
    """Return whether an array holds numbers, complex ones too."""
    return getattr(np.dtype(array.dtype), "kind", "O") in "fiubc"


def missing_chunks(path: Path, name: str) -> tuple[int, int, Any]:
    """Return how many chunks of an array are not stored, of how many, and what is read in their place.

    Writers leave out a chunk that holds nothing but the fill value; one that was lost looks the same.
    """
    array = dict(zarr_arrays(path))[name]
    total = int(array.nchunks)
    return total - int(array.nchunks_initialized), total, array.fill_value


def _check_store(path: Path) -> None:
    inside = path.resolve()
    for root, folders, names in os.walk(path):
        for name in (*folders, *names):
            entry = Path(root) / name
            if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
                raise InputError(f"{entry} is a link that leads out of the store, which is not followed.")
        for name in set(names) & {"zarr.json", ".zarray"}:
            content = json.loads((Path(root) / name).read_text(encoding="utf-8"))
            for codec in _codecs(content):
                if codec.removeprefix("numcodecs.").lower() not in _CODECS:
                    raise InputError(
                        f"{root} is stored with the codec {codec!r}, which may run code or is not known; "
                        "save it anew as plain numbers, or as text of fixed or variable length."
                    )


def _check_chunks(folder: Path) -> None:
    """Refuse chunks that are cut short but would be read all the same.

    An empty shard is read as the fill value, and Blosc reads on into memory that is not its own.
    """
    marks = [folder / mark for mark in ("zarr.json", ".zarray") if (folder / mark).is_file()]
    codecs = list(_codecs(json.loads(marks[0].read_text(encoding="utf-8")), nested=False))
    is_blosc = any(codec.removeprefix("numcodecs.") == "blosc" for codec in codecs)
    for path in store_files(folder):
        if path.name == "zarr.json" or path.name.startswith("."):
            continue
        size = path.stat().st_size
        wanted = max(_BLOSC_HEADER if is_blosc else 1, size)
        if is_blosc and size >= _BLOSC_HEADER:
            with path.open("rb") as file:
                wanted = int.from_bytes(file.read(_BLOSC_HEADER)[12:], "little")
        if size != wanted:
            raise InputError(
                f"the chunk {path} is damaged: it has {size} bytes, {wanted} are wanted. Copy it again."
            )


def _codecs(content: Any, *, nested: bool = True) -> Iterator[str]:
    """Yield the names of all codecs, with `nested` those inside of shards too."""
    for key in _NESTED:
        given = content.get(key) or []
        for codec in given if isinstance(given, list) else [given]:
            # Version 3 says `name`, version 2 `id`; a bare string is a name as well.
            yield str(codec if isinstance(codec, str) else codec.get("name", codec.get("id")))
            if nested and isinstance(codec, dict):
                yield from _codecs(codec.get("configuration") or {})


def _as_texts(values: NDArray[Any]) -> NDArray[Any]:
    texts = [v.decode() if isinstance(v, bytes) else v for v in values.ravel()]
    if not all(isinstance(text, str) for text in texts):
        return values
    return np.array(texts, dtype=str).reshape(values.shape)
