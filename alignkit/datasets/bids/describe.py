"""What a BIDS tree holds, and what `load_bids` would make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import yaml

from ..._core.errors import InputError
from .entities import RAW, BidsFile
from .index import BidsIndex
from .possibilities import Possibility, possibilities
from .sidecars import confounds_of, describe_pipeline, events_of, has_metadata, mask_of

_LISTED = 12
_PROBLEMS = 20


@dataclass(frozen=True)
class BidsChoice:
    """One choice that a tree offers.

    Attributes
    ----------
    datatype, derivative, task, space, form : str
        What it is; see :class:`~alignkit.datasets.bids.possibilities.Possibility`.
    entities : mapping of str to str
        What else tells it from other versions of the same runs.
    n_subjects, n_sessions, n_runs : int
        How much there is.
    n_bytes : int
        Of the series or recordings.
    n_without_events, n_without_sidecar, n_without_confounds, n_without_mask, n_not_fetched : int
        Of the runs; confounds and masks are counted for preprocessed volumes only.
    dataset : mapping
        The options with which ``load_bids`` reads it, with `kind`; None where it cannot be read.
    remark : str
        Why it cannot be read, or what the options do about missing events.
    """

    datatype: str
    derivative: str
    task: str
    space: str
    form: str
    entities: Mapping[str, str]
    n_subjects: int
    n_sessions: int
    n_runs: int
    n_bytes: int
    n_without_events: int
    n_without_sidecar: int
    n_without_confounds: int
    n_without_mask: int
    n_not_fetched: int
    dataset: Mapping[str, Any] | None
    remark: str = ""

    @property
    def title(self) -> str:
        """The choice in a few words."""
        where = [self.derivative if self.derivative != RAW else "raw", self.datatype, f"task {self.task}"]
        where += [f"space {self.space}"] if self.space else []
        return ", ".join([*where, *(f"{name} {value}" for name, value in self.entities.items()), self.form])

    @property
    def yaml(self) -> str:
        """The ``dataset:`` block of a run's YAML; empty where the choice cannot be read."""
        if self.dataset is None:
            return ""
        return yaml.safe_dump({"dataset": dict(self.dataset)}, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class BidsSummary:
    """What a tree holds.

    Attributes
    ----------
    folder, name : str
        Of the data set.
    n_files, n_bytes : int
        Of all; what git-annex has not fetched is counted with the size it will have.
    n_not_fetched, n_bytes_not_fetched : int
        Of it.
    subjects, sessions, tasks, datatypes, spaces : tuple of str
        Labels.
    derivatives : mapping of str to str
        Name, and what made it.
    choices : tuple of BidsChoice
        What can be read, and how.
    problems : tuple of str
        What is missing or wrong, one sentence each.
    notes : tuple of str
        What was left out.
    """

    folder: str
    name: str
    n_files: int
    n_bytes: int
    n_not_fetched: int
    n_bytes_not_fetched: int
    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    datatypes: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    derivatives: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[BidsChoice, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the summary as plain text, with a YAML block per choice."""
        return "\n".join(_lines(self)) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return the summary as values that JSON can hold."""
        made = asdict(self)
        made["derivatives"] = dict(self.derivatives)
        for choice, each in zip(self.choices, made["choices"], strict=True):
            each |= {"title": choice.title, "yaml": choice.yaml}
        return made


def describe_bids(index: BidsIndex) -> BidsSummary:
    """Say what a tree holds and how each part would be read, from names alone.

    Parameters
    ----------
    index : BidsIndex
        The tree, from :func:`~alignkit.datasets.bids.index.scan_bids`.

    Returns
    -------
    summary : BidsSummary
        No data file is opened; of the JSON files only the descriptions of the data set and its derivatives.
    """
    table = index.table
    lost = ~table["is_fetched"].to_numpy(dtype=bool)
    problems: list[str] = []
    main = next(iter(index.roots))
    described = describe_pipeline(index, main)
    if described is None:
        problems.append("There is no dataset_description.json, which every BIDS data set has.")
    try:
        choices = tuple(_choice(index, each, problems) for each in possibilities(index))
    except InputError as error:
        choices = ()
        problems.append(str(error))
    return BidsSummary(
        folder=str(index.folder),
        name=described.name if described else "",
        n_files=len(index),
        n_bytes=int(table["size_bytes"].sum()),
        n_not_fetched=int(lost.sum()),
        n_bytes_not_fetched=int(table["size_bytes"].to_numpy()[lost].sum()),
        subjects=tuple(index.subjects),
        sessions=tuple(index.sessions),
        tasks=tuple(index.tasks),
        datatypes=tuple(index.datatypes),
        spaces=tuple(index.spaces),
        derivatives={name: _made_by(index, name) for name in index.pipelines if name != main},
        choices=choices,
        problems=_first(problems),
        notes=index.notes,
    )


def _first(problems: Sequence[str]) -> tuple[str, ...]:
    """Return each problem once; of very many the first."""
    unlike = list(dict.fromkeys(problems))
    more = [f"There are {len(unlike) - _PROBLEMS} more problems."] if len(unlike) > _PROBLEMS else []
    return (*unlike[:_PROBLEMS], *more)


def _made_by(index: BidsIndex, pipeline: str) -> str:
    described = describe_pipeline(index, pipeline)
    return "" if described is None else described.made_by or described.name


def _choice(index: BidsIndex, each: Possibility, problems: list[str]) -> BidsChoice:
    files = [run.file for run in each.runs]
    lacking = partial(_lacking, index, files, problems)
    n_events = lacking(events_of)
    is_prepared = each.form == "volume" and each.derivative != RAW
    dataset, remark = _dataset(index, each, n_events)
    return BidsChoice(
        each.datatype,
        each.derivative,
        each.task,
        each.space,
        each.form,
        dict(each.entities),
        n_subjects=len(each.subjects),
        n_sessions=len({(run.subject, run.session) for run in each.runs}),
        n_runs=len(files),
        n_bytes=sum(file.size_bytes for run in each.runs for file in run.files),
        n_without_events=n_events,
        n_without_sidecar=lacking(_sidecar),
        n_without_confounds=lacking(confounds_of) if is_prepared else 0,
        n_without_mask=lacking(mask_of) if is_prepared else 0,
        n_not_fetched=sum(not file.is_fetched for run in each.runs for file in run.files),
        dataset=dataset,
        remark=remark,
    )


def _lacking(
    index: BidsIndex,
    files: Sequence[BidsFile],
    problems: list[str],
    find: Callable[[BidsIndex, BidsFile], object | None],
) -> int:
    """Return for how many files nothing is found; where it is not clear what belongs to one is a problem."""
    count = 0
    for file in files:
        try:
            count += find(index, file) is None
        except InputError as error:
            problems.append(str(error))
    return count


def _sidecar(index: BidsIndex, file: BidsFile) -> bool | None:
    in_raw = RAW in index.roots and file.pipeline != RAW
    found = has_metadata(index, file) or (in_raw and has_metadata(index, file, pipeline=RAW))
    return True if found else None


def _dataset(index: BidsIndex, each: Possibility, n_lost: int) -> tuple[dict[str, Any] | None, str]:
    """Return the options of ``load_bids`` that read a choice and nothing else."""
    made: dict[str, Any] = {"kind": "bids", "folder": str(index.folder), "datatype": each.datatype}
    root = index.roots[each.derivative]
    if root.is_relative_to(index.folder):
        made["derivative"] = each.derivative
    else:
        made["derivative_folder"] = str(root)
    made["tasks"] = [each.task]
    if each.datatype == "func":
        made["space"] = each.space
    if each.entities:
        made["entities"] = dict(each.entities)
    if each.form == "sensors":
        made |= {"tmin_s": -0.2, "tmax_s": 0.8}
    if not n_lost:
        return made, ""
    if n_lost < len(each.runs):
        return {**made, "missing_events": "skip"}, f"{n_lost} runs without events are left out"
    if each.form == "sensors":
        kept = {name: value for name, value in made.items() if name not in ("tmin_s", "tmax_s")}
        return {**kept, "epochs": False}, "no run has events: every time point is a sample; set resample_hz"
    return {**made, "average": "volume"}, "no run has events: every volume is a sample"


def _lines(summary: BidsSummary) -> Iterator[str]:
    yield f"{summary.name or 'BIDS data set'} in {summary.folder}"
    yield f"  {summary.n_files} files, {_size(summary.n_bytes)}"
    if summary.n_not_fetched:
        yield f"  {summary.n_not_fetched} of them not fetched, {_size(summary.n_bytes_not_fetched)}"
    for what in ("subjects", "sessions", "tasks", "datatypes", "spaces"):
        labels = getattr(summary, what)
        if labels:
            yield f"  {len(labels)} {what}: {_some(labels)}"
    for name, made_by in summary.derivatives.items():
        yield f"  derivative {name}" + (f", by {made_by}" if made_by else "")
    for choice in summary.choices:
        yield ""
        yield f"{choice.title}: {choice.n_runs} runs of {choice.n_subjects} subjects, {_size(choice.n_bytes)}"
        for what in ("events", "sidecar", "confounds", "mask"):
            count = getattr(choice, f"n_without_{what}")
            if count:
                yield f"  {count} runs without {what}"
        if choice.n_not_fetched:
            yield f"  {choice.n_not_fetched} files not fetched"
        if choice.remark:
            yield f"  {choice.remark}"
        yield from (f"  {line}" for line in choice.yaml.splitlines())
    if not summary.choices:
        yield ""
        yield "No run that alignkit reads: func/*_bold, or meg, eeg and ieeg recordings with a task."
    for what, sentences in (("Problems", summary.problems), ("Notes", summary.notes)):
        if sentences:
            yield ""
            yield f"{what}:"
            yield from (f"  {sentence}" for sentence in sentences)


def _some(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return ", ".join(labels[:_LISTED]) + more


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
