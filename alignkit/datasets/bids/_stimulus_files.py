"""The media that a BIDS data set's events name, as a stimulus set."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ...recordings.stimuli import IMAGE_SUFFIXES, StimulusSet
from .._stimuli import match_stimuli
from ._run_events import NOT_AVAILABLE

Kind = Literal["image", "audio", "video"]
_KINDS: dict[Kind, tuple[str, ...]] = {
    "image": IMAGE_SUFFIXES,
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a"),
    "video": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg"),
}


def find_stimuli(
    folder: Path, stimuli: Path | None, samples: pd.DataFrame
) -> tuple[StimulusSet | None, tuple[str, ...]]:
    """Return the media of the samples, and what a reader should know where there are none.

    Parameters
    ----------
    folder : Path
        The data set.
    stimuli : Path or None
        Where the media are; by default ``stimuli`` in `folder`. What is missing there is noted; in a folder
        that was named it is an error.
    samples : DataFrame
        With `stimulus_id`, and `stim_file` where the events name files (relative to the media's folder).

    Raises
    ------
    MissingDataError
        If the named folder, or a medium in it, is not there.
    InputError
        If one file belongs to several ids, or files are of several kinds.
    """
    place = folder / "stimuli" if stimuli is None else Path(stimuli)
    if not place.is_dir():
        if stimuli is not None:
            raise MissingDataError(f"the folder of stimuli {place} does not exist; check `stimuli`.")
        return None, ()
    try:
        return _matched(place, samples)
    except InputError as error:
        if stimuli is not None:
            raise
        return None, (f"No stimuli were taken from {place.name}: {error}",)


def _matched(place: Path, samples: pd.DataFrame) -> tuple[StimulusSet, tuple[str, ...]]:
    named = samples.drop_duplicates("stimulus_id")
    column = _file_column(named)
    if column is None:
        return match_stimuli(place, list(samples["stimulus_id"]))
    files = [_in_folder(str(file), place) for file in named[column]]
    shared = sorted({file for file in files if files.count(file) > 1}) if len(set(files)) < len(files) else []
    if shared:
        raise InputError(f"the file {shared[0]!r} belongs to several stimulus ids; give each its own.")
    absent = [file for file in files if not (place / file).is_file()]
    if absent:
        raise MissingDataError(
            f"{len(absent)} of {len(files)} stimuli with responses have no file in {place}: "
            f"{', '.join(absent[:5])}. Add or fetch them, or drop their events."
        )
    table = pd.DataFrame({"stimulus_id": named["stimulus_id"].to_list(), "file": files})
    return StimulusSet(table, place, kind=_kind(files)), ()


def _file_column(named: pd.DataFrame) -> str | None:
    """Return the column that names files: `stim_file`, or ids that are files themselves."""
    if "stim_file" in named and not named["stim_file"].isin(NOT_AVAILABLE).any():
        return "stim_file"
    known = tuple(suffix for suffixes in _KINDS.values() for suffix in suffixes)
    is_file = named["stimulus_id"].astype(str).str.lower().str.endswith(known)
    return "stimulus_id" if is_file.all() else None


def _in_folder(file: str, place: Path) -> str:
    """Return a path relative to the media's folder; some data sets write it from their root."""
    first, _, rest = file.partition("/")
    return rest if first == "stimuli" and rest and not (place / file).is_file() else file


def _kind(files: list[str]) -> Kind:
    kinds: dict[Kind, str] = {}
    for file in files:
        suffix = PurePosixPath(file).suffix.lower()
        kind = next((kind for kind, suffixes in _KINDS.items() if suffix in suffixes), None)
        if kind is None:
            raise InputError(f"the stimulus file {file!r} is no image, sound or film by its suffix.")
        kinds.setdefault(kind, file)
    if len(kinds) > 1:
        raise InputError(
            f"the stimuli are of several kinds ({', '.join(f'{k}: {f}' for k, f in kinds.items())}); read "
            "them apart with `trial_types`."
        )
    return next(iter(kinds))
