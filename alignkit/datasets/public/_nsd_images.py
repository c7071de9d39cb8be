"""Pictures of the Natural Scenes Dataset: the wanted ones of one large file, as PNG in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..._core.atomic import atomic_file, remove_leftovers
from ..._core.errors import InputError
from ..._core.folders import cache_folder
from ..._core.progress import track
from ...recordings.stimuli import StimulusSet
from ._hdf5 import find_array, open_hdf5
from ._image_files import find_images

STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
_PREFIX = "nsd-"


def nsd_images(source: Path, ids: Sequence[str]) -> StimulusSet:
    """Return the pictures of `ids`, each once.

    Parameters
    ----------
    source : Path
        ``nsd_stimuli.hdf5``, or a folder of images named by id (``nsd-00013.png``).
    ids : sequence of str
        The number in an id is the row of the file's ``imgBrick``, from 0.

    Returns
    -------
    stimuli : StimulusSet
        PNG files in the cache; one that is there already is not written again.

    Raises
    ------
    MissingDataError, InputError
        If the file or an image is not there, or the file is not the published one.
    """
    if source.is_dir():
        return find_images(source, ids)
    wanted = list(dict.fromkeys(ids))
    files = [f"{name}.png" for name in wanted]
    folder = cache_folder() / "datasets" / f"nsd-{_identity(source)}"
    missing = [name for name, file in zip(wanted, files, strict=True) if not (folder / file).is_file()]
    if missing:
        _export(source, folder, missing)
    return StimulusSet(pd.DataFrame({"stimulus_id": wanted, "file": files}), folder)


def _identity(source: Path) -> str:
    # The digest of 37 GB would take minutes each time: place, size and date stand for the content.
    facts = source.stat() if source.is_file() else None
    text = f"{source.resolve()} {facts and facts.st_size} {facts and facts.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _export(source: Path, folder: Path, ids: list[str]) -> None:
    with open_hdf5(source) as file:
        brick = find_array(file, "imgBrick", ndim=4)
        if brick.shape[3] != 3 or brick.dtype != np.uint8:
            raise InputError(
                f"{source}: `imgBrick` should hold 8-bit colour images (n, height, width, 3), got "
                f"{brick.dtype} of shape {brick.shape}."
            )
        rows = {name: int(name.removeprefix(_PREFIX)) for name in ids}
        beyond = [name for name, row in rows.items() if row >= brick.shape[0]]
        if beyond:
            raise InputError(
                f"{source} holds {brick.shape[0]} images, but {len(beyond)} beyond them were shown: "
                f"{', '.join(beyond[:5])}."
            )
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        for name in track(sorted(ids), "writing the pictures of NSD into the cache"):
            _write(brick[rows[name]], folder / f"{name}.png")


def _write(pixels: Any, path: Path) -> None:
    from PIL import Image

    with atomic_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
