"""Averages of repetitions of a stimulus, and of subjects: over the signals, or over what was decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from ..._core.checks import check_array
from ..._core.errors import InputError
from ..._core.random import derive_seed
from ...recordings.study import Study
from .._reading import read_rows
from ..trials import Trials

Indices = NDArray[np.intp]
AVERAGED = ("decoded", "signals")
SUBJECTS = ("single", "joint")


@dataclass(frozen=True, eq=False)
class RepetitionSets:
    """Which trials are averaged together.

    Attributes
    ----------
    weights : sparse array of shape (n_sets, n_trials)
        Rows sum to 1.
    stimuli : ndarray of shape (n_sets,)
        Stimulus of each set.
    subjects : ndarray of shape (n_sets,)
        Subject of each set; -1 where a set holds trials of all of them.
    """

    weights: csr_array
    stimuli: Indices
    subjects: Indices

    @property
    def first(self) -> Indices:
        """A trial of each set."""
        return np.asarray(self.weights.indices[self.weights.indptr[:-1]], dtype=np.intp)


def repetition_sets(
    stimuli: ArrayLike,
    *,
    n_repetitions: int | Literal["all"],
    subjects: ArrayLike | None = None,
    joint: bool = False,
    n_draws: int = 10,
    seed: int = 0,
) -> RepetitionSets:
    """Draw which repetitions of a stimulus are averaged.

    In each draw the trials of a stimulus (and subject) are shuffled and cut into as many sets as they fill,
    so that no trial is in two sets of a draw. One draw is enough for single trials, and for all of them.

    Parameters
    ----------
    stimuli : array of int, shape (n_trials,)
        The same number is the same stimulus.
    n_repetitions : int or "all"
        Trials of a set; of each subject where sets are joint.
    subjects : array of int, shape (n_trials,), optional
        Subject of each trial; sets hold one subject unless they are joint.
    joint : bool, default=False
        Whether a set holds `n_repetitions` of every subject, each subject weighing the same.
    n_draws : int, default=10
        Draws where there is a choice.
    seed : int, default=0
        Of the draws.

    Returns
    -------
    sets : RepetitionSets
        Of all draws.

    Raises
    ------
    InputError
        If a stimulus has fewer repetitions than wanted, or a subject lacks one in joint sets.

    Examples
    --------
    >>> repetition_sets([0, 1, 0, 1], n_repetitions="all").weights.toarray()
    array([[0.5, 0. , 0.5, 0. ],
           [0. , 0.5, 0. , 0.5]])
    """
    codes = np.asarray(stimuli, dtype=np.intp)
    people = np.zeros_like(codes) if subjects is None else np.asarray(subjects, dtype=np.intp)
    if codes.shape != people.shape or codes.ndim != 1 or not codes.size:
        raise InputError(
            f"`stimuli` and `subjects` must name one of each trial, got shapes {codes.shape} and "
            f"{people.shape}."
        )
    if n_repetitions != "all" and n_repetitions < 1:
        raise InputError(f"`n_repetitions` must be at least 1 or 'all', got {n_repetitions}.")
    if n_draws < 1:
        raise InputError(f"`n_draws` must be at least 1, got {n_draws}.")
    names, cell = np.unique(np.stack([codes, people]), axis=1, return_inverse=True)
    by_cell = np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell))[:-1])
    cells = {
        (int(stimulus), int(subject)): rows
        for (stimulus, subject), rows in zip(names.T, by_cell, strict=True)
    }
    if n_repetitions != "all":
        _check_counts(cells, n_repetitions)
    groups = _grouped(cells, joint, n_people=len(np.unique(people)))
    whole = all(len(rows) == n_repetitions for rows in cells.values())
    settled = n_repetitions == "all" or whole or (n_repetitions == 1 and not joint)
    rng = np.random.default_rng(derive_seed(seed, "repetitions", str(n_repetitions)))
    sets: list[tuple[int, int, list[Indices]]] = []
    for _ in range(1 if settled else n_draws):
        for (stimulus, subject), parts in groups:
            cut = [_cut(rows, n_repetitions, rng) for rows in parts]
            for members in zip(*cut, strict=False):
                sets.append((stimulus, subject, list(members)))
    return _as_sets(sets, len(codes))


def average_decoded(decoded: ArrayLike, sets: RepetitionSets) -> NDArray[np.float32]:
    """Return the mean of what was decoded from the trials of each set.

    Parameters
    ----------
    decoded : array of shape (n_trials, n_dims) or (n_trials, n_dims, n_times)
        Decoded embeddings, or scores of classes.
    sets : RepetitionSets
        Of these trials.

    Returns
    -------
    averaged : ndarray of shape (n_sets, n_dims) or (n_sets, n_dims, n_times)
        Means.

    Raises
    ------
    InputError
        If the trials are not those of the sets.
    """
    values = check_array("decoded", decoded, ndim=(2, 3), dtype=np.float32)
    if len(values) != sets.weights.shape[1]:
        raise InputError(f"the sets are of {sets.weights.shape[1]} trials, but {len(values)} were decoded.")
    flat = sets.weights @ values.reshape(len(values), -1)
    return np.asarray(flat, dtype=np.float32).reshape(len(flat), *values.shape[1:])


def average_signals(trials: Trials, sets: RepetitionSets) -> Trials:
    """Return trials whose signals are the means over the trials of each set.

    Parameters
    ----------
    trials : Trials
        Single trials.
    sets : RepetitionSets
        Of these trials, each of one subject: channels of different subjects have no mean.

    Returns
    -------
    averaged : Trials
        A trial per set, in the order of the sets, to predict from: its rows are not those of a recording.

    Raises
    ------
    InputError
        If sets hold several subjects.
    """
    if (sets.subjects < 0).any():
        raise InputError(
            "signals of several subjects cannot be averaged, as their channels differ. Average within "
            "subjects, decode, and average what was decoded."
        )
    rows = trials.column("row")
    table = trials.table.iloc[sets.first].reset_index(drop=True)
    recordings = []
    for subject in trials.subjects:
        recording = trials.study[subject]
        own = np.flatnonzero((table["subject"] == subject).to_numpy())
        if not len(own):
            recordings.append(recording)
            continue
        weights = sets.weights[own]
        used = np.unique(weights.indices)
        data = read_rows(recording, rows[used])
        means = np.asarray(weights[:, used] @ data.reshape(len(data), -1), dtype=np.float32)
        samples = recording.samples.iloc[table["row"].to_numpy()[own]]
        shape = (len(own), *data.shape[1:])
        recordings.append(replace(recording, data=means.reshape(shape), samples=samples))
        table.loc[own, "row"] = np.arange(len(own))
    return Trials(Study.of(*recordings), trials.targets, table)


def _check_counts(cells: dict[tuple[int, int], Indices], n_repetitions: int) -> None:
    least = min(len(rows) for rows in cells.values())
    if least < n_repetitions:
        short = sum(len(rows) < n_repetitions for rows in cells.values())
        raise InputError(
            f"{n_repetitions} repetitions cannot be averaged: {short} stimuli have fewer, the fewest "
            f"{least}. Average at most {least}, or 'all'."
        )


def _grouped(
    cells: dict[tuple[int, int], Indices], joint: bool, n_people: int
) -> list[tuple[tuple[int, int], list[Indices]]]:
    if not joint:
        return [(key, [rows]) for key, rows in cells.items()]
    by_stimulus: dict[int, list[Indices]] = {}
    for (stimulus, _), rows in cells.items():
        by_stimulus.setdefault(stimulus, []).append(rows)
    lacking = sum(len(parts) < n_people for parts in by_stimulus.values())
    if lacking:
        raise InputError(
            f"{lacking} stimuli were not shown to all {n_people} subjects, so that these cannot be joined. "
            "Evaluate subjects one by one, or hold out stimuli that all of them saw."
        )
    return [((stimulus, -1), parts) for stimulus, parts in by_stimulus.items()]


def _cut(rows: Indices, n_repetitions: int | Literal["all"], rng: np.random.Generator) -> Sequence[Indices]:
    if n_repetitions == "all":
        return [rows]
    n_sets = len(rows) // n_repetitions
    return list(rng.permutation(rows)[: n_sets * n_repetitions].reshape(n_sets, n_repetitions))


def _as_sets(sets: Iterable[tuple[int, int, list[Indices]]], n_trials: int) -> RepetitionSets:
    stimuli, subjects, members, weights, ends = [], [], [], [], [0]
    for stimulus, subject, parts in sets:
        stimuli.append(stimulus)
        subjects.append(subject)
        for part in parts:
            members.append(np.sort(part))
            weights.append(np.full(len(part), 1.0 / (len(part) * len(parts))))
        ends.append(ends[-1] + sum(len(part) for part in parts))
    matrix = csr_array(
        (np.concatenate(weights), np.concatenate(members), np.array(ends)), shape=(len(stimuli), n_trials)
    )
    return RepetitionSets(matrix, np.array(stimuli, dtype=np.intp), np.array(subjects, dtype=np.intp))
