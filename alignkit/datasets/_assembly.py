"""Recordings of several subjects, what was shown and what is known of it, put together to a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..recordings.recording import Recording
from ..recordings.study import Study
from ._dataset import Dataset
from ._stimuli import add_labels, check_conditions, match_stimuli
from ._tables import label_table


def dataset_of(
    name: str,
    recordings: Sequence[Recording],
    *,
    files: Sequence[Path],
    stimuli: Path | None = None,
    beside: Path | None = None,
    conditions: str | None = None,
    leave_out: Sequence[str] = (),
    shown_apart: bool = True,
    notes: Sequence[str] = (),
) -> Dataset:
    """Join recordings with the images of their stimuli and the labels of their samples.

    Parameters
    ----------
    name : str
        The registry name.
    recordings : sequence of Recording
        One per subject.
    files : sequence of Path
        Every file that was read.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    beside : Path, optional
        Folder whose ``stimuli`` are taken by default, where they are there.
    conditions : str, optional
        Column of the samples that carries the condition.
    leave_out : sequence of str
        Columns of the samples that are no label of a stimulus.
    shown_apart : bool, default=True
        Whether samples are presentations of stimuli; time points have neither images nor labels.
    notes : sequence of str
        In front of those of the recordings.

    Raises
    ------
    InputError
        If a stimulus has no image, `conditions` is no column, or a subject comes twice.
    """
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    place = stimuli
    if place is None and beside is not None and (Path(beside) / "stimuli").is_dir():
        place = Path(beside) / "stimuli"
    images, about_images = None, tuple[str, ...]()
    if shown_apart and place is not None:
        images, about_images = match_stimuli(place, list(samples["stimulus_id"]))
    labels = label_table(samples, leave_out=leave_out) if shown_apart else None
    return Dataset(
        name=name,
        study=Study.of(*recordings),
        stimuli=None if images is None else add_labels(images, labels),
        labels=labels,
        conditions=check_conditions(conditions, samples),
        files=tuple(files),
        notes=(*about_images, *notes, *(note for recording in recordings for note in recording.notes)),
    )
