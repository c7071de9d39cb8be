"""Channels in one order: what a network learns for the channel in a column must be of that channel."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..._core.errors import InputError
from ...recordings.recording import Recording
from ...recordings.study import Study
from ..trials import Trials

logger = logging.getLogger(__name__)
Names = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Reordered:
    """An array on disk whose channels are put in another order where rows of it are read."""

    source: Any
    order: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.source.shape)

    @property
    def dtype(self) -> Any:
        return self.source.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        # What has no chunks is read row by row, which a chunk of one row amounts to.
        return tuple(getattr(self.source, "chunks", (1,)))

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        return np.asarray(self.source[rows])[:, self.order]


def takes_own_channels(network: nn.Module) -> bool:
    """Whether each subject may have channels of its own, as a network's attribute `own_channels` says."""
    return bool(getattr(network, "own_channels", False))


def names_of(recording: Recording) -> Names:
    """Return the names of a recording's channels."""
    return tuple(recording.channels["name"])


def channels_of(trials: Trials) -> dict[str, Names]:
    """Return the names of each subject's channels."""
    return {name: names_of(recording) for name, recording in trials.study.items()}


def in_one_order(training: Trials) -> tuple[Trials, tuple[str, ...]]:
    """Return trials with all subjects' channels in the order of the first, and what was done.

    Raises
    ------
    InputError
        If a subject has other channels than the first; the message names them.
    """
    first, *others = training.subjects
    wanted = names_of(training.study[first])
    for subject in others:
        own = names_of(training.study[subject])
        if set(own) != set(wanted):
            raise InputError(
                f"this network has weights for each channel, which all subjects share, but {subject!r} and "
                f"{first!r} differ in their channels: {_differences(own, wanted, first)}. Keep the channels "
                "that all have (interpolate what is missing), fit each subject alone, or take a network for "
                "subjects with channels of their own: brain-conv with spatial attention, residual-mlp, or "
                "one that says so with `own_channels = True`."
            )
    return ordered(training, dict.fromkeys(training.subjects, wanted))


def ordered(trials: Trials, wanted: Mapping[str, Names]) -> tuple[Trials, tuple[str, ...]]:
    """Return trials with each subject's channels in an order, and what was done.

    Subjects that are not in `wanted`, and those with other channels, are left as they are.
    """
    recordings, notes = [], []
    for subject, recording in trials.study.items():
        names = names_of(recording)
        order = wanted.get(subject, names)
        if names != order and set(names) == set(order):
            recording = _in_order(recording, order)
            notes.append(
                f"the channels of {subject!r} ({', '.join(names[:3])}, ...) were put in the order "
                f"{', '.join(order[:3])}, ..., by name"
            )
        recordings.append(recording)
    for note in notes:
        logger.info("%s", note)
    return (replace(trials, study=Study.of(*recordings)) if notes else trials), tuple(notes)


def check_channels(recording: Recording, wanted: Names) -> None:
    """Refuse a recording that has not the channels that were trained on, in whatever order."""
    names = names_of(recording)
    if set(names) != set(wanted):
        raise InputError(
            f"the channels of {recording.subject!r} are not those that the decoder was trained on: it has "
            f"{len(names)}, wanted are {len(wanted)}; {_differences(names, wanted, 'the decoder')}. "
            "Interpolate what is missing, and leave out what is new."
        )


def _in_order(recording: Recording, wanted: Names) -> Recording:
    place = {name: column for column, name in enumerate(names_of(recording))}
    order = np.array([place[name] for name in wanted], dtype=np.intp)
    data = recording.data
    return replace(
        recording,
        data=data[:, order] if isinstance(data, np.ndarray) else _Reordered(data, order),
        channels=recording.channels.iloc[order],
        geometry=None if recording.geometry is None else recording.geometry.select(order),
    )


def _differences(own: Names, wanted: Names, whose: str) -> str:
    """Say which names are on one side only."""
    parts = []
    for what, one, other in ((f"not in {whose}", own, wanted), (f"only in {whose}", wanted, own)):
        known = set(other)
        alone = [name for name in one if name not in known]
        if alone:
            more = ", ..." if len(alone) > 5 else ""
            parts.append(f"{what}: {', '.join(alone[:5])}{more}")
    return "; ".join(parts)
