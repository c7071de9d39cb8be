"""From BOLD series and events to a recording with a sample per event or block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ...recordings.recording import Recording
from .._arrays import readable
from ._events import RunEvents, check_stems, join_blocks, read_events, read_volume_labels, windows
from ._volumes import Detrend, Grid, Scaling, Standardize, grid_of, open_series, repetition_time
from ._voxels import select_voxels

UNITS = {"percent": "percent signal change", "zscore": "z", "none": "scanner units"}
_RUN = re.compile(r"(?:^|_)run-0*(\d+)(?=_|\.)")
_SESSION = re.compile(r"(?:^|_)ses-([A-Za-z0-9]+)(?=_|\.)")


def read_bold(
    bold: Sequence[str | Path],
    *,
    mask: str | Path | None = None,
    events: Sequence[str | Path] | None = None,
    volume_labels: str | Path | None = None,
    atlas: str | Path | None = None,
    atlas_labels: str | Path | None = None,
    tr_s: float | None = None,
    delay_s: float = 5.0,
    average: Literal["event", "block"] = "event",
    duration_s: float | None = None,
    detrend: Detrend = "linear",
    high_pass_hz: float | None = None,
    standardize: Standardize = "percent",
    resample_mask: bool = False,
    rest: str = "rest",
    id_column: str | None = None,
    space: str = "native",
    subject: str = "subject",
) -> Recording:
    """Average the response to each event, or block of events, of one subject's fMRI runs.

    Each run is detrended and scaled on its own, so that no run sees another. The response to an event is the
    mean of the volumes that start within [onset + delay, onset + delay + duration).

    Parameters
    ----------
    bold : sequence of paths
        4-D NIfTI files, one per run; with `volume_labels`, one file that holds all runs.
    mask : path, optional
        Binary volume on the grid of the series. By default the voxels of the atlas, or every voxel that
        varies in every run.
    events : sequence of paths, optional
        A BIDS ``events.tsv`` for each run: `onset` and `duration` in seconds, and `stimulus_id`, `stim_file`
        (its stem is the id) or `trial_type`.
    volume_labels : path, optional
        Instead of events: a label and a run for every volume, as a table or as text.
    atlas, atlas_labels : path, optional
        Volume of region numbers, and their names: a table (`index`, `name`) or JSON. Gives channels a `roi`.
    tr_s : float, optional
        Repetition time in seconds; by default from the header, which must agree with the JSON sidecar.
    delay_s : float, default=5.0
        From stimulus to response, in seconds.
    average : {"event", "block"}
        Whether every row of the events is a sample, or neighbours with one stimulus that are at most one
        repetition time apart are joined first.
    duration_s : float, optional
        Length of the response in seconds; by default the event's own duration.
    detrend : {"linear", "none"}
        Taken out of every run.
    high_pass_hz : float, optional
        Also take out slower cosines than this.
    standardize : {"percent", "zscore", "none"}
        Percent of the run's mean, standard deviations, or the scanner's unit.
    resample_mask : bool, default=False
        Resample mask and atlas to the grid of the series (nearest neighbour) instead of refusing another.
    rest : str, default="rest"
        The label of volumes or trials that are no stimulus.
    id_column : str, optional
        Column of the events that names the stimulus.
    space, subject : str
        Names.

    Returns
    -------
    recording : Recording
        Samples have `stimulus_id`, `run`, `onset_s`, `duration_s`, `repetition` (from 1, over the whole
        recording), `session` where file names give one, and the other columns of the events. `geometry` is a
        :class:`VolumeGeometry`; `notes` say which voxels were dropped.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If files do not fit each other, a series is not 4-D, an event lies outside its run, or no voxel is
        left.
    """
    _check_options(average, detrend, standardize, duration_s, delay_s)
    paths = _check_files(bold, events, volume_labels)
    images = [open_series(path) for path in paths]
    grid = _common_grid(paths, images)
    tr, notes = _common_tr(paths, images, tr_s)
    if volume_labels is not None:
        runs = [read_volume_labels(volume_labels, n_volumes=images[0].shape[3], tr_s=tr, rest=rest)]
    else:
        runs = _runs_from_events(paths, images, list(events or ()), rest=rest, id_column=id_column)
    voxels = select_voxels(grid, mask=mask, atlas=atlas, atlas_labels=atlas_labels, resample=resample_mask)
    scaling = Scaling(tr, detrend, high_pass_hz, standardize)
    window = _Window(tr, delay_s, duration_s, average)
    means: list[NDArray[np.float64]] = []
    tables: list[pd.DataFrame] = []
    for path, image, file_runs in track(
        list(zip(paths, images, runs, strict=True)), f"reading the series of {subject}"
    ):
        series = _masked(path, image, voxels.mask)
        for run in file_runs:
            cleaned = voxels.clean(np.asarray(series[run.start : run.stop], dtype=np.float64), scaling)
            made, table, note = window.average_events(cleaned, run, path)
            means.append(made)
            tables.append(table)
            notes += note
    samples = _join_samples(tables, subject)
    keep = voxels.keep()
    return Recording(
        np.concatenate(means)[:, keep].astype(np.float32),
        samples,
        voxels.channels(keep),
        geometry=voxels.geometry(keep, space),
        subject=subject,
        modality="fmri",
        unit=UNITS[standardize],
        notes=(*notes, *voxels.notes),
    )


@dataclass(frozen=True)
class _Window:
    """Which volumes are the response to an event."""

    tr_s: float
    delay_s: float
    duration_s: float | None
    average: str

    def average_events(
        self, cleaned: NDArray[np.float64], run: RunEvents, path: Path
    ) -> tuple[NDArray[np.float64], pd.DataFrame, list[str]]:
        """Return the mean response to each event, its table, and a note where some are cut short."""
        table = join_blocks(run.table, gap_s=self.tr_s) if self.average == "block" else run.table.copy()
        spans, n_cut = windows(
            replace(run, table=table), tr_s=self.tr_s, delay_s=self.delay_s, duration_s=self.duration_s
        )
        means = np.empty((len(spans), cleaned.shape[1]))
        for row, (first, stop) in enumerate(spans):
            means[row] = cleaned[first:stop].mean(axis=0)
        table.insert(1, "run", run.run)
        session = _SESSION.search(path.name)
        if session:
            table.insert(1, "session", session.group(1))
        note = f"The response to {n_cut} event(s) of run {run.run} is cut short by the run's end."
        return means, table, [note] * bool(n_cut)


def _check_options(
    average: str, detrend: str, standardize: str, duration_s: float | None, delay_s: float
) -> None:
    check_option("average", average, ("event", "block"))
    check_option("detrend", detrend, ("linear", "none"))
    check_option("standardize", standardize, ("percent", "zscore", "none"))
    if duration_s is not None and not duration_s > 0:
        raise InputError(f"`duration_s` must be above 0 seconds, got {duration_s}.")
    if not np.isfinite(delay_s):
        raise InputError(f"`delay_s` must be a number of seconds, got {delay_s}.")


def _check_files(
    bold: Sequence[str | Path], events: Sequence[str | Path] | None, volume_labels: str | Path | None
) -> list[Path]:
    if isinstance(bold, str | Path) or isinstance(events, str | Path):
        raise InputError("`bold` and `events` are sequences of paths, one for each run; got a single path.")
    paths = [Path(path) for path in bold]
    if not paths:
        raise InputError("`bold` names no file.")
    if (events is None) == (volume_labels is None):
        raise InputError("give either `events` (one for each run) or `volume_labels` (one file), not both.")
    for name, given in (("bold", paths), ("events", [Path(path) for path in events or ()])):
        resolved = [path.resolve() for path in given]
        twice = [path for path in resolved if resolved.count(path) > 1]
        if twice:
            raise InputError(f"`{name}` names {twice[0]} twice; every run has a file of its own.")
    if events is not None and len(events) != len(paths):
        raise InputError(
            f"there are {len(paths)} BOLD files but {len(events)} events files; one for each run."
        )
    if volume_labels is not None and len(paths) != 1:
        raise InputError(f"`volume_labels` goes with one BOLD file that holds all runs, got {len(paths)}.")
    return paths


def _common_grid(paths: list[Path], images: list[Any]) -> Grid:
    grid = grid_of(images[0])
    for path, image in zip(paths[1:], images[1:], strict=True):
        if not grid_of(image).is_same(grid):
            raise InputError(
                f"{path.name} lies on another grid ({grid_of(image)}) than {paths[0].name} ({grid}); all "
                "runs of a subject must be in one space. Resample them first."
            )
    return grid


def _common_tr(paths: list[Path], images: list[Any], tr_s: float | None) -> tuple[float, list[str]]:
    if tr_s is not None:
        if not 0.05 <= tr_s <= 60:
            raise InputError(f"`tr_s` must be a repetition time in seconds, got {tr_s}.")
        return tr_s, []
    found = [repetition_time(path, image) for path, image in zip(paths, images, strict=True)]
    times = [tr for tr, _ in found]
    if max(times) - min(times) > 1e-3 * times[0]:
        raise InputError(
            f"the runs have different repetition times ({min(times):g} to {max(times):g} s); read them "
            "apart, or give `tr_s`."
        )
    return times[0], [note for _, note in found if note is not None][:1]


def _runs_from_events(
    paths: list[Path], images: list[Any], files: list[str | Path], *, rest: str, id_column: str | None
) -> list[list[RunEvents]]:
    tables = [read_events(file, rest=rest, id_column=id_column) for file in files]
    check_stems(pd.concat(tables, ignore_index=True), Path(files[0]).parent)
    found = [_RUN.search(path.name) for path in paths]
    numbers = [int(match.group(1)) for match in found if match]
    # Run numbers begin anew in every session and task: then files are counted through.
    if len(set(numbers)) != len(paths):
        numbers = list(range(1, len(paths) + 1))
    return [
        [RunEvents(number, Path(file), 0, int(image.shape[3]), table)]
        for number, image, file, table in zip(numbers, images, files, tables, strict=True)
    ]


def _masked(path: Path, image: Any, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    with readable(path, "a NIfTI image"):
        values = np.asarray(image.dataobj, dtype=np.float32)
    # (n_volumes, n_voxels)
    return values[mask].T


def _join_samples(tables: list[pd.DataFrame], subject: str) -> pd.DataFrame:
    samples = pd.concat(tables, ignore_index=True)
    if not len(samples):
        raise InputError(f"{subject}: no event is left after rest was taken out.")
    for column in samples.columns:
        # A column that is a number in one run and text in another is text.
        if pd.api.types.is_object_dtype(samples[column]):
            samples[column] = samples[column].map(lambda value: "" if pd.isna(value) else str(value))
    samples["repetition"] = samples.groupby("stimulus_id").cumcount() + 1
    return samples
