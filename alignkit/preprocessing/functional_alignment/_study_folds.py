"""Which samples of a study stand for one another, and which folds they form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.recording import Recording
from ...recordings.study import Study
from ...stats.folds import Fold, grouped_folds

Floats = NDArray[np.float64]
_LEAST_TRAINING = 3
# Share of steps in time that must be alike: a few volumes may have been left out.
_EVEN_SHARE, _EVEN_TOLERANCE = 0.9, 0.01


def common_samples(study: Study) -> tuple[Study, tuple[str, ...]]:
    """Return the study with the same stimuli in the same order for all subjects, and a note on the others.

    Raises
    ------
    InputError
        If there are fewer than 2 subjects or common stimuli, a subject has repetitions, or times differ.
    """
    if len(study) < 2:
        raise InputError(f"alignment needs at least 2 subjects, got {len(study)}.")
    ids = study.common_stimuli
    if len(ids) < 2:
        raise InputError(
            f"the {len(study)} subjects have {len(ids)} stimuli in common; alignment matches their responses "
            "to the same ones."
        )
    aligned = Study.of(*(recording.align(ids) for recording in study.values()))
    times = [recording.times_s for recording in aligned.values()]
    for subject, each in zip(aligned, times, strict=True):
        alike = each is times[0] or (
            each is not None and times[0] is not None and np.array_equal(each, times[0])
        )
        if not alike:
            raise InputError(
                f"{subject!r} has other times than {aligned.subjects[0]!r}; resample both alike."
            )
    left_out = {
        subject: recording.n_samples - len(ids)
        for subject, recording in study.items()
        if recording.n_samples > len(ids)
    }
    if not left_out:
        return aligned, ()
    note = (
        f"Alignment uses the {len(ids)} stimuli that all {len(study)} subjects have; up to "
        f"{max(left_out.values())} samples of {len(left_out)} subjects were left out."
    )
    return aligned, (note,)


def group_labels(study: Study, groups: str) -> list[object]:
    """Return the group of every sample; all subjects must agree on it.

    Raises
    ------
    InputError
        If a subject has no such column, an empty cell, or another grouping.
    """
    first: list[object] | None = None
    for subject, recording in study.items():
        if groups not in recording.samples:
            columns = ", ".join(map(str, recording.samples.columns))
            raise InputError(f"`groups` is {groups!r}, the samples of {subject!r} have {columns}.")
        labels = recording.samples[groups].to_list()
        if recording.samples[groups].isna().any():
            raise InputError(f"`groups`: {groups!r} is empty for some samples of {subject!r}; fill it in.")
        if first is None:
            first = labels
        elif labels != first:
            row = next(i for i, (a, b) in enumerate(zip(labels, first, strict=True)) if a != b)
            raise InputError(
                f"{groups!r} of {recording.stimulus_ids[row]!r} is {labels[row]!r} for {subject!r} and "
                f"{first[row]!r} for {study.subjects[0]!r}. Choose groups that all subjects share, such as "
                "`stimulus_id`."
            )
    return first or []


def is_time_course(common: Study) -> bool:
    """Return whether the samples are successive points in time that two subjects or more share.

    Parameters
    ----------
    common : Study
        From :func:`common_samples`: each stimulus once, in one order.

    Returns
    -------
    in_time : bool
        Whether `onset_s` of two subjects or more has even steps within runs, in the same order of samples.
        Where each subject has an order of its own neighbours in time are no neighbours of the others.
    """
    orders = [order.tobytes() for each in common.values() if (order := _even_order(each)) is not None]
    return len(set(orders)) < len(orders)


def _even_order(recording: Recording) -> NDArray[np.intp] | None:
    """Return the samples in order of time, or None where their onsets are not evenly spaced."""
    samples = recording.samples
    if "onset_s" not in samples:
        return None
    onsets = pd.to_numeric(samples["onset_s"], errors="coerce").to_numpy(dtype=np.float64)
    columns = [name for name in ("session", "run") if name in samples]
    runs = samples.groupby(columns, dropna=False, sort=False).ngroup() if columns else 0 * samples.index
    codes = np.asarray(runs, dtype=np.intp)
    order = np.lexsort((onsets, codes))
    steps = np.diff(onsets[order])[np.diff(codes[order]) == 0]
    if steps.size < 2 or not np.isfinite(steps).all():
        return None
    step = float(np.median(steps))
    alike = np.abs(steps - step) <= _EVEN_TOLERANCE * step
    return order if step > 0 and alike.mean() >= _EVEN_SHARE else None


def shuffled_time(n_samples: int) -> InputError:
    """Return the error that says how to make folds of a time course."""
    return InputError(
        "the samples are a time course (every stimulus once, `onset_s` evenly spaced), whose neighbours "
        "share noise: folds of shuffled stimuli would find agreement between subjects who have none. Pass "
        "`groups='run'` to hold out whole runs, or for one long run `folds=blocked_folds("
        f"{n_samples}, n_folds=5, gap=...)` of alignkit.stats."
    )


def make_folds(
    labels: Sequence[object], n_folds: int, folds: Sequence[Fold] | None, random_state: int
) -> list[Fold]:
    """Return folds in which no group stands on both sides and every sample is held out once.

    Raises
    ------
    InputError
        If given folds overlap, leave samples out, or split a group.
    """
    if folds is None:
        return grouped_folds(labels, n_folds=n_folds, random_state=random_state)
    n_samples = len(labels)
    checked: list[Fold] = []
    for number, (train, test) in enumerate(folds):
        parts = [np.asarray(part, dtype=np.intp) for part in (train, test)]
        outside = [part for part in parts if part.size and not 0 <= part.min() <= part.max() < n_samples]
        if outside or not all(part.size for part in parts):
            raise InputError(f"fold {number} must hold samples of 0..{n_samples - 1} in both parts.")
        shared = {labels[i] for i in parts[0]} & {labels[i] for i in parts[1]}
        if shared:
            raise InputError(
                f"fold {number} has {sorted(map(str, shared))[0]!r} in the training and the test part "
                f"({len(shared)} such groups)."
            )
        checked.append((np.sort(parts[0]), np.sort(parts[1])))
    held_out = np.bincount(np.concatenate([test for _, test in checked]), minlength=n_samples)
    if (held_out != 1).any():
        raise InputError(
            f"every sample must be held out once, but {int((held_out != 1).sum())} of {n_samples} are not."
        )
    return checked


def check_training(folds: Sequence[Fold], n_times: int) -> None:
    """Refuse folds whose training part cannot determine any map."""
    for number, (train, _) in enumerate(folds):
        if len(train) * n_times < _LEAST_TRAINING:
            raise InputError(
                f"fold {number} has {len(train)} training samples; at least {_LEAST_TRAINING} are needed."
            )
