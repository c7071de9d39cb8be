"""The dataset kind `rsatoolbox`: files that rsatoolbox saved, one per subject or region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..._core.errors import InputError
from ...recordings.rdms import RDMs
from ...recordings.recording import Recording
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from .._stimuli import check_conditions, match_stimuli
from .._tables import label_table
from ._rsatoolbox_content import rdms_of, recording_of
from .rsatoolbox_files import read_content


@DATASETS.register(
    "rsatoolbox",
    modality="any",
    subjects="one or more",
    stimuli="your own",
    shape="observations x channels [x times], or matrices x pairs",
    unit="as given",
    licence="your own",
    citation="Nili et al. 2014, PLoS Computational Biology 10:e1003553, doi:10.1371/journal.pcbi.1003553",
    source="your own files: what rsatoolbox saved as HDF5, and a folder of images",
    sha256={},
    summary="rsatoolbox Dataset, TemporalDataset or RDMs, saved as HDF5; a file per subject.",
)
def load_rsatoolbox(
    *,
    files: Path | list[Path],
    stimuli: Path | None = None,
    stimulus_descriptor: str | None = None,
    channel_descriptor: str | None = None,
    time_unit: Literal["s", "ms"] | None = None,
    conditions: str | None = None,
) -> Dataset:
    """Read datasets of several subjects, or dissimilarities.

    Parameters
    ----------
    files : Path or list of Path
        HDF5 files of rsatoolbox, all of datasets (a subject each) or all of RDMs over the same patterns.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    stimulus_descriptor, channel_descriptor, time_unit : str, optional
        `stimuli`, `channels` and `time_unit` of :func:`read_rsatoolbox`.
    conditions : str, optional
        Column of the samples that carries the condition.

    Returns
    -------
    dataset : Dataset
        `labels` are the descriptors that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If a file is a pickle or no file of rsatoolbox, or files do not fit each other.
    """
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(path) for path in files]
    if not paths:
        raise InputError("`files` names no file.")
    contents = [read_content(path) for path in paths]
    are_rdms = ["dissimilarities" in content for content in contents]
    if len(set(are_rdms)) > 1:
        kinds = ", ".join(
            f"{path.name}: {'RDMs' if is_rdms else 'a dataset'}"
            for path, is_rdms in zip(paths, are_rdms, strict=True)
        )
        raise InputError(f"`files` holds datasets and RDMs ({kinds}); load them apart.")
    if are_rdms[0]:
        if conditions is not None:
            raise InputError("`conditions` goes with datasets; RDMs have no samples.")
        parts = [
            rdms_of(str(p), c, stimuli=stimulus_descriptor) for p, c in zip(paths, contents, strict=True)
        ]
        rdms = _joined(paths, [part[0] for part in parts])
        table, study = parts[0][1], None
        notes = tuple(dict.fromkeys(note for part in parts for note in part[2]))
    else:
        recordings = [
            recording_of(
                str(path),
                content,
                stimuli=stimulus_descriptor,
                channels=channel_descriptor,
                time_unit=time_unit,
            )
            for path, content in zip(paths, contents, strict=True)
        ]
        rdms, study, table = None, Study.of(*recordings), _all_samples(recordings)
        notes = tuple(dict.fromkeys(note for recording in recordings for note in recording.notes))
    images, more = (None, ()) if stimuli is None else match_stimuli(stimuli, list(table["stimulus_id"]))
    return Dataset(
        name="rsatoolbox",
        study=study,
        rdms=rdms,
        stimuli=images,
        labels=label_table(table),
        conditions=None if study is None else check_conditions(conditions, table),
        files=tuple(paths),
        notes=(*notes, *more),
    )


def _all_samples(recordings: Sequence[Recording]) -> pd.DataFrame:
    return pd.concat([recording.samples for recording in recordings], ignore_index=True)


def _joined(paths: Sequence[Path], parts: Sequence[RDMs]) -> RDMs:
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if set(part.stimulus_ids) != set(first.stimulus_ids):
            raise InputError(f"{path} and {paths[0]} hold RDMs of different patterns; load them apart.")
        if part.measure != first.measure:
            raise InputError(
                f"{path} holds {part.measure!r} and {paths[0]} {first.measure!r}; dissimilarities of "
                "different measures are not joined."
            )
    aligned = [part.align(first.stimulus_ids) for part in parts]
    squares = pd.concat([part.table for part in aligned], ignore_index=True)
    if len(parts) == 1:
        return first
    return RDMs(np.concatenate([part.values for part in aligned]), first.stimulus_ids, squares, first.measure)
