"""The engine that volumes, surfaces and grayordinates share: files and events in, responses out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ...preprocessing.signals import Detrend, Standardize
from ...recordings.geometry import AnyGeometry
from ...recordings.recording import Recording
from ._confounds import ConfoundColumns, Confounds, check_choice, read_confounds
from ._event_checks import agree_on_ids
from ._events import RunEvents, check_stems, chosen_id_column, read_events, read_volume_labels
from ._responses import Respond, Responses, RunData, every_volume, window_means
from ._run_notes import RunNotes
from ._timing import Timing, common_tr, file_timing
from ._usable import Usable
from .single_trials import SingleTrialOptions, check_glm, single_trial_betas

Average = Literal["event", "block", "volume", "betas"]
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
    glm: SingleTrialOptions | None = None

    def __post_init__(self) -> None:
        check_option("average", self.average, get_args(Average))
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
        check_glm(self.glm, average=self.average, detrend=self.detrend)

    def respond(self, usable: Usable) -> Respond:
        """Return the function that turns runs into samples."""
        if self.average == "volume":
            return every_volume
        if self.average == "betas":
            return partial(
                single_trial_betas,
                glm=self.glm or SingleTrialOptions(),
                usable=usable,
                standardize=self.standardize,
                duration_s=self.duration_s,
                high_pass_hz=self.high_pass_hz,
                # A label per volume says when a stimulus was on, not that each volume was a trial.
                is_by_volume=self.volume_labels is not None,
            )
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
        with the confounds beside them, as betas do.
    """
    are_betas = respond is None and options.average == "betas"
    wanted = check_choice(options.confounds, options.confound_columns, n_files=len(files))
    timings = [
        file_timing(
            file.path,
            file.header_tr_s,
            tr_s=options.tr_s,
            start_time_s=options.start_time_s,
            header_note=file.header_note,
            # Without slice-time correction the slices are spread over the repetition time.
            unknown_start=0.5 if are_betas else 0.0,
        )
        for file in files
    ]
    tr_s = common_tr(timings)
    runs = _plan(files, options, tr_s)
    tables: list[Confounds | None] = [
        read_confounds(path, wanted, n_volumes=file.n_volumes)
        for path, file in zip(options.confounds or (), files, strict=bool(wanted))
    ]
    notes = RunNotes()
    assumed = [timing.header_note for timing in timings if timing.header_note is not None]
    # One file's name stands for all of them.
    notes.add_once(*assumed[:1], *(each.start_note for each in timings if each.start_note is not None))
    plan = list(zip(files, runs, timings, tables or [None] * len(files), strict=True))
    make = respond or options.respond(usable)
    found = make(_read(plan, options, usable, tr_s, notes, clean=clean and not are_betas))
    if not len(found.samples):
        raise InputError(f"{options.subject}: no event is left after rest was taken out.")
    return replace(found, notes=(*notes.sentences(), *found.notes))


def _read(
    plan: list[tuple[SeriesFile, list[RunEvents], Timing, Confounds | None]],
    options: RunOptions,
    usable: Usable,
    tr_s: float,
    notes: RunNotes,
    *,
    clean: bool,
) -> Iterator[RunData]:
    """Read, check and clean run after run, so that one at a time is in memory."""
    for file, runs, timing, table in track(plan, f"reading the series of {options.subject}"):
        session = _SESSION.search(file.path.name)
        volumes = file.read()
        for run in runs:
            name = f"run {run.run} ({file.path.name})"
            series = np.ascontiguousarray(volumes[run.start + options.drop_volumes : run.stop])
            usable.check(series, name)
            notes.add_series(name, series)
            confounds = None
            if table is not None:
                confounds, odd = table.of_volumes(run.start, run.stop, n_dropped=options.drop_volumes)
                notes.add_confounds(run.run, [*table.notes, *odd])
            if clean:
                series = usable.clean(
                    series,
                    tr_s=tr_s,
                    confounds=confounds,
                    detrend=options.detrend,
                    high_pass_hz=options.high_pass_hz,
                    standardize=options.standardize,
                )
            notes.add_filter(len(series), tr_s=tr_s, high_pass_hz=options.high_pass_hz)
            if options.events is not None:
                notes.add_events(run, tr_s=tr_s, delay_s=options.delay_s)
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
    found = [_RUN.search(file.path.name) for file in files]
    numbers = [int(match.group(1)) for match in found if match]
    # Run numbers begin anew in every session and task: then files are counted through.
    if len(set(numbers)) != len(files):
        numbers = list(range(1, len(files) + 1))
    sources = [file.path for file in files] if options.events is None else list(map(Path, options.events))
    tables: list[pd.DataFrame | None] = [None] * len(files)
    if options.events is not None:
        if options.id_column is None and len(files) > 1:
            names = [f"run {number} ({path.name})" for number, path in zip(numbers, sources, strict=True)]
            columns = [chosen_id_column(path) for path in options.events]
            agree_on_ids(list(zip(names, columns, strict=True)))
        read = [read_events(path, rest=options.rest, id_column=options.id_column) for path in options.events]
        check_stems(pd.concat(read, ignore_index=True), Path(options.events[0]).parent)
        tables = list(read)
    return [
        [RunEvents(number, source, 0, file.n_volumes, table)]
        for number, source, file, table in zip(numbers, sources, files, tables, strict=True)
    ]


class Place(Protocol):
    """What the channels of a recording are: voxels, vertices or grayordinates."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader should know of them."""

    def channels(self, keep: NDArray[np.bool_]) -> pd.DataFrame:
        """Return the table of some of them."""


def read_recording(
    files: Sequence[SeriesFile],
    options: RunOptions,
    usable: Usable,
    place: Place,
    *,
    locate: Callable[[NDArray[np.bool_]], AnyGeometry | None],
    notes: Sequence[str] = (),
) -> Recording:
    """Read the responses of all runs, of the channels that every run can use.

    Parameters
    ----------
    files, options, usable
        See :func:`read_responses`.
    place : Place
        What the channels are.
    locate : callable
        From which channels are kept to where these are; None where no one geometry holds them.
    notes : sequence of str
        Of the reader.
    """
    found = read_responses(files, options, usable)
    keep = usable.keep()
    return Recording(
        found.values[:, keep],
        found.samples,
        found.described(place.channels(keep), keep),
        geometry=locate(keep),
        subject=options.subject,
        modality="fmri",
        unit=UNITS[options.standardize],
        notes=(*found.notes, *notes, *place.notes, *usable.notes),
    )
