"""The quality of sessions of sorted units (NWB): rates, silence, refractory periods, trials."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._core.errors import InputError
from ..._core.progress import track
from ..spikes._nwb_files import NWBFile
from ..spikes._nwb_session import interval_tables, observed, opened, spike_times, unit_table
from ..spikes._nwb_tables import ONSET, label_text
from .copies import RunPrint, compare_runs
from .event_timing import EventTimes, check_inside, event_figures
from .report import Check, Dots, Findings, Histogram, Table, joined
from .run_by_run import EVENTS, READABLE
from .spike_measures import REFRACTORY_S, firing_rates, refractory_violations

SILENT = "every unit fires"
REFRACTORY = "few spikes within a refractory period"
_VIOLATIONS = 0.01
_COLUMNS = ("session", "units", "seconds", "median rate (Hz)", "silent", "over 1 % violations", "trials")


def session_quality(files: Sequence[NWBFile]) -> Findings:
    """Check sessions of NWB 2 with sorted units, one at a time.

    Parameters
    ----------
    files : sequence of NWBFile
        What :func:`alignkit.datasets.spikes._nwb_files.find_nwb_files` found.

    Returns
    -------
    findings : Findings
        Firing rates, silent units, intervals below 1.5 ms, trials against the recording, copies.
    """
    parts: list[Findings] = []
    prints: list[RunPrint] = []
    rows: list[tuple[Any, ...]] = []
    for file in track(files, "looking at sessions"):
        try:
            found, seen, row = _look(file)
        except InputError as error:
            parts.append(Findings((Check(READABLE, file.subject, "fail", str(error)),)))
            continue
        parts.append(found)
        prints += seen
        rows += row
    table = Table("Sessions", _COLUMNS, tuple(rows))
    return joined([Findings(tables=(table,) if rows else ()), *parts, compare_runs(prints)])


def unit_quality(
    where: str, names: Sequence[str], spikes: Sequence[Any], *, seconds: float
) -> tuple[Findings, int, int]:
    """Check sorted units by their spike times; also return how many are silent, and how many mixed."""
    rates = firing_rates(spikes, seconds=seconds)
    share = refractory_violations(spikes)
    silent = [name for name, rate in zip(names, rates, strict=True) if rate == 0]
    mixed = [name for name, each in zip(names, share, strict=True) if each > _VIOLATIONS]
    said = f"{len(silent)} of {len(names)} units never fire: {', '.join(silent[:8])}."
    quiet = f"{len(names)} units, {np.median(rates):.2g} spikes per second at the median."
    checks = [Check(SILENT, where, "warn" if silent else "pass", said if silent else quiet)]
    limit = f"over {_VIOLATIONS:.0%} of intervals below {1000 * REFRACTORY_S:g} ms"
    said = f"{len(mixed)} of {len(names)} units have {limit}: {', '.join(mixed[:8])}."
    checks.append(
        Check(REFRACTORY, where, "warn" if mixed else "pass", said if mixed else f"No unit has {limit}.")
    )
    figures: list[Any] = [
        Histogram("Firing rates", where, "spikes per second", rates, float(np.median(rates))),
        Dots(
            "Intervals within the refractory period", where, "share of intervals (%)", tuple(names),
            100 * share, tuple(mixed),
        ),
    ]  # fmt: skip
    return Findings(tuple(checks), (), tuple(figures)), len(silent), len(mixed)


def _look(file: NWBFile) -> tuple[Findings, list[RunPrint], list[tuple[Any, ...]]]:
    where = file.subject
    if file.version.removeprefix("NWB-").startswith(("0.", "1.")):
        note = f"{file.path.name} is NWB {file.version}: its calcium traces are checked as a recording only."
        return Findings(notes=(note,)), [], []
    with opened(file.path) as session:
        tables = {name: table for name, table in interval_tables(session).items() if ONSET in table}
        has_units = session.units is not None and "spike_times" in session.units.colnames
        rows = np.arange(len(session.units) if has_units else 0)
        names = list(unit_table(session)["name"]) if has_units else []
        spikes = spike_times(session, rows) if has_units else []
        times = observed(session, rows) if has_units and len(rows) else None
    trials = {name: table for name, table in tables.items() if name != "invalid_times" and len(table)}
    last_spike = max((float(each.max()) for each in spikes if len(each)), default=0.0)
    ends = [last_spike, *(float(each.max()) for each in times or [])]
    checks = [
        Check(READABLE, where, "pass", f"{len(names)} sorted units, {len(tables)} tables of intervals.")
    ]
    said = ", ".join(f"{len(table)} in {name}" for name, table in trials.items())
    checks.append(Check(EVENTS, where, "pass" if trials else "warn", f"{said or 'No trial'}."))
    timing: list[Findings] = []
    for name, table in trials.items():
        events = _events(name, table)
        # Without a spike nothing tells how long was recorded.
        if last_spike:
            checks.append(check_inside(events, max(ends), f"{where}, {name}"))
        timing.append(event_figures(events, max([*ends, float(events.onsets_s.max())]), f"{where}, {name}"))
    found, n_silent, n_mixed = Findings(), 0, 0
    if spikes and last_spike:
        found, n_silent, n_mixed = unit_quality(where, names, spikes, seconds=max(ends))
    elif has_units:
        checks.append(Check(SILENT, where, "fail", f"None of {len(names)} units has a spike."))
    rates = [len(each) / max(ends) for each in spikes] if last_spike else [0.0]
    row = (where, len(names), round(max(ends), 2), float(np.median(rates or [0.0])), n_silent, n_mixed,
           sum(map(len, trials.values())))  # fmt: skip
    seen = []
    if last_spike:
        digest = hashlib.sha256(b"|".join(np.asarray(each, dtype=np.float64).tobytes() for each in spikes))
        seen = [RunPrint(where, where, digest.hexdigest())]
    return joined([Findings(tuple(checks)), *timing, found]), seen, [row]


def _events(name: str, table: Any) -> EventTimes:
    onsets = table[ONSET].to_numpy(dtype=np.float64)
    durations = table["stop_time"].to_numpy(dtype=np.float64) - onsets if "stop_time" in table else None
    column = next((each for each in ("stimulus_id", "stimulus_name", "stimulus") if each in table), None)
    names = [name] * len(table) if column is None else [label_text(value) for value in table[column]]
    return EventTimes.of(names, list(onsets), None if durations is None else list(durations))
