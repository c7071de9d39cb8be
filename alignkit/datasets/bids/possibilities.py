"""The choices that a BIDS tree offers: which runs go together, and what tells their versions apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from .entities import RAW, BidsFile
from .index import BidsIndex

Form = Literal["volume", "surface", "cifti", "sensors"]
_FORMS: dict[str, Form] = {
    ".nii.gz": "volume",
    ".nii": "volume",
    ".func.gii": "surface",
    ".dtseries.nii": "cifti",
}
# What MNE reads of each kind; "" is a folder (BTi, KIT).
_SENSOR_EXTENSIONS = {
    "meg": (".fif", ".ds", ".sqd", ".con", ""),
    "eeg": (".vhdr", ".edf", ".bdf", ".set", ".cnt"),
    "ieeg": (".vhdr", ".edf", ".set", ".mefd", ".nwb"),
}
# What names a run; files that differ in anything else are other versions of it.
_OF_RUN = ("sub", "ses", "task", "run")
_MERGED = ("hemi", "split")


@dataclass(frozen=True)
class Run:
    """One run of one subject.

    Attributes
    ----------
    subject, session, task : str
        Labels; ``""`` where the name has none.
    run : int or None
        Its number within session and task.
    files : tuple of BidsFile
        One, or the left and right hemisphere of a surface.
    """

    subject: str
    session: str
    task: str
    run: int | None
    files: tuple[BidsFile, ...]

    @property
    def file(self) -> BidsFile:
        """Its first file."""
        return self.files[0]

    def __str__(self) -> str:
        parts = [f"sub-{self.subject}", f"ses-{self.session}" if self.session else "", f"task-{self.task}"]
        return "_".join([*filter(None, parts), *([] if self.run is None else [f"run-{self.run}"])])


@dataclass(frozen=True)
class Possibility:
    """Runs that could be read as one data set.

    Attributes
    ----------
    datatype, derivative, task : str
        What they are; the derivative ``"raw"`` is none.
    space : str
        ``""`` where the names have none.
    form : str
        ``"volume"``, ``"surface"``, ``"cifti"`` or ``"sensors"``.
    entities : mapping of str to str
        What else tells them from other versions of the same runs, such as ``echo`` or ``desc``.
    runs : tuple of Run
        Sorted by subject, session and run.
    """

    datatype: str
    derivative: str
    task: str
    space: str
    form: Form
    entities: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()

    @property
    def subjects(self) -> list[str]:
        """Labels of the subjects."""
        return list(dict.fromkeys(run.subject for run in self.runs))

    def __str__(self) -> str:
        extra = [f"{name} {value}" for name, value in self.entities.items()]
        named = [f"datatype {self.datatype}", f"derivative {self.derivative}", f"task {self.task}"]
        named += [f"space {self.space}"] if self.space else []
        return (
            f"{', '.join([*named, *extra])} ({len(self.runs)} runs of {len(self.subjects)} subjects, "
            f"{self.form})"
        )


def possibilities(index: BidsIndex) -> list[Possibility]:
    """Return every choice that a tree offers, sorted.

    Files of one run that differ in any entity (space, echo, desc, resolution and so on) or in their format
    are different choices; entities that only differ between runs are none.

    Raises
    ------
    InputError
        If two files are the same run of the same version, such as ``run-1`` and ``run-01``.
    """
    groups: dict[tuple[str, str, str, str], list[BidsFile]] = {}
    for file in _data_files(index):
        key = (file.datatype, file.pipeline, file.get("task"), file.get("space"))
        groups.setdefault(key, []).append(file)
    found = []
    for (datatype, pipeline, task, space), files in sorted(groups.items(), key=_raw_first):
        for extra, version in _versions(files):
            runs = tuple(_runs(version))
            form = _form(version[0])
            found.append(Possibility(datatype, pipeline, task, space, form, extra, runs))
    return found


def _data_files(index: BidsIndex) -> list[BidsFile]:
    table = index.table
    is_bold = (table["datatype"] == "func") & (table["suffix"] == "bold") & table["extension"].isin(_FORMS)
    keep = is_bold.to_numpy(dtype=bool, copy=True)
    for datatype, extensions in _SENSOR_EXTENSIONS.items():
        is_one = (table["datatype"] == datatype) & (table["suffix"] == datatype)
        keep |= (is_one & table["extension"].isin(extensions)).to_numpy(dtype=bool)
    # Calibration files and empty rooms have no task that a subject did.
    keep &= ((table["task"] != "") & (table["sub"] != "") & (table["sub"] != "emptyroom")).to_numpy(
        dtype=bool
    )
    return index.files(np.flatnonzero(keep))


def _form(file: BidsFile) -> Form:
    return _FORMS.get(file.extension, "sensors") if file.datatype == "func" else "sensors"


def _versions(files: list[BidsFile]) -> Iterator[tuple[dict[str, str], list[BidsFile]]]:
    """Part the files where those of one run differ, with what tells the parts apart."""
    by_run: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for file in files:
        run = tuple(_number(file.get(name)) if name == "run" else file.get(name) for name in _OF_RUN)
        facts = {name: value for name, value in file.entities.items() if name not in (*_OF_RUN, *_MERGED)}
        by_run.setdefault(run, []).append({**facts, "extension": file.extension})
    differing: set[str] = set()
    for members in by_run.values():
        if len(members) > 1:
            names = {name for facts in members for name in facts}
            differing |= {name for name in names if len({facts.get(name, "") for facts in members}) > 1}
    parts: dict[tuple[str, ...], list[BidsFile]] = {}
    order = sorted(differing)
    for file in files:
        key = tuple(file.extension if name == "extension" else file.get(name) for name in order)
        parts.setdefault(key, []).append(file)
    for key, part in sorted(parts.items()):
        yield dict(zip(order, key, strict=True)), part


def _runs(files: list[BidsFile]) -> Iterator[Run]:
    by_run: dict[tuple[str, str, str, str], list[BidsFile]] = {}
    for file in files:
        key = (file.get("sub"), file.get("ses"), file.get("task"), _number(file.get("run")))
        by_run.setdefault(key, []).append(file)
    for (subject, session, task, run), members in sorted(by_run.items(), key=_by_number):
        number = int(run) if run else None
        yield Run(subject, session, task, number, tuple(_merged(members)))


def _merged(members: list[BidsFile]) -> list[BidsFile]:
    """Return one file, or two hemispheres, of a run; of a split recording its first part."""
    by_hemisphere: dict[str, list[BidsFile]] = {}
    for file in members:
        by_hemisphere.setdefault(file.get("hemi"), []).append(file)
    found = []
    for hemisphere, files in sorted(by_hemisphere.items()):
        files.sort(key=lambda file: _number(file.get("split")).zfill(4))
        if len(files) > 1 and len({file.get("split") for file in files}) < len(files):
            raise InputError(
                f"{files[0].relative} and {files[1].relative} are the same run; remove one, or give it "
                "another number."
            )
        found.append(files[0])
        if len(by_hemisphere) == 2 and set(by_hemisphere) != {"L", "R"}:
            raise InputError(f"{files[0].relative} has the hemisphere {hemisphere!r}; L and R are wanted.")
    return found


def _number(run: str) -> str:
    return str(int(run)) if run.isdecimal() else run


def _by_number(item: tuple[tuple[str, str, str, str], list[BidsFile]]) -> tuple[str, str, str, int]:
    subject, session, task, run = item[0]
    if run and not run.isdecimal():
        raise InputError(f"{item[1][0].relative} has the run {run!r}; a run is a number.")
    return subject, session, task, int(run or 0)


def _raw_first(item: tuple[tuple[str, str, str, str], list[BidsFile]]) -> tuple[str, bool, str, str, str]:
    datatype, pipeline, task, space = item[0]
    return datatype, pipeline != RAW, pipeline, task, space


def run_numbers(runs: Sequence[Run]) -> list[int]:
    """Return a number for each run: its own, or counted through where numbers begin anew in every session."""
    numbers = [run.run for run in runs if run.run is not None]
    return numbers if len(set(numbers)) == len(runs) else list(range(1, len(runs) + 1))


def label_runs(samples: pd.DataFrame, codes: NDArray[np.intp], runs: Sequence[Run]) -> pd.DataFrame:
    """Return samples with `session`, `task`, `run` (unique over sessions) and `run_in_session`.

    Parameters
    ----------
    samples : DataFrame
        In the order of the runs.
    codes : ndarray of int
        Which of `runs` each sample is of.
    runs : sequence of Run
        What was read.
    """
    columns: dict[str, list[Any]] = {
        "session": [run.session for run in runs],
        "task": [run.task for run in runs],
        "run": run_numbers(runs),
        "run_in_session": [1 if run.run is None else run.run for run in runs],
    }
    kept = samples.drop(columns=[name for name in columns if name in samples])
    for place, (name, values) in enumerate(columns.items()):
        if name == "session" and not any(values):
            continue
        kept.insert(min(1 + place, kept.shape[1]), name, [values[code] for code in codes])
    return kept
