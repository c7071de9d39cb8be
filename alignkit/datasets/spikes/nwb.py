"""Neurodata Without Borders: sorted units or calcium traces, and what was shown when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..._core.checks import check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ...recordings.recording import Recording
from .._assembly import dataset_of
from .._dataset import DATASETS, Dataset
from ._nwb_files import NWBFile, find_nwb_files
from ._nwb_responses import Choice, read_session
from ._trials import Window

Signal = Literal["spikes", "fluorescence"]


def read_nwb(
    path: str | Path,
    *,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    signal: Signal | None = None,
    intervals: str | None = None,
    stimulus_column: str | list[str] | None = None,
    trials: str | None = None,
    units: str | None = None,
    series: str | None = None,
    unobserved: Literal["raise", "drop"] = "raise",
    recorded_s: tuple[float, float] | None = None,
    subject: str | None = None,
) -> Recording:
    """Read one session.

    Parameters
    ----------
    path : str or Path
        A file of NWB 2, or a two-photon file of the Allen Brain Observatory (NWB 1).
    start_s, stop_s, bin_s : float
        Window and bins in seconds from onset, half-open; see
        :func:`alignkit.preprocessing.spike_counts.bin_spikes` for the rule. By default one bin, the window.
    signal : {"spikes", "fluorescence"}, optional
        Sorted units, counted; or traces of cells, averaged. Needed where a file has both.
    intervals : str, optional
        The table of trials or presentations; needed where there are several.
    stimulus_column : str or list of str, optional
        What names the stimulus; several columns are joined by ``_``. By default `stimulus_id`, or the only
        column there is.
    trials : str, optional
        Keep the rows of the table that meet a condition, such as ``"correct == True and contrast > 0.5"``.
    units : str, optional
        Keep the units that meet a condition, such as ``"quality == good"``.
    series : str, optional
        The series of fluorescence; by default the only dF/F.
    unobserved : {"raise", "drop"}, default="raise"
        What to do with trials outside the times during which all units were observed (`obs_intervals`): an
        error, or leave them out.
    recorded_s : tuple of 2 float, optional
        When the recording began and ended, for files that do not say it (`obs_intervals`).
    subject : str, optional
        Name of the subject; by default the file's.

    Returns
    -------
    recording : Recording
        data (n_samples, n_units[, n_bins]), samples in order of onset: numbers of spikes, or mean
        fluorescence in its unit (dF/F). The samples hold the table's plain columns, the channels those of the
        units, and `roi` where electrodes say where they are.

    Raises
    ------
    MissingDataError
        If there is no such file, or pynwb is not installed.
    InputError
        If the file has no units or no trials, a choice has to be made, trials lie outside the recording, or
        nothing is left.
    """
    files, _ = find_nwb_files(Path(path), None)
    if len(files) != 1:
        raise InputError(f"{path} holds {len(files)} sessions; read them with `load_nwb`, or name one file.")
    choice = _choice(signal, intervals, stimulus_column, trials, units, series, unobserved, recorded_s)
    recording = _recording(files[0], choice, Window(start_s, stop_s, bin_s))
    return recording if subject is None else replace(recording, subject=subject)


@DATASETS.register(
    "nwb",
    modality="spikes, calcium",
    subjects="one or more",
    stimuli="your own",
    shape="presentations x units (x bins)",
    unit="spikes or dF/F",
    licence="your own",
    citation="Ruebel et al. 2022, eLife 11:e78362, doi:10.7554/eLife.78362 (NWB)",
    source="your own files: NWB 2 (extra `nwb`), or two-photon files of the Allen Brain Observatory (NWB 1)",
    sha256={},
    summary="Sorted units or calcium traces in Neurodata Without Borders files, one per session.",
)
def load_nwb(
    *,
    path: Path,
    start_s: float,
    stop_s: float,
    bin_s: float | None = None,
    subjects: list[str] | None = None,
    signal: Signal | None = None,
    intervals: str | None = None,
    stimulus_column: str | list[str] | None = None,
    trials: str | None = None,
    units: str | None = None,
    series: str | None = None,
    unobserved: Literal["raise", "drop"] = "raise",
    recorded_s: tuple[float, float] | None = None,
    stimuli: Path | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read every session of a folder, or one file.

    Parameters
    ----------
    path : Path
        A file, or a folder whose ``*.nwb`` files are read, in subfolders too.
    subjects : list of str, optional
        Which subjects (with all their sessions) or sessions (``subject_session``); by default all.
    start_s, stop_s, bin_s, signal, intervals, stimulus_column, trials, units, series, unobserved, recorded_s
        See :func:`read_nwb`.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    conditions : str, optional
        Column of the samples that carries the condition, where it is not the stimulus.

    Returns
    -------
    dataset : Dataset
        A subject per session where a subject has several: units of two sessions are not the same.

    Raises
    ------
    MissingDataError
        If nothing is found, or nothing of a named subject.
    InputError
        See :func:`read_nwb`.
    """
    files, notes = find_nwb_files(path, subjects)
    window = Window(start_s, stop_s, bin_s)
    choice = _choice(signal, intervals, stimulus_column, trials, units, series, unobserved, recorded_s)
    recordings = [_recording(file, choice, window) for file in track(files, "reading sessions")]
    return dataset_of(
        "nwb",
        recordings,
        files=tuple(file.path for file in files),
        stimuli=stimuli,
        conditions=conditions,
        notes=notes,
    )


def _choice(
    signal: str | None,
    intervals: str | None,
    stimulus_column: str | list[str] | None,
    trials: str | None,
    units: str | None,
    series: str | None,
    unobserved: str,
    recorded_s: tuple[float, float] | None,
) -> Choice:
    check_option("unobserved", unobserved, ("raise", "drop"))
    if signal is not None:
        check_option("signal", signal, ("spikes", "fluorescence"))
    drop = unobserved == "drop"
    return Choice(signal, intervals, stimulus_column, trials, units, series, drop, recorded_s)


def _recording(file: NWBFile, choice: Choice, window: Window) -> Recording:
    found = read_session(file, choice, window)
    return Recording(
        found.data,
        found.samples.assign(session=file.session),
        found.channels,
        times_s=window.times_s,
        subject=file.subject,
        modality=found.modality,
        unit=str(found.channels["unit"].iloc[0]),
        notes=found.notes,
    )
