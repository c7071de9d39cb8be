"""What a reader of the results should know about the runs: each fact once, with the runs that it is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._core.hashing import digest_array
from ...preprocessing.signals import cosine_drift
from ._event_checks import describe_shared_onsets, n_at_shared_onsets
from ._events import RunEvents


class RunNotes:
    """Notes of many runs, told run by run."""

    def __init__(self) -> None:
        self._once: list[str] = []
        self._confounds: dict[str, list[int | str]] = {}
        self._n_with_confounds = 0
        self._early: list[tuple[int | str, float, float]] = []
        self._series: dict[str, str] = {}
        self._n_together: list[int] = []

    def add_once(self, *sentences: str) -> None:
        """Add sentences that are not there yet."""
        self._once += [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._once]

    def add_confounds(self, run: int | str, facts: Sequence[str]) -> None:
        """Add facts about a run's confounds."""
        self._n_with_confounds += 1
        for fact in facts:
            self._confounds.setdefault(fact, []).append(run)

    def add_series(self, name: str, series: NDArray[np.float32]) -> None:
        """Compare a run with those before: two that are identical are one and its copy."""
        digest = digest_array(series)
        twin = self._series.setdefault(digest, name)
        if twin != name:
            self.add_once(
                f"The series of {twin} and {name} are identical in every number: one is a copy of the other, "
                "and scores across runs are too good. Leave one out."
            )

    def add_filter(self, n_volumes: int, *, tr_s: float, high_pass_hz: float | None) -> None:
        """Say where a run is too short for the high-pass to do anything."""
        if high_pass_hz is None or cosine_drift(n_volumes, tr_s=tr_s, high_pass_hz=high_pass_hz).shape[1]:
            return
        self.add_once(
            f"A run of {n_volumes * tr_s:g} s is too short for the high-pass of {high_pass_hz:g} Hz, which "
            "takes nothing out there."
        )

    def add_events(self, run: RunEvents, *, tr_s: float, delay_s: float) -> None:
        """Remember events that begin together, or leave half of a run empty, as a wrong repetition time."""
        if run.table is None or not len(run.table):
            return
        self._n_together.append(n_at_shared_onsets(run.table))
        last_s = float((run.table["onset_s"] + run.table["duration_s"]).max())
        lasts_s = (run.stop - run.start) * tr_s
        if last_s + max(delay_s, 0.0) < 0.5 * lasts_s:
            self._early.append((run.run, last_s, lasts_s))

    def sentences(self) -> list[str]:
        """Return all notes."""
        found = [*self._once, *describe_shared_onsets(self._n_together)]
        if self._early:
            run, last_s, lasts_s = self._early[0]
            others = f", and so in {len(self._early) - 1} more" if len(self._early) > 1 else ""
            found.append(
                f"The last event of run {run} ends at {last_s:g} s of {lasts_s:g} s{others}: check that the "
                "events are whole, and the repetition time."
            )
        for fact, runs in self._confounds.items():
            is_all = 2 < len(runs) == self._n_with_confounds
            named = f"all {len(runs)} runs" if is_all else f"run {', '.join(map(str, runs))}"
            found.append(f"Confounds of {named}: {fact}.")
        return found
