"""A folder of fMRI runs, in BIDS layout or with files that are named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from ..._core.errors import InputError, MissingDataError
from ...preprocessing.signals import Detrend, Standardize
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._stimuli import add_labels, check_conditions, match_stimuli
from .._tables import label_table
from ._confounds import ConfoundColumns
from ._inherited import inherited_tr
from ._layout import ATLAS, ATLAS_LABELS, BOLD, CONFOUNDS, EVENTS, MASK, Layout
from ._pairs import entities
from ._runs import Average
from .bold import read_bold
from .single_trials import SingleTrialOptions


@DATASETS.register(
    "nifti",
    modality="fmri",
    subjects="1 or more",
    stimuli="your own",
    shape="events, blocks, single trials or volumes x voxels",
    unit="percent signal change, z, or scanner units",
    licence="your own",
    citation="Gorgolewski et al. 2016, Scientific Data 3:160044, doi:10.1038/sdata.2016.44 (BIDS)",
    source="your own files: BOLD series, events, a mask, and where you have them an atlas and images",
    sha256={},
    summary="fMRI runs in BIDS layout (NIfTI, events.tsv) as averages, betas, or volume by volume.",
)
def load_nifti(
    *,
    folder: Path,
    subjects: list[str] | None = None,
    bold: str | list[str] = BOLD,
    events: str | list[str] = EVENTS,
    volume_labels: str | None = None,
    confounds: str | list[str] = CONFOUNDS,
    confound_columns: ConfoundColumns = "none",
    mask: str = MASK,
    atlas: str = ATLAS,
    atlas_labels: str = ATLAS_LABELS,
    stimuli: Path | None = None,
    tr_s: float | None = None,
    start_time_s: float | None = None,
    drop_volumes: int = 0,
    delay_s: float = 5.0,
    average: Average = "event",
    glm: SingleTrialOptions | None = None,
    duration_s: float | None = None,
    smoothing_fwhm_mm: float | None = None,
    detrend: Detrend = "linear",
    high_pass_hz: float | None = None,
    standardize: Standardize = "percent",
    resample_mask: bool = False,
    rest: str = "rest",
    id_column: str | None = None,
    space: str | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read subjects from a folder; every run is one BOLD file with one events file.

    Patterns are relative to `folder`; ``{subject}`` stands for a subject, ``*`` and ``**`` as in a shell.
    Files of one subject may also be named, in whatever layout: ``bold=["run1.nii.gz", "run2.nii.gz"],
    events=["one.tsv", "two.tsv"], subjects=["monkey-a"]``.

    Parameters
    ----------
    folder : Path
        Holds ``sub-<label>`` folders, or the files that are named.
    subjects : list of str, optional
        Labels without ``sub-``; by default all that are there. With named files the one subject's name.
    bold, events : str or list of str
        Patterns; files are paired by session, task and run. Lists, of a file each, are paired in their order,
        and so are files that fit a pattern without ``{subject}`` and whose names do not say their run (with a
        note). A name with ``*``, ``?`` or ``[`` is escaped as ``glob.escape`` does. With
        ``average="volume"`` there may be no events.
    volume_labels : str, optional
        Instead of `events`: pattern of one file per subject with a label and a run for every volume of its
        one BOLD file.
    confounds : str or list of str
        Patterns of the confounds tables, paired as events are. They are looked for when `confound_columns`
        names any.
    mask, atlas, atlas_labels : str
        Patterns of at most one file per subject. Where the default finds none, there is none. Mask and atlas
        may be names instead, as :func:`alignkit.datasets.read_bold` knows them.
    stimuli : Path, optional
        Folder of images; by default ``stimuli`` inside `folder` where it is there.
    confound_columns, tr_s, start_time_s, drop_volumes, delay_s, average, glm, duration_s, smoothing_fwhm_mm
        See :func:`alignkit.datasets.read_bold`.
    detrend, high_pass_hz, standardize, resample_mask, rest, id_column
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
        If two files share one run, named files do not pair or `subjects` does not name the one whose files
        they are, a path leaves the folder, or :func:`read_bold` refuses the files.
    """
    folder = Path(folder)
    layout = Layout(
        bold,
        events,
        volume_labels,
        None if confound_columns in ("none", []) else confounds,
        mask,
        atlas,
        atlas_labels,
        needs_events=average != "volume",
    )
    recordings: list[Recording] = []
    files: list[Path] = []
    notes: list[str] = []
    for subject in layout.subjects(folder, subjects):
        found = layout.find(folder, subject)
        notes += [f"{subject.name}: {note}" for note in found.notes]
        recordings.append(
            read_bold(
                found.bold,
                mask=found.mask,
                events=found.events,
                volume_labels=found.volume_labels,
                confounds=found.confounds,
                confound_columns=confound_columns,
                atlas=found.atlas,
                atlas_labels=found.atlas_labels,
                tr_s=inherited_tr(folder, found.bold) if tr_s is None else tr_s,
                start_time_s=start_time_s,
                drop_volumes=drop_volumes,
                delay_s=delay_s,
                average=average,
                glm=glm,
                duration_s=duration_s,
                smoothing_fwhm_mm=smoothing_fwhm_mm,
                detrend=detrend,
                high_pass_hz=high_pass_hz,
                standardize=standardize,
                resample_mask=resample_mask,
                rest=rest,
                id_column=id_column,
                space=space or entities(found.bold[0]).get("space", "native"),
                subject=subject.name,
            )
        )
        files += found.all
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    categories = label_table(samples)
    images, left_out = _stimuli(folder, stimuli, samples) if average != "volume" else (None, ())
    return Dataset(
        name="nifti",
        study=Study.of(*recordings),
        stimuli=None if images is None else add_labels(images, categories),
        labels=categories,
        conditions=check_conditions(conditions, samples),
        files=tuple(dict.fromkeys(files)),
        notes=(*left_out, *notes, *(f"{each.subject}: {note}" for each in recordings for note in each.notes)),
    )


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
