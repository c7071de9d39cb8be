"""A folder of fMRI runs in BIDS layout."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._stimuli import add_labels, check_conditions, match_stimuli
from .._tables import label_table
from .bold import read_bold

BOLD = "sub-{subject}/**/func/*_bold.nii.gz"
EVENTS = "sub-{subject}/**/func/*_events.tsv"
MASK = "sub-{subject}/**/func/*_mask.nii.gz"
ATLAS = "sub-{subject}/**/func/*_dseg.nii.gz"
ATLAS_LABELS = "sub-{subject}/**/func/*_dseg.tsv"

RunKey = tuple[str, str, int]


@DATASETS.register(
    "nifti",
    modality="fmri",
    subjects="1 or more",
    stimuli="your own",
    shape="events or blocks x voxels",
    unit="percent signal change, z, or scanner units",
    licence="your own",
    citation="Gorgolewski et al. 2016, Scientific Data 3:160044, doi:10.1038/sdata.2016.44 (BIDS)",
    source="your own files: BOLD series, events, a mask, and where you have them an atlas and images",
    sha256={},
    summary="fMRI runs in BIDS layout (NIfTI, events.tsv) as event or block averages.",
)
def load_nifti(
    *,
    folder: Path,
    subjects: list[str] | None = None,
    bold: str = BOLD,
    events: str = EVENTS,
    volume_labels: str | None = None,
    mask: str = MASK,
    atlas: str = ATLAS,
    atlas_labels: str = ATLAS_LABELS,
    stimuli: Path | None = None,
    tr_s: float | None = None,
    delay_s: float = 5.0,
    average: Literal["event", "block"] = "event",
    duration_s: float | None = None,
    detrend: Literal["linear", "none"] = "linear",
    high_pass_hz: float | None = None,
    standardize: Literal["percent", "zscore", "none"] = "percent",
    resample_mask: bool = False,
    rest: str = "rest",
    id_column: str | None = None,
    space: str | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read subjects from a folder; every run is one BOLD file with one events file.

    Patterns are relative to `folder`; ``{subject}`` stands for a subject, ``*`` and ``**`` as in a shell.

    Parameters
    ----------
    folder : Path
        Holds ``sub-<label>`` folders.
    subjects : list of str, optional
        Labels without ``sub-``; by default all that are there.
    bold, events : str
        Patterns; files are paired by session, task and run.
    volume_labels : str, optional
        Instead of `events`: pattern of one file per subject with a label and a run for every volume of its
        one BOLD file.
    mask, atlas, atlas_labels : str
        Patterns of at most one file per subject. Where the default finds none, there is none.
    stimuli : Path, optional
        Folder of images; by default ``stimuli`` inside `folder` where it is there.
    tr_s, delay_s, average, duration_s, detrend, high_pass_hz, standardize, resample_mask, rest, id_column
        See :func:`alignkit.datasets.read_bold`.
    space : str, optional
        Name of the space; by default the ``space-`` entity of the BOLD files, or ``"native"``.
    conditions : str, optional
        Column of the samples that carries the condition, for block designs.

    Returns
    -------
    dataset : Dataset
        A recording per subject; `labels` are the event columns that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If the folder, a subject, or a subject's series or events are not there.
    InputError
        If two files share one run, a path leaves the folder, or :func:`read_bold` refuses the files.
    """
    folder = Path(folder)
    patterns = _Patterns(bold, events, volume_labels, mask, atlas, atlas_labels)
    recordings: list[Recording] = []
    files: list[Path] = []
    for name in _subjects(folder, subjects):
        found = patterns.find(folder, name)
        recordings.append(
            read_bold(
                found.bold,
                mask=found.mask,
                events=found.events,
                volume_labels=found.volume_labels,
                atlas=found.atlas,
                atlas_labels=found.atlas_labels,
                tr_s=tr_s,
                delay_s=delay_s,
                average=average,
                duration_s=duration_s,
                detrend=detrend,
                high_pass_hz=high_pass_hz,
                standardize=standardize,
                resample_mask=resample_mask,
                rest=rest,
                id_column=id_column,
                space=space or _entities(found.bold[0]).get("space", "native"),
                subject=f"sub-{name}",
            )
        )
        files += found.all
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    categories = label_table(samples)
    images, notes = _stimuli(folder, stimuli, samples)
    return Dataset(
        name="nifti",
        study=Study.of(*recordings),
        stimuli=None if images is None else add_labels(images, categories),
        labels=categories,
        conditions=check_conditions(conditions, samples),
        files=tuple(dict.fromkeys(files)),
        notes=(*notes, *(f"{each.subject}: {note}" for each in recordings for note in each.notes)),
    )


@dataclass(frozen=True)
class _Files:
    """One subject's files."""

    bold: list[Path]
    events: list[Path] | None
    volume_labels: Path | None
    mask: Path | None
    atlas: Path | None
    atlas_labels: Path | None

    @property
    def all(self) -> list[Path]:
        single = (self.volume_labels, self.mask, self.atlas, self.atlas_labels)
        return [*self.bold, *(self.events or []), *(path for path in single if path is not None)]


@dataclass(frozen=True)
class _Patterns:
    """Where a subject's files are, relative to the folder."""

    bold: str
    events: str
    volume_labels: str | None
    mask: str
    atlas: str
    atlas_labels: str

    def find(self, folder: Path, subject: str) -> _Files:
        """Return the files of one subject; every run has one of each."""
        series = _find(folder, self.bold, subject)
        if not series:
            raise MissingDataError(f"no BOLD series of sub-{subject} fits {self.bold!r} in {folder}.")
        tables, labels = None, None
        if self.volume_labels is None:
            series, tables = _pair(folder, subject, series, _find(folder, self.events, subject))
        else:
            labels = _one(folder, self.volume_labels, subject, is_default=False)
        atlas = _one(folder, self.atlas, subject, is_default=self.atlas == ATLAS)
        names_by_default = self.atlas_labels == ATLAS_LABELS
        names = _one(folder, self.atlas_labels, subject, is_default=names_by_default)
        if atlas is None and names_by_default:
            names = None
        mask = _one(folder, self.mask, subject, is_default=self.mask == MASK)
        return _Files(series, tables, labels, mask, atlas, names)


def _subjects(folder: Path, wanted: list[str] | None) -> list[str]:
    if not folder.is_dir():
        raise MissingDataError(f"the folder {folder} does not exist; give the one that holds sub-* folders.")
    there = sorted(path.name.removeprefix("sub-") for path in folder.glob("sub-*") if path.is_dir())
    if not there:
        raise MissingDataError(f"{folder} holds no sub-* folder; a BIDS layout has one for each subject.")
    if wanted is None:
        return there
    names = [str(name).removeprefix("sub-") for name in wanted]
    missing = [name for name in names if name not in there]
    if missing or not names:
        raise MissingDataError(
            f"subject(s) {', '.join(missing) or '(none)'} are not in {folder}; there are {', '.join(there)}."
        )
    return names


def _find(folder: Path, pattern: str, subject: str) -> list[Path]:
    parts = PurePosixPath(pattern).parts
    if PurePosixPath(pattern).is_absolute() or ".." in parts or not parts:
        raise InputError(f"the pattern {pattern!r} must stay inside {folder}: no '..' and no absolute path.")
    root = folder.resolve()
    found = sorted(
        path
        for path in folder.glob(pattern.replace("{subject}", subject))
        if path.is_file() and not path.name.startswith(".")
    )
    for path in found:
        if not path.resolve().is_relative_to(root):
            raise InputError(f"{path} is a link that leaves {folder}; copy the file into it.")
    return found


def _one(folder: Path, pattern: str, subject: str, *, is_default: bool) -> Path | None:
    found = _find(folder, pattern, subject)
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:3])
        raise InputError(f"{len(found)} files of sub-{subject} fit {pattern!r} ({names}); narrow it to one.")
    if not found and not is_default:
        raise MissingDataError(f"no file of sub-{subject} fits {pattern!r} in {folder}.")
    return found[0] if found else None


def _entities(path: Path) -> dict[str, str]:
    pairs = re.findall(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9+]+)", path.name.split(".")[0])
    return dict(pairs)


def _by_run(folder: Path, paths: Sequence[Path]) -> dict[RunKey, Path]:
    found: dict[RunKey, Path] = {}
    for path in paths:
        entities = _entities(path)
        run = entities.get("run", "1")
        key = (entities.get("ses", ""), entities.get("task", ""), int(run) if run.isdigit() else 1)
        if key in found:
            raise InputError(
                f"{found[key].relative_to(folder)} and {path.relative_to(folder)} are both run {key[2]} of "
                "one session and task; narrow the pattern (by space-, desc-, echo-, acq-) to one file for "
                "each run."
            )
        found[key] = path
    return dict(sorted(found.items()))


def _pair(
    folder: Path, subject: str, series: list[Path], tables: list[Path]
) -> tuple[list[Path], list[Path]]:
    by_series, by_table = _by_run(folder, series), _by_run(folder, tables)
    for these, others, what in ((by_series, by_table, "events"), (by_table, by_series, "BOLD series")):
        alone = [path for key, path in these.items() if key not in others]
        if alone:
            raise MissingDataError(
                f"{len(alone)} of {len(these)} files of sub-{subject} have no {what} of the same session, "
                f"task and run: {', '.join(path.name for path in alone[:3])}. Add them, or narrow the "
                "patterns."
            )
    return list(by_series.values()), [by_table[key] for key in by_series]


def _stimuli(
    folder: Path, stimuli: Path | None, samples: pd.DataFrame
) -> tuple[StimulusSet | None, tuple[str, ...]]:
    place = folder / "stimuli" if stimuli is None else Path(stimuli)
    if stimuli is None and not place.is_dir():
        return None, ()
    named = samples.drop_duplicates("stimulus_id")
    if "stim_file" not in named or (named["stim_file"].isin(["", "n/a"])).any():
        return match_stimuli(place, list(samples["stimulus_id"]))
    absent = [str(file) for file in named["stim_file"] if not (place / str(file)).is_file()]
    if absent:
        raise MissingDataError(
            f"{len(absent)} of {len(named)} stimuli with responses have no image in {place}: "
            f"{', '.join(absent[:5])}. Add the images, or drop their events."
        )
    table = named[["stimulus_id", "stim_file"]].rename(columns={"stim_file": "file"})
    shared = [stem for stem, n in Counter(named["stim_file"]).items() if n > 1]
    if shared:
        raise InputError(f"the image {shared[0]!r} belongs to several stimulus ids; give each its own.")
    return StimulusSet(table, place), ()
