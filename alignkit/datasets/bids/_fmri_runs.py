"""One subject's fMRI runs of a BIDS tree, handed to the reader of their form."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ...recordings.recording import Recording
from ._run_events import write_events
from ._run_masks import NO_MASK, run_atlas, run_mask
from ._run_timing import run_timing
from .index import BidsIndex
from .possibilities import Form, Run, label_runs, run_numbers
from .sidecars import confounds_of


def read_fmri(
    index: BidsIndex,
    runs: Sequence[Run],
    events: Sequence[pd.DataFrame | None],
    *,
    form: Form,
    subject: str,
    options: Mapping[str, Any],
) -> tuple[Recording, list[Path]]:
    """Read one subject's runs; return the recording and the files beside the series.

    Parameters
    ----------
    index : BidsIndex
        The tree.
    runs : sequence of Run
        In the order in which they are joined.
    events : sequence of DataFrame or None
        Of each run; None for all where every volume is a sample.
    form : str
        ``"volume"``, ``"surface"`` or ``"cifti"``.
    subject : str
        The recording's subject.
    options : mapping
        Keyword arguments of the reader that were given, and `mask`.

    Raises
    ------
    InputError
        If repetition times disagree, a mask is of another space, or an option is not for this form.
    MissingDataError
        If confounds are wanted of a run that has none.
    """
    given = dict(options)
    mask = given.pop("mask", None)
    notes: list[str] = []
    beside: list[Path] = []
    given |= run_timing(index, runs, given, notes)
    if given.get("confound_columns", "none") != "none":
        given["confounds"] = _confounds(index, runs)
        beside += given["confounds"]
    _drop_durations(events, runs, given)
    if given.get("atlas") is not None:
        given["atlas"] = run_atlas(given["atlas"], runs, form)
    with tempfile.TemporaryDirectory(prefix="alignkit-bids-") as scratch:
        if form == "volume":
            given["mask"] = run_mask(index, runs, mask, Path(scratch), notes, beside)
        elif mask is not None and mask != NO_MASK:
            raise InputError(f"`mask` is for volumes; {runs[0].file.name} has no voxels. Leave it out.")
        if events[0] is not None:
            given["events"] = [
                write_events(table, Path(scratch) / str(number) / f"{run}_events.tsv")
                for number, (run, table) in enumerate(zip(runs, events, strict=True))
                if table is not None
            ]
        reader = _reader(form)
        _check_known(reader, given, form)
        files = [[file.path for file in run.files] for run in runs]
        series = _hemispheres(runs) if form == "surface" else [each[0] for each in files]
        recording = reader(
            series, subject=subject, space=runs[0].file.get("space") or "native", **_known(given)
        )
    return _with_runs(recording, runs, notes), beside


def _reader(form: Form) -> Callable[..., Recording]:
    if form == "volume":
        from ..fmri.bold import read_bold

        return read_bold
    if form == "surface":
        from ..fmri.surfaces import read_surface_bold

        return read_surface_bold
    from ..fmri.cifti import read_cifti_bold

    return read_cifti_bold


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _check_known(reader: Callable[..., Recording], given: Mapping[str, Any], form: Form) -> None:
    parameters = inspect.signature(reader).parameters
    for name, value in given.items():
        if value is not None and name not in parameters:
            raise InputError(f"`{name}` is not for {form} data; leave it out.")


def _confounds(index: BidsIndex, runs: Sequence[Run]) -> list[Path]:
    found = [confounds_of(index, run.file) for run in runs]
    lost = [str(run) for run, path in zip(runs, found, strict=True) if path is None]
    if lost:
        raise MissingDataError(
            f"`confound_columns` is given, but {len(lost)} of {len(runs)} runs have no confounds table "
            f"({', '.join(lost[:5])}). Confounds come with a derivative such as fMRIPrep's; choose it with "
            "`derivative`, or leave the option out."
        )
    return [path for path in found if path is not None]


def _drop_durations(
    events: Sequence[pd.DataFrame | None], runs: Sequence[Run], given: Mapping[str, Any]
) -> None:
    """Fill in durations that are not needed; refuse those that are and lack."""
    for run, table in zip(runs, events, strict=True):
        if table is None or not table["duration_s"].isna().any():
            continue
        if given.get("duration_s") is None:
            row = table[table["duration_s"].isna()].iloc[0]
            raise InputError(
                f"the event {row['stimulus_id']!r} at {row['onset_s']:g} s of {run} has no duration; give "
                "the length of a response as `duration_s`."
            )
        table["duration_s"] = table["duration_s"].fillna(0.0)


def _hemispheres(runs: Sequence[Run]) -> list[tuple[Path, Path]]:
    pairs = []
    for run in runs:
        if len(run.files) != 2:
            has = run.file.get("hemi") or "no hemisphere"
            raise MissingDataError(
                f"{run} has one surface file ({has}), a left and a right one are wanted; add the other."
            )
        pairs.append((run.files[0].path, run.files[1].path))
    return pairs


def _with_runs(recording: Recording, runs: Sequence[Run], notes: Sequence[str]) -> Recording:
    """Return the recording with session and task of every sample, and the run's number within them."""
    samples = recording.samples
    position = {number: place for place, number in enumerate(run_numbers(runs))}
    codes = np.array([position[number] for number in samples["run"]], dtype=np.intp)
    return replace(recording, samples=label_runs(samples, codes, runs), notes=(*recording.notes, *notes))
