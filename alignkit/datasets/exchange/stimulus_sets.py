"""Brain-Score stimulus sets: a table (csv) and, where they are files, a flat zip of them."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from ..._core.atomic import atomic_folder
from ..._core.checks import check_unique
from ..._core.errors import InputError
from ..._core.folders import cache_folder
from ..._core.hashing import digest_file
from ...recordings.stimuli import IMAGE_SUFFIXES, StimulusSet
from .._arrays import readable, require_file
from .._tables import read_table

Kind = Literal["image", "audio", "video"]
_ID_NAMES, _FILE_NAMES = ("stimulus_id", "image_id"), ("filename", "image_file_name")
_TEXT_NAMES = ("sentence", "text")
_KINDS: dict[Kind, tuple[str, ...]] = {
    "image": IMAGE_SUFFIXES,
    "audio": (".wav", ".mp3", ".flac", ".ogg"),
    "video": (".mp4", ".avi", ".mov", ".webm", ".mkv"),
}
# A member that unpacks to more than this per byte stored is no picture, sound or film.
_LARGEST_RATIO = 1000


def read_stimulus_set(
    table: str | Path, archive: str | Path | None = None, *, folder: str | Path | None = None
) -> StimulusSet:
    r"""Read a stimulus set, unpacking its files once.

    Parameters
    ----------
    table : str or Path
        A csv with `stimulus_id` (of older sets `image_id`) and `filename` (of older sets
        `image_file_name`); or, for texts, `sentence`. Further columns are kept.
    archive : str or Path, optional
        The zip: exactly the files of the table, at its top. Not for texts.
    folder : str or Path, optional
        Where the files go, or are already; by default a folder of the cache named after the zip's digest.

    Returns
    -------
    stimuli : StimulusSet
        In the order of the table.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If table and zip do not hold the same files, an id comes twice, a member of the zip is not a plain
        file at its top, or the kinds of files are mixed or unknown.

    References
    ----------
    Schrimpf et al. (2020). Integrative benchmarking to advance neurally mechanistic models of human
    intelligence. Neuron 108:413-423. doi:10.1016/j.neuron.2020.07.040

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = "stimulus_id,sentence\n1,A dog ran.\n2,Night fell.\n"
    ...     _ = (Path(folder) / "s.csv").write_text(rows)
    ...     read_stimulus_set(Path(folder) / "s.csv").text("2")
    'Night fell.'
    """
    table = require_file(table)
    rows = read_table(table, texts=(*_ID_NAMES, *_FILE_NAMES, *_TEXT_NAMES))
    id_name = _first(table, rows, _ID_NAMES)
    if archive is None and folder is None:
        text_name = _first(table, rows, _TEXT_NAMES, "; a set of files needs its `archive`")
        rows = rows.rename(columns={id_name: "stimulus_id", text_name: "text"})
        return StimulusSet(rows, kind="text")
    file_name = _first(table, rows, _FILE_NAMES)
    rows = rows.rename(columns={id_name: "stimulus_id", file_name: "file"})
    check_unique(f"{file_name} of {table}", list(rows["file"]))
    kind = _kind_of(table, list(rows["file"]))
    place = Path(folder) if folder is not None else None
    if archive is not None:
        place = _unpacked(require_file(archive), table, set(rows["file"]), place)
    assert place is not None
    return StimulusSet(rows, place, kind=kind)


def _first(path: Path, rows: pd.DataFrame, names: tuple[str, ...], more: str = "") -> str:
    for name in names:
        if name in rows:
            return name
    raise InputError(
        f"{path} needs a column {' or '.join(map(repr, names))}, it has {', '.join(rows.columns)}{more}."
    )


def _kind_of(path: Path, files: list[str]) -> Kind:
    suffixes = {PurePosixPath(file).suffix.lower() for file in files}
    for kind, known in _KINDS.items():
        if suffixes <= set(known):
            return kind
    raise InputError(
        f"{path} names files of the kinds {', '.join(sorted(suffixes))}; the files of a set are all images, "
        "all sounds or all films."
    )


def _unpacked(archive: Path, table: Path, wanted: set[str], folder: Path | None) -> Path:
    with readable(archive, "a zip of stimuli"), zipfile.ZipFile(archive) as file:
        members = file.infolist()
        for member in members:
            _check_member(archive, member)
        names = [member.filename for member in members]
        check_unique(f"files in {archive}", names)
        absent, extra = sorted(wanted - set(names)), sorted(set(names) - wanted)
        if absent or extra:
            raise InputError(
                f"{table} and {archive} do not hold the same files: {len(absent)} are only in the table "
                f"({', '.join(absent[:3]) or 'none'}), {len(extra)} only in the zip "
                f"({', '.join(extra[:3]) or 'none'}). Get both again, from one release."
            )
        place = folder or cache_folder() / "datasets" / f"stimuli-{digest_file(archive)[:16]}"
        if _is_whole(place, members):
            return place
        if place.exists() and any(place.iterdir()):
            raise InputError(
                f"{place} already holds other files than {archive}; give an empty `folder`, or one that is "
                "not there yet."
            )
        with atomic_folder(place) as temporary:
            for member in members:
                (temporary / member.filename).write_bytes(file.read(member))
    return place


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    is_plain = len(PurePosixPath(name).parts) == 1 and "\\" not in name and ":" not in name
    is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
    if not is_plain or name in ("", ".", "..") or member.is_dir() or is_link:
        raise InputError(
            f"{archive} holds {name!r}, which is no plain file at its top; nothing was unpacked."
        )
    if member.file_size > _LARGEST_RATIO * max(member.compress_size, 1024):
        raise InputError(
            f"{archive}: {name!r} would unpack {member.compress_size} bytes to {member.file_size}; nothing "
            "was unpacked."
        )


def _is_whole(folder: Path, members: list[zipfile.ZipInfo]) -> bool:
    if not folder.is_dir():
        return False
    there = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    return all(there.get(member.filename) == member.file_size for member in members)
