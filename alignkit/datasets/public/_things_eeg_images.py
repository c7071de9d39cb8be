"""Which image each condition of THINGS-EEG2 was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from ..._core.errors import MissingDataError
from ...recordings.stimuli import IMAGE_SUFFIXES, StimulusSet
from ._plain_pickle import load_object_array
from ._things_eeg_files import EEGFile

_FOLDERS = {"train": "training_images", "test": "test_images"}
_METADATA = {"train": "train_img", "test": "test_img"}


@dataclass(frozen=True)
class Shown:
    """The image of each condition of one split.

    Attributes
    ----------
    ids : list of str
        Stimulus ids: stems of the files, or numbers.
    concepts, files : list of str or None
        The object of each, and its file below the folder of images; None where nothing tells.
    """

    ids: list[str]
    concepts: list[str] | None
    files: list[str] | None


def shown_images(content: EEGFile, split: str, images: Path | None) -> Shown:
    """Return the images in the order of the conditions: from the file, the folder, or the metadata."""
    files: list[str] | None = None
    if content.images is not None:
        files = [PurePosixPath(name.replace("\\", "/")).as_posix() for name in content.images]
    elif images is not None and (images / _FOLDERS[split]).is_dir():
        files = [path.relative_to(images).as_posix() for path in _sorted_images(images / _FOLDERS[split])]
    elif images is not None and (images / "image_metadata.npy").is_file():
        table = load_object_array(images / "image_metadata.npy")
        parts = [list(map(str, table[f"{_METADATA[split]}_{what}"])) for what in ("concepts", "files")]
        files = [f"{_FOLDERS[split]}/{concept}/{file}" for concept, file in zip(*parts, strict=True)]
    if files is None:
        return Shown(
            [f"{split}-{number:05d}" for number in range(1, content.values.shape[0] + 1)], None, None
        )
    stems = [PurePosixPath(file).stem for file in files]
    # Folders of objects are numbered in the order of their names.
    concepts = [re.sub(r"^\d+_", "", PurePosixPath(file).parent.name) for file in files]
    return Shown(stems, concepts, files)


def _sorted_images(folder: Path) -> list[Path]:
    found = folder.glob("*/*")
    return sorted(
        path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def images_folder(root: Path, stimuli: Path | None) -> Path | None:
    """Return the folder above ``training_images`` and ``test_images``; None where there is none.

    Raises
    ------
    MissingDataError
        If `stimuli` is given and holds neither.
    """
    if stimuli is not None:
        if not any((stimuli / name).exists() for name in (*_FOLDERS.values(), "image_metadata.npy")):
            raise MissingDataError(
                f"{stimuli} holds neither {' nor '.join(_FOLDERS.values())}; give the folder above them."
            )
        return Path(stimuli)
    for place in (root / "image_set", root / "images", root):
        if any((place / name).exists() for name in (*_FOLDERS.values(), "image_metadata.npy")):
            return place
    return None


def stimulus_set(shown: Sequence[Shown], images: Path | None) -> StimulusSet | None:
    """Return the images; None where any of them is not there."""
    files = [file for each in shown for file in each.files or ()]
    ids = [name for each in shown for name in each.ids]
    if images is None or len(files) < len(ids) or not all((images / file).is_file() for file in files):
        return None
    return StimulusSet(pd.DataFrame({"stimulus_id": ids, "file": files}), images)
