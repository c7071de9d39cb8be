"""What was fitted, on disk: a folder with a JSON description and arrays as safetensors."""

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
from .._core.hashing import digest_file, digest_json

FORMAT = 1


def write_fitted(
    folder: str | Path,
    kind: str,
    facts: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    what: str = "decoder",
) -> None:
    """Write what was fitted, whole or not at all; what was at `folder` is replaced if it is of that sort.

    Parameters
    ----------
    folder : path
        New, empty, or one that holds the like.
    kind : str
        Which class wrote it.
    facts : mapping
        JSON values.
    arrays : mapping of str to ndarray
        Of any shape, also none.
    what : str, default="decoder"
        The sort of thing; it names the files.

    Raises
    ------
    InputError
        If `folder` is a file, lies in one, or holds something else.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    _check_place(folder, what)
    with atomic_folder(folder) as temporary:
        path = temporary / _arrays(what)
        save_file({name: np.require(value, requirements="C") for name, value in arrays.items()}, path)
        description = {
            f"alignkit_{what}": kind,
            "format": FORMAT,
            "alignkit": __version__,
            "facts": dict(facts),
            "arrays_sha256": digest_file(path),
        }
        # What was seen decides what may be tested on, so that a change of it must not go unnoticed.
        described = {**description, "sha256": digest_json(description)}
        text = json.dumps(described, indent=1, allow_nan=False)
        (temporary / _description(what)).write_text(text + "\n", encoding="utf-8")


def read_fitted(
    folder: str | Path, kind: str, *, what: str = "decoder"
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the facts and the arrays that were written, where they are sound.

    Raises
    ------
    MissingDataError
        If the folder or one of its files is not there.
    InputError
        If it is damaged, of another kind or of another format.
    """
    from safetensors.numpy import load_file

    folder = Path(folder)
    description = _read_description(folder, what)
    found, version = description[f"alignkit_{what}"], description["format"]
    if found != kind:
        raise InputError(f"{folder} is of the kind {found!r}, not {kind!r}. Load it with its own class.")
    if version != FORMAT:
        raise InputError(
            f"{folder} is in format {version}, but this alignkit {__version__} reads format {FORMAT}. Use "
            f"the version that wrote it, or fit and save the {what} again."
        )
    path = folder / _arrays(what)
    if digest_file(path) != description["arrays_sha256"]:
        raise InputError(
            f"{path} is damaged: its digest is not the one in {_description(what)}. Copy it again, or fit "
            f"and save the {what} again."
        )
    return dict(description["facts"]), load_file(path)


def read_kind(folder: str | Path, *, what: str = "decoder") -> str:
    """Return which class wrote a folder."""
    return str(_read_description(Path(folder), what)[f"alignkit_{what}"])


def _description(what: str) -> str:
    return f"{what}.json"


def _arrays(what: str) -> str:
    return f"{what}.safetensors"


def _read_description(folder: Path, what: str) -> dict[str, Any]:
    for name in (_description(what), _arrays(what)):
        if not (folder / name).is_file():
            raise MissingDataError(
                f"{folder} is not a saved {what}: it has no {name}. Give the folder that `save` wrote."
            )
    path = folder / _description(what)
    try:
        description = dict(json.loads(path.read_text(encoding="utf-8")))
        digest = description.pop("sha256")
        for key in (f"alignkit_{what}", "format", "facts", "arrays_sha256"):
            description[key]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged or not from alignkit ({error!r}). Fit and save the {what} again."
        ) from error
    if digest_json(description) != digest:
        raise InputError(f"{path} is damaged: its digest is another. Fit and save the {what} again.")
    return description


def _check_place(folder: Path, what: str) -> None:
    """Refuse a path at which something else would be removed."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, so that no {what} can be saved at {folder}. Give a folder.")
    if nearest != folder:
        return
    entries = {entry.name for entry in folder.iterdir()}
    if entries and entries != {_description(what), _arrays(what)}:
        raise InputError(f"{folder} holds other files, which saving here would remove. Give a new folder.")
