"""Continuous recordings in the formats that MNE reads, checked for being whole."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._core.errors import InputError, MissingDataError
from ...preprocessing.meeg.sensors import place_sensors
from .._arrays import readable
from ._edf_units import signals_without_volts
from ._file_checks import check_fdt, check_whole, refuse_damaged, refuse_outside

if TYPE_CHECKING:
    import mne

_LOGGER = logging.getLogger(__name__)

_FORMATS = {
    ".fif": "FIF",
    ".fif.gz": "FIF",
    ".edf": "EDF",
    ".bdf": "BDF",
    ".gdf": "GDF",
    ".vhdr": "BrainVision",
    ".ahdr": "BrainVision",
    ".set": "EEGLAB",
    ".ds": "CTF",
    ".snirf": "SNIRF",
    ".con": "KIT",
    ".sqd": "KIT",
    ".cnt": "CNT",
    ".mff": "EGI",
}
_FOLDERS = (".ds", ".mff")
_PARTS = {".vmrk": ".vhdr", ".eeg": ".vhdr", ".dat": ".vhdr", ".fdt": ".set", ".res4": ".ds", ".meg4": ".ds"}
_OTHER_FIF = {
    "epochs": "`alignkit.datasets.read_fif`",
    "evoked": "`alignkit.datasets.read_evoked`",
}


def open_raw(path: str | Path, *, montage: str | None = None, preload: bool = False) -> mne.io.BaseRaw:
    """Open a continuous recording; the reader is chosen by the file's name.

    Parameters
    ----------
    path : str or Path
        A file (FIF, EDF, BDF, GDF, BrainVision ``.vhdr``, EEGLAB ``.set``, SNIRF, KIT ``.con`` and ``.sqd``,
        CNT) or a folder (CTF ``.ds``, EGI ``.mff``).
    montage : str, optional
        Where the sensors are: a standard montage of MNE, or a file of positions.
    preload : bool, default=False
        Read the data now.

    Returns
    -------
    raw : mne.io.BaseRaw
        In V, T, T/m or M, with the file's annotations. What MNE says of the file is logged.

    Raises
    ------
    MissingDataError
        If the file, or one that it names, is not there.
    InputError
        If it is cut short, damaged, of another kind or of an unknown format, names data outside its folder,
        two channels share a name, or an EDF signal is in a unit that would be read as volts.

    Examples
    --------
    >>> raw = open_raw("sub-01_task-story_eeg.vhdr", montage="easycap-M1")  # doctest: +SKIP
    """
    raw, notes = open_raw_with_notes(path, montage=montage, preload=preload)
    for note in notes:
        _LOGGER.warning("%s", note)
    return raw


def open_raw_with_notes(
    path: str | Path, *, montage: str | None = None, preload: bool = False
) -> tuple[mne.io.BaseRaw, tuple[str, ...]]:
    """Do what :func:`open_raw` does, and return what a reader of a report should know of the file."""
    import mne

    path = Path(path)
    suffix = _suffix(path)
    notes = check_whole(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            raw = mne.io.read_raw(path, preload=False, verbose="warning")
        except Exception as error:
            refuse_damaged(path, caught)
            raise _explained(path, suffix, error) from error
    notes += refuse_damaged(path, caught)
    data_file = Path(raw.filenames[0]) if raw.filenames[0] is not None else path
    settle_headers(raw, path)
    if suffix == ".set" and data_file.suffix == ".fdt":
        check_fdt(path, data_file, n_channels=len(raw.ch_names), n_times=raw.n_times)
    place_sensors(raw, montage, where=str(path))
    return read_data(raw, path) if preload else raw, tuple(notes)


def settle_headers(raw: mne.io.BaseRaw, path: Path) -> None:
    """Refuse an EEGLAB file whose data lie elsewhere; take EDF signals that are no voltage out of the EEG.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Opened, its data not read yet; changed in place.
    path : Path
        Its file.

    Raises
    ------
    InputError
        If the data file is not beside the ``.set``.
    """
    data_file = path if raw.filenames[0] is None else Path(raw.filenames[0])
    if path.suffix.lower() == ".set" and data_file.resolve() != path.resolve():
        refuse_outside(path, data_file, str(data_file), "EEG.data")
    if path.suffix.lower() in (".edf", ".bdf"):
        others = [name for name in signals_without_volts(path) if name in raw.ch_names]
        raw.set_channel_types(dict.fromkeys(others, "misc"), on_unit_change="ignore", verbose="error")


def read_data(raw: mne.io.BaseRaw, path: str | Path) -> mne.io.BaseRaw:
    """Load a recording's data, in place; a file that is cut short fails here at the latest.

    Raises
    ------
    InputError
        If the data cannot be read.
    """
    with readable(Path(path), "a continuous recording"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw.load_data(verbose="error")
    return raw


def _suffix(path: Path) -> str:
    """Return the known suffix of a file or folder that is there."""
    name = path.name.lower()
    suffix = next((each for each in sorted(_FORMATS, key=len, reverse=True) if name.endswith(each)), "")
    if not path.exists():
        raise MissingDataError(f"{path} does not exist; check the name and where it lies.")
    if not suffix:
        main = _PARTS.get(path.suffix.lower())
        hint = f" It is a part of a recording: give the {main} beside it." if main else ""
        raise InputError(
            f"{path} has the suffix {path.suffix!r}; a continuous recording is {', '.join(_FORMATS)}.{hint}"
        )
    if path.is_dir() != (suffix in _FOLDERS):
        is_a, wanted = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
        raise InputError(f"{path} is {is_a}; a recording in {_FORMATS[suffix]} format is {wanted}.")
    return suffix


def _explained(path: Path, suffix: str, error: Exception) -> InputError:
    """Return the error of a reader as one that says what to do."""
    if isinstance(error, InputError):
        return error
    said = " ".join(str(error).split())
    if suffix in (".fif", ".fif.gz"):
        kind = _kind_of_fif(path)
        if kind in _OTHER_FIF:
            return InputError(
                f"{path} holds {kind}, not a continuous recording; read it with {_OTHER_FIF[kind]}."
            )
    if suffix == ".set" and "number of trials" in said.lower():
        return InputError(
            f"{path} holds epochs, not a continuous recording; read it with `mne.read_epochs_eeglab` and "
            "turn it into a recording with `alignkit.datasets.recording_of_epochs`."
        )
    if isinstance(error, FileNotFoundError) and suffix == ".set":
        tried = said.partition("tried ")[2].rstrip(".").replace(" and ", " or ")
        tried = tried or said.removeprefix("File ").split(" not found")[0]
        return MissingDataError(
            f"{path} keeps its data in {tried}, which is not there; put the .fdt file beside {path.name}."
        )
    if isinstance(error, FileNotFoundError):
        lost = error.filename or said.removeprefix("File ").split(" not found")[0]
        return MissingDataError(f"{path} needs {lost}, which is not there; put it beside {path.name}.")
    return InputError(
        f"{path} cannot be read as a {_FORMATS[suffix]} recording ({type(error).__name__}: {said}); it is "
        "damaged, cut short or of another format. Copy it again, or save it anew."
    )


def _kind_of_fif(path: Path) -> str:
    import mne

    try:
        found: Any = mne.what(path)
    except Exception:
        return "unknown"
    return str(found)
