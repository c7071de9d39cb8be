"""Continuous M/EEG, intracranial or fNIRS files of several subjects as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..._core.errors import InputError
from ..._core.progress import track
from ...preprocessing.meeg.cleaning import Cleaning
from .._assembly import dataset_of
from .._dataset import DATASETS, Dataset
from ._times import times_note
from .continuous import read_meeg
from .subject_files import find_subject_runs

RECORDINGS = "sub-{subject}/**/*_raw.fif"


@DATASETS.register(
    "meeg",
    modality="meg, eeg, ieeg, fnirs",
    subjects="one or more",
    stimuli="your own",
    shape="epochs x sensors x times, or time points x sensors",
    unit="V, T, T/m or M",
    licence="your own",
    citation="Gramfort et al. 2013, Frontiers in Neuroscience 7:267, doi:10.3389/fnins.2013.00267 (MNE)",
    source="your own files: FIF, EDF, BDF, GDF, BrainVision, EEGLAB, CTF, SNIRF, KIT, CNT; tables of events",
    sha256={},
    summary="Continuous M/EEG, intracranial or fNIRS files, cleaned and cut around events, or kept whole.",
)
def load_meeg(
    *,
    folder: Path,
    pattern: str | list[str] = RECORDINGS,
    subjects: list[str] | None = None,
    events: str | list[str] | None = None,
    event_column: str | None = None,
    event_names: list[str] | None = None,
    stimulus_column: str | None = None,
    epochs: bool = True,
    tmin_s: float = -0.2,
    tmax_s: float = 0.8,
    baseline_s: tuple[float, float] | None = None,
    high_pass_hz: float | None = None,
    low_pass_hz: float | None = None,
    notch_hz: list[float] | None = None,
    filter_method: Literal["fir", "iir"] = "fir",
    bad_channels: str | list[str] = "marked",
    interpolate: bool = False,
    reference: str | list[str] | None = None,
    resample_hz: float | None = None,
    clamp: float | None = None,
    reject_eeg_v: float | None = None,
    reject_mag_t: float | None = None,
    reject_grad_t_per_m: float | None = None,
    picks: str | list[str] = "data",
    montage: str | None = None,
    stimuli: Path | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read every subject's continuous recording.

    Parameters
    ----------
    folder : Path
        Where the subjects are.
    pattern : str or list of str
        Path of a subject's file below `folder`; ``{subject}`` stands for the subject's label, ``*`` and
        ``**`` as in a shell. Several files of a subject are its runs, sorted by name. Without ``{subject}``,
        `subjects` names the one whose files they are.
    subjects : list of str, optional
        Labels, with or without ``sub-``; by default all that the pattern finds, sorted.
    events : str or list of str, optional
        Such a pattern for the tables of events (csv or tsv), one per run, sorted by name. By default the
        annotations of each file, or else its stimulus channel.
    event_column, event_names, stimulus_column, epochs, tmin_s, tmax_s, picks, montage
        See :func:`alignkit.datasets.read_meeg`.
    high_pass_hz, low_pass_hz, notch_hz, filter_method, bad_channels, interpolate, reference
        See :class:`alignkit.preprocessing.meeg.cleaning.Cleaning`; frequencies in hertz.
    resample_hz, clamp
        As above: the new sampling rate in hertz, and robust standard deviations at which values are clipped.
    baseline_s : tuple of float, optional
        Of epochs: the window whose mean is subtracted, in seconds from onset.
    reject_eeg_v, reject_mag_t, reject_grad_t_per_m : float, optional
        Of epochs: the largest peak-to-peak amplitude of EEG channels (V), magnetometers (T) and gradiometers
        (T/m).
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids; by default ``stimuli`` inside `folder` where it is
        there.
    conditions : str, optional
        Column of the samples that carries the condition, where it is not the stimulus.

    Returns
    -------
    dataset : Dataset
        `labels` are the columns of events that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If the folder, or a subject's file, is not there.
    InputError
        If a file cannot be used, or runs and tables of events do not pair up.
    """
    runs = find_subject_runs(folder, pattern, subjects)
    tables = None if events is None else find_subject_runs(folder, events, list(runs))
    limits = {"eeg": reject_eeg_v, "mag": reject_mag_t, "grad": reject_grad_t_per_m}
    cleaning = Cleaning(
        high_pass_hz=high_pass_hz,
        low_pass_hz=low_pass_hz,
        notch_hz=notch_hz,
        filter_method=filter_method,
        bad_channels=bad_channels,
        interpolate=interpolate,
        reference=reference,
        resample_hz=resample_hz,
        clamp=clamp,
        baseline_s=baseline_s,
        reject={kind: limit for kind, limit in limits.items() if limit is not None} or None,
    )
    recordings = [
        read_meeg(
            files,
            subject=subject,
            events=None if tables is None else _paired(subject, files, tables[subject]),
            event_column=event_column,
            event_names=event_names,
            stimulus_column=stimulus_column,
            epochs=epochs,
            tmin_s=tmin_s,
            tmax_s=tmax_s,
            cleaning=cleaning,
            picks=picks,
            montage=montage,
        )
        for subject, files in track(list(runs.items()), "reading recordings")
    ]
    read = tuple(file for found in (runs, tables or {}) for each in found.values() for file in _files(each))
    return dataset_of(
        "meeg",
        recordings,
        files=read,
        stimuli=stimuli,
        beside=Path(folder),
        conditions=conditions,
        # The edges of an event are no category of what was shown.
        leave_out=("event", "sample", "value"),
        shown_apart=epochs,
        notes=times_note(recordings),
    )


def _paired(subject: str, runs: list[Path], tables: list[Path]) -> list[Path]:
    if len(runs) != len(tables):
        raise InputError(
            f"{subject!r} has {len(runs)} runs but {len(tables)} tables of events; narrow `pattern` or "
            "`events`."
        )
    return tables


def _files(paths: list[Path]) -> list[Path]:
    """Return the files, and those inside of recordings that are folders."""
    return [
        file
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]
