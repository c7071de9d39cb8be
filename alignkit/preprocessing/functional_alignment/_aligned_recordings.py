"""Recordings whose channels are those of a common space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...recordings.recording import Recording
from ...recordings.study import Study
from ...stats.folds import Fold
from ._fold_maps import Alignment, SubjectMap

Floats = NDArray[np.float64]


def held_out_study(
    common: Study,
    rows: Mapping[str, Floats],
    parts: Sequence[Fold],
    maps: Sequence[Mapping[str, SubjectMap]],
    how: Alignment,
    notes: tuple[str, ...],
) -> Study:
    """Return every sample as the maps of the fold that held it out make it."""
    fold_of = np.empty(len(next(iter(rows.values()))), dtype=np.intp)
    for number, (_, test) in enumerate(parts):
        fold_of[test] = number
    about = (*notes, *_notes(how, len(parts)))
    recordings = []
    for subject, recording in common.items():
        width = maps[0][subject].weights.shape[1]
        data = np.empty((recording.n_samples, width, *recording.data.shape[2:]), dtype=np.float32)
        for (_, test), fitted in zip(parts, maps, strict=True):
            data[test] = cube(fitted[subject].apply(flat(rows[subject][test])), data.shape[2:])
        space = _template(data, recording, how) if how.reference is None else common[how.reference]
        samples = recording.samples.assign(fold=fold_of)
        recordings.append(in_space(recording, data, space, samples, about))
    return Study.of(*recordings)


def _notes(how: Alignment, n_folds: int) -> tuple[str, ...]:
    place = "a template" if how.reference is None else f"the channels of {how.reference}"
    notes = [
        f"Subjects were aligned to {place} by {how.method}; every sample by maps fitted on the other "
        f"folds of {n_folds}.",
        "Do not divide these samples into training and test parts: maps of other folds have seen the samples "
        "of each. `StudyAlignment.fold` gives both parts by the maps of one fold.",
    ]
    if how.reference is None:
        notes.append(
            "Each fold has a common space of its own (column `fold`): compare subjects within folds, and do "
            "not average samples of several."
        )
    return tuple(notes)


def _template(data: NDArray[np.float32], recording: Recording, how: Alignment) -> Recording:
    kind = "shared feature" if how.method == "srm" else "template dimension"
    digits = len(str(data.shape[1]))
    names = [f"{kind.split()[-1]}{number + 1:0{digits}d}" for number in range(data.shape[1])]
    channels = pd.DataFrame({"name": names, "kind": kind, "unit": "arbitrary"})
    return replace(recording, data=data, channels=channels, geometry=None, unit="arbitrary")


def in_space(
    recording: Recording,
    data: NDArray[np.float32],
    space: Recording,
    samples: pd.DataFrame,
    notes: tuple[str, ...],
) -> Recording:
    """Return a subject's recording with the channels of another."""
    return replace(
        recording,
        data=data,
        samples=samples,
        channels=space.channels,
        geometry=space.geometry,
        unit=space.unit,
        notes=(*recording.notes, *notes),
    )


def flat(data: Floats) -> Floats:
    """Return (n_samples, n_channels, n_times) as (n_samples * n_times, n_channels)."""
    return data if data.ndim == 2 else np.moveaxis(data, 2, 1).reshape(-1, data.shape[1])


def cube(flat: Floats, times: tuple[int, ...]) -> NDArray[np.float32]:
    """Undo :func:`flat`."""
    values = flat if not times else np.moveaxis(flat.reshape(-1, *times, flat.shape[1]), 1, 2)
    return values.astype(np.float32)
