"""Tables of events, checked against the recording that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError

if TYPE_CHECKING:
    import mne

_NAMES = ("stimulus_id", "trial_type", "event", "description")
_ONSETS = ("onset_s", "onset")
_DURATIONS = ("duration_s", "duration")


def event_table(
    events: pd.DataFrame, *, event_column: str | None = None, where: str = "the recording"
) -> pd.DataFrame:
    """Return the events in order of their onsets: `onset_s`, `duration_s` where known, `event`, the rest.

    Parameters
    ----------
    events : DataFrame
        With `onset_s` or `onset`, in seconds from the recording's first sample.
    event_column : str, optional
        Column that names the events; by default the first of `stimulus_id`, `trial_type`, `event` and
        `description` that is there.
    where : str
        How messages call the recording.

    Raises
    ------
    InputError
        If a column is missing, there is no event, an onset is no time, or an event has no name.
    """
    columns = ", ".join(map(str, events.columns)) or "none"
    onset = next((name for name in _ONSETS if name in events), None)
    if onset is None:
        raise InputError(f"the events of {where} need a column 'onset_s' or 'onset', they have {columns}.")
    name = event_column or next((name for name in _NAMES if name in events), None)
    if name is None or name not in events:
        wanted = repr(event_column) if event_column else " or ".join(map(repr, _NAMES))
        raise InputError(f"the events of {where} need a column {wanted}, they have {columns}.")
    if not len(events):
        raise InputError(f"the table of events of {where} has no row.")
    onsets = pd.to_numeric(events[onset], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(onsets).all():
        row = int((~np.isfinite(onsets)).argmax())
        raise InputError(
            f"the onset of event {row} of {where} is {events[onset].iloc[row]!r}; a time in seconds "
            "is wanted."
        )
    names = events[name]
    lost = names.isna() | (names.astype(str).str.strip() == "")
    if lost.any():
        row = int(lost.to_numpy().argmax())
        raise InputError(
            f"event {row} of {where}, at {onsets[row]:g} s, has no {name!r}; drop it or name it."
        )
    table = pd.DataFrame({"onset_s": onsets})
    duration = next((column for column in _DURATIONS if column in events), None)
    if duration is not None:
        table["duration_s"] = pd.to_numeric(events[duration], errors="coerce").to_numpy(dtype=np.float64)
    for column in events.columns:
        if column not in (*_ONSETS, *_DURATIONS):
            table[str(column)] = events[column].to_numpy()
    table["event"] = [str(value) for value in names]
    return table.sort_values("onset_s", kind="stable").reset_index(drop=True)


def event_samples(
    raw: mne.io.BaseRaw, table: pd.DataFrame, *, where: str = "the recording"
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return MNE's array of events and the code of each name.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        The recording.
    table : DataFrame
        Of :func:`event_table`.
    where : str
        How messages call the recording.

    Returns
    -------
    samples : ndarray of shape (n_events, 3)
        Sample numbers as MNE counts them (from `raw.first_samp`), zeros, codes.
    codes : dict of str to int
        From 1, in the order of the names.

    Raises
    ------
    InputError
        If events lie outside the recording, or two fall on one sample.
    """
    rate = float(raw.info["sfreq"])
    onsets = table["onset_s"].to_numpy(dtype=np.float64)
    sample = np.round(onsets * rate).astype(np.int64)
    outside = (sample < 0) | (sample >= raw.n_times)
    if outside.any():
        first = int(outside.argmax())
        raise InputError(
            f"{int(outside.sum())} of {len(table)} events lie outside {where} of {raw.n_times / rate:g} s, "
            f"the first, {table['event'].iloc[first]!r}, at {onsets[first]:g} s. {_likely_shift(raw, onsets)}"
        )
    same = np.flatnonzero(np.diff(sample) == 0)
    if same.size:
        a, b = int(same[0]), int(same[0]) + 1
        raise InputError(
            f"{same.size} events of {where} fall on the sample of another, the first at {onsets[a]:g} s "
            f"({table['event'].iloc[a]!r} and {table['event'].iloc[b]!r}). Drop the duplicates, or the "
            "events that name no stimulus."
        )
    codes = {name: code for code, name in enumerate(sorted(set(table["event"])), start=1)}
    numbers = np.array([codes[name] for name in table["event"]], dtype=np.int64)
    return np.stack([sample + raw.first_samp, np.zeros_like(sample), numbers], axis=1), codes


def annotation_events(raw: mne.io.BaseRaw) -> pd.DataFrame:
    """Return the recording's annotations as events: `onset_s`, `duration_s`, `description`.

    Those that mark bad stretches, edges of joined files or boundaries of EEGLAB are left out.
    """
    found = [
        # The annotations of a recording count from its clock's zero, not from its first sample.
        (float(each["onset"]) - float(raw.first_time), float(each["duration"]), str(each["description"]))
        for each in raw.annotations
        if not str(each["description"]).upper().startswith(("BAD", "EDGE", "BOUNDARY", "NEW SEGMENT/"))
    ]
    return pd.DataFrame(found, columns=["onset_s", "duration_s", "description"])


def stim_channel_events(raw: mne.io.BaseRaw, *, where: str = "the recording") -> pd.DataFrame:
    """Return the onsets on the recording's stimulus channel: `onset_s`, `description` (the code as text).

    Raises
    ------
    InputError
        If it has none, or none holds an event.
    """
    import mne

    channels = [raw.ch_names[i] for i in mne.pick_types(raw.info, meg=False, stim=True)]
    if not channels:
        raise InputError(f"{where} has no stimulus channel; give `events`.")
    found = mne.find_events(raw, shortest_event=1, verbose="error")
    if not len(found):
        raise InputError(f"the stimulus channel {channels[0]} of {where} holds no event; give `events`.")
    return pd.DataFrame(
        {
            "onset_s": (found[:, 0] - raw.first_samp) / float(raw.info["sfreq"]),
            "description": [str(code) for code in found[:, 2]],
        }
    )


def _likely_shift(raw: mne.io.BaseRaw, onsets: NDArray[np.float64]) -> str:
    """Say what would bring all events into the recording."""
    rate = float(raw.info["sfreq"])
    lasts = raw.n_times / rate

    def fits(times: NDArray[np.float64]) -> bool:
        return bool((times > -0.5 / rate).all() and (times < lasts).all())

    if raw.first_time and fits(onsets - raw.first_time):
        return (
            f"They fit {raw.first_time:g} s earlier, the clock's time of the first sample: subtract it, "
            "since onsets count from the first sample."
        )
    whole = bool((onsets == np.round(onsets)).all())
    if whole and fits(onsets / rate) and onsets.max() > rate:
        return f"They fit as sample numbers: divide them by {rate:g} Hz."
    if whole and fits(onsets / 1000) and onsets.max() > 1000:
        return "They fit as milliseconds: divide them by 1000."
    if onsets.max() - onsets.min() >= lasts:
        return f"They span {onsets.max() - onsets.min():g} s: they are of another recording, or it is cut."
    # The least shift that brings all of them in.
    shift = -onsets.min() if onsets.min() < 0 else lasts - 1 / rate - onsets.max()
    return f"They fit if all come at least {abs(shift):g} s {'later' if shift > 0 else 'earlier'}."
