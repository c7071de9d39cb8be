"""The engine that volumes, surfaces and grayordinates share: files and events in, responses out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.hashing import digest_array
from ..._core.progress import track
from ...preprocessing.signals import Detrend, Standardize, cosine_drift
from ._confounds import ConfoundColumns, Confounds, check_choice, read_confounds
from ._events import RunEvents, check_stems, read_events, read_volume_labels
from ._responses import Respond, Responses, RunData, every_volume, window_means
from ._timing import Timing, common_tr, file_timing
from ._usable import Usable

Average = Literal["event", "block", "volume"]
UNITS = {"percent": "percent signal change", "zscore": "z", "none": "scanner units"}
_RUN = re.compile(r"(?:^|_)run-0*(\d+)(?=_|\.)")
_SESSION = re.compile(r"(?:^|_)ses-([A-Za-z0-9]+)(?=_|\.)")


@dataclass(frozen=True)
class SeriesFile:
    """A file of volumes that are not read yet.

    Attributes
    ----------
    path : Path
        For messages, the sidecar, and the run's and session's names.
    n_volumes : int
        How many.
    read : callable
        Returns float32 of shape (n_volumes, n_channels), with the same channels for every file.
    header_tr_s : float or None
        Time between volumes as the header has it, in seconds.
    header_note : str or None
        What was assumed to read it.
    """

    path: Path
    n_volumes: int
    read: Callable[[], NDArray[np.float32]]
    header_tr_s: float | None = None
    header_note: str | None = None


@dataclass(frozen=True)
class RunOptions:
    """What the readers of all formats are asked; see :func:`alignkit.datasets.read_bold`."""

    subject: str
    events: Sequence[str | Path] | None = None
    volume_labels: str | Path | None = None
    confounds: Sequence[str | Path] | None = None
    confound_columns: ConfoundColumns = "none"
    tr_s: float | None = None
    start_time_s: float | None = None
    drop_volumes: int = 0
    delay_s: float = 5.0
    average: Average = "event"
    duration_s: float | None = None
    detrend: Detrend = "linear"
    high_pass_hz: float | None = None
    standardize: Standardize = "percent"
    rest: str = "rest"
    id_column: str | None = None

    def __post_init__(self) -> None:
        check_option("average", self.average, ("event", "block", "volume"))
        check_option("detrend", self.detrend, ("linear", "none"))
        check_option("standardize", self.standardize, ("percent", "zscore", "none"))
        if self.duration_s is not None and not self.duration_s > 0:
            raise InputError(f"`duration_s` must be above 0 seconds, got {self.duration_s}.")
        if self.duration_s is not None and self.average == "volume":
            raise InputError(
                "`duration_s` is the length of a response, and with `average` 'volume' every volume is a "
                "sample. Leave one of the two out."
            )
        if not np.isfinite(self.delay_s):
            raise InputError(f"`delay_s` must be a number of seconds, got {self.delay_s}.")
        if self.drop_volumes < 0 or int(self.drop_volumes) != self.drop_volumes:
            raise InputError(f"`drop_volumes` must be a number of volumes from 0, got {self.drop_volumes}.")

    @property
    def respond(self) -> Respond:
        """The function that turns runs into samples."""
        if self.average == "volume":
            return every_volume
        return partial(
            window_means, delay_s=self.delay_s, duration_s=self.duration_s, join=self.average == "block"
        )


def check_files(paths: Sequence[Path], options: RunOptions) -> None:
    """Refuse runs and events that do not pair, before anything is read."""
    if isinstance(options.events, str | Path):
        raise InputError("`bold` and `events` are sequences of paths, one for each run; got a single path.")
    events, labels = options.events, options.volume_labels
    if not paths:
        raise InputError("`bold` names no file.")
    is_optional = options.average == "volume" and events is None and labels is None
    if (events is None) == (labels is None) and not is_optional:
        raise InputError("give either `events` (one for each run) or `volume_labels` (one file), not both.")
    check_unlike("bold", paths)
    check_unlike("events", events or ())
    if isinstance(options.confounds, Sequence) and not isinstance(options.confounds, str):
        check_unlike("confounds", options.confounds)
    if events is not None and len(events) != len(paths):
        raise InputError(
            f"there are {len(paths)} BOLD files but {len(events)} events files; one for each run."
        )
    if labels is not None and len(paths) != 1:
        raise InputError(f"`volume_labels` goes with one BOLD file that holds all runs, got {len(paths)}.")


def check_unlike(name: str, paths: Sequence[str | Path]) -> None:
    """Refuse one file that is named for two runs."""
    resolved = [Path(path).resolve() for path in paths]
    twice = [path for path in resolved if resolved.count(path) > 1]
    if twice:
        raise InputError(f"`{name}` names {twice[0]} twice; every run has a file of its own.")


def read_responses(
    files: Sequence[SeriesFile],
    options: RunOptions,
    usable: Usable,
    *,
    respond: Respond | None = None,
    clean: bool = True,
) -> Responses:
    """Read all runs and return their responses in every channel, usable or not.

    Whoever calls keeps the channels of ``usable.keep()``, which are known when all runs were read.

    Parameters
    ----------
    files : sequence of SeriesFile
        One per run, or one for all.
    options : RunOptions
        What was asked for.
    usable : Usable
        Told of every run.
    respond : callable, optional
        From an iterator of :class:`RunData`, read one at a time, to :class:`Responses`; by default what
        `options` ask for.
    clean : bool, default=True
        Whether runs are cleaned first. A model that fits drift and confounds itself takes them as scanned,
        with the confounds beside them.
    """
    wanted = check_choice(options.confounds, options.confound_columns, n_files=len(files))
    timings = [
        file_timing(
            file.path,
            file.header_tr_s,
            tr_s=options.tr_s,
            start_time_s=options.start_time_s,
            header_note=file.header_note,
        )
        for file in files
    ]
    tr_s = common_tr(timings)
    runs = _plan(files, options, tr_s)
    tables: list[Confounds | None] = [
        read_confounds(path, wanted, n_volumes=file.n_volumes)
        for path, file in zip(options.confounds or (), files, strict=bool(wanted))
    ]
    notes = _Notes()
    assumed = [timing.header_note for timing in timings if timing.header_note is not None]
    # One file's name stands for all of them.
    notes.add_once(*assumed[:1], *(each.start_note for each in timings if each.start_note is not None))
    plan = list(zip(files, runs, timings, tables or [None] * len(files), strict=True))
    found = (respond or options.respond)(_read(plan, options, usable, tr_s, notes, clean=clean))
    if not len(found.samples):
        raise InputError(f"{options.subject}: no event is left after rest was taken out.")
    return Responses(found.values, found.samples, (*notes.sentences(), *found.notes))


def _read(
    plan: list[tuple[SeriesFile, list[RunEvents], Timing, Confounds | None]],
    options: RunOptions,
    usable: Usable,
    tr_s: float,
    notes: _Notes,
    *,
    clean: bool,
) -> Iterator[RunData]:
    """Read, check and clean run after run, so that one at a time is in memory."""
    seen: dict[str, str] = {}
    for file, runs, timing, table in track(plan, f"reading the series of {options.subject}"):
        session = _SESSION.search(file.path.name)
        volumes = file.read()
        for run in runs:
            name = f"run {run.run} ({file.path.name})"
            series = np.ascontiguousarray(volumes[run.start + options.drop_volumes : run.stop])
            usable.check(series, name)
            _note_twins(seen, series, name, notes)
            confounds = None
            if table is not None:
                confounds, odd = table.of_volumes(run.start, run.stop, n_dropped=options.drop_volumes)
                notes.add_of_run(run.run, [*table.notes, *odd])
            if clean:
                series = usable.clean(
                    series,
                    tr_s=tr_s,
                    confounds=confounds,
                    detrend=options.detrend,
                    high_pass_hz=options.high_pass_hz,
                    standardize=options.standardize,
                )
                _note_short(len(series), tr_s, options, notes)
            if options.events is not None:
                _note_early_end(run, tr_s, options, notes)
            yield RunData(
                run.run,
                session.group(1) if session else None,
                run.source,
                series,
                options.drop_volumes,
                tr_s,
                timing.start_s + options.drop_volumes * tr_s,
                run.table,
                confounds,
            )


def _plan(files: Sequence[SeriesFile], options: RunOptions, tr_s: float) -> list[list[RunEvents]]:
    """Return the runs of each file."""
    if options.volume_labels is not None:
        n_volumes = files[0].n_volumes
        runs = [read_volume_labels(options.volume_labels, n_volumes=n_volumes, tr_s=tr_s, rest=options.rest)]
    else:
        runs = _runs_of_files(files, options)
    for run in (run for of_file in runs for run in of_file):
        if run.stop - run.start - options.drop_volumes < 2:
            raise InputError(
                f"run {run.run} has {run.stop - run.start} volumes, of which `drop_volumes` "
                f"({options.drop_volumes}) leaves less than 2."
            )
    return runs


def _runs_of_files(files: Sequence[SeriesFile], options: RunOptions) -> list[list[RunEvents]]:
    tables: list[pd.DataFrame | None] = [None] * len(files)
    if options.events is not None:
        read = [read_events(path, rest=options.rest, id_column=options.id_column) for path in options.events]
        check_stems(pd.concat(read, ignore_index=True), Path(options.events[0]).parent)
        tables = list(read)
    found = [_RUN.search(file.path.name) for file in files]
    numbers = [int(match.group(1)) for match in found if match]
    # Run numbers begin anew in every session and task: then files are counted through.
    if len(set(numbers)) != len(files):
        numbers = list(range(1, len(files) + 1))
    sources = [file.path for file in files] if options.events is None else list(map(Path, options.events))
    return [
        [RunEvents(number, source, 0, file.n_volumes, table)]
        for number, source, file, table in zip(numbers, sources, files, tables, strict=True)
    ]


class _Notes:
    """Notes of many runs, each sentence once."""

    def __init__(self) -> None:
        self._once: list[str] = []
        self._of_runs: dict[str, list[int | str]] = {}
        self._n_runs = 0

    def add_once(self, *sentences: str) -> None:
        self._once += [sentence for sentence in sentences if sentence not in self._once]

    def add_of_run(self, run: int | str, facts: Sequence[str]) -> None:
        self._n_runs += 1
        for fact in facts:
            self._of_runs.setdefault(fact, []).append(run)

    def sentences(self) -> list[str]:
        of_runs = []
        for fact, runs in self._of_runs.items():
            is_all = 2 < len(runs) == self._n_runs
            named = f"all {len(runs)} runs" if is_all else f"run {', '.join(map(str, runs))}"
            of_runs.append(f"Confounds of {named}: {fact}.")
        return [*self._once, *of_runs]


def _note_twins(seen: dict[str, str], series: NDArray[np.float32], name: str, notes: _Notes) -> None:
    digest = digest_array(series)
    if digest in seen:
        notes.add_once(
            f"The series of {seen[digest]} and {name} are identical in every number: one is a copy of the "
            "other, and scores across runs are too good. Leave one out."
        )
    seen.setdefault(digest, name)


def _note_short(n_volumes: int, tr_s: float, options: RunOptions, notes: _Notes) -> None:
    if options.high_pass_hz is None:
        return
    if not cosine_drift(n_volumes, tr_s=tr_s, high_pass_hz=options.high_pass_hz).shape[1]:
        notes.add_once(
            f"A run of {n_volumes * tr_s:g} s is too short for the high-pass of {options.high_pass_hz:g} Hz, "
            "which takes nothing out there."
        )


def _note_early_end(run: RunEvents, tr_s: float, options: RunOptions, notes: _Notes) -> None:
    """Note events that leave half of a run empty, as they do where the repetition time is too long."""
    if run.table is None or not len(run.table):
        return
    last_s = float((run.table["onset_s"] + run.table["duration_s"]).max()) + max(options.delay_s, 0)
    lasts_s = (run.stop - run.start) * tr_s
    if last_s < 0.5 * lasts_s:
        notes.add_once(
            f"The last event of run {run.run} ends at {last_s - max(options.delay_s, 0):g} s of {lasts_s:g} "
            f"s: check that the events are whole, and the repetition time of {tr_s:g} s."
        )
