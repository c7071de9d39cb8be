"""Comparisons in one window after another of time-resolved recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .._core.errors import InputError
from .._core.progress import track
from ..datasets import Dataset
from ..recordings.scores import Scores, closeness
from ..recordings.study import Study
from .comparisons import Context, Outcome, Picture
from .config import WindowsOptions
from .living import living

MAX_PICTURES = 6
ALPHA = 0.05
# Times are written with few decimals: a bound takes the sample that is meant.
_SLACK_S = 1e-6


@dataclass(frozen=True)
class Window:
    """Samples whose times lie in [start_s, stop_s); `time_s` is the middle of those times."""

    start_s: float
    stop_s: float
    time_s: float


def windows_of(study: Study, options: WindowsOptions) -> list[Window]:
    """Return the windows of a study, every one of which holds a sample.

    Raises
    ------
    InputError
        If a subject has no times, subjects have different times, or a window holds no sample.
    """
    recordings = list(study.values())
    first = recordings[0].times_s
    for recording in recordings:
        if recording.times_s is None:
            raise InputError(f"`windows` need times, and the recording of {recording.subject!r} has none.")
        if first is None or len(first) != len(recording.times_s) or not np.allclose(first, recording.times_s):
            raise InputError(
                f"`windows` need the same times in every subject; {recording.subject!r} has others than "
                f"{recordings[0].subject!r}. Resample or crop them first."
            )
    assert first is not None  # every recording has times
    step = float(np.median(np.diff(first))) if len(first) > 1 else options.width_s
    start = float(first[0]) if options.start_s is None else options.start_s
    stop = float(first[-1]) + step if options.stop_s is None else options.stop_s
    advance = options.width_s if options.step_s is None else options.step_s
    count = int(np.floor((stop - start - options.width_s) / advance + _SLACK_S)) + 1
    if count < 1:
        raise InputError(
            f"`windows`: no window of {options.width_s:g} s fits between {start:g} and {stop:g} s."
        )
    found = []
    for number in range(count):
        low = start + number * advance
        high = low + options.width_s
        inside = (first >= low - _SLACK_S) & (first < high - _SLACK_S)
        if not inside.any():
            raise InputError(
                f"`windows`: no sample lies in {low:g} to {high:g} s (samples are {step:g} s apart, from "
                f"{first[0]:g} to {first[-1]:g} s); choose a larger `width_s`, or other bounds."
            )
        found.append(Window(low, high, float(np.round(first[inside].mean(), 6))))
    return found


def compare_over_time(
    compare: Callable[[Context], Outcome], context: Context, options: WindowsOptions
) -> Outcome:
    """Make a comparison in every window, on the mean over its samples; its scores bear `time_s`.

    Each window is a comparison of its own: folds, layers and penalties are chosen in it. Random draws are
    the same in all windows.

    Raises
    ------
    InputError
        Without recordings that have times, and where the comparison refuses the data.
    """
    study = context.dataset.study
    if study is None:
        raise InputError(
            f"`windows` need recordings with times; {context.dataset.name!r} holds dissimilarities."
        )
    windows = windows_of(study, options)
    outcomes: list[Outcome] = []
    silent: list[Window] = []
    for window in track(windows, "windows"):
        # `average_window` takes both bounds in.
        stop = window.stop_s - 2 * _SLACK_S
        means = Study.of(*(r.average_window(window.start_s, stop) for r in study.values()))
        before = replace(context.dataset, study=means, notes=())
        dataset = living(before)
        if dataset is not before:
            silent.append(window)
        outcomes.append(compare(replace(context, dataset=dataset)))
    return _joined(outcomes, windows, silent, context.dataset, context.inference.n_permutations)


def _joined(
    outcomes: Sequence[Outcome],
    windows: Sequence[Window],
    silent: Sequence[Window],
    dataset: Dataset,
    n_permutations: int,
) -> Outcome:
    tables = [
        outcome.scores.to_frame().assign(time_s=window.time_s)
        for outcome, window in zip(outcomes, windows, strict=True)
    ]
    first = outcomes[0]
    warnings = [w for outcome in outcomes for w in outcome.warnings]
    if silent:
        warnings.append(
            f"In {len(silent)} of {len(windows)} windows some channels of {dataset.name} never change; they "
            "are left out there."
        )
    text = (
        f"Time. The comparison was made in {len(windows)} windows, centred from {windows[0].time_s:g} to "
        f"{windows[-1].time_s:g} s from onset, each {windows[0].stop_s - windows[0].start_s:g} s long and "
        "averaged before anything else; every window is a comparison of its own, and p is corrected over all "
        "windows."
    )
    warnings += _too_few_draws(pd.concat(tables, ignore_index=True), n_permutations)
    return Outcome(
        Scores(pd.concat(tables, ignore_index=True)),
        pictures=_pictures(outcomes, windows),
        audit=tuple(dict.fromkeys(row for outcome in outcomes for row in outcome.audit)),
        methods=(*first.methods, text),
        references=first.references,
        warnings=tuple(dict.fromkeys(warnings)),
        notes={k: v for outcome in outcomes for k, v in outcome.notes.items()},
        chance={k: v for outcome in outcomes for k, v in outcome.chance.items()},
        without_zero=tuple(dict.fromkeys(m for outcome in outcomes for m in outcome.without_zero)),
    )


def _too_few_draws(table: pd.DataFrame, n_permutations: int) -> list[str]:
    """Say how many windows must be at the least p before one of them passes the correction."""
    tested = table[(table["subject"] == "all") & (table["fold"] == "all") & table["p"].notna()]
    tested = tested[tested["layer"] == "(chosen)"]
    said = []
    for metric, rows in tested.groupby("metric", sort=False):
        least = float(np.ceil(len(rows) / (n_permutations + 1) / ALPHA))
        if least > 1:
            said.append(
                f"{metric}: with {n_permutations} permutations and {len(rows)} tests a lone window cannot "
                f"pass the correction; {least:.0f} at the smallest p can. More `n_permutations` help."
            )
    return said


def _pictures(outcomes: Sequence[Outcome], windows: Sequence[Window]) -> tuple[Picture, ...]:
    """Return the brain's matrices of a few windows, first the one of the best score, and the models'."""
    values = [closeness(outcome.scores.table).max() for outcome in outcomes]
    best = int(np.argmax(np.nan_to_num(values, nan=-np.inf)))
    spread = np.linspace(0, len(windows) - 1, MAX_PICTURES - 1).round().astype(int)
    chosen = dict.fromkeys([best, *spread.tolist()])
    brains = [
        replace(picture, name=f"{picture.name}, {1000 * windows[i].time_s:.0f} ms")
        for i in chosen
        for picture in outcomes[i].pictures
        if picture.role == "brain"
    ]
    ids = {picture.stimulus_ids for picture in brains}
    if len(ids) > 1:
        return ()
    models = [picture for picture in outcomes[0].pictures if picture.role == "model"]
    return (*brains, *models)
