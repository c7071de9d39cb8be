"""Bringing responses and media together by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from .._core.errors import InputError
from ..recordings.stimuli import StimulusSet


def match_stimuli(folder: str | Path, stimulus_ids: Sequence[str]) -> tuple[StimulusSet, tuple[str, ...]]:
    """Return the images of `stimulus_ids`, one each, and a note where the folder holds more.

    Parameters
    ----------
    folder : str or Path
        Images; an image's id is its file's stem.
    stimulus_ids : sequence of str
        The stimuli that were responded to; repetitions are fine.

    Raises
    ------
    InputError
        Naming the stimuli without an image.
    """
    present = StimulusSet.from_folder(folder)
    wanted = list(dict.fromkeys(stimulus_ids))
    known = set(present.stimulus_ids)
    missing = [name for name in wanted if name not in known]
    if missing:
        with_suffix = any(Path(name).stem in known for name in missing)
        hint = (
            "A `stimulus_id` is the file's name without its suffix."
            if with_suffix
            else "Add the images, or drop their responses."
        )
        raise InputError(
            f"{len(missing)} of {len(wanted)} stimuli with responses have no image in {folder}: "
            f"{_some(missing)}. The folder holds {_some(present.stimulus_ids)}. {hint}"
        )
    extra = [name for name in present.stimulus_ids if name not in set(wanted)]
    notes = (f"{len(extra)} images without a response were left out: {_some(extra)}.",) if extra else ()
    return present.select(wanted), notes


def add_labels(stimuli: StimulusSet, labels: pd.DataFrame | None) -> StimulusSet:
    """Return the stimuli with label columns joined by id."""
    if labels is None:
        return stimuli
    return replace(stimuli, table=stimuli.table.merge(labels, on="stimulus_id", how="left"))


def check_conditions(conditions: str | None, samples: pd.DataFrame) -> str | None:
    """Return `conditions` when it is None or a column of the samples."""
    if conditions is not None and conditions not in samples:
        columns = ", ".join(map(str, samples.columns))
        raise InputError(f"`conditions` is {conditions!r}, the samples have the columns {columns}.")
    return conditions


def _some(names: Sequence[str], count: int = 5) -> str:
    shown = ", ".join(map(str, names[:count]))
    return shown + (f" and {len(names) - count} more" if len(names) > count else "")
