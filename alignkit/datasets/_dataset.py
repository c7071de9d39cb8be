"""What every dataset hands over, and the registry of datasets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .._core.checks import check_unique, did_you_mean
from .._core.errors import InputError
from .._core.registry import Registry
from ..recordings.rdms import RDMs
from ..recordings.stimuli import StimulusSet
from ..recordings.study import Study
from ..recordings.tracks import Track


@dataclass(frozen=True, eq=False)
class Dataset:
    """Recordings (or dissimilarities) with what was shown, ready for a pipeline.

    Attributes
    ----------
    name : str
        The registry name.
    study : Study or None
        Recordings; None where only dissimilarities were published.
    rdms : RDMs or None
        Dissimilarities; None where there are recordings.
    stimuli : StimulusSet or None
        The media; None where they are not available.
    labels : DataFrame or None
        A row per stimulus: `stimulus_id` and label columns, each of which gives a category RDM.
    conditions : str or None
        Column of the samples whose value is decoded and compared where samples, not stimuli, carry the
        condition (block designs).
    groups : str or None
        Column of the samples that names near-duplicates, such as two versions of one picture: the samples
        of a group never stand on both sides of a fold.
    truth : DataFrame or None
        Of simulated data: a row per region with `roi`, `model`, `layer`.
    tracks : tuple of Track
        Of a continuous stimulus: feature spaces with their times, on the clock of the samples' `onset_s`.
    files : tuple of Path
        Every file that was read.
    notes : tuple of str
        What a reader of a report should know, one sentence each.
    """

    name: str
    study: Study | None = None
    rdms: RDMs | None = None
    stimuli: StimulusSet | None = None
    labels: pd.DataFrame | None = None
    conditions: str | None = None
    groups: str | None = None
    truth: pd.DataFrame | None = None
    tracks: tuple[Track, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.study is None) == (self.rdms is None):
            raise InputError(f"the dataset {self.name!r} must hold either recordings or RDMs.")
        _refuse_copies(self.study)
        check_unique(f"tracks of the dataset {self.name!r}", [track.name for track in self.tracks])

    def __repr__(self) -> str:
        held = repr(self.study) if self.study is not None else repr(self.rdms)
        more = [f"{len(self.tracks)} track(s)"] if self.tracks else []
        more += [repr(self.stimuli)] if self.stimuli is not None else []
        if self.labels is not None:
            more.append("labels " + ", ".join(str(c) for c in self.labels.columns if c != "stimulus_id"))
        more.append(f"{len(self.files)} file(s), {len(self.notes)} note(s)")
        return f"Dataset({self.name}: {held}; {'; '.join(more)})"

    def track(self, name: str) -> Track:
        """Return the track of that name.

        Raises
        ------
        InputError
            If there is no such track.
        """
        for track in self.tracks:
            if track.name == name:
                return track
        known = [track.name for track in self.tracks]
        raise InputError(f"a track of the dataset {self.name!r} is {name!r}, {did_you_mean(name, known)}")

    @property
    def subjects(self) -> list[str]:
        """Names of the subjects."""
        if self.study is not None:
            return self.study.subjects
        return self.rdms.subjects if self.rdms is not None else []

    @property
    def rois(self) -> list[str]:
        """Names of the regions; ``["all"]`` where channels have none."""
        found = self.study.rois if self.study is not None else []
        if self.rdms is not None:
            found = self.rdms.rois
        return found or ["all"]


def _refuse_copies(study: Study | None) -> None:
    """Refuse two subjects with the same data: a file that was copied makes ceilings of one."""
    seen: dict[tuple[object, ...], list[str]] = {}
    for subject, recording in (study or {}).items():
        first = np.asarray(recording.data[0])
        alike = seen.setdefault((tuple(recording.data.shape), first.tobytes()), [])
        for other in alike:
            assert study is not None  # it has subjects
            if np.array_equal(np.asarray(study[other].data[...]), np.asarray(recording.data[...])):
                raise InputError(
                    f"the subjects {other!r} and {subject!r} have the same data, to the last bit: one is a "
                    "copy of the other. Leave one out, or find the right file."
                )
        alike.append(subject)


DATASETS: Registry[Callable[..., Dataset]] = Registry("datasets")
