"""Whether events and recording fit each other: inside it, on its clock, and evenly spaced or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .report import Check, Findings, Histogram, Table, Timeline

Floats = NDArray[np.float64]
INSIDE = "events lie inside the recording"
TIMING = "repetition times agree"
TWICE = "no event stands twice"
APART = "different stimuli begin at different times"
_STIMULI = ("stimulus_id", "stim_file")
_MOST_SHARED = 0.5
# Between these, a common step of all onsets may be a repetition time that nobody wrote down.
_LEAST_STEP_S, _LARGEST_STEP_S = 0.4, 5.0
_ROUNDING_S = 2e-3
_MOST_NAMES = 12
_COLUMNS = ("run", "events", "median interval (s)", "jitter (SD, s)", "least interval (s)")


@dataclass(frozen=True)
class EventTimes:
    """Events of one run: `name`, `onset_s` and `duration_s` (NaN where unknown), sorted by onset.

    `column` is the column of a table of events that names them, empty where they come from no table.
    """

    table: pd.DataFrame
    column: str = ""

    @property
    def onsets_s(self) -> Floats:
        """Onsets in seconds from the run's begin."""
        return self.table["onset_s"].to_numpy(dtype=np.float64)

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def of(
        cls, names: Sequence[str], onsets_s: Sequence[float], durations_s: Sequence[float] | None = None
    ) -> EventTimes:
        """Build from columns."""
        durations = np.full(len(onsets_s), np.nan) if durations_s is None else durations_s
        table = pd.DataFrame(
            {"name": [str(name) for name in names], "onset_s": onsets_s, "duration_s": durations}
        )
        return cls(table.sort_values("onset_s", kind="stable").reset_index(drop=True))


def check_inside(events: EventTimes, length_s: float, where: str) -> Check:
    """Check that every event begins inside the recording.

    Parameters
    ----------
    events : EventTimes
        Of the run.
    length_s : float
        Of the run, in seconds.
    where : str
        The run's name.
    """
    onsets = events.onsets_s
    outside = (onsets < 0) | (onsets >= length_s)
    if not outside.any():
        last = f", the last at {onsets.max():g} s" if len(onsets) else ""
        return Check(INSIDE, where, "pass", f"{len(onsets)} events in {length_s:g} s{last}.")
    first = int(outside.argmax())
    return Check(
        INSIDE,
        where,
        "warn",
        f"{int(outside.sum())} of {len(onsets)} events lie outside the recording of {length_s:g} s; the "
        f"first is {events.table['name'].iloc[first]!r} at {onsets[first]:g} s.",
    )


def check_twice(events: EventTimes, where: str) -> Check:
    """Check that no event of one name begins twice at one time."""
    twice = events.table.duplicated(["name", "onset_s"])
    if not twice.any():
        return Check(TWICE, where, "pass", f"{len(events)} events, all different.")
    row = events.table[twice].iloc[0]
    shown = f"{row['name']!r} at {row['onset_s']:g} s"
    return Check(TWICE, where, "warn", f"{int(twice.sum())} events are there twice, such as {shown}.")


def check_apart(events: EventTimes, where: str) -> Check:
    """Check that no two stimuli begin at one time, and not all events do.

    What a column of stimuli names can only be shown one at a time. Other names (conditions, annotations) may
    describe one event together: there, more than half of the events have to share their onsets.

    Parameters
    ----------
    events : EventTimes
        Of the run.
    where : str
        The run's name.
    """
    table = events.table.drop_duplicates(["name", "onset_s"])
    shared = table.duplicated("onset_s", keep=False).to_numpy()
    n_onsets = int(table["onset_s"].nunique())
    if len(events) > 1 and n_onsets == 1:
        detail = f"All {len(events)} events begin at {table['onset_s'].iloc[0]:g} s."
        return Check(APART, where, "warn", detail)
    least = 0.0 if events.column in _STIMULI else _MOST_SHARED
    if not shared.any() or shared.mean() <= least:
        return Check(APART, where, "pass", f"{len(events)} events at {n_onsets} times.")
    onset = table["onset_s"].to_numpy()[int(shared.argmax())]
    names = table.loc[table["onset_s"] == onset, "name"].tolist()
    detail = (
        f"{int(shared.sum())} of {len(table)} events begin when one of another name does, such as "
        f"{names[0]!r} and {names[1]!r} at {onset:g} s."
    )
    return Check(APART, where, "warn", detail)


def check_repetition_time(
    *, header_s: float | None, sidecar_s: float | None, events: EventTimes | None, n_volumes: int, where: str
) -> Check:
    """Check that header, sidecar and events tell of one repetition time.

    Events disagree when they begin after the last volume but would not with a longer repetition time, or when
    all onsets are multiples of a step that is neither a multiple nor a part of it (as onsets are that were
    triggered by volumes), unless they are evenly spaced, which any design may be.

    Parameters
    ----------
    header_s, sidecar_s : float or None
        What is said, in seconds; None or 0 where nothing is.
    events : EventTimes or None
        Of the run.
    n_volumes : int
        Of the run.
    where : str
        The run's name.
    """
    said = {"the header": header_s, "the sidecar": sidecar_s}
    known = {name: value for name, value in said.items() if value}
    if not known:
        return Check(TIMING, where, "warn", "Neither header nor sidecar gives a repetition time.")
    values = list(known.values())
    if len(values) == 2 and abs(values[0] - values[1]) > 1e-3 * values[1]:
        return Check(
            TIMING, where, "warn", f"The header says {values[0]:g} s, the sidecar {values[1]:g} s."
        )  # fmt: skip
    tr_s = values[-1]
    step = None if events is None else common_step(events.onsets_s)
    late = events is not None and len(events) > 0 and float(events.onsets_s.max()) >= n_volumes * tr_s
    if step is not None and (late or not _are_commensurate(step, tr_s)):
        how = f"and {'some lie beyond the last volume' if late else 'unevenly spaced'}"
        return Check(
            TIMING,
            where,
            "warn",
            f"{' and '.join(known).capitalize()} give {tr_s:g} s, but all onsets are multiples of {step:g} "
            f"s, {how}: is that the repetition time?",
        )
    if late and events is not None:
        need = float(events.onsets_s.max()) / n_volumes
        end_s = n_volumes * tr_s
        detail = f"The run ends at {end_s:g} s, before its last event; {need:.3g} s a volume would hold it."
        return Check(TIMING, where, "warn", detail)
    return Check(TIMING, where, "pass", f"{tr_s:g} s by {' and '.join(known)}.")


def common_step(onsets_s: Floats) -> float | None:
    """Return the largest step of which all onsets are multiples, if it could be a repetition time.

    Parameters
    ----------
    onsets_s : ndarray of shape (n_events,)
        In seconds.

    Returns
    -------
    step_s : float or None
        None with fewer than 4 onsets, for even spacing, and for steps below 0.4 s or above 5 s.

    Examples
    --------
    >>> common_step(np.array([0.0, 5.0, 12.5, 17.5, 27.5]))
    2.5
    >>> common_step(np.array([0.0, 3.0, 6.0, 9.0])) is None
    True
    """
    onsets = np.unique(onsets_s[np.isfinite(onsets_s)])
    intervals = np.diff(onsets)
    if len(onsets) < 4 or np.ptp(intervals) <= _ROUNDING_S:
        return None
    step = 0.0
    for onset in onsets:
        step = _common(step, float(onset))
        if 0 < step < _LEAST_STEP_S:
            return None
    return round(step, 3) if _LEAST_STEP_S <= step <= _LARGEST_STEP_S else None


def event_figures(events: EventTimes, length_s: float, where: str) -> Findings:
    """Return a timeline of the events, and the spread of the intervals between them (their jitter)."""
    by_name = {
        str(name): (
            part["onset_s"].to_numpy(dtype=np.float64),
            np.nan_to_num(part["duration_s"].to_numpy(dtype=np.float64)),
        )
        for name, part in events.table.groupby("name", sort=True)
    }
    if len(by_name) > _MOST_NAMES:
        everything = events.table["duration_s"].to_numpy(dtype=np.float64)
        by_name = {f"{len(by_name)} names": (events.onsets_s, np.nan_to_num(everything))}
    figures: list[Timeline | Histogram] = [Timeline("Events", where, length_s, by_name)]
    intervals = np.diff(events.onsets_s)
    if len(intervals) > 2:
        figures.append(
            Histogram(
                "Time between events", where, "seconds from one onset to the next", intervals,
                float(np.median(intervals)),
            )
        )  # fmt: skip
    if not len(intervals):
        return Findings(figures=tuple(figures))
    row = (where, len(events), float(np.median(intervals)), float(intervals.std()), float(intervals.min()))
    return Findings(tables=(Table("Event timing", _COLUMNS, (row,)),), figures=tuple(figures))


def _are_commensurate(step: float, tr_s: float) -> bool:
    """Tell whether one is a multiple of the other, or of half the other (slices in two turns)."""
    ratio = max(step, tr_s) / min(step, tr_s)
    return abs(ratio - round(ratio)) < 1e-2 or (step > tr_s and abs(2 * ratio - round(2 * ratio)) < 1e-2)


def _common(a: float, b: float) -> float:
    while b > _ROUNDING_S:
        a, b = b, a % b
        # What is left of a division that came out even may be a hair below the divisor.
        if abs(b - a) <= _ROUNDING_S:
            b = 0.0
    return a
