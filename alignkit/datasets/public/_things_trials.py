"""Which image each trial of THINGS-MEG showed, and whether it is a training, test or catch trial."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._tables import read_table

if TYPE_CHECKING:
    import mne

# How often each test image was shown; training images once.
_N_TEST = 12
_CATCH = 999_999


def read_trials(epochs: mne.BaseEpochs, root: Path, subject: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a row per epoch, and notes.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        With the owners' table of trials as metadata; else it is read from ``sourcedata``.
    root : Path
        The set's folder.
    subject : str
        Such as ``"P1"``.

    Returns
    -------
    trials : DataFrame
        `stimulus_id`, `is_catch`, and where known `concept`, `session`, `run`.
    notes : tuple of str
        Where images are not named, or the table does not agree with how often they were shown.

    Raises
    ------
    InputError
        If the table has another length than the epochs.
    """
    table = epochs.metadata
    note: tuple[str, ...] = ()
    path = root / "sourcedata" / f"sample_attributes_{subject}.csv"
    if table is None and path.is_file():
        table = read_table(path)
        if len(table) != len(epochs):
            raise InputError(f"{path} has {len(table)} trials, the epochs of {subject} are {len(epochs)}.")
    event = epochs.events[:, 2]
    if table is None or "image_path" not in table:
        trials = pd.DataFrame({"stimulus_id": [f"image-{number:05d}" for number in event]})
        said = f"{subject}: the epochs do not name their images; they are numbered, and objects are unknown."
        return trials.assign(is_catch=event == _CATCH), (said,)
    stems = [PurePosixPath(str(name).replace("\\", "/")).stem for name in table["image_path"]]
    trials = pd.DataFrame({"stimulus_id": stems, "concept": [stem.rpartition("_")[0] for stem in stems]})
    for column, name in (("session_nr", "session"), ("run_nr", "run")):
        if column in table:
            trials[name] = table[column].to_numpy()
    is_catch = (event == _CATCH) | ["catch" in str(name) for name in table["image_path"]]
    if "trial_type" in table:
        kinds = table["trial_type"].astype(str).to_numpy()
        is_catch |= kinds == "catch"
        counted = _is_test(trials["stimulus_id"], is_catch)
        n_off = int(((kinds == "test") != counted)[~is_catch].sum())
        if n_off:
            note = (
                f"{subject}: {n_off} trials are test trials by their table or by being shown {_N_TEST} "
                "times, but not by both; the count was taken.",
            )
    return trials.assign(is_catch=is_catch), note


def _is_test(ids: pd.Series, is_catch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    counts = ids[~is_catch].value_counts()
    return np.asarray((ids.map(counts).fillna(0) == _N_TEST).to_numpy() & ~is_catch, dtype=bool)


def select_trials(
    trials: pd.DataFrame, split: str, drop_test_concepts: bool, subject: str
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the rows of one split, and notes on what was left out.

    Raises
    ------
    InputError
        If objects are needed but unknown, or no trial is left.
    """
    is_catch = trials["is_catch"].to_numpy(dtype=bool)
    is_test = _is_test(trials["stimulus_id"], is_catch)
    keep = ~is_catch & {"train": ~is_test, "test": is_test, "all": np.ones(len(trials), dtype=bool)}[split]
    notes = [f"{subject}: {int(is_catch.sum())} catch trials were left out."] if is_catch.any() else []
    if drop_test_concepts:
        if "concept" not in trials:
            raise InputError(f"the objects of {subject} are unknown, so `drop_test_concepts` cannot be done.")
        seen = trials["concept"].isin(set(trials["concept"][is_test])).to_numpy() & ~is_test
        notes.append(f"{subject}: {int((seen & keep).sum())} training trials of test objects were left out.")
        keep &= ~seen
    if not keep.any():
        raise InputError(
            f"no trial of {subject} is left for split {split!r}; test images are those shown {_N_TEST} "
            f"times, of which there are {trials['stimulus_id'][is_test].nunique()}."
        )
    return np.flatnonzero(keep), tuple(notes)
