"""The runs of a folder or of one file, with what belongs to each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._core.errors import InputError
from ..bids._sensor_runs import open_run
from ..bids.entities import RAW, BidsFile
from ..bids.index import BidsIndex
from ..bids.possibilities import Possibility, Run, possibilities
from ..bids.sidecars import confounds_of, events_of, has_metadata, mask_of, metadata
from ..meeg.raw import open_raw_with_notes
from ._beside import events_beside, mask_beside, motion_beside, sidecar_beside, stem_of
from ._file_lines import subject_of
from ._nifti_facts import SURFACES, VOLUMES
from ._sensor_facts import SENSORS, kind_of_sensors
from .sensor_runs import SensorRun
from .volume_runs import VolumeRun

if TYPE_CHECKING:
    import mne

_MOST_FILES = 500


@dataclass
class RunLists:
    """Runs by kind, sessions of spikes, and what was left out."""

    volumes: list[VolumeRun] = field(default_factory=list)
    sensors: list[SensorRun] = field(default_factory=list)
    sessions: list[Path] = field(default_factory=list)
    matrices: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.volumes) + len(self.sensors) + len(self.sessions) + len(self.matrices)


def bids_runs(index: BidsIndex, subject: str | None) -> RunLists:
    """Return the runs of a BIDS tree: raw ones, or where there are none, one version of each derivative.

    Raises
    ------
    InputError
        If the tree is ambiguous, or has no such subject.
    """
    found = RunLists()
    offered = possibilities(index)
    kept, left_out = _versions(offered)
    if left_out:
        shown = "; ".join(map(str, left_out[:4]))
        more = f"; and {len(left_out) - 4} more" if len(left_out) > 4 else ""
        found.notes.append(f"Other versions of these runs were not looked at: {shown}{more}.")
    label = None if subject is None else subject.removeprefix("sub-")
    known = {run.subject for each in kept for run in each.runs}
    # Where there is no run at all, what else the tree holds may have that subject.
    if label is not None and known and label not in known:
        raise InputError(f"there is no subject {subject!r}; there are {', '.join(sorted(known))}.")
    motion = _motion_of_derivatives(index, offered)
    for each in kept:
        for run in each.runs:
            if label is not None and run.subject != label:
                continue
            if each.form == "sensors":
                found.sensors.append(_sensor_run(index, run))
            else:
                found.volumes.append(_volume_run(index, run, each, motion))
    return found


def file_runs(paths: Sequence[Path]) -> RunLists:
    """Return the runs of files that lie in no BIDS tree; what belongs to each is what lies beside it."""
    found = RunLists()
    names = [path.name for path in paths]
    for path in paths:
        lower = path.name.lower()
        # Files of one name in folders of theirs are told apart by the folders.
        name = path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
        subject = subject_of(path)
        group = path.name if names.count(path.name) > 1 else ""
        if lower.endswith(VOLUMES) or lower.endswith(SURFACES):
            found.volumes.append(_loose_volume(path, name, subject, group))
        elif lower.endswith(SENSORS):
            kind = kind_of_sensors(path) if lower.endswith((".fif", ".fif.gz", ".set")) else "raw"
            if kind in ("epochs", "evoked"):
                found.notes.append(f"{name} holds {kind}, not a run; look at it by itself.")
                continue
            opened = partial(open_raw_with_notes, path)
            found.sensors.append(
                SensorRun(name, subject, path, opened, events=events_beside(path), group=group)
            )
        elif lower.endswith(".nwb"):
            found.sessions.append(path)
        else:
            found.matrices.append(path)
    return found


def recordings_below(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files below a folder that hold recordings, and notes; single volumes are left out."""
    found, notes = [], []
    for path in sorted(folder.rglob("*")):
        lower = path.name.lower()
        inside = any(parent.name.lower().endswith((".ds", ".mff", ".zarr")) for parent in path.parents)
        if inside or lower.startswith(".") or not lower.endswith((*VOLUMES, *SENSORS, ".nwb")):
            continue
        if not lower.endswith(VOLUMES) or is_series(path):
            found.append(path)
    if len(found) > _MOST_FILES:
        notes.append(f"{len(found)} files hold recordings; the first {_MOST_FILES} were looked at.")
    return found[:_MOST_FILES], notes


def epochs_below(folder: Path) -> list[Path]:
    """Return the FIF files of epochs below a folder, by their names."""
    return sorted(path for end in ("fif", "fif.gz") for path in folder.rglob(f"*[-_]epo.{end}"))


def is_series(path: Path) -> bool:
    """Tell whether an image has volumes; one that cannot be opened counts, so that a look at it says why."""
    import nibabel as nib

    try:
        return len(nib.load(path).shape) == 4  # type: ignore[attr-defined]
    except Exception:
        return True


def _versions(offered: Sequence[Possibility]) -> tuple[list[Possibility], list[Possibility]]:
    """Return one version of each run, the raw one where there is one, and the others."""
    kept: dict[tuple[str, str], tuple[str, str, str]] = {}
    chosen, left_out = [], []
    for each in sorted(offered, key=lambda e: (e.derivative != RAW, e.form != "volume")):
        key = (each.datatype, each.task)
        version = (each.derivative, each.space, str(sorted(each.entities.items())))
        if kept.setdefault(key, version) == version:
            chosen.append(each)
        else:
            left_out.append(each)
    return chosen, left_out


def _motion_of_derivatives(
    index: BidsIndex, offered: Sequence[Possibility]
) -> dict[tuple[str, str, str, int | None], Path]:
    """Return the confounds of each run, which a derivative may have for the raw one."""
    found: dict[tuple[str, str, str, int | None], Path] = {}
    for each in offered:
        if each.datatype != "func" or each.derivative == RAW:
            continue
        for run in each.runs:
            try:
                place = confounds_of(index, run.file)
            except InputError:
                continue
            if place is not None:
                found.setdefault(_key(run), place)
    return found


def _key(run: Run) -> tuple[str, str, str, int | None]:
    return run.subject, run.session, run.task, run.run


def _volume_run(
    index: BidsIndex, run: Run, each: Possibility, motion: dict[tuple[str, str, str, int | None], Path]
) -> VolumeRun:
    problem, tr_s, events, mask, has_sidecar = "", None, None, None, False
    try:
        has_sidecar = has_metadata(index, run.file) or _has_raw(index, run.file)
        tr_s = _tr(index, run.file)
        events = events_of(index, run.file)
        mask = mask_of(index, run.file) if each.form == "volume" and each.derivative != RAW else None
    except InputError as error:
        problem = str(error)
    return VolumeRun(
        str(run), f"sub-{run.subject}", tuple(file.path for file in run.files), events, motion.get(_key(run)),
        mask, tr_s, has_sidecar, _is_rest(run.task), f"task {run.task}", problem,
    )  # fmt: skip


def _has_raw(index: BidsIndex, file: BidsFile) -> bool:
    return file.pipeline != RAW and RAW in index.roots and has_metadata(index, file, pipeline=RAW)


def _tr(index: BidsIndex, file: BidsFile) -> float | None:
    facts: dict[str, Any] = metadata(index, file)
    if "RepetitionTime" not in facts and file.pipeline != RAW and RAW in index.roots:
        facts = metadata(index, file, pipeline=RAW)
    value = facts.get("RepetitionTime")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return float(value)


def _sensor_run(index: BidsIndex, run: Run) -> SensorRun:
    def opened() -> tuple[mne.io.BaseRaw, Sequence[str]]:
        return open_run(index, run)

    try:
        events, has_sidecar = events_of(index, run.file), has_metadata(index, run.file)
    except InputError:
        events, has_sidecar = None, False
    return SensorRun(
        str(run), f"sub-{run.subject}", run.file.path, opened, events=events, needs_table=True,
        has_sidecar=has_sidecar, is_rest=_is_rest(run.task), group=f"task {run.task}, {run.file.datatype}",
    )  # fmt: skip


def _loose_volume(path: Path, name: str, subject: str, group: str) -> VolumeRun:
    problem, tr_s = "", None
    try:
        said = sidecar_beside(path).get("RepetitionTime")
        tr_s = float(said) if isinstance(said, int | float) and said > 0 else None
    except InputError as error:
        problem = str(error)
    return VolumeRun(
        name, subject, (path,), events_beside(path), motion_beside(path), mask_beside(path), tr_s,
        is_rest=_is_rest(stem_of(path)), group=group, problem=problem,
    )  # fmt: skip


def _is_rest(name: str) -> bool:
    """Tell whether nothing was shown, by the name of a task or file."""
    words = re.split(r"[^a-z]+", name.lower())
    return any(word.startswith("rest") for word in words)
