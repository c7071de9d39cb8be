"""Embeddings on disk: a folder with a JSON description and weights as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ..._core.atomic import atomic_folder
from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_file, digest_json

DESCRIPTION, ARRAYS = "embedding.json", "embedding.safetensors"
FORMAT = 1


def save_embedding(
    folder: str | Path, kind: str, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write a fitted embedding, whole or not at all; what was at `folder` is replaced if it is one."""
    from safetensors.numpy import save_file

    folder = Path(folder)
    _check_place(folder)
    with atomic_folder(folder) as temporary:
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, temporary / ARRAYS)
        description = {
            "alignkit_embedding": kind,
            "format": FORMAT,
            "alignkit": __version__,
            "facts": dict(facts),
            "arrays_sha256": digest_file(temporary / ARRAYS),
        }
        described = {**description, "sha256": digest_json(description)}
        (temporary / DESCRIPTION).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def load_embedding(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts and the arrays of a saved embedding that is sound."""
    from safetensors.numpy import load_file

    folder = Path(folder)
    description = _read_description(folder)
    if description["alignkit_embedding"] != kind:
        raise InputError(
            f"{folder} holds an embedding of kind {description['alignkit_embedding']!r}, not {kind!r}. Load "
            "it with its own class."
        )
    if description["format"] != FORMAT:
        raise InputError(
            f"{folder} is in format {description['format']}, but this alignkit {__version__} reads format "
            f"{FORMAT}. Use the version that wrote it, or fit and save the embedding again."
        )
    if digest_file(folder / ARRAYS) != description["arrays_sha256"]:
        raise InputError(
            f"{folder / ARRAYS} is damaged: its digest is not the one in {DESCRIPTION}. Copy it again, or "
            "fit and save the embedding again."
        )
    return dict(description["facts"]), load_file(folder / ARRAYS)


def _read_description(folder: Path) -> dict[str, Any]:
    for name in (DESCRIPTION, ARRAYS):
        if not (folder / name).is_file():
            raise MissingDataError(
                f"{folder} is not a saved embedding: it has no {name}. Give the folder that `save` wrote."
            )
    path = folder / DESCRIPTION
    try:
        description = dict(json.loads(path.read_text(encoding="utf-8")))
        digest = description.pop("sha256")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged or not from alignkit ({error!r}). Fit and save the embedding again."
        ) from error
    if digest_json(description) != digest:
        raise InputError(f"{path} is damaged: its digest is another. Fit and save the embedding again.")
    return description


def _check_place(folder: Path) -> None:
    """Refuse a path at which something other than an embedding would be removed."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, so that no embedding can be saved there. Give a folder.")
    if not folder.is_dir():
        return
    entries = {entry.name for entry in folder.iterdir()}
    if entries and entries != {DESCRIPTION, ARRAYS}:
        raise InputError(
            f"{folder} holds other files, which saving an embedding there would remove. Give a new folder."
        )
