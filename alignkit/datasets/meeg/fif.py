"""MEG, EEG and intracranial epochs in MNE's FIF format."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from ..._core.progress import track
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._arrays import readable, require_file
from .._dataset import DATASETS, Dataset
from .._stimuli import add_labels, check_conditions, match_stimuli
from .._tables import label_table

if TYPE_CHECKING:
    import mne

_STIMULUS = "stimulus_id"
_SUBJECT = "{subject}"
EPOCHS = "sub-{subject}/**/*_epo.fif"
_SPHERES = {"meg": ("mag", "grad"), "eeg": ("eeg",), "ieeg": ("seeg", "ecog", "dbs")}


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
        New sampling frequency; MNE filters against aliasing. Times are cut after it.
    picks : str or sequence of str, default="data"
        Channel types (``"eeg"``, ``"mag"``, ``"grad"``) or names, as MNE takes them. Channels marked bad are
        left out, unless they are named.
    montage : str, optional
        For sensors without positions: the name of a standard montage of MNE (``"biosemi64"``), or
        ``"none"`` to do without positions, and so without maps.

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
        positions, or `picks` or times leave nothing.
    """
    import mne

    path = require_file(path)
    with readable(path, "MNE epochs (FIF)"), warnings.catch_warnings():
        # MNE's own calls of pandas: nothing a reader of epochs can act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        epochs = mne.read_epochs(path, preload=True, verbose="error")
    if not len(epochs):
        raise InputError(f"{path} holds no epoch; all were dropped before it was saved.")
    bads = [name for name in epochs.info["bads"] if isinstance(picks, str)]
    epochs = _picked(epochs, picks, path)
    if montage != "none":
        _require_positions(epochs, montage, path)
    epochs = _at_times(epochs, path, tmin_s, tmax_s, resample_hz)
    units = [_unit(channel) for channel in epochs.info["chs"]]
    notes = (f"{subject}: {len(bads)} channels marked bad were left out: {', '.join(bads)}.",) if bads else ()
    return Recording(
        np.ascontiguousarray(epochs.get_data(copy=False), dtype=np.float32),
        _samples(epochs, stimulus_column, path),
        _channels(epochs.info, units),
        times_s=np.asarray(epochs.times, dtype=np.float64),
        geometry=None if montage == "none" else SensorGeometry(epochs.info),
        subject=subject,
        modality=_modality(epochs.info),
        unit=units[0] if len(set(units)) == 1 else "mixed",
        notes=notes,
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
    study = Study.of(*recordings)
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    place = Path(folder) / "stimuli" if stimuli is None else Path(stimuli)
    has_images = stimuli is not None or place.is_dir()
    images, notes = match_stimuli(place, list(samples[_STIMULUS])) if has_images else (None, ())
    categories = label_table(samples)
    return Dataset(
        name="fif",
        study=study,
        stimuli=None if images is None else add_labels(images, categories),
        labels=categories,
        conditions=check_conditions(conditions, samples),
        files=tuple(files.values()),
        notes=(*notes, *(note for recording in recordings for note in recording.notes)),
    )


def find_subject_files(
    folder: str | Path, pattern: str, subjects: Sequence[str] | None = None
) -> dict[str, Path]:
    """Return each subject's file, sorted by subject.

    Parameters
    ----------
    folder : str or Path
        Where to look.
    pattern : str
        With ``{subject}``; ``*`` stands for anything within one name, ``**`` for any folders.
    subjects : sequence of str, optional
        Which ones, with or without ``sub-``; by default all.

    Returns
    -------
    files : dict of str to Path
        Where the pattern says ``sub-{subject}``, names begin with ``sub-``.

    Raises
    ------
    MissingDataError
        If nothing is found, or nothing for a named subject.
    InputError
        If the pattern has no ``{subject}`` or leaves the folder, or a subject has several files.
    """
    folder = Path(folder)
    if _SUBJECT not in pattern or pattern.startswith("/") or ".." in pattern.split("/"):
        raise InputError(f"`pattern` must hold {_SUBJECT!r} and stay inside the folder, got {pattern!r}.")
    if not folder.is_dir():
        raise MissingDataError(f"the folder {folder} does not exist; check `folder`.")
    prefix = "sub-" if f"sub-{_SUBJECT}" in pattern else ""
    expression = _expression(pattern)
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob(pattern.replace(_SUBJECT, "*"))):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match and path.is_file():
            found.setdefault(prefix + match["subject"], []).append(path)
    names = sorted(found) if subjects is None else [prefix + str(s).removeprefix(prefix) for s in subjects]
    if not names:
        raise MissingDataError(f"{folder} holds no file {pattern!r}; check `folder` and `pattern`.")
    for name in names:
        if name not in found:
            known = did_you_mean(name, list(found))
            raise MissingDataError(f"{folder} holds no file {pattern!r} of {name!r}, {known}")
        if len(found[name]) > 1:
            several = ", ".join(str(path.relative_to(folder)) for path in found[name][:3])
            raise InputError(f"{name!r} has {len(found[name])} files ({several}); narrow `pattern` to one.")
    return {name: found[name][0] for name in names}


def _expression(pattern: str) -> re.Pattern[str]:
    """Return a pattern's regular expression; the first ``{subject}`` names it, later ones repeat it."""
    wildcards = {r"\*\*/": "(?:.*/)?", r"\*": "[^/]*"}
    parts = [re.escape(part) for part in pattern.split(_SUBJECT)]
    for wildcard, expression in wildcards.items():
        parts = [part.replace(wildcard, expression) for part in parts]
    return re.compile(parts[0] + "(?P<subject>[^/_]+?)" + "(?P=subject)".join(parts[1:]))


def _picked(epochs: mne.BaseEpochs, picks: str | Sequence[str], path: Path) -> mne.BaseEpochs:
    wanted = picks if isinstance(picks, str) else list(picks)
    try:
        return epochs.pick(wanted, exclude="bads" if isinstance(picks, str) else (), verbose="error")
    except ValueError as error:
        kinds = ", ".join(sorted(set(epochs.get_channel_types())))
        raise InputError(
            f"`picks` {wanted!r} leaves no channel of {path}; it has channels of type {kinds}."
        ) from error


def _require_positions(epochs: mne.BaseEpochs, montage: str | None, path: Path) -> None:
    import mne

    if montage is not None:
        known = mne.channels.get_builtin_montages()
        if montage not in known:
            raise InputError(f"`montage` is {montage!r}, {did_you_mean(montage, [*known, 'none'])}")
        epochs.set_montage(montage, on_missing="ignore", verbose="error")
    places = np.array([channel["loc"][:3] for channel in epochs.info["chs"]])
    lost = ~np.isfinite(places).all(axis=1) | (places == 0).all(axis=1)
    if lost.any():
        names = [name for name, is_lost in zip(epochs.ch_names, lost, strict=True) if is_lost]
        raise InputError(
            f"{len(names)} of {len(lost)} sensors of {path} have no position ({', '.join(names[:5])}). Set "
            "`montage` to a standard one (such as 'biosemi64'), or to 'none' to do without maps."
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
        epochs = epochs.resample(resample_hz, verbose="error")
    return epochs.crop(max(start, float(epochs.tmin)), min(stop, float(epochs.tmax)), verbose="error")


def _samples(epochs: mne.BaseEpochs, stimulus_column: str | None, path: Path) -> pd.DataFrame:
    names = {code: name for name, code in epochs.event_id.items()}
    event = [names[code] for code in epochs.events[:, 2]]
    table = pd.DataFrame() if epochs.metadata is None else epochs.metadata.reset_index(drop=True)
    if stimulus_column is not None and stimulus_column not in table:
        columns = list(map(str, table.columns))
        raise InputError(
            f"the metadata of {path} have no column {stimulus_column!r}, "
            f"{did_you_mean(stimulus_column, columns)}"
        )
    column = stimulus_column or _STIMULUS
    ids = table[column] if column in table else pd.Series(event)
    if ids.isna().any() or (ids.astype(str) == "").any():
        row = int((ids.isna() | (ids.astype(str) == "")).to_numpy().argmax())
        raise InputError(f"epoch {row} of {path} has no {column!r}; drop it, or fill the metadata in.")
    samples = pd.DataFrame({_STIMULUS: ids.astype(str).to_list(), "event": event})
    for name in table.columns:
        if str(name) not in samples and name != column:
            values = table[name]
            samples[str(name)] = values if pd.api.types.is_numeric_dtype(values) else values.astype(str)
    if "repetition" not in samples:
        samples["repetition"] = samples.groupby(_STIMULUS, sort=False).cumcount() + 1
    return samples


def _channels(info: mne.Info, units: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame({"name": info["ch_names"], "kind": info.get_channel_types(), "unit": list(units)})
    places = np.array([_in_head(channel, info) for channel in info["chs"]]) * 1000
    return table.assign(x_mm=places[:, 0], y_mm=places[:, 1], z_mm=places[:, 2])


def _in_head(channel: dict[str, Any], info: mne.Info) -> NDArray[np.float64]:
    """Return a sensor's place in head coordinates, in metres; NaN where it is unknown."""
    import mne

    place = np.asarray(channel["loc"][:3], dtype=np.float64)
    if not np.isfinite(place).all() or not place.any():
        return np.full(3, np.nan)
    if channel["coord_frame"] == mne.io.constants.FIFF.FIFFV_COORD_DEVICE and info["dev_head_t"] is not None:
        return np.asarray(mne.transforms.apply_trans(info["dev_head_t"], place), dtype=np.float64)
    return place


def _unit(channel: dict[str, Any]) -> str:
    import mne

    codes = mne.io.constants.FIFF
    known = {codes.FIFF_UNIT_V: "V", codes.FIFF_UNIT_T: "T", codes.FIFF_UNIT_T_M: "T/m"}
    return known.get(channel["unit"], "arbitrary")


def _modality(info: mne.Info) -> str:
    kinds = set(info.get_channel_types())
    found = [name for name, members in _SPHERES.items() if kinds & set(members)]
    return "+".join(found) if found else "unknown"
