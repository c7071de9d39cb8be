"""Network decoders on disk: a folder with weights in safetensors and a JSON description of all else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ..._core.atomic import atomic_folder
from ..._core.errors import InputError, MissingDataError
from ..._core.hashing import digest_file
from ...networks.training._files import read_tensors, write_tensors

DESCRIPTION, WEIGHTS = "decoder.json", "weights.safetensors"
FORMAT = 1


def save_decoder(
    folder: str | Path, kind: str, facts: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Write a fitted decoder, whole or not at all; what was at `folder` is replaced if it is a decoder."""
    folder = Path(folder)
    _check_place(folder)
    with atomic_folder(folder) as temporary:
        write_tensors(temporary / WEIGHTS, tensors)
        description = {
            "alignkit_decoder": kind,
            "format": FORMAT,
            "versions": {"alignkit": __version__, "torch": str(torch.__version__)},
            **facts,
            "sha256": digest_file(temporary / WEIGHTS),
        }
        text = json.dumps(description, indent=1, allow_nan=False)
        (temporary / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def load_decoder(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return the description and the tensors of a saved decoder that is sound.

    Raises
    ------
    MissingDataError
        If the folder or one of its files is not there.
    InputError
        If a file is damaged, or of another kind or format.
    """
    folder = Path(folder)
    description = _read_description(folder)
    if description["alignkit_decoder"] != kind:
        raise InputError(
            f"{folder} holds a decoder of kind {description['alignkit_decoder']!r}, not {kind!r}. Load it "
            "with its own class."
        )
    if description["format"] != FORMAT:
        raise InputError(
            f"{folder} is in format {description['format']}, but this alignkit {__version__} reads "
            f"format {FORMAT}. Use the version that wrote it, or fit and save the decoder again."
        )
    if digest_file(folder / WEIGHTS) != description["sha256"]:
        raise InputError(
            f"{folder / WEIGHTS} is damaged: its digest is not the one in {DESCRIPTION}. Copy it again, or "
            "fit and save the decoder again."
        )
    return description, read_tensors(folder / WEIGHTS)


def _check_place(folder: Path) -> None:
    """Refuse a path at which something other than a decoder would be removed."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, so that no decoder can be saved at {folder}. Give a folder.")
    if nearest != folder:
        return
    entries = {entry.name for entry in folder.iterdir()}
    if entries and entries != {DESCRIPTION, WEIGHTS}:
        raise InputError(
            f"{folder} holds other files, which saving a decoder there would remove. Give a new folder."
        )


def _read_description(folder: Path) -> dict[str, Any]:
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise MissingDataError(
                f"{folder} is not a saved network decoder: it has no {name}. Give the folder that "
                "`save` wrote."
            )
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        for key in ("alignkit_decoder", "format", "sha256"):
            description[key]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / DESCRIPTION} is damaged or not from alignkit ({error!r}). Fit and save "
            "the decoder again."
        ) from error
    return dict(description)
