"""Images that lie in folders of folders, found by their names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ...recordings.stimuli import IMAGE_SUFFIXES, StimulusSet


def find_images(folder: str | Path, stimulus_ids: Sequence[str]) -> StimulusSet:
    """Return the images of `stimulus_ids`, wherever they lie below `folder`; an id is a file's stem.

    Parameters
    ----------
    folder : str or Path
        Searched with its subfolders.
    stimulus_ids : sequence of str
        What was shown; repetitions are fine.

    Returns
    -------
    stimuli : StimulusSet
        One image for each id, in the order of first appearance.

    Raises
    ------
    MissingDataError
        If there is no such folder, or some ids have no image.
    InputError
        If two files have the stem of one stimulus.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingDataError(f"the stimulus folder {folder} does not exist.")
    wanted = list(dict.fromkeys(stimulus_ids))
    found = _by_stem(folder, set(wanted))
    missing = [name for name in wanted if name not in found]
    if missing:
        raise MissingDataError(
            f"{len(missing)} of {len(wanted)} stimuli have no image in {folder} or its subfolders: "
            f"{', '.join(missing[:5])}. A stimulus is found by its file's name without the suffix. Add the "
            "images, or leave `stimuli` out."
        )
    files = [found[name] for name in wanted]
    return StimulusSet(pd.DataFrame({"stimulus_id": wanted, "file": files}), folder)


def _by_stem(folder: Path, wanted: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            # macOS puts "._name.jpg" beside files on foreign disks; they are no images.
            if name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES or path.stem not in wanted:
                continue
            file = path.relative_to(folder).as_posix()
            other = found.setdefault(path.stem, file)
            if other != file:
                raise InputError(
                    f"{folder} holds two images of the stimulus {path.stem!r}, {other} and {file}; keep one."
                )
    return found
