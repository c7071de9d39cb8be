"""Encoders on disk: a folder with a JSON description and its arrays as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .._core.atomic import atomic_folder
from .._core.errors import InputError, MissingDataError
from .._core.hashing import digest_file

DESCRIPTION, ARRAYS = "encoder.json", "encoder.safetensors"
FORMAT = 2


def save_encoder(
    folder: str | Path,
    kind: str,
    parameters: Mapping[str, Any],
    facts: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write a fitted encoder, whole or not at all; what was at `folder` is replaced if it is an encoder."""
    from safetensors.numpy import save_file

    folder = Path(folder)
    _check_place(folder)
    with atomic_folder(folder) as temporary:
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, temporary / ARRAYS)
        description = {
            "alignkit_encoder": kind,
            "format": FORMAT,
            "alignkit": __version__,
            "parameters": dict(parameters),
            **facts,
            "sha256": digest_file(temporary / ARRAYS),
        }
        (temporary / DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")


def load_encoder(
    folder: str | Path, kind: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, NDArray[Any]]]:
    """Return parameters, the whole description and the arrays of a saved encoder that is sound."""
    from safetensors.numpy import load_file

    folder = Path(folder)
    description = _read_description(folder)
    found, version = description["alignkit_encoder"], description["format"]
    if found != kind:
        raise InputError(
            f"{folder} holds an encoder of kind {found!r}, not {kind!r}. Load it with its own class."
        )
    if version != FORMAT:
        raise InputError(
            f"{folder} is in format {version}, but this alignkit {__version__} reads format {FORMAT}. "
            "Use the version that wrote it, or fit and save the encoder again."
        )
    if digest_file(folder / ARRAYS) != description["sha256"]:
        raise InputError(
            f"{folder / ARRAYS} is damaged: its digest is not the one in {DESCRIPTION}. "
            "Copy it again, or fit and save the encoder again."
        )
    return dict(description["parameters"]), description, load_file(folder / ARRAYS)


def read_kind(folder: str | Path) -> str:
    """Return the kind of a saved encoder."""
    return str(_read_description(Path(folder))["alignkit_encoder"])


def _check_place(folder: Path) -> None:
    """Refuse a path at which something other than an encoder would be removed."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, so that no encoder can be saved at {folder}. Give a folder.")
    if nearest != folder:
        return
    entries = {entry.name for entry in folder.iterdir()}
    if not entries:
        return
    try:
        ours = entries == {DESCRIPTION, ARRAYS} and bool(_read_description(folder))
    except (InputError, MissingDataError):
        ours = False
    if not ours:
        raise InputError(
            f"{folder} holds other files, which saving an encoder there would remove. Give a new folder."
        )


def _read_description(folder: Path) -> dict[str, Any]:
    for name in (DESCRIPTION, ARRAYS):
        if not (folder / name).is_file():
            raise MissingDataError(
                f"{folder} is not a saved encoder: it has no {name}. Give the folder that `save` wrote."
            )
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        for key in ("alignkit_encoder", "format", "sha256"):
            description[key]
        dict(description["parameters"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / DESCRIPTION} is damaged or not from alignkit ({error!r}). "
            "Fit and save the encoder again."
        ) from error
    return dict(description)
