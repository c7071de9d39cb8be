"""What a file of sensors says of itself: raw, epochs or evoked responses, in any of MNE's formats."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._core.errors import InputError
from ...preprocessing.meeg.bad_channels import data_channels
from ...preprocessing.meeg.events import annotation_events, stim_channel_events
from ...preprocessing.meeg.sensors import modality_of, units_of
from .._arrays import readable
from ..meeg.raw import open_raw_with_notes
from ._beside import events_beside
from ._file_lines import named_files, subject_of
from .inspection import Inspection
from .report import Table

if TYPE_CHECKING:
    import mne

SENSORS = (
    ".fif", ".fif.gz", ".edf", ".bdf", ".gdf", ".vhdr", ".ahdr", ".set", ".ds", ".snirf", ".con", ".sqd",
    ".cnt", ".mff",
)  # fmt: skip
_WINDOW_S = (-0.2, 0.8)
_MOST_NAMES = 20
_SHOWN = 10


def inspect_sensors(path: Path) -> Inspection:
    """Say what a file of MEG, EEG, intracranial or fNIRS channels holds.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    kind = kind_of_sensors(path)
    if kind == "evoked":
        return _evoked(path)
    if kind == "epochs":
        return _epochs(path)
    raw, notes = open_raw_with_notes(path)
    facts = _channel_facts(raw)
    length_s = raw.n_times / float(raw.info["sfreq"])
    facts += [("rate", f"{raw.info['sfreq']:g} Hz"), ("length", f"{length_s:g} s")]
    table, source = _events(path, raw)
    onsets = [] if table is None else list(table["onset_s"])
    names = [] if table is None else [str(name) for name in table["description"]]
    beside = events_beside(path)
    facts.append(("events", f"{len(onsets)} in {source}" if onsets else "none in the file"))
    if beside is not None:
        facts.append(("table of events", beside.name))
    counts = Counter(names)
    tables = (Table("Events", ("name", "count"), tuple(counts.most_common(_MOST_NAMES))),) if counts else ()
    dataset, remark = _dataset(path, raw, onsets, beside)
    details = {"rate_hz": float(raw.info["sfreq"]), "seconds": length_s, "annotations": dict(counts)}
    return Inspection(
        str(path.resolve()), f"continuous {modality_name(raw.info)} ({_format(path)})", tuple(facts), tables,
        dataset, remark, {**details, **_channel_details(raw)}, tuple(notes),
    )  # fmt: skip


def kind_of_sensors(path: Path) -> str:
    """Return ``"raw"``, ``"epochs"`` or ``"evoked"``; of a damaged file what its name says, or ``"raw"``."""
    import mne

    name = path.name.lower()
    stem = name.removesuffix(".gz").removesuffix(".fif")
    # MNE's own names; looking inside tries one reader after the other.
    for ending, kind in (("epo", "epochs"), ("ave", "evoked")):
        if name != stem and stem.endswith((f"-{ending}", f"_{ending}")):
            return kind
    if name.endswith((".fif", ".fif.gz")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found: Any = mne.what(path)
            except Exception:
                # Damaged: opening it will say how.
                return "raw"
        return str(found)
    if name.endswith(".set"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                open_raw_with_notes(path)
            except InputError as error:
                return "epochs" if "holds epochs" in str(error) else "raw"
    return "raw"


def modality_name(info: mne.Info) -> str:
    """Return the modality as people write it: ``"EEG"``, ``"MEG and EEG"``, ``"iEEG"``, ``"fNIRS"``."""
    written = {"meg": "MEG", "eeg": "EEG", "ieeg": "iEEG", "fnirs": "fNIRS"}
    return " and ".join(written.get(part, part) for part in modality_of(info).split("+"))


def _format(path: Path) -> str:
    name = path.name.lower()
    known = {
        ".vhdr": "BrainVision",
        ".set": "EEGLAB",
        ".ds": "CTF",
        ".fif": "FIF",
        ".fif.gz": "FIF",
        ".mff": "EGI",
    }
    ending = next(end for end in sorted(SENSORS, key=len, reverse=True) if name.endswith(end))
    return known.get(ending, ending.strip(".").upper())


def _channel_facts(measured: Any) -> list[tuple[str, str]]:
    kinds = Counter(measured.get_channel_types())
    shown = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    data = data_channels(measured)
    units = sorted({unit for i, unit in enumerate(units_of(measured.info)) if i in set(data)})
    bads = list(measured.info["bads"])
    lost = _without_place(measured)
    places = "all known" if not lost else f"{len(lost)} of {len(data)} unknown ({', '.join(lost[:_SHOWN])})"
    return [
        ("channels", f"{len(measured.ch_names)} ({shown})"),
        ("unit", ", ".join(units) or "none"),
        ("bad channels", f"{len(bads)} marked ({', '.join(bads[:_SHOWN])})" if bads else "none marked"),
        ("positions", places if data else "no data channel"),
    ]


def _channel_details(measured: Any) -> dict[str, Any]:
    return {
        "channel_kinds": dict(Counter(measured.get_channel_types())),
        "bad_channels": list(measured.info["bads"]),
        "channels_without_position": _without_place(measured),
    }


def _without_place(measured: Any) -> list[str]:
    lost = []
    for i in data_channels(measured):
        place = np.asarray(measured.info["chs"][i]["loc"][:3])
        if not np.isfinite(place).all() or not place.any():
            lost.append(measured.ch_names[i])
    return lost


def _events(path: Path, raw: mne.io.BaseRaw) -> tuple[Any, str]:
    table = annotation_events(raw)
    if len(table):
        return table, "its annotations"
    if "stim" in raw.get_channel_types():
        try:
            return stim_channel_events(raw, where=str(path)), "its stimulus channel"
        except InputError:
            return None, ""
    return None, ""


def _dataset(
    path: Path, raw: mne.io.BaseRaw, onsets: Sequence[float], beside: Path | None
) -> tuple[dict[str, Any] | None, str]:
    """Return what `load_meeg` needs; epochs only where events give some."""
    if not data_channels(raw):
        return None, "It has no M/EEG, intracranial or fNIRS channel."
    folder, (pattern, tables) = named_files([path], [] if beside is None else [beside])
    made: dict[str, Any] = {
        "kind": "meeg",
        "folder": str(folder),
        "pattern": pattern,
        "subjects": [subject_of(path)],
    }
    remarks = []
    if tables:
        made |= {"events": tables, "tmin_s": _WINDOW_S[0], "tmax_s": _WINDOW_S[1]}
    elif _give_epochs(raw, onsets):
        made |= {"tmin_s": _WINDOW_S[0], "tmax_s": _WINDOW_S[1]}
        remarks.append("Epochs around every event; choose some with `event_names`.")
    else:
        made["epochs"] = False
        why = "No event has its window in the recording" if len(onsets) else "There are no events"
        remarks.append(f"{why}: every time point is a sample; give `events`, or set `resample_hz`.")
    if _without_place(raw):
        made["montage"] = "none"
        remarks.append("Positions are unknown: name a standard `montage` for maps.")
    return made, " ".join(remarks)


def _give_epochs(raw: mne.io.BaseRaw, onsets: Sequence[float]) -> bool:
    rate = float(raw.info["sfreq"])
    samples = np.round(np.asarray(onsets, dtype=np.float64) * rate)
    # The reader refuses events outside the recording, and two on one sample.
    if (
        not len(samples)
        or (samples < 0).any()
        or (samples >= raw.n_times).any()
        or len(np.unique(samples)) < len(samples)
    ):
        return False
    inside = (samples + _WINDOW_S[0] * rate >= 0) & (samples + _WINDOW_S[1] * rate < raw.n_times)
    return bool(inside.any())


def _epochs(path: Path) -> Inspection:
    import mne

    is_fif = path.name.lower().endswith((".fif", ".fif.gz"))
    with readable(path, "epochs"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read: Any = mne.read_epochs if is_fif else mne.read_epochs_eeglab
        epochs = read(path, preload=False, verbose="error") if is_fif else read(path, verbose="error")
    counts = Counter(
        {name: int((epochs.events[:, 2] == code).sum()) for name, code in epochs.event_id.items()}
    )
    facts = _channel_facts(epochs)
    facts += [
        ("epochs", f"{len(epochs.events)} of {len(counts)} names"),
        ("times", f"{epochs.tmin:g} to {epochs.tmax:g} s, {epochs.info['sfreq']:g} Hz"),
        ("metadata", "none" if epochs.metadata is None else ", ".join(map(str, epochs.metadata.columns))),
    ]
    tables = (Table("Events", ("name", "count"), tuple(counts.most_common(_MOST_NAMES))),)
    dataset: dict[str, Any] | None = None
    remark = "EEGLAB epochs: read them with `mne.read_epochs_eeglab` and save them as FIF."
    if is_fif:
        folder, ((pattern,),) = named_files([path])
        dataset = {"kind": "fif", "folder": str(folder), "pattern": pattern, "subjects": [subject_of(path)]}
        remark = ""
        if _without_place(epochs):
            dataset["montage"] = "none"
            remark = "Positions are unknown: name a standard `montage` for maps."
    details = {
        "rate_hz": float(epochs.info["sfreq"]),
        "n_epochs": len(epochs.events),
        "annotations": dict(counts),
    }
    return Inspection(
        str(path.resolve()), f"epochs of {modality_name(epochs.info)} ({_format(path)})", tuple(facts),
        tables, dataset, remark, {**details, **_channel_details(epochs)},
    )  # fmt: skip


def _evoked(path: Path) -> Inspection:
    import mne

    with readable(path, "evoked responses"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evokeds = mne.read_evokeds(path, verbose="error")
    first = evokeds[0]
    facts = _channel_facts(first)
    facts += [
        ("conditions", str(len(evokeds))),
        ("times", f"{first.tmin:g} to {first.tmax:g} s, {first.info['sfreq']:g} Hz"),
    ]
    rows = tuple((str(each.comment), int(each.nave)) for each in evokeds)
    return Inspection(
        str(path.resolve()),
        f"evoked responses of {modality_name(first.info)} ({_format(path)})", tuple(facts),
        (Table("Conditions", ("name", "trials averaged"), rows),),
        remark="Evoked responses are read in Python, by `alignkit.datasets.read_evoked`.",
        details={"rate_hz": float(first.info["sfreq"]), **_channel_details(first)},
    )  # fmt: skip
