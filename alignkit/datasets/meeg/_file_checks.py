"""Whether a recording's files are whole: what their headers promise against what lies on disk.

MNE reads what is left of a file that was cut short, with a warning at most; here it is an error.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..._core.errors import InputError, MissingDataError
from ._edf_units import check_edf_units

_BYTES = {".edf": 2, ".bdf": 3}
_BINARY_BYTES = {"INT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4, "IEEE_FLOAT_64": 8}
_ENTRY = re.compile(r"^\s*(?P<key>\w+)\s*=\s*(?P<value>.+?)\s*$", re.MULTILINE)
# Beginnings of MNE's warnings that tell of a damaged file, and what to say.
_DAMAGED = {
    "Invalid tag with only": "it is cut short. Copy it again",
    "Missing header in": "a file has no header. Copy it again",
    "MNE-Python currently only supports": "a header is damaged or of an unknown version. Copy it again",
    "Channel names are not unique": "channel names come more than once. Rename the channels in the file",
}


def check_whole(path: Path) -> list[str]:
    """Refuse files that are cut short or lack a part; return what a reader should know.

    Raises
    ------
    MissingDataError
        If a file that the header names is not there.
    InputError
        If the sizes disagree, or an EDF or BDF header gives a physical dimension that is no voltage.
    """
    suffix = path.suffix.lower()
    if suffix in _BYTES:
        return [*_check_edf(path, _BYTES[suffix]), *check_edf_units(path)]
    if suffix in (".vhdr", ".ahdr"):
        return _check_brainvision(path)
    return []


def refuse_damaged(path: Path, caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Refuse what MNE warns of but goes on with; return its other warnings as notes.

    Raises
    ------
    InputError
        If a warning tells of a damaged file.
    """
    notes = []
    for warning in caught:
        if issubclass(warning.category, (DeprecationWarning, FutureWarning)):
            continue
        said = " ".join(str(warning.message).split())
        for beginning, meaning in _DAMAGED.items():
            if said.startswith(beginning):
                raise InputError(f"{path} cannot be used: {meaning} (MNE says: {said})")
        if not said.startswith("This filename"):
            notes.append(f"{path.name}: {said}")
    return notes


def _check_edf(path: Path, n_bytes: int) -> list[str]:
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(256)
        try:
            n_header, n_records, n_signals = int(fixed[184:192]), int(fixed[236:244]), int(fixed[252:256])
            fields = file.read(n_signals * 256)
            start = n_signals * 216
            per_record = [int(fields[start + 8 * i : start + 8 * i + 8]) for i in range(n_signals)]
            names = [fields[16 * i : 16 * i + 16].decode("latin-1").strip() for i in range(n_signals)]
        except ValueError as error:
            raise InputError(
                f"{path} has no whole {path.suffix[1:].upper()} header; it is damaged, cut short or of "
                "another format. Copy it again."
            ) from error
    frame = sum(per_record) * n_bytes
    notes = []
    if n_records < 0:
        notes.append(f"{path.name}: the header does not say how long it is; all that is there was read.")
    elif size < n_header + n_records * frame:
        whole = max(size - n_header, 0) // max(frame, 1)
        raise InputError(
            f"{path} is cut short: its header promises {n_records} records, the file holds {whole}. "
            "Copy it again."
        )
    of_data = {
        n
        for n, name in zip(per_record, names, strict=True)
        if "annotations" not in name.casefold() and name.casefold() != "status"
    }
    if len(of_data) > 1:
        seconds = float(fixed[244:252])
        rates = ", ".join(f"{n / seconds:g}" for n in sorted(of_data))
        notes.append(
            f"{path.name}: channels were recorded at {rates} Hz; MNE brought all to the highest of them."
        )
    return notes


def _check_brainvision(path: Path) -> list[str]:
    text = path.read_text(encoding="latin-1")
    if not text.lstrip("\ufeff\xef\xbb\xbf").startswith(("Brain Vision", "BrainVision")):
        raise InputError(f"{path} is no BrainVision header: its first line names no version. Copy it again.")
    # Of a key that comes twice the section [Common Infos] is first.
    entries: dict[str, str] = {}
    for match in _ENTRY.finditer(text):
        entries.setdefault(match["key"], match["value"].replace("$b", path.stem))
    for key in ("DataFile", "NumberOfChannels", "SamplingInterval"):
        if key not in entries:
            raise InputError(f"{path} has no {key!r}; the header is cut short or damaged. Copy it again.")
    data = _beside(path, entries["DataFile"], "DataFile")
    notes = []
    if "MarkerFile" in entries:
        markers = _beside(path, entries["MarkerFile"], "MarkerFile")
        marked = markers.read_text(encoding="latin-1")
        if "[Marker Infos]" not in marked:
            raise InputError(f"{markers} has no section [Marker Infos]; it is cut short. Copy it again.")
        if not re.search(r"^Mk\d+=", marked, re.MULTILINE):
            notes.append(f"{markers.name}: no marker is in it.")
    if entries.get("DataFormat", "BINARY").upper() != "BINARY":
        return notes
    frame = int(entries["NumberOfChannels"]) * _BINARY_BYTES.get(entries.get("BinaryFormat", "").upper(), 2)
    size = data.stat().st_size
    n_points = int(entries["DataPoints"]) if entries.get("DataPoints", "").isdigit() else size // frame
    if not size or size % frame or size < n_points * frame:
        raise InputError(
            f"{data} is cut short: it has {size} bytes, {size / frame:g} samples of {frame} bytes"
            + (f", where {path.name} promises {n_points}" if "DataPoints" in entries else "")
            + ". Copy it again."
        )
    return notes


def check_fdt(set_file: Path, data_file: Path, *, n_channels: int, n_times: int) -> None:
    """Refuse an EEGLAB data file that is shorter than its ``.set`` says.

    Raises
    ------
    InputError
        With the samples that are wanted and there.
    """
    there = data_file.stat().st_size / (4 * n_channels)
    if there < n_times:
        raise InputError(
            f"{data_file} is cut short: {set_file.name} promises {n_times} samples of {n_channels} channels, "
            f"{there:g} are there. Copy it again."
        )


def refuse_outside(path: Path, part: Path, name: str, key: str) -> None:
    """Refuse a part of a recording that lies, or leads by a link, out of the folder of its header.

    Raises
    ------
    InputError
        Naming the part.
    """
    if not stays_inside(part, path.parent):
        raise InputError(f"{path} names {name!r} as its {key}, which lies outside its folder.")


def stays_inside(path: Path, folder: Path) -> bool:
    """Return whether a file lies in a folder, links followed.

    The files of a DataLad tree are links into the annex at its root, which counts as inside of every folder
    of that tree.
    """
    there, here = path.resolve(), folder.resolve()
    annexes = [each for each in there.parents if each.parts[-3:] == (".git", "annex", "objects")]
    return there.is_relative_to(here) or any(here.is_relative_to(each.parents[2]) for each in annexes)


def _beside(path: Path, name: str, key: str) -> Path:
    """Return the file that a header names; a renamed recording keeps the old name inside."""
    beside = path.parent / name
    refuse_outside(path, beside, name, key)
    if beside.is_file():
        return beside
    renamed = path.with_suffix(Path(name).suffix)
    hint = (
        f"{renamed.name} is there: the files were renamed. Write {key}={renamed.name} into {path.name}, or "
        "rename them with `mne_bids.copyfiles.copyfile_brainvision`."
        if renamed.is_file()
        else "Put it beside the header."
    )
    raise MissingDataError(f"{path} names {name!r} as its {key}, which is not there. {hint}")
