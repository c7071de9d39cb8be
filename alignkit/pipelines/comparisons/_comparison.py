"""What a comparison gets and hands back, and the registry of comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.registry import Registry
from ...datasets import Dataset
from ...recordings.recording import Recording
from ...recordings.scores import ChannelScores, Scores
from ..candidates import Candidate
from ..config import InferenceOptions
from ..continuous import TimeAxis
from ..plan import Plan
from ..store import Store


@dataclass(frozen=True, eq=False)
class Context:
    """What every comparison of a run shares.

    Attributes
    ----------
    dataset : Dataset
        Recordings or dissimilarities.
    rois : tuple of str
        Regions to compare in; ``"all"`` where channels have none.
    candidates : tuple of Candidate
        The models.
    inference : InferenceOptions
        Draws, permutations, confidence, correction.
    plan : Plan
        Seed, threads, device.
    store : Store
        Where finished tasks are kept.
    strict : bool
        Whether a leak stops the run.
    axis : TimeAxis or None
        Of a continuous recording: when its samples were taken.
    """

    dataset: Dataset
    rois: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    inference: InferenceOptions
    plan: Plan
    store: Store
    strict: bool = False
    axis: TimeAxis | None = None

    @cached_property
    def versions(self) -> dict[str, str]:
        """What each picture is a version of, by likeness."""
        stimuli = self.dataset.stimuli
        return (
            {} if stimuli is None else dict(zip(stimuli.stimulus_ids, stimuli.near_duplicates(), strict=True))
        )


@dataclass(frozen=True, eq=False)
class Picture:
    """A dissimilarity matrix to draw.

    Attributes
    ----------
    name, role, roi : str
        What it is; `role` is ``"brain"`` or ``"model"``.
    model : str
        Name of the model; empty for the brain.
    values : ndarray of shape (n_pairs,)
        Dissimilarities.
    stimulus_ids : tuple of str
        What its rows are.
    """

    name: str
    role: str
    roi: str
    values: NDArray[np.float64]
    stimulus_ids: tuple[str, ...]
    model: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a comparison found.

    Attributes
    ----------
    scores : Scores
        Per subject and over all, per layer and with the layer chosen.
    differences : DataFrame
        A row per pair of models: roi, metric, model_a, model_b, difference, se, p.
    channels : tuple of ChannelScores
        Channel-wise results, where there are any.
    pictures : tuple of Picture
        Matrices worth drawing.
    audit : tuple of (check, verdict, detail)
        What the leakage audit says.
    methods : tuple of str
        Paragraphs that say exactly what was computed.
    references : tuple of str
        What to cite for it.
    warnings : tuple of str
        What a reader should know.
    notes : mapping of str to str
        Per metric, what its value, its interval and its n are.
    chance : mapping of str to float
        Value of a metric under chance, where that is not 0.
    without_zero : tuple of str
        Metrics whose 0 does not mean "no relation".
    """

    scores: Scores
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    channels: tuple[ChannelScores, ...] = ()
    pictures: tuple[Picture, ...] = ()
    audit: tuple[tuple[str, str, str], ...] = ()
    methods: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    without_zero: tuple[str, ...] = ()


# Facts: `summary`, `needs`, `paper`, and in `named_by` the options that the names of its scores hold.
COMPARISONS: Registry[Callable[..., Outcome]] = Registry("comparisons")


def write_part(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a task's result as plain arrays, without anything that would have to be pickled."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise TypeError(f"the array {name!r} holds Python objects")
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a task's result."""
    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def near_duplicates(context: Context, recording: Recording, stimulus_ids: Sequence[str]) -> list[str] | None:
    """Return what each stimulus is a version of: as the dataset says, or by the pictures' likeness."""
    column = context.dataset.groups
    if column is None:
        if context.dataset.stimuli is None:
            return None
        versions = context.versions
        return [versions.get(name, name) for name in stimulus_ids]
    average = recording.average_repetitions().align(stimulus_ids)
    return [str(value) for value in average.samples[column]]


def region_of(recording: Recording, roi: str) -> Recording:
    """Return the channels of a region; ``"all"`` names every channel of a recording without regions."""
    if len(recording.data.shape) == 3:
        raise InputError(
            f"the recording of {recording.subject!r} has times ({recording.data.shape[2]}); comparisons take "
            "one value per channel: give a window to average, such as `window_s: [0.08, 0.12]`, or many, "
            "such as `windows: {width_s: 0.04}`."
        )
    return recording if roi == "all" and not recording.rois else recording.select(roi=roi)
