"""A BIDS folder, raw or preprocessed, of any kind of recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._stimuli import add_labels, check_conditions
from .._tables import label_table
from ..fmri.single_trials import SingleTrialOptions
from ._lost_runs import check_links, check_series
from ._run_events import EventRules, check_id_columns, check_stems, run_events
from ._run_files import check_run_files
from ._stimulus_files import find_stimuli
from .choose import Datatype, Selectors, choose
from .entities import RAW
from .index import BidsIndex, scan_bids
from .possibilities import Possibility, Run
from .sidecars import describe_pipeline, events_of

_FMRI = (
    "mask", "atlas", "atlas_labels", "resample_mask", "structures", "confound_columns", "tr_s",
    "start_time_s", "drop_volumes", "delay_s", "average", "duration_s", "smoothing_fwhm_mm", "detrend",
    "high_pass_hz", "standardize", "glm",
)  # fmt: skip
_CLEANING = (
    "high_pass_hz", "low_pass_hz", "notch_hz", "filter_method", "bad_channels", "interpolate", "reference",
    "resample_hz", "clamp", "baseline_s",
)  # fmt: skip
_REJECT = {"reject_eeg_v": "eeg", "reject_mag_t": "mag", "reject_grad_t_per_m": "grad"}
_SENSORS = ("epochs", "tmin_s", "tmax_s", "picks", "montage", *_CLEANING, *_REJECT)
_TMIN_S, _TMAX_S = -0.2, 0.8


@DATASETS.register(
    "bids",
    modality="fmri, meg, eeg, ieeg",
    subjects="1 or more",
    stimuli="your own",
    shape="events, blocks or volumes x voxels, vertices or grayordinates; epochs x sensors x times",
    unit="percent signal change, z, or scanner units; V, T or T/m",
    licence="your own",
    citation=(
        "Gorgolewski et al. 2016, Scientific Data 3:160044, doi:10.1038/sdata.2016.44 (BIDS); "
        "Appelhoff et al. 2019, Journal of Open Source Software 4:1896, doi:10.21105/joss.01896 (MNE-BIDS)"
    ),
    source="your own files: a BIDS data set, raw or with derivatives such as fMRIPrep's",
    sha256={},
    summary="A BIDS folder: fMRI (volume, surface, CIFTI), MEG, EEG or iEEG, chosen by entities.",
)
def load_bids(
    *,
    folder: Path,
    datatype: Datatype | None = None,
    derivative: str | None = None,
    derivative_folder: Path | None = None,
    tasks: list[str] | None = None,
    space: str | None = None,
    entities: dict[str, str | int] | None = None,
    subjects: list[str] | None = None,
    sessions: list[str] | None = None,
    runs: list[int] | None = None,
    stimuli: Path | None = None,
    id_column: str | None = None,
    trial_types: list[str] | None = None,
    rest: str = "rest",
    missing_events: Literal["error", "skip"] = "error",
    missing_series: Literal["error", "skip"] = "error",
    conditions: str | None = None,
    mask: Literal["brain", "none", "mni152-brain", "mni152-gray-matter"] | Path | None = None,
    atlas: Path | None = None,
    atlas_labels: Path | None = None,
    resample_mask: bool | None = None,
    structures: Literal["cortex", "all"] | None = None,
    confound_columns: (Literal["none", "motion6", "motion24", "motion24+wm+csf"] | list[str] | None) = None,
    tr_s: float | None = None,
    start_time_s: float | None = None,
    drop_volumes: int | None = None,
    delay_s: float | None = None,
    average: Literal["event", "block", "volume", "betas"] | None = None,
    glm: SingleTrialOptions | None = None,
    duration_s: float | None = None,
    smoothing_fwhm_mm: float | None = None,
    detrend: Literal["linear", "none"] | None = None,
    standardize: Literal["percent", "zscore", "none"] | None = None,
    high_pass_hz: float | None = None,
    low_pass_hz: float | None = None,
    notch_hz: list[float] | None = None,
    filter_method: Literal["fir", "iir"] | None = None,
    bad_channels: Literal["marked", "find"] | list[str] | None = None,
    interpolate: bool | None = None,
    reference: Literal["average"] | list[str] | None = None,
    resample_hz: float | None = None,
    clamp: float | None = None,
    epochs: bool | None = None,
    tmin_s: float | None = None,
    tmax_s: float | None = None,
    baseline_s: tuple[float, float] | None = None,
    reject_eeg_v: float | None = None,
    reject_mag_t: float | None = None,
    reject_grad_t_per_m: float | None = None,
    picks: str | list[str] | None = None,
    montage: str | None = None,
) -> Dataset:
    """Read subjects from a BIDS folder, whatever was recorded.

    Where the folder offers several choices (of datatype, derivative, task, space, or another entity) and none
    was named, they are listed in an error: nothing is guessed. Sessions and runs are joined, unless named.

    Parameters
    ----------
    folder : Path
        The data set: ``dataset_description.json`` and ``sub-*``.
    datatype : {"func", "meg", "eeg", "ieeg"}, optional
        What to read.
    derivative : str, optional
        Name of a folder in ``derivatives``, such as ``"fmriprep"``, or ``"raw"``.
    derivative_folder : Path, optional
        A derivative that lies elsewhere; its name is that of its folder.
    tasks : list of str, optional
        Several are joined.
    space : str, optional
        Of preprocessed fMRI; ``""`` is the run's own.
    entities : dict, optional
        Other entities that tell versions of a run apart, such as ``{"echo": 2}`` or ``{"desc": "denoised"}``;
        also ``extension``.
    subjects, sessions : list of str, optional
        Labels, with or without ``sub-`` and ``ses-``; by default all.
    runs : list of int, optional
        Numbers; by default all.
    stimuli : Path, optional
        Folder of the media that ``stim_file`` names; by default ``stimuli`` of the data set.
    id_column : str, optional
        Column of the events that names the stimulus; by default the first of `stimulus_id`, `stim_file` (the
        file's stem) and `trial_type`.
    trial_types : list of str, optional
        Keep events with these values of `trial_type`, for instance to leave out responses.
    rest : str, default="rest"
        A label that is no stimulus.
    missing_events : {"error", "skip"}
        What happens to runs without an events table; ``"skip"`` leaves them out with a note.
    missing_series : {"error", "skip"}
        What happens to events tables without a recording of their run; ``"skip"`` leaves them out with a
        note.
    conditions : str, optional
        Column of the samples that carries the condition, for block designs.
    mask : path or {"brain", "none", "mni152-brain", "mni152-gray-matter"}, optional
        Of volumes. By default the voxels that the derivative's brain masks of all runs share, where there
        are masks; ``"brain"`` insists on them.
    atlas : Path, optional
        A file (of a surface that of the left hemisphere, with ``hemi-L`` or ``lh.`` in its name), or the name
        of one of nilearn's atlases.
    structures : {"cortex", "all"}, optional
        Of CIFTI: see :func:`alignkit.datasets.read_cifti_bold`.
    atlas_labels, resample_mask, tr_s, start_time_s, drop_volumes, delay_s, average, glm, \
duration_s, smoothing_fwhm_mm, detrend, standardize
        Of fMRI: see :func:`alignkit.datasets.read_bold`.
    confound_columns : str or list of str, optional
        Of fMRI: what of the derivative's confounds is regressed out.
    high_pass_hz : float, optional
        Slower changes are taken out, of fMRI as of sensors.
    low_pass_hz, notch_hz, filter_method, bad_channels, interpolate, reference, resample_hz, clamp, baseline_s
        Of MEG, EEG and iEEG: see :class:`alignkit.preprocessing.Cleaning`.
    epochs : bool, optional
        Of MEG, EEG and iEEG: with False every time point is a sample, for stories and films; set
        `resample_hz` then.
    tmin_s, tmax_s : float, optional
        Of the epochs, in seconds from onset; by default -0.2 and 0.8.
    reject_eeg_v, reject_mag_t, reject_grad_t_per_m : float, optional
        Largest peak-to-peak amplitude of an epoch that is kept, by kind of channel.
    picks : str or list of str, optional
        Channel types or names; by default all data channels that are not bad.
    montage : str, optional
        For sensors without positions: see :func:`alignkit.datasets.read_fif`.

    Returns
    -------
    dataset : Dataset
        A recording per subject. Samples have `session`, `task`, `run` (counted through where numbers begin
        anew in every session) and `run_in_session` beside the columns of the events. `labels` are the event
        columns that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If the folder, what was named, an events table, the series of one, or content that git-annex has not
        fetched is not there.
    InputError
        If several choices are left, an option is for another datatype, runs name stimuli by different
        columns, an event is there twice, or files are not what they should be.

    Examples
    --------
    >>> dataset = load_bids(folder=Path("ds001499"), derivative="fmriprep", space="T1w")  # doctest: +SKIP
    """
    given = {name: value for name, value in locals().items() if value is not None}
    index = _index(Path(folder), derivative_folder)
    wanted = Selectors(
        datatype,
        _derivative(derivative, derivative_folder),
        space,
        subjects,
        sessions,
        tasks,
        runs,
        entities or {},
    )
    chosen = choose(index, wanted)
    notes = list(index.notes)
    check_links(index, chosen, wanted)
    notes += check_series(index, chosen, wanted, skip=missing_series == "skip")
    _check_description(index, chosen[0].derivative, notes)
    options = _options(chosen[0], given)
    rules = EventRules(id_column, trial_types, rest)
    plan = _plan(
        index,
        chosen,
        skip=missing_events == "skip",
        optional=average == "volume" or epochs is False,
        notes=notes,
    )
    check_run_files(index.folder, [run for runs_of in plan.values() for run, _ in runs_of])
    recordings: list[Recording] = []
    files: list[Path] = []
    for subject, runs_of in track(list(plan.items()), "reading subjects"):
        recording, read = _read_subject(index, chosen[0], f"sub-{subject}", runs_of, rules, options)
        recordings.append(recording)
        files += read
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    categories = label_table(samples, leave_out=("task", "run_in_session", "event", "volume"))
    images, said = find_stimuli(index.folder, stimuli, samples)
    return Dataset(
        name="bids",
        study=Study.of(*recordings),
        stimuli=None if images is None else add_labels(images, categories),
        labels=categories,
        conditions=check_conditions(conditions, samples),
        files=tuple(dict.fromkeys(files)),
        notes=(*notes, *said, *(f"{each.subject}: {note}" for each in recordings for note in each.notes)),
    )


def _index(folder: Path, derivative_folder: Path | None) -> BidsIndex:
    index = scan_bids(folder)
    if derivative_folder is None:
        return index
    place = Path(derivative_folder)
    return index.joined(scan_bids(place), pipeline=place.resolve().name)


def _derivative(derivative: str | None, folder: Path | None) -> str | None:
    if folder is None:
        return derivative
    name = Path(folder).resolve().name
    if derivative not in (None, name):
        raise InputError(
            f"`derivative` is {derivative!r}, but `derivative_folder` is {name!r}; give one of the two."
        )
    return name


def _check_description(index: BidsIndex, derivative: str, notes: list[str]) -> None:
    if describe_pipeline(index, next(iter(index.roots))) is None:
        raise InputError(
            f"{index.folder} has no dataset_description.json, which every BIDS data set has. If it is the "
            'right folder, write the file: {"Name": "...", "BIDSVersion": "1.9.0"}.'
        )
    described = describe_pipeline(index, derivative)
    if described is None:
        notes.append(
            f"The derivative {derivative} has no dataset_description.json: who made it is not known."
        )
    elif described.is_derivative:
        notes.append(
            f"The data are the derivative {derivative}, made by {described.made_by or 'an unknown program'}."
        )


def _options(chosen: Possibility, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reader's options that were given, refusing those of another kind of recording."""
    own, other = (_FMRI, _SENSORS) if chosen.datatype == "func" else (_SENSORS, _FMRI)
    for name in other:
        if name in given and name not in own:
            raise InputError(f"`{name}` is not for the datatype {chosen.datatype!r}; leave it out.")
    return {name: given[name] for name in own if name in given}


_Plan = dict[str, list[tuple[Run, Path | None]]]


def _plan(
    index: BidsIndex, chosen: Sequence[Possibility], *, skip: bool, optional: bool, notes: list[str]
) -> _Plan:
    """Return each subject's runs with their events tables, in the order in which they are joined."""
    runs = sorted(
        (run for each in chosen for run in each.runs),
        key=lambda run: (run.subject, run.session, run.task, run.run or 0),
    )
    found = {id(run): events_of(index, run.file) for run in runs}
    lost = [run for run in runs if found[id(run)] is None]
    if lost and not optional:
        shown = ", ".join(map(str, lost[:5])) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        if not skip or len(lost) == len(runs):
            raise MissingDataError(
                f"{len(lost)} of {len(runs)} runs have no events.tsv: {shown}. "
                f"{_events_hint(index, is_all=len(lost) == len(runs))}, or choose other runs with `tasks`, "
                "`sessions` or `runs`; without events every time point can be a sample: fMRI by `average` "
                "'volume', sensors by `epochs` false."
            )
        notes.append(f"{len(lost)} of {len(runs)} runs have no events.tsv and were left out: {shown}.")
        runs = [run for run in runs if found[id(run)] is not None]
    plan: _Plan = {}
    for run in runs:
        # Events that only some runs have would name only some volumes.
        plan.setdefault(run.subject, []).append((run, None if lost and optional else found[id(run)]))
    if lost and optional and len(lost) < len(runs):
        notes.append(
            f"{len(lost)} of {len(runs)} runs have no events.tsv, so no volume is named by an event."
        )
    for each in chosen:
        without = sorted(set(plan) - set(each.subjects))
        if without:
            notes.append(f"No run of the task {each.task!r}: sub-{', sub-'.join(without)}.")
    return plan


def _events_hint(index: BidsIndex, *, is_all: bool) -> str:
    if is_all and RAW not in index.roots:
        return (
            "This folder is a derivative: give the raw data set as `folder` and this one as "
            "`derivative_folder`"
        )
    return "Add the tables" if is_all else "Add them, set `missing_events` to 'skip'"


def _read_subject(
    index: BidsIndex,
    chosen: Possibility,
    subject: str,
    runs_of: Sequence[tuple[Run, Path | None]],
    rules: EventRules,
    options: Mapping[str, Any],
) -> tuple[Recording, list[Path]]:
    runs = [run for run, _ in runs_of]
    tables = [None if path is None else run_events(path, rules) for _, path in runs_of]
    if rules.id_column is None:
        check_id_columns([(str(run), path) for run, path in runs_of if path is not None])
    known = [table for table in tables if table is not None]
    check_stems(known, index.folder)
    read = [*(file.path for run in runs for file in run.files), *(path for _, path in runs_of if path)]
    if chosen.datatype == "func":
        from ._fmri_runs import read_fmri

        recording, beside = read_fmri(index, runs, tables, form=chosen.form, subject=subject, options=options)
        return recording, [*read, *beside]
    from ...preprocessing.meeg.cleaning import Cleaning
    from ._sensor_runs import Cut, read_sensors

    limits = {kind: options[name] for name, kind in _REJECT.items() if name in options}
    cleaning = {name: options[name] for name in _CLEANING if name in options}
    cut = Cut(
        Cleaning(**cleaning, reject=limits or None),
        window_s=(options.get("tmin_s", _TMIN_S), options.get("tmax_s", _TMAX_S))
        if options.get("epochs", True)
        else None,
        picks=options.get("picks", "data"),
        montage=options.get("montage"),
    )
    return read_sensors(index, runs, tables, subject=subject, cut=cut), read
