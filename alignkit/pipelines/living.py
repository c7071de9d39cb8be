"""Channels that can be compared with something at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._core.errors import InputError
from ..datasets import Dataset
from ..recordings.study import Study


def living(dataset: Dataset) -> Dataset:
    """Leave out channels that never change, and say so: they have no correlation with anything.

    Raises
    ------
    InputError
        If a subject has no other channels.
    """
    if dataset.study is None:
        return dataset
    kept, notes = [], []
    for recording in dataset.study.values():
        spread = np.ptp(np.asarray(recording.data[...]), axis=0)
        alive = spread.reshape(recording.n_channels, -1).any(axis=1)
        if not alive.any():
            raise InputError(f"all {recording.n_channels} channels of {recording.subject!r} are constant.")
        if not alive.all():
            dead = f"{int((~alive).sum())} of {recording.n_channels} channels"
            notes.append(f"{recording.subject}: {dead} never change and are left out.")
            recording = recording.select(channels=alive)
        kept.append(recording)
    return replace(dataset, study=Study.of(*kept), notes=(*dataset.notes, *notes)) if notes else dataset
