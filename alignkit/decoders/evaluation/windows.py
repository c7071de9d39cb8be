"""Decoding along a trial: windows that slide or grow, masked for a fitted decoder or fitted anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ..._core.progress import track
from ...recordings.recording import Recording
from ...recordings.study import Study
from ..decoder import Decoder
from ..trials import Targets, Trials
from ._cards import card_of
from ._scoring import Plan, Repetitions, Result, decode, fingerprint, score_trials
from .nulls import CORRECTIONS, compare_over_times
from .parts import Split
from .protocol import ProtocolCard
from .retrieval import Similarity

Indices = NDArray[np.intp]
KINDS = ("each", "sliding", "cumulative")
# A bound that was rounded to milliseconds still takes its own sample.
_SLACK_S = 1e-6


@dataclass(frozen=True)
class Window:
    """Times of a trial, both bounds included, in seconds from onset."""

    start_s: float
    stop_s: float


@dataclass(frozen=True, eq=False)
class WindowScores:
    """Result of :func:`evaluate_windows`.

    Attributes
    ----------
    table : DataFrame
        Rows of :class:`Evaluation`, with `start_s` and `stop_s` of the window and `p_corrected` over windows.
    results : tuple of mapping
        Of each window, by subject and repetitions.
    windows : tuple of Window
        In order.
    card : ProtocolCard
        One for all windows: they are one look at the held-out part.
    """

    table: pd.DataFrame
    results: tuple[dict[tuple[str, str], Result], ...]
    windows: tuple[Window, ...]
    card: ProtocolCard

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table


def windows_of(
    times_s: ArrayLike,
    *,
    kind: Literal["each", "sliding", "cumulative"] = "sliding",
    width_s: float | None = None,
    step_s: float | None = None,
) -> list[Window]:
    """Return windows over the times of a trial.

    Parameters
    ----------
    times_s : array of shape (n_times,)
        Rising, in seconds from onset.
    kind : {"each", "sliding", "cumulative"}, default="sliding"
        Every time on its own; windows of one width; or windows that start at the first time and grow.
    width_s : float, optional
        Of a window, of growing ones the first, in seconds; a tenth of the trial by default.
    step_s : float, optional
        From one window to the next, in seconds; the width by default.

    Returns
    -------
    windows : list of Window
        Those that lie within the trial.

    Raises
    ------
    InputError
        For a width or step that is not above 0, or a width longer than the trial.

    Examples
    --------
    >>> [(w.start_s, w.stop_s) for w in windows_of([0, 1, 2, 3], kind="cumulative", width_s=1.0)]
    [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0)]
    """
    check_option("kind", kind, KINDS)
    times = check_array("times_s", times_s, ndim=1, dtype=np.float64)
    if kind == "each":
        return [Window(float(time), float(time)) for time in times]
    first, last = float(times[0]), float(times[-1])
    width = (last - first) / 10 if width_s is None else width_s
    step = width if step_s is None else step_s
    if not width > 0 or not step > 0:
        raise InputError(f"`width_s` and `step_s` must be above 0, got {width:g} and {step:g}.")
    if width > last - first + _SLACK_S:
        raise InputError(f"`width_s` is {width:g} s, longer than the trial of {last - first:g} s.")
    n_windows = int((last - first - width) / step + _SLACK_S) + 1
    starts = first + step * np.arange(n_windows)
    lead = np.full(n_windows, first) if kind == "cumulative" else starts
    return [Window(round(float(a), 9), round(float(b) + width, 9)) for a, b in zip(lead, starts, strict=True)]


def crop_times(trials: Trials, window: Window) -> Trials:
    """Return trials with the times of a window alone; rows of the recordings keep their numbers."""

    def cropped(recording: Recording, inside: slice) -> Recording:
        times_s = None if recording.times_s is None else recording.times_s[inside]
        data = recording.data
        cut = data[:, :, inside] if isinstance(data, np.ndarray) else _LazyTimes(data, inside, masked=False)
        return replace(recording, data=cut, times_s=times_s)

    return _with_recordings(trials, window, cropped)


def mask_times(trials: Trials, window: Window) -> Trials:
    """Return trials with zeros outside a window; rows of the recordings keep their numbers."""

    def masked(recording: Recording, inside: slice) -> Recording:
        return replace(recording, data=_LazyTimes(recording.data, inside, masked=True))

    return _with_recordings(trials, window, masked)


def evaluate_windows(
    decoder: Decoder | Callable[[], Decoder],
    split: Split,
    windows: Sequence[Window],
    *,
    gallery: Literal["held-out", "all"] | Targets = "held-out",
    similarity: Similarity = "cosine",
    repetitions: Repetitions = 1,
    subjects: Literal["single", "joint"] = "single",
    k_way: Sequence[int] = (2,),
    interval: Literal["bootstrap", "t"] = "bootstrap",
    correction: Literal["max", "fdr", "none"] = "max",
    n_bootstraps: int = 1000,
    n_permutations: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> WindowScores:
    """Evaluate what can be decoded from each of several windows.

    Parameters
    ----------
    decoder : Decoder, or function without arguments that returns one
        A fitted decoder gets zeros outside the window; a function gives a decoder to fit anew to every
        window of the training (and validation) part.
    split : Split
        Of :func:`split_trials`.
    windows : sequence of Window
        Such as :func:`windows_of` gives.
    gallery, similarity, subjects, k_way, interval, confidence, seed
        As in :func:`evaluate`.
    repetitions : int or "all", default=1
        Trials of a stimulus that are averaged.
    correction : {"max", "fdr", "none"}, default="max"
        Over windows, of the p of every score.
    n_bootstraps, n_permutations : int, default=1000
        In every window, with the same exchanges in each.

    Returns
    -------
    scores : WindowScores
        With one card.

    Raises
    ------
    InputError
        If there is no window, trials have no times, none lies in a window, or as in :func:`evaluate`.

    Notes
    -----
    A mask shows what a decoder of the whole trial takes from a window, which may be little where windows tell
    the same; fitting anew shows what there is to decode. Zero is the mean only of signals that were centred.
    """
    check_option("correction", correction, CORRECTIONS)
    if not len(windows):
        raise InputError("`windows` is empty; `windows_of` makes them from the times of a trial.")
    refit = not isinstance(decoder, Decoder)
    plan = Plan(
        gallery,
        similarity,
        (repetitions,),
        "decoded",
        subjects,
        tuple(k_way),
        interval,
        10,
        n_bootstraps,
        n_permutations,
        confidence,
        seed,
    )
    frames, results, decoded = [], [], []
    for window in track(windows, "windows"):
        made = decoder if isinstance(decoder, Decoder) else _fitted(decoder, split, window)
        trials, kin = split.held_out._open_for(made)
        seen = crop_times(trials, window) if refit else mask_times(trials, window)
        decoded.append(decode(made, seen))
        frame, found, choices = score_trials(made, seen, decoded[-1], kin, plan)
        frame.insert(0, "stop_s", window.stop_s)
        frame.insert(0, "start_s", window.start_s)
        frames.append(frame)
        results.append(found)
    n_looks = split.held_out._count(fingerprint(decoded, plan))
    how = "fitted anew to each" if refit else "one decoder of the whole trial, zeros outside each"
    text = f"{len(windows)} windows, {windows[0].start_s:g} to {windows[-1].stop_s:g} s: {how}"
    card = card_of(
        made, split.held_out, trials, choices, plan, frames[0], results[0], n_looks=n_looks, window=text
    )
    corrected = f"corrected over windows: {correction}"
    card = replace(card, uncertainty=card.uncertainty.replace("not corrected", corrected))
    table = _corrected(pd.concat(frames, ignore_index=True), results, correction, n_permutations)
    return WindowScores(table, tuple(results), tuple(windows), card)


def _corrected(
    table: pd.DataFrame,
    results: Sequence[dict[tuple[str, str], Result]],
    correction: Literal["max", "fdr", "none"],
    n_permutations: int,
) -> pd.DataFrame:
    out = table.assign(p_corrected=np.nan)
    if not n_permutations:
        return out
    for key in results[0]:
        nulls = [found[key].null for found in results]
        for score in nulls[0].columns:
            rows = (out["subject"] == key[0]) & (out["repetitions"] == key[1]) & (out["score"] == score)
            test = compare_over_times(
                out.loc[rows, "value"].to_numpy(),
                np.stack([null[score].to_numpy() for null in nulls], axis=1),
                correction=correction,
                alternative="less" if score == "mean rank" else "greater",
            )
            out.loc[rows, "p_corrected"] = test.p_corrected
    return out


def _fitted(make: Callable[[], Decoder], split: Split, window: Window) -> Decoder:
    validation = None if split.validation is None else crop_times(split.validation, window)
    return make().fit(crop_times(split.training, window), validation=validation)


def _with_recordings(
    trials: Trials, window: Window, change: Callable[[Recording, slice], Recording]
) -> Trials:
    changed = [change(recording, _inside(recording, window)) for recording in trials.study.values()]
    return replace(trials, study=Study.of(*changed))


def _inside(recording: Recording, window: Window) -> slice:
    times_s = recording.times_s
    if times_s is None:
        raise InputError(
            f"the recording of {recording.subject!r} has no times, so there are no windows of it."
        )
    inside = np.flatnonzero((times_s >= window.start_s - _SLACK_S) & (times_s <= window.stop_s + _SLACK_S))
    if not len(inside):
        raise InputError(
            f"no time of {recording.subject!r} lies in {window.start_s:g} to {window.stop_s:g} s; it has "
            f"{times_s[0]:g} to {times_s[-1]:g} s."
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


class _LazyTimes:
    """Data of which a window of times is read, or all else is zero; rows are read when they are asked for."""

    def __init__(self, data: Any, inside: slice, *, masked: bool) -> None:
        self._data, self._inside, self._masked = data, inside, masked
        n_times = data.shape[2] if masked else inside.stop - inside.start
        self.shape = (*data.shape[:2], n_times)
        self.ndim = 3
        self.dtype = np.dtype(data.dtype)
        if hasattr(data, "chunks"):
            self.chunks = (*data.chunks[:2], n_times)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        everything = rows is Ellipsis
        data = np.asarray(self._data[slice(None) if everything else rows])
        if self._masked:
            out = np.zeros_like(data)
            out[..., self._inside] = data[..., self._inside]
        else:
            out = data[..., self._inside]
        # A single row has lost its axis; further keys start at the channels.
        one = isinstance(rows, (int, np.integer))
        lead: tuple[Any, ...] = (Ellipsis,) if everything else () if one else (slice(None),)
        return np.asarray(out[(*lead, *rest)], dtype=np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:
        return np.asarray(self[...], dtype=dtype)
