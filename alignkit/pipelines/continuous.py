"""Continuous recordings: time courses made ready, and timed features brought to their samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.checks import did_you_mean
from .._core.errors import InputError
from .._core.hashing import digest_json
from ..datasets import Dataset
from ..encoders import FIRDesign, HRFDesign, detrend_runs, lanczos_resample, trim_runs
from ..recordings.features import Features
from ..recordings.recording import Recording
from ..recordings.study import Study
from ..recordings.tracks import Track
from ..stats import autocorrelation_rows, blocked_folds
from .candidates import Candidate
from .config import TimingOptions

FORGETTING = 3  # autocorrelation times after which two samples count as independent


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """When the samples of a continuous study were taken, the same for all subjects.

    Attributes
    ----------
    sample_ids : tuple of str
        One per sample, in the order of recording.
    onset_s : ndarray of shape (n_samples,)
        Start of each sample on the clock of the stimulus.
    runs : ndarray of shape (n_samples,)
        The run of each.
    tr_s : float
        Time between samples.
    gap : int
        Samples left out on either side of a test part.
    block : int
        Length of the blocks that are resampled and permuted whole.
    """

    sample_ids: tuple[str, ...]
    onset_s: NDArray[np.float64]
    runs: NDArray[Any]
    tr_s: float
    gap: int
    block: int

    @property
    def blocks(self) -> list[str]:
        """The block of each sample; none reaches across runs."""
        names: list[str] = []
        for run in dict.fromkeys(self.runs.tolist()):
            count = int((self.runs == run).sum())
            names += [f"{run}/{position // self.block}" for position in range(count)]
        return names

    def folds(self, n_folds: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Return folds of whole runs, or of contiguous blocks with the gap where there are too few runs."""
        if len(set(self.runs.tolist())) >= n_folds:
            return blocked_folds(self.runs.tolist(), n_folds=n_folds)
        return blocked_folds(len(self.runs), n_folds=n_folds, gap=self.gap)


@dataclass(frozen=True)
class TimeSplitter:
    """Contiguous folds with a gap, in scikit-learn's form: what chooses penalties in a training part."""

    n_folds: int
    gap: int

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield (train, test) row indices."""
        yield from blocked_folds(len(X), n_folds=self.n_folds, gap=self.gap)


def ready(dataset: Dataset, timing: TimingOptions) -> tuple[Dataset, TimeAxis]:
    """Trim, detrend and z-score every run of every subject, and find how fast the responses forget.

    Raises
    ------
    InputError
        If subjects were not sampled at the same times, samples have no times, or a run is too short.
    """
    assert dataset.study is not None  # only recordings have tracks
    recordings = [_trimmed(_in_time(recording), timing) for recording in dataset.study.values()]
    first = recordings[0]
    for recording in recordings[1:]:
        same = recording.stimulus_ids == first.stimulus_ids
        if not same or not np.allclose(recording.samples["onset_s"], first.samples["onset_s"]):
            raise InputError(
                f"{recording.subject!r} and {first.subject!r} were not sampled at the same times; continuous "
                "runs need one time axis. Load subjects with other timing in a run of their own."
            )
    runs = _runs(first)
    cleaned = [
        replace(
            recording,
            data=detrend_runs(np.asarray(recording.data[...]), runs, degree=timing.detrend_degree),
            unit="z",
        )
        for recording in recordings
    ]
    onset_s = first.samples["onset_s"].to_numpy(dtype=np.float64)
    tr_s = float(np.median(np.diff(onset_s)))
    slow = max(
        autocorrelation_rows(recording.data[runs == run]) for recording in cleaned for run in np.unique(runs)
    )
    delay = max(map(abs, timing.delays)) if timing.response == "fir" else 0
    gap = (
        int(np.ceil(FORGETTING * slow)) + delay if timing.gap_s is None else int(np.ceil(timing.gap_s / tr_s))
    )
    block = max(2, int(np.ceil(FORGETTING * slow)))
    axis = TimeAxis(tuple(first.stimulus_ids), onset_s, runs, tr_s, gap, block)
    return replace(dataset, study=Study.of(*cleaned)), axis


def track_candidates(
    dataset: Dataset, axis: TimeAxis, timing: TimingOptions, wanted: bool | Sequence[str]
) -> list[Candidate]:
    """Turn the feature spaces that come with a dataset into models of its samples."""
    chosen = chosen_tracks(dataset, wanted)
    return [timed_candidate(t.name, {t.name: t}, axis, timing, family="track") for t in chosen]


def chosen_tracks(dataset: Dataset, wanted: bool | Sequence[str]) -> list[Track]:
    """Return all tracks of a dataset, none, or the named ones."""
    known = [track.name for track in dataset.tracks]
    names = (known if wanted else []) if isinstance(wanted, bool) else list(wanted)
    for name in names:
        if name not in known:
            raise InputError(f"`tracks`: {name!r}, {did_you_mean(name, known)}")
    return [dataset.track(name) for name in names]


def timed_candidate(
    name: str,
    tracks: dict[str, Track],
    axis: TimeAxis,
    timing: TimingOptions,
    *,
    family: str,
    **facts: Any,
) -> Candidate:
    """Turn the layers of one model into designs of the samples."""
    layers = {layer: design_of(track, axis, timing).astype(np.float32) for layer, track in tracks.items()}
    made = [[layer, track.digest] for layer, track in tracks.items()]
    key = digest_json([made, timing.model_dump(mode="json"), axis.onset_s.tolist(), axis.runs.tolist()])
    return Candidate(
        name=name,
        family=family,
        layers=tuple(layers),
        digest=key,
        features=Features(layers, axis.sample_ids, model=name),
        stimulus_ids=axis.sample_ids,
        **facts,
    )


def design_of(track: Track, axis: TimeAxis, timing: TimingOptions) -> NDArray[np.floating[Any]]:
    """Return the columns that one feature space gives each sample, (n_samples, n_columns).

    Raises
    ------
    InputError
        If a track of predicted responses has no row for a sample.
    """
    if track.is_response:
        return _rows_at(track, axis)
    parts = []
    for run in dict.fromkeys(axis.runs.tolist()):
        onsets = axis.onset_s[axis.runs == run]
        sampled_at = onsets + (axis.tr_s / 2 if timing.sample_at == "middle" else 0.0)
        if timing.response == "fir":
            resampled = lanczos_resample(track.values, track.midpoint_s, sampled_at)
            parts.append(FIRDesign(timing.delays).fit_transform(resampled))
        else:
            design = HRFDesign(
                axis.tr_s,
                kind=timing.response,
                derivatives=timing.derivatives,
                scan_time=timing.sample_at,
            )
            parts.append(
                design.transform_events(track.values, track.onset_s - onsets[0], n_scans=len(onsets))
            )
    return np.concatenate(parts)


def _rows_at(track: Track, axis: TimeAxis) -> NDArray[np.floating[Any]]:
    rows = np.searchsorted(track.onset_s, axis.onset_s - axis.tr_s / 4)
    if rows.max() >= track.n_events or not np.allclose(track.onset_s[rows], axis.onset_s, atol=axis.tr_s / 4):
        raise InputError(
            f"the track {track.name!r} holds predicted responses, but none at some of the recorded samples."
        )
    return track.values[rows]


def _in_time(recording: Recording) -> Recording:
    if "onset_s" not in recording.samples:
        raise InputError(
            f"the samples of {recording.subject!r} have no `onset_s`, the time on the clock of the tracks."
        )
    order = np.lexsort((recording.samples["onset_s"], _runs(recording)))
    return recording if (np.diff(order) == 1).all() else recording.select(samples=order)


def _trimmed(recording: Recording, timing: TimingOptions) -> Recording:
    if not any(timing.trim_s):
        return recording
    tr_s = float(np.median(np.diff(recording.samples["onset_s"])))
    start, end = (int(np.ceil(seconds / tr_s)) for seconds in timing.trim_s)
    return recording.select(samples=np.flatnonzero(trim_runs(_runs(recording), start=start, end=end)))


def _runs(recording: Recording) -> NDArray[Any]:
    if "run" not in recording.samples:
        return np.ones(recording.n_samples, dtype=int)
    return recording.samples["run"].to_numpy()
