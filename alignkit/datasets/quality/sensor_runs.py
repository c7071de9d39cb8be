"""The quality of MEG, EEG, intracranial and fNIRS runs, one run at a time and never all of it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.meeg.bad_channels import data_channels
from ...preprocessing.meeg.events import annotation_events, stim_channel_events
from .._arrays import readable
from ._beside import read_event_times
from .copies import RunPrint
from .event_timing import EventTimes, check_apart, check_inside, check_twice, event_figures
from .report import Check, Findings, warn_if
from .run_by_run import EVENTS, READABLE, SIDECAR, look_at_each
from .sensor_amplitude import check_amplitude
from .sensor_channels import SCALES, Seen, listed, look_at_channels

if TYPE_CHECKING:
    import mne

FINITE = "every sample is a number"
PLACES = "sensors have positions"
EPOCHS = "epochs are usable"
_AT_ONCE = 8_000_000
_WINDOW_S = (-0.2, 0.8)
# Peak to peak, in V, T and T/m: what an epoch is commonly refused for.
_LIMITS = {"eeg": 150e-6, "mag": 4e-12, "grad": 4e-10}
_MOST_REJECTED = 0.3
_MOST_EVENTS = 400
_COLUMNS = (
    "run", "seconds", "rate (Hz)", "channels", "marked bad", "found bad", "flat", "line noise", "events",
    "epochs refused",
)  # fmt: skip


@dataclass(frozen=True)
class SensorRun:
    """One run and how it is opened.

    Attributes
    ----------
    name, subject : str
        How it is called, and whose it is.
    path : Path
        Its file.
    open : callable
        Returns the recording, not loaded, and what a reader should know of it.
    events : Path or None
        A table; by default the file's annotations or stimulus channel.
    needs_table : bool
        Whether a missing table of events is a fault (BIDS).
    has_sidecar : bool or None
        None where none is wanted.
    is_rest : bool
        Then no events are missed.
    group : str
        What it should be like, such as its task.
    """

    name: str
    subject: str
    path: Path
    open: Callable[[], tuple[mne.io.BaseRaw, Sequence[str]]]
    events: Path | None = None
    needs_table: bool = False
    has_sidecar: bool | None = None
    is_rest: bool = False
    group: str = ""


def sensor_quality(runs: Sequence[SensorRun]) -> Findings:
    """Check runs of sensors, one after the other, and against each other.

    Spectra, spreads and limits are measured on up to 24 million values of a run, in blocks spread over it;
    NaN are looked for, and copies told, on all of it.

    Parameters
    ----------
    runs : sequence of SensorRun
        Of one data set. One that cannot be read is a failed check, and the rest goes on.

    Returns
    -------
    findings : Findings
        Bad, flat and clipped channels, spectra and line noise, positions, events against the run, epochs that
        would be refused, copies, mixed rates and channels, and a row per run.
    """
    return look_at_each(runs, _look, "looking at sensors", title="Runs of sensors", columns=_COLUMNS)


def _look(run: SensorRun) -> tuple[Findings, RunPrint, tuple[Any, ...]]:
    raw, notes = run.open()
    rate, length_s = float(raw.info["sfreq"]), raw.n_times / float(raw.info["sfreq"])
    kinds = raw.get_channel_types()
    # Reference magnetometers are of many makes: none of them is the odd one out.
    picks = [i for i in data_channels(raw) if kinds[i] != "ref_meg"]
    where = run.name
    seen = Seen()
    shown = Findings()
    said = f"{len(raw.ch_names)} channels, {length_s:g} s at {rate:g} Hz."
    seen.checks.append(Check(READABLE, where, "pass", said))
    if run.has_sidecar is not None:
        text = "Metadata say how it was recorded." if run.has_sidecar else "No JSON says how it was recorded."
        seen.checks.append(Check(SIDECAR, where, "pass" if run.has_sidecar else "warn", text))
    digest = ""
    levels: dict[str, float] = {}
    if not picks:
        seen.checks.append(Check(FINITE, where, "fail", "It has no M/EEG, intracranial or fNIRS channel."))
    else:
        digest, lost, spread, peak = _whole(raw, picks, run.path)
        seen.checks.append(_finite_check(raw, picks, lost, where))
        good = np.array([raw.ch_names[i] not in raw.info["bads"] for i in picks])
        amplitude, levels = check_amplitude(
            list(np.array([kinds[i] for i in picks])[good]), spread[good], peak[good], where
        )
        seen.checks += amplitude
        if not lost.any():
            look_at_channels(raw, picks, run.path, where, seen)
        seen.checks.append(_places(raw, picks, where))
    events, checks = _events(run, raw)
    seen.checks += checks
    if events is not None and len(events):
        seen.checks += [check_inside(events, length_s, where), check_twice(events, where)]
        seen.checks.append(check_apart(events, where))
        shown = event_figures(events, length_s, where)
        if picks and digest:
            _epochs(raw, picks, events, run, seen)
    alike = {"sampling rate": f"{rate:g} Hz", "set of channels": _channel_set(raw, picks)}
    if events is not None and events.column:
        alike["source of the events' names"] = f"column {events.column}"
    header = hashlib.sha256(
        str(sorted((k, str(v)) for k, v in raw.info.items() if k != "meas_date")).encode()
    )
    printed = RunPrint(where, run.subject, digest or where, header.hexdigest(), run.group, alike, levels)
    row = (
        where, round(length_s, 2), rate, len(picks), len(raw.info["bads"]), seen.n_found, seen.n_flat,
        seen.line, 0 if events is None else len(events), seen.n_refused,
    )  # fmt: skip
    return Findings(tuple(seen.checks), (), tuple(seen.figures), tuple(notes)) + shown, printed, row


def _channel_set(raw: mne.io.BaseRaw, picks: Sequence[int]) -> str:
    names = [raw.ch_names[i] for i in picks]
    if not names:
        return "none"
    digest = hashlib.sha256("|".join(names).encode()).hexdigest()[:6]
    return f"{len(names)} channels, {names[0]} to {names[-1]} (names {digest})"


def _blocks(raw: mne.io.BaseRaw, picks: Sequence[int], path: Path) -> Iterator[NDArray[np.float64]]:
    step = max(1, _AT_ONCE // len(picks))
    for start in range(0, raw.n_times, step):
        stop = min(raw.n_times, start + step)
        with readable(path, "a continuous recording"):
            yield raw.get_data(picks=picks, start=start, stop=stop, verbose="error")


def _whole(
    raw: mne.io.BaseRaw, picks: Sequence[int], path: Path
) -> tuple[str, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the digest of all data, and of each channel the samples lost, its spread and its peak."""
    hasher = hashlib.sha256()
    lost = np.zeros(len(picks), dtype=np.int64)
    peak = np.zeros(len(picks))
    spreads = []
    for block in _blocks(raw, picks, path):
        with np.errstate(over="ignore", invalid="ignore"):
            hasher.update(np.ascontiguousarray(block, dtype=np.float32).tobytes())
            lost += (~np.isfinite(block)).sum(axis=1)
            known = np.nan_to_num(block, posinf=0.0, neginf=0.0)
            peak = np.maximum(peak, np.maximum(known.max(axis=1), -known.min(axis=1)))
            spreads.append(known.std(axis=1))
    return hasher.hexdigest(), lost, np.median(spreads, axis=0), peak


def _finite_check(raw: mne.io.BaseRaw, picks: Sequence[int], lost: NDArray[np.int64], where: str) -> Check:
    if not lost.any():
        return Check(FINITE, where, "pass", f"{len(picks)} channels of {raw.n_times} samples.")
    names = [raw.ch_names[i] for i, n in zip(picks, lost, strict=True) if n]
    which = f"{len(names)} of {len(picks)} channels: {listed(names)}"
    detail = f"{int(lost.sum())} samples are NaN or infinite, in {which}."
    return Check(FINITE, where, "fail", detail)


def _places(raw: mne.io.BaseRaw, picks: Sequence[int], where: str) -> Check:
    places = np.array([raw.info["chs"][i]["loc"][:3] for i in picks])
    lost = ~np.isfinite(places).all(axis=1) | (places == 0).all(axis=1)
    if not lost.any():
        return Check(PLACES, where, "pass", f"All {len(picks)} sensors.")
    names = [raw.ch_names[i] for i, is_lost in zip(picks, lost, strict=True) if is_lost]
    detail = f"{len(names)} of {len(picks)} sensors have no position ({listed(names)}): set `montage`."
    return Check(PLACES, where, "warn", detail)


def _events(run: SensorRun, raw: mne.io.BaseRaw) -> tuple[EventTimes | None, list[Check]]:
    where = run.name
    if run.events is not None:
        try:
            events = read_event_times(run.events)
        except InputError as error:
            return None, [Check(EVENTS, where, "fail", str(error))]
        source = run.events.name
    else:
        if run.needs_table and not run.is_rest:
            return None, [Check(EVENTS, where, "warn", "No table of events belongs to it.")]
        table, source = annotation_events(raw), "its annotations"
        if not len(table) and "stim" in raw.get_channel_types():
            try:
                table, source = stim_channel_events(raw, where=where), "its stimulus channel"
            except InputError:
                table = table[:0]
        durations = list(table["duration_s"]) if "duration_s" in table else None
        events = EventTimes.of(list(table["description"]), list(table["onset_s"]), durations)
    if not len(events):
        verdict = warn_if(not run.is_rest)
        return events, [
            Check(EVENTS, where, verdict, "There is no event in annotations or stimulus channel.")
        ]
    detail = f"{len(events)} events of {events.table['name'].nunique()} names in {source}."
    return events, [Check(EVENTS, where, "pass", detail)]


def _epochs(
    raw: mne.io.BaseRaw, picks: Sequence[int], events: EventTimes, run: SensorRun, seen: Seen
) -> None:
    """Count the epochs that common limits of amplitude would refuse, of at most so many."""
    kinds = np.array(raw.get_channel_types())[list(picks)]
    bads = {i for i, index in enumerate(picks) if raw.ch_names[index] in raw.info["bads"]}
    limits = np.array([_LIMITS.get(kind, np.inf) for kind in kinds])
    limits[list(bads)] = np.inf
    if not np.isfinite(limits).any():
        return
    rate = float(raw.info["sfreq"])
    before, length = round(-_WINDOW_S[0] * rate), round((_WINDOW_S[1] - _WINDOW_S[0]) * rate)
    starts = np.round(events.onsets_s * rate).astype(int) - before
    starts = starts[(starts >= 0) & (starts + length <= raw.n_times)]
    starts = starts[np.linspace(0, len(starts) - 1, min(len(starts), _MOST_EVENTS)).astype(int)]
    if not len(starts):
        seen.checks.append(
            Check(EPOCHS, run.name, "warn", "No event has its whole window of -0.2 to 0.8 s in the run.")
        )
        return
    refused = 0
    for start in starts:
        with readable(run.path, "a continuous recording"):
            part = raw.get_data(picks=picks, start=start, stop=start + length, verbose="error")
        refused += bool((np.ptp(part, axis=1) > limits).any())
    seen.n_refused = refused
    share = refused / len(starts)
    said = ", ".join(
        f"{SCALES[unit][0] * _LIMITS[kind]:g} {SCALES[unit][1]} ({kind})"
        for kind, unit in (("eeg", "V"), ("mag", "T"), ("grad", "T/m"))
        if kind in kinds
    )
    detail = f"{refused} of {len(starts)} epochs (-0.2 to 0.8 s, unfiltered) exceed {said} peak to peak."
    seen.checks.append(Check(EPOCHS, run.name, "warn" if share > _MOST_REJECTED else "pass", detail))
