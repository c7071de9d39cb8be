"""Choosing runs by what was named, and refusing where several choices remain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError
from .index import BidsIndex
from .possibilities import Possibility, Run, possibilities

Datatype = Literal["func", "meg", "eeg", "ieeg"]
_LISTED = 12


@dataclass(frozen=True)
class Selectors:
    """What was named; None and empty mean that it was not."""

    datatype: Datatype | None = None
    derivative: str | None = None
    space: str | None = None
    subjects: Sequence[str] | None = None
    sessions: Sequence[str] | None = None
    tasks: Sequence[str] | None = None
    runs: Sequence[int] | None = None
    entities: Mapping[str, str | int] = field(default_factory=dict)


def choose(index: BidsIndex, wanted: Selectors) -> list[Possibility]:
    """Return the one choice that was named: one possibility, or one for each named task.

    Parameters
    ----------
    index : BidsIndex
        The tree.
    wanted : Selectors
        What was named.

    Returns
    -------
    chosen : list of Possibility
        Of one datatype, derivative, space and version; only the runs that were named.

    Raises
    ------
    MissingDataError
        If nothing fits, with what is there.
    InputError
        If several choices fit: they are listed, with the option that tells them apart.
    """
    offered = possibilities(index)
    if not offered:
        raise MissingDataError(_nothing_at_all(index))
    fitting = _fitting(index, offered, wanted)
    _refuse_several(fitting, wanted)
    chosen = [replace(each, runs=tuple(_named_runs(each, wanted))) for each in fitting]
    _check_found(index, fitting, chosen, wanted)
    return [each for each in chosen if each.runs]


def _fitting(index: BidsIndex, offered: list[Possibility], wanted: Selectors) -> list[Possibility]:
    """Narrow down by what was named, complaining about the first name that fits nothing."""
    left = offered
    for option, attribute, value in (
        ("datatype", "datatype", wanted.datatype),
        ("derivative", "derivative", wanted.derivative),
        ("space", "space", wanted.space),
    ):
        if value is None:
            continue
        known = list(dict.fromkeys(getattr(each, attribute) for each in left))
        left = [each for each in left if getattr(each, attribute) == value]
        if not left:
            if known == [""]:
                raise MissingDataError(
                    f"`{option}` is {value!r}, but the runs name no {option}; leave it out ({index.folder})."
                )
            names = [name or "''" for name in known]
            raise MissingDataError(f"`{option}` is {value!r}, {did_you_mean(value, names)} ({index.folder})")
    if wanted.tasks is not None:
        known = sorted({each.task for each in left})
        for task in wanted.tasks:
            if task not in known:
                raise MissingDataError(
                    f"`tasks` names {task!r}, {did_you_mean(task, known)} ({index.folder})"
                )
        left = [each for each in left if each.task in wanted.tasks]
    for name, entity in wanted.entities.items():
        known = sorted({_value(each, name) for each in left})
        left = [each for each in left if _is(name, _value(each, name), entity)]
        if not left:
            raise MissingDataError(
                f"`entities` asks for {name} {entity!r}, {did_you_mean(str(entity), known)} ({index.folder})"
            )
    return left


def _value(each: Possibility, name: str) -> str:
    """Return the value of an entity; those that all runs share count too."""
    if name in each.entities:
        return each.entities[name]
    values = {run.file.extension if name == "extension" else run.file.get(name) for run in each.runs}
    return values.pop() if len(values) == 1 else ""


def _is(name: str, value: str, wanted: str | int) -> bool:
    if isinstance(wanted, int):
        return value.isdecimal() and int(value) == wanted
    return value == wanted


def _refuse_several(fitting: list[Possibility], wanted: Selectors) -> None:
    for option, attribute in (("datatype", "datatype"), ("derivative", "derivative"), ("tasks", "task")):
        names = list(dict.fromkeys(getattr(each, attribute) for each in fitting))
        if len(names) > 1 and not (option == "tasks" and wanted.tasks is not None):
            raise InputError(_several(fitting, option, names))
    spaces = list(dict.fromkeys(each.space for each in fitting))
    if len(spaces) > 1:
        raise InputError(_several(fitting, "space", spaces))
    # Each task may have versions of its own: together they must be one for each.
    for task in dict.fromkeys(each.task for each in fitting):
        versions = [each for each in fitting if each.task == task]
        if len(versions) > 1:
            names = sorted({name for each in versions for name in each.entities})
            shown = [
                ", ".join(f"{k}: {v or repr('')}" for k, v in each.entities.items()) for each in versions
            ]
            raise InputError(
                f"the runs of the task {task!r} are there in {len(versions)} versions; choose one with "
                f"`entities` ({', '.join(names)}): {'; '.join('{' + each + '}' for each in shown)}."
            )


def _several(fitting: list[Possibility], option: str, names: list[str]) -> str:
    shown = "; ".join(map(str, fitting[:_LISTED]))
    more = f"; and {len(fitting) - _LISTED} more" if len(fitting) > _LISTED else ""
    asked = ", ".join(name or "''" for name in names)
    return f"there are {len(names)} choices for `{option}` ({asked}); name one. There is: {shown}{more}."


def _named_runs(each: Possibility, wanted: Selectors) -> Iterator[Run]:
    subjects = _labels("subjects", wanted.subjects, "sub-")
    sessions = _labels("sessions", wanted.sessions, "ses-")
    for run in each.runs:
        if (
            (subjects is None or run.subject in subjects)
            and (sessions is None or run.session in sessions)
            and (wanted.runs is None or run.run in wanted.runs)
        ):
            yield run


def _labels(option: str, names: Sequence[str] | None, prefix: str) -> list[str] | None:
    if names is None:
        return None
    labels = [str(name).removeprefix(prefix) for name in names]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice or not labels:
        what = f"names {prefix}{twice[0]} twice" if twice else "is empty"
        raise InputError(f"`{option}` {what}; name each one once, or leave it out for all.")
    return labels


def _check_found(
    index: BidsIndex, fitting: list[Possibility], chosen: list[Possibility], wanted: Selectors
) -> None:
    for option, prefix, names, attribute in (
        ("subjects", "sub-", wanted.subjects, "subject"),
        ("sessions", "ses-", wanted.sessions, "session"),
        ("runs", "", wanted.runs, "run"),
        ("tasks", "", wanted.tasks, "task"),
    ):
        found = {str(getattr(run, attribute)) for each in chosen for run in each.runs}
        there = {str(getattr(run, attribute)) for each in fitting for run in each.runs}
        for name in names or ():
            label = str(name).removeprefix(prefix)
            if label not in there:
                known = [each or "none" for each in sorted(there)]
                raise MissingDataError(f"`{option}` names {label!r}, {did_you_mean(label, known)}")
            if label not in found:
                raise MissingDataError(
                    f"`{option}` names {label!r}, but no run of it is left by the other options. Name fewer "
                    "of subjects, sessions, tasks and runs."
                )


def _nothing_at_all(index: BidsIndex) -> str:
    inner = index.table["path"][
        index.table["path"].astype(str).str.fullmatch(r"[^/]+/dataset_description.json")
    ]
    hint = "Give the folder that holds sub-*."
    if len(inner):
        places = ", ".join(str(PurePosixPath(str(path)).parent) for path in inner[:5])
        hint = f"It holds data sets of its own: give one of {places}."
    if index.links:
        hint = (
            f"{len(index.links)} link(s) out of it, or to folders, were not followed (such as "
            f"{index.links[0]}): copy the files into it. {hint}"
        )
    return (
        f"{index.folder} holds {len(index)} files, but no run that can be read: func/*_bold.nii.gz (or "
        f".func.gii, .dtseries.nii), or meg, eeg and ieeg recordings with a task. {hint}"
    )
