"""Trials of one subject as rows, channels x times side by side, as they were fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.recording import Recording
from .._reading import read_rows
from ..trials import Trials

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Map = TypeVar("Map")

_TOLERANCE_S = 1e-6  # a bound that was rounded to milliseconds still takes its own sample


@dataclass(frozen=True, eq=False)
class FlatTrials:
    """How trials of one subject become rows.

    Attributes
    ----------
    channels : tuple of str
        Names, in order.
    times_s : tuple of float or None
        All times of a trial; None without times.
    window_s : (float, float) or None
        The part of them that is taken, both ends included.
    """

    channels: tuple[str, ...]
    times_s: tuple[float, ...] | None
    window_s: tuple[float, float] | None

    @classmethod
    def of(cls, recording: Recording, window_s: Sequence[float] | None) -> Self:
        """Return how trials of a recording become rows; refuses a window that has no time of it."""
        times = None if recording.times_s is None else tuple(float(time) for time in recording.times_s)
        if window_s is None:
            return cls(_names(recording), times, None)
        if len(window_s) != 2 or not window_s[0] <= window_s[1]:
            raise InputError(f"`window_s` must be a start and a stop in seconds, got {list(window_s)}.")
        start, stop = float(window_s[0]), float(window_s[1])
        if times is None:
            raise InputError(
                f"the recording of {recording.subject!r} has no times; leave `window_s` away, which is "
                f"{start:g} to {stop:g} s."
            )
        flat = cls(_names(recording), times, (start, stop))
        if not flat._kept().any():
            raise InputError(
                f"no time of {recording.subject!r} lies in `window_s`, {start:g} to {stop:g} s; it has "
                f"{times[0]:g} to {times[-1]:g} s."
            )
        return flat

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made of."""
        times, window = facts["times_s"], facts["window_s"]
        return cls(
            tuple(facts["channels"]),
            None if times is None else tuple(times),
            None if window is None else (window[0], window[1]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return names, times and window."""
        return {"channels": self.channels, "times_s": self.times_s, "window_s": self.window_s}

    @property
    def n_times(self) -> int:
        """Times of a row; 1 where trials have no times."""
        return 1 if self.times_s is None else int(self._kept().sum())

    def rows(self, recording: Recording, rows: Indices) -> Floats:
        """Return rows of a recording, shape (n_rows, n_channels * n_times); time varies fastest.

        Raises
        ------
        InputError
            If its channels or times are others, or a trial holds NaN.
        """
        self._check(recording)
        data = read_rows(recording, rows)
        if self.times_s is not None:
            data = data[..., self._kept()]
        return data.reshape(len(rows), -1).astype(np.float64)

    def _kept(self) -> NDArray[np.bool_]:
        times = np.array(self.times_s)
        if self.window_s is None:
            return np.ones(len(times), dtype=bool)
        first, last = self.window_s
        kept: NDArray[np.bool_] = (times >= first - _TOLERANCE_S) & (times <= last + _TOLERANCE_S)
        return kept

    def _check(self, recording: Recording) -> None:
        names = _names(recording)
        if names != self.channels:
            what = "in another order" if sorted(names) == sorted(self.channels) else "others"
            raise InputError(
                f"the recording of {recording.subject!r} has {len(names)} channels, which are {what} than "
                f"the {len(self.channels)} that were fitted. Bring it to them, by name, with `fit_in`."
            )
        times = recording.times_s
        if not _same_times(times, self.times_s):
            has = "no times" if times is None else f"{len(times)} times"
            wanted = "none" if self.times_s is None else f"{len(self.times_s)}"
            raise InputError(
                f"the recording of {recording.subject!r} has {has}, but {wanted} were fitted, from other "
                "seconds. Bring it to them with `fit_in`."
            )


def flats_of(
    trials: Trials, window_s: Sequence[float] | None, subjects: Literal["separate", "joint"]
) -> list[dict[str, FlatTrials]]:
    """Return how trials of each subject become rows, those that share a map together.

    Raises
    ------
    InputError
        If subjects that share a map differ in channels or times.
    """
    flats = {name: FlatTrials.of(trials.study[name], window_s) for name, *_ in each_subject(trials)}
    if subjects == "separate":
        return [{name: flat} for name, flat in flats.items()]
    if len({(flat.channels, flat.times_s) for flat in flats.values()}) > 1:
        raise InputError(
            "`subjects` is 'joint', but subjects differ in their channels or times. Use 'separate', or "
            "bring them to the same with `fit_in`."
        )
    return [flats]


def map_of(maps: Mapping[str, Map], subject: str) -> Map:
    """Return the map of a subject, or refuse one that the decoder was not fitted on."""
    if subject not in maps:
        raise InputError(
            f"the decoder was not fitted on the subject {subject!r}, but on {', '.join(maps)}. Fit it with "
            "trials of that subject."
        )
    return maps[subject]


def each_subject(trials: Trials) -> Iterator[tuple[str, Recording, Indices, Indices]]:
    """Yield each subject that has trials: name, recording, places among the trials, rows of the recording."""
    names = trials.table["subject"].to_numpy()
    rows = trials.column("row")
    for subject, recording in trials.study.items():
        places = np.flatnonzero(names == subject)
        if len(places):
            yield subject, recording, places, rows[places]


def _same_times(times: NDArray[np.float64] | None, fitted: Sequence[float] | None) -> bool:
    if times is None or fitted is None:
        return times is None and fitted is None
    return len(times) == len(fitted) and bool(np.allclose(times, fitted, rtol=0.0, atol=1e-5))


def _names(recording: Recording) -> tuple[str, ...]:
    return tuple(str(name) for name in recording.channels["name"])
