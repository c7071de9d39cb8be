"""The dataset kind `brainscore`: an assembly and, where it is at hand, its stimulus set."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..._core.errors import InputError
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._stimuli import check_conditions, match_stimuli
from .._tables import label_table
from .brainscore import Missing, brainscore_subjects, read_brainscore
from .stimulus_sets import read_stimulus_set


@DATASETS.register(
    "brainscore",
    modality="any",
    subjects="one or more",
    stimuli="your own",
    shape="presentations x neuroids [x time bins]",
    unit="as given",
    licence="your own",
    citation="Schrimpf et al. 2020, Neuron 108:413-423, doi:10.1016/j.neuron.2020.07.040",
    source="your own files: an assembly (netCDF), and the csv and zip of its stimulus set",
    sha256={},
    summary="A Brain-Score assembly (netCDF with presentation, neuroid, time_bin), split by subject.",
)
def load_brainscore(
    *,
    assembly: Path,
    stimulus_table: Path | None = None,
    stimulus_archive: Path | None = None,
    stimuli: Path | None = None,
    subjects: list[str] | None = None,
    pool: bool = False,
    modality: str | None = None,
    unit: str | None = None,
    missing: Missing = "error",
    conditions: str | None = None,
) -> Dataset:
    """Read an assembly, a recording per animal or person.

    Parameters
    ----------
    assembly : Path
        The netCDF file.
    stimulus_table, stimulus_archive : Path, optional
        The csv and zip of the stimulus set; of texts the csv alone.
    stimuli : Path, optional
        In place of the two, a folder of images whose stems are the stimulus ids.
    subjects : list of str, optional
        Which ones; by default all.
    pool : bool, default=False
        Put the neuroids of all subjects side by side into one recording, as Brain-Score's benchmarks do.
    modality, unit, missing
        See :func:`read_brainscore`.
    conditions : str, optional
        Column of the samples that carries the condition.

    Returns
    -------
    dataset : Dataset
        `labels` are the columns of the samples that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If a file is not there, or xarray is not installed.
    InputError
        If the parts do not fit each other.
    """
    if pool and subjects is not None:
        raise InputError(
            "`pool` takes all subjects of the assembly; leave `subjects` out, or set it to false."
        )
    known = brainscore_subjects(assembly)
    wanted: list[str | None] = [None] if pool or not known else [*(known if subjects is None else subjects)]
    if subjects is not None and not known:
        wanted = [*subjects]
    if not wanted:
        raise InputError("`subjects` is an empty list; name at least one, or leave it out for all.")
    recordings = [
        read_brainscore(assembly, subject=subject, modality=modality, unit=unit, missing=missing)
        for subject in wanted
    ]
    samples = pd.concat([recording.samples for recording in recordings], ignore_index=True)
    ids = list(dict.fromkeys(samples["stimulus_id"]))
    media, notes = _stimuli(ids, stimulus_table, stimulus_archive, stimuli)
    pooled = ("Neuroids of several subjects stand side by side.",) if pool and len(known) > 1 else ()
    files = (Path(assembly), *(each for each in (stimulus_table, stimulus_archive) if each is not None))
    return Dataset(
        name="brainscore",
        study=Study.of(*recordings),
        stimuli=media,
        labels=label_table(samples, leave_out=("repetition_in_file",)),
        conditions=check_conditions(conditions, samples),
        files=files,
        notes=(*dict.fromkeys(note for recording in recordings for note in recording.notes), *pooled, *notes),
    )


def _stimuli(
    ids: list[str], table: Path | None, archive: Path | None, folder: Path | None
) -> tuple[StimulusSet | None, tuple[str, ...]]:
    if table is None:
        if archive is not None:
            raise InputError("`stimulus_archive` goes with `stimulus_table`, the csv that names its files.")
        return (None, ()) if folder is None else match_stimuli(folder, ids)
    if folder is not None:
        raise InputError("give the stimuli either as `stimuli` or as `stimulus_table`, not both.")
    known = read_stimulus_set(table, archive)
    extra = len(known) - len(set(ids) & set(known.stimulus_ids))
    notes = (f"{extra} stimuli of the set without a response were left out.",) if extra else ()
    return known.select(ids), notes
