"""MEG, EEG and intracranial epochs in MNE's FIF format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..._core.errors import InputError
from ..._core.progress import track
from ...preprocessing.meeg._quiet import quiet_mne
from ...recordings.recording import Recording
from .._arrays import readable, require_file
from .._assembly import dataset_of
from .._dataset import DATASETS, Dataset
from ._times import times_note
from .epochs import recording_of_epochs
from .subject_files import find_subject_files

if TYPE_CHECKING:
    import mne

_STIMULUS = "stimulus_id"
EPOCHS = "sub-{subject}/**/*_epo.fif"


def read_fif(
    path: str | Path,
    *,
    subject: str,
    stimulus_column: str | None = None,
    tmin_s: float | None = None,
    tmax_s: float | None = None,
    resample_hz: float | None = None,
    picks: str | Sequence[str] = "data",
    montage: str | None = None,
) -> Recording:
    """Read one subject's epochs.

    Parameters
    ----------
    path : str or Path
        An MNE Epochs file (``*-epo.fif``, ``*_epo.fif``, gzipped or split ones too).
    subject : str
        Name of the subject.
    stimulus_column : str, optional
        Column of the epochs' metadata that names the stimulus. By default `stimulus_id` where there is such
        a column, else the names of the events.
    tmin_s, tmax_s : float, optional
        Keep the times between these, in seconds from onset, both included; by default all.
    resample_hz : float, optional
        New sampling frequency, at most the file's; MNE filters against aliasing. Times are cut after it.
    picks : str or sequence of str, default="data"
        Channel types (``"eeg"``, ``"mag"``, ``"grad"``) or names, as MNE takes them. Channels marked bad are
        left out, unless they are named.
    montage : str, optional
        For sensors without positions: the name of a standard montage of MNE (``"biosemi64"``), a file of
        positions, or ``"none"`` to do without, and so without maps.

    Returns
    -------
    recording : Recording
        data (n_epochs, n_channels, n_times) in V, T or T/m; samples hold the metadata; channels hold `kind`,
        `unit` and positions in head coordinates (mm).

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged or no epochs file, holds no epoch, names no stimuli as wanted, has sensors without
        positions, or amplitudes that no sensor records, or `picks` or times leave nothing.
    """
    import mne

    path = require_file(path)
    with readable(path, "MNE epochs (FIF)"), quiet_mne():
        epochs = mne.read_epochs(path, preload=True, verbose="error")
    if not len(epochs):
        raise InputError(f"{path} holds no epoch; all were dropped before it was saved.")
    return recording_of_epochs(
        _at_times(epochs, path, tmin_s, tmax_s, resample_hz),
        subject=subject,
        stimulus_column=stimulus_column,
        picks=picks,
        montage=montage,
        where=str(path),
    )


@DATASETS.register(
    "fif",
    modality="meg, eeg, ieeg",
    subjects="one or more",
    stimuli="your own",
    shape="epochs x sensors x times",
    unit="V, T or T/m",
    licence="your own",
    citation="Gramfort et al. 2013, Frontiers in Neuroscience 7:267, doi:10.3389/fnins.2013.00267 (MNE)",
    source="your own files: MNE epochs, one file per subject, and a folder of images",
    sha256={},
    summary="MEG, EEG or intracranial epochs as MNE FIF files, one per subject.",
)
def load_fif(
    *,
    folder: Path,
    pattern: str = EPOCHS,
    subjects: list[str] | None = None,
    stimuli: Path | None = None,
    stimulus_column: str | None = None,
    tmin_s: float | None = None,
    tmax_s: float | None = None,
    resample_hz: float | None = None,
    picks: str | list[str] = "data",
    montage: str | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read every subject's epochs.

    Parameters
    ----------
    folder : Path
        Where the subjects are.
    pattern : str
        Path of a subject's file below `folder`; ``{subject}`` stands for the subject's label, ``*`` and
        ``**`` as in a shell.
    subjects : list of str, optional
        Labels, with or without ``sub-``; by default all that the pattern finds, sorted.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids; by default ``stimuli`` inside `folder` where it is
        there.
    stimulus_column, tmin_s, tmax_s, resample_hz, picks, montage
        See :func:`read_fif`.
    conditions : str, optional
        Column of the samples that carries the condition, where it is not the stimulus.

    Returns
    -------
    dataset : Dataset
        `labels` are the metadata columns that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If the folder, or a subject's file, is not there.
    InputError
        If a subject has several files, or a file cannot be used.
    """
    files = find_subject_files(folder, pattern, subjects)
    recordings = [
        read_fif(
            path,
            subject=subject,
            stimulus_column=stimulus_column,
            tmin_s=tmin_s,
            tmax_s=tmax_s,
            resample_hz=resample_hz,
            picks=picks,
            montage=montage,
        )
        for subject, path in track(list(files.items()), "reading epochs")
    ]
    return dataset_of(
        "fif",
        recordings,
        files=tuple(files.values()),
        stimuli=stimuli,
        beside=Path(folder),
        conditions=conditions,
        notes=times_note(recordings),
    )


def _at_times(
    epochs: mne.BaseEpochs, path: Path, tmin_s: float | None, tmax_s: float | None, resample_hz: float | None
) -> mne.BaseEpochs:
    first, last = float(epochs.tmin), float(epochs.tmax)
    start, stop = first if tmin_s is None else tmin_s, last if tmax_s is None else tmax_s
    # Half a sample of grace: a file's last time is rarely the round number that people write.
    grace = 0.5 / float(epochs.info["sfreq"])
    if not first - grace <= start < stop <= last + grace:
        raise InputError(
            f"`tmin_s` to `tmax_s` is {start:g} to {stop:g} s, but {path} holds {first:g} to {last:g} s."
        )
    if resample_hz is not None:
        if not resample_hz > 0:
            raise InputError(f"`resample_hz` must be above 0, got {resample_hz}.")
        rate = float(epochs.info["sfreq"])
        if resample_hz > rate:
            raise InputError(
                f"`resample_hz` is {resample_hz:g}, above the {rate:g} Hz of {path}; it can only be lowered."
            )
        epochs = epochs.resample(resample_hz, verbose="error")
    if tmin_s is None and tmax_s is None:
        return epochs
    return epochs.crop(max(start, float(epochs.tmin)), min(stop, float(epochs.tmax)), verbose="error")
