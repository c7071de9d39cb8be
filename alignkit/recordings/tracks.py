"""One feature space of a continuous stimulus: a story's words, a film's frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.atomic import atomic_folder
from .._core.checks import check_array, check_unique, did_you_mean
from .._core.errors import InputError
from .._core.hashing import digest_array, digest_json
from ._storage import open_array, read_facts, read_table, write_array, write_facts, write_table


@dataclass(frozen=True, eq=False)
class Track:
    """Values of one feature space at the events of a continuous stimulus.

    Events are words, phonemes or frames, each with its time on the clock of the recording's `onset_s`.
    They may overlap and may leave gaps.

    Attributes
    ----------
    name : str
        How reports call the space.
    values : ndarray of shape (n_events, n_units)
        float32 or float64, without NaN.
    onset_s, offset_s : ndarray of shape (n_events,)
        Start and end of each event, in seconds; onsets never fall, an end is not before its start.
    units : tuple of str, length n_units
        Names of the units, unique; by default the track's name, or ``u0``, ``u1`` and so on.
    labels : tuple of str, length n_events, or None
        What each event is, such as the word.
    is_response : bool
        Whether the values are predicted responses already (convolved with a haemodynamic response, one
        row per sample): they are neither convolved nor delayed again.
    facts : mapping
        How the values were made; JSON values.

    Raises
    ------
    InputError
        If lengths differ, times are not finite or in order, an end is before its start, values are no
        finite matrix, or names repeat.

    Examples
    --------
    >>> import numpy as np
    >>> track = Track("word-rate", np.ones((2, 1)), [20.1, 20.6], [20.6, 20.8], labels=("Alice", "was"))
    >>> track
    Track(word-rate: 2 events from 20.1 to 20.8 s, 1 unit)
    >>> track.midpoint_s.round(2).tolist()
    [20.35, 20.7]
    """

    name: str
    values: NDArray[np.floating[Any]]
    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    units: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    is_response: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"a track needs a name, got {self.name!r}.")
        values = check_array(f"values of the track {self.name!r}", self.values, ndim=2)
        if values.shape[1] == 0:
            raise InputError(f"the track {self.name!r} has no units: its values have shape {values.shape}.")
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float64)
        object.__setattr__(self, "values", values)
        self._set_times(len(values))
        self._set_names(*values.shape)
        object.__setattr__(self, "facts", dict(self.facts))

    def _set_times(self, n_events: int) -> None:
        for name in ("onset_s", "offset_s"):
            where = f"{name} of the track {self.name!r}"
            times = check_array(where, getattr(self, name), ndim=1, dtype=np.float64)
            if len(times) != n_events:
                raise InputError(f"`{where}` has {len(times)} entries, but there are {n_events} events.")
            object.__setattr__(self, name, times)
        falls = np.flatnonzero(np.diff(self.onset_s) < 0)
        if falls.size:
            event = int(falls[0]) + 1
            raise InputError(
                f"the events of the track {self.name!r} must be in order of their onsets, but event {event} "
                f"starts at {self.onset_s[event]:g} s, after one at {self.onset_s[event - 1]:g} s. Sort them."
            )
        ends_early = np.flatnonzero(self.offset_s < self.onset_s)
        if ends_early.size:
            event = int(ends_early[0])
            raise InputError(
                f"event {event} of the track {self.name!r} ends at {self.offset_s[event]:g} s, before it "
                f"starts at {self.onset_s[event]:g} s."
            )

    def _set_names(self, n_events: int, n_units: int) -> None:
        default = (self.name,) if n_units == 1 else tuple(f"u{unit}" for unit in range(n_units))
        units = tuple(str(unit) for unit in self.units) or default
        if len(units) != n_units:
            raise InputError(f"the track {self.name!r} has {n_units} units but {len(units)} names of units.")
        check_unique(f"units of the track {self.name!r}", units)
        object.__setattr__(self, "units", units)
        if self.labels is None:
            return
        labels = tuple(str(label) for label in self.labels)
        if len(labels) != n_events:
            raise InputError(f"the track {self.name!r} has {n_events} events but {len(labels)} labels.")
        object.__setattr__(self, "labels", labels)

    @property
    def n_events(self) -> int:
        """Number of events."""
        return int(self.values.shape[0])

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.values.shape[1])

    @property
    def midpoint_s(self) -> NDArray[np.float64]:
        """Middle of each event, in seconds."""
        return (self.onset_s + self.offset_s) / 2

    @cached_property
    def digest(self) -> str:
        """Digest of the name, the values, the times, the names and the facts."""
        arrays = [digest_array(array) for array in (self.values, self.onset_s, self.offset_s)]
        names = [self.name, list(self.units), None if self.labels is None else list(self.labels)]
        return digest_json([*arrays, *names, self.is_response, dict(self.facts)])

    def unit(self, name: str) -> NDArray[np.floating[Any]]:
        """Return the values of one unit, of shape (n_events,).

        Raises
        ------
        InputError
            If there is no such unit.
        """
        if name not in self.units:
            raise InputError(
                f"a unit of the track {self.name!r} is {name!r}, {did_you_mean(name, self.units)}"
            )
        return self.values[:, self.units.index(name)]

    def save(self, folder: str | Path) -> None:
        """Write to a folder (zarr, parquet, JSON), whole or not at all."""
        events = pd.DataFrame({"onset_s": self.onset_s, "offset_s": self.offset_s})
        if self.labels is not None:
            events["label"] = list(self.labels)
        with atomic_folder(folder) as temporary:
            write_array(temporary / "values.zarr", self.values)
            write_table(temporary / "events.parquet", events)
            write_facts(
                temporary,
                "Track",
                {
                    "name": self.name,
                    "units": list(self.units),
                    "is_response": self.is_response,
                    "facts": dict(self.facts),
                },
            )

    @classmethod
    def load(cls, folder: str | Path) -> Track:
        """Read what :meth:`save` wrote."""
        facts = read_facts(folder, "Track")
        folder = Path(folder)
        events = read_table(folder / "events.parquet")
        return cls(
            facts["name"],
            np.asarray(open_array(folder / "values.zarr")[...]),
            events["onset_s"].to_numpy(dtype=np.float64),
            events["offset_s"].to_numpy(dtype=np.float64),
            units=tuple(facts["units"]),
            labels=tuple(events["label"]) if "label" in events else None,
            is_response=facts["is_response"],
            facts=facts["facts"],
        )

    def __repr__(self) -> str:
        units = f"{self.n_units} unit" + "s" * (self.n_units > 1)
        start, stop = self.onset_s[0], self.offset_s.max()
        kind = ", a response already" if self.is_response else ""
        return f"Track({self.name}: {self.n_events} events from {start:g} to {stop:g} s, {units}{kind})"
