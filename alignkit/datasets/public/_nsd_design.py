"""Which picture each trial of the Natural Scenes Dataset showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError, MissingDataError
from .._arrays import read_array
from .._tables import read_table

N_SESSIONS = {
    "subj01": 40,
    "subj02": 40,
    "subj03": 32,
    "subj04": 30,
    "subj05": 40,
    "subj06": 32,
    "subj07": 40,
    "subj08": 30,
}
SUBJECTS = tuple(N_SESSIONS)
Shared = Literal["all", "shared1000", "shared515"]
_LONGEST = max(N_SESSIONS.values())
_N_REPEATS = 3
_DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"


@dataclass(frozen=True, eq=False)
class Design:
    """The experiment as it was planned, the same order of pictures for all subjects.

    Attributes
    ----------
    order : ndarray of shape (n_trials,)
        Which of a subject's pictures each trial shows, from 0.
    images : ndarray of shape (8, n_images)
        The number of each of a subject's pictures among all, from 0 (the row in ``nsd_stimuli.hdf5``).
    n_shared : int
        How many of the first pictures are the same for all subjects.
    path : Path
        Where it was read.
    """

    order: NDArray[np.int64]
    images: NDArray[np.int64]
    n_shared: int
    path: Path

    @property
    def n_trials(self) -> int:
        """Trials of a session."""
        return len(self.order) // _LONGEST

    def session(self, subject: str, session: int) -> pd.DataFrame:
        """Return the trials of a session: `image` (from 0), `is_shared`."""
        start = (session - 1) * self.n_trials
        position = self.order[start : start + self.n_trials]
        return pd.DataFrame(
            {
                "image": self.images[SUBJECTS.index(subject), position],
                "is_shared": position < self.n_shared,
            }
        )

    def kept_images(self, shared: Shared) -> NDArray[np.int64] | None:
        """Return the pictures that every subject saw (three times, for ``"shared515"``); None for all."""
        if shared == "all":
            return None
        if shared == "shared1000":
            return self.images[0, : self.n_shared]
        # All subjects see one order: who came to the fewest sessions decides.
        seen = self.order[: min(N_SESSIONS.values()) * self.n_trials]
        counts = np.bincount(seen, minlength=self.images.shape[1])[: self.n_shared]
        return np.asarray(self.images[0, np.flatnonzero(counts >= _N_REPEATS)], dtype=np.int64)


def read_design(root: Path) -> Design:
    """Read ``nsd_expdesign.mat``, whose numbers count from 1.

    Raises
    ------
    InputError
        If its arrays do not fit each other.
    """
    path = root / _DESIGN
    order = _whole(path, "masterordering").ravel() - 1
    images = _whole(path, "subjectim") - 1
    shared = np.sort(_whole(path, "sharedix").ravel()) - 1
    n_shared = len(shared)
    fits = (
        images.shape[0] == len(SUBJECTS)
        and images.shape[1] >= n_shared
        and len(order) % _LONGEST == 0
        and order.min() >= 0
        and order.max() < images.shape[1]
        and images.min() >= 0
        and all(np.array_equal(np.sort(row[:n_shared]), shared) for row in images)
        and (images[:, :n_shared] == images[:1, :n_shared]).all()
    )
    if not fits:
        raise InputError(
            f"{path} is not the published design: `masterordering` (shape {order.shape}), `subjectim` "
            f"({images.shape}) and `sharedix` ({shared.shape}) do not fit each other. Get it again."
        )
    return Design(order, images, n_shared, path)


def read_samples(
    root: Path, design: Design, subject: str, sessions: Sequence[int]
) -> tuple[pd.DataFrame, list[Path], tuple[str, ...]]:
    """Return a row for each trial of the sessions, the files that were read, and notes.

    Columns: `stimulus_id` (``nsd-00013``, counted from 0), `session`, `run` and `trial` (within the run)
    where ``responses.tsv`` is there, `image_73k` (counted from 1, as the set's own tables have it) and
    `is_shared`.

    Raises
    ------
    InputError
        If ``responses.tsv`` names another picture than the design.
    """
    tables = [design.session(subject, session).assign(session=f"{session:02d}") for session in sessions]
    table = pd.concat(tables, ignore_index=True)
    samples = pd.DataFrame(
        {
            "stimulus_id": stimulus_ids(table["image"].to_numpy()),
            "session": table["session"],
            "image_73k": table["image"] + 1,
            "is_shared": table["is_shared"],
        }
    )
    path = root / f"nsddata/ppdata/{subject}/behav/responses.tsv"
    if not path.is_file():
        return samples, [], (f"{path.name} is not there, so samples have no run.",)
    responses = read_table(path, needs=["SESSION", "RUN", "TRIAL", "73KID"])
    responses = responses[responses["SESSION"].isin(list(sessions))]
    if len(responses) != len(samples):
        note = f"{path.name} has {len(responses)} rows for {len(samples)} trials, so samples have no run."
        return samples, [path], (note,)
    responses = responses.sort_values(["SESSION", "RUN", "TRIAL"], kind="stable")
    _check_pictures(path, responses, samples)
    samples.insert(2, "run", responses["RUN"].to_numpy(dtype=int))
    samples.insert(3, "trial", responses["TRIAL"].to_numpy(dtype=int))
    return samples, [path], ()


def stimulus_ids(images: NDArray[np.int64]) -> list[str]:
    """Return the ids of pictures, counted from 0: the names that Algonauts 2023 gives them too."""
    return [f"nsd-{int(image):05d}" for image in images]


def choose_sessions(
    wanted: Sequence[int] | None, subject: str, there: Sequence[int], where: Path
) -> list[int]:
    """Return the wanted sessions, in order; by default all that are there.

    Raises
    ------
    InputError
        If the subject came to no such session, or one is named twice.
    MissingDataError
        If the file of a session is not there.
    """
    n_sessions = N_SESSIONS[subject]
    chosen = list(there) if wanted is None else sorted(wanted)
    if not chosen:
        raise MissingDataError(f"{where} holds no session of {subject}; files are named by session, from 01.")
    wrong = [session for session in chosen if not 1 <= session <= n_sessions]
    if wrong or len(set(chosen)) != len(chosen):
        raise InputError(
            f"`sessions` of {subject} must be different numbers in 1..{n_sessions}, got {chosen}."
        )
    absent = [session for session in chosen if session not in there]
    if absent:
        raise MissingDataError(
            f"session {', '.join(map(str, absent))} of {subject} is not in {where}; there are "
            f"{', '.join(map(str, there)) or 'none'}. Get it, or leave it out of `sessions`."
        )
    return chosen


def _check_pictures(path: Path, responses: pd.DataFrame, samples: pd.DataFrame) -> None:
    differ = responses["73KID"].to_numpy() != samples["image_73k"].to_numpy()
    if differ.any():
        row = int(differ.argmax())
        raise InputError(
            f"{path} shows picture {responses['73KID'].iloc[row]} in trial {row + 1} of the chosen sessions, "
            f"the design shows {samples['image_73k'].iloc[row]} (both counted from 1). Get both files again."
        )


def _whole(path: Path, variable: str) -> NDArray[np.int64]:
    values = read_array(path, variable=variable, ndims=(2,))
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise InputError(f"{path}: {variable} holds numbers that are no counts.")
    return np.asarray(values, dtype=np.int64)
