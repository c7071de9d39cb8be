"""What an embedding is fitted on: sessions one after the other, with labels, segments and offsets in rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, did_you_mean
from ..._core.errors import InputError
from ...stats.blocks import run_slices

ONLY = "session"
# Clocks drift by less; a missing sample is a step of 2.
_STEP_TOLERANCE = 0.1
_GAP = 1.5

ByArray = ArrayLike | Mapping[str, ArrayLike]


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions to fit an embedding to.

    Attributes
    ----------
    activity : dict of str to ndarray of shape (n_samples, n_channels)
        float32, by session.
    labels : ndarray of shape (n_samples of all,) or None
        Discrete.
    segments : ndarray of shape (n_samples of all,)
        Numbers; a new one for each session, segment, and stretch behind a gap in time.
    sessions : ndarray of shape (n_samples of all,)
        The number of each sample's session.
    sfreq_hz : float or None
        Samples per second, where it is known.
    """

    activity: dict[str, NDArray[np.float32]]
    labels: NDArray[np.generic] | None
    segments: NDArray[np.int64]
    sessions: NDArray[np.int64]
    sfreq_hz: float | None


def read_sessions(
    X: ByArray,
    *,
    labels: ByArray | None,
    times: ByArray | None,
    sfreq: float | None,
    segments: ByArray | None,
) -> Sessions:
    """Check one session or several, and put what belongs to their samples one after the other."""
    given = dict(X) if isinstance(X, Mapping) else {ONLY: X}
    if not given:
        raise InputError("`X` holds no session; give an array, or a mapping from names to arrays.")
    joint = isinstance(X, Mapping)
    if times is not None and sfreq is not None:
        raise InputError("`times` and `sfreq` were both given; give one of them.")
    if sfreq is not None and not (np.isfinite(sfreq) and sfreq > 0):
        raise InputError(f"`sfreq` must be a number of hertz above 0, got {sfreq}.")
    activity = {str(name): read_activity(name_of(name, joint), value) for name, value in given.items()}
    by_label = _by_session("labels", labels, activity, joint)
    by_time = _by_session("times", times, activity, joint)
    by_segment = _by_session("segments", segments, activity, joint)
    rates, numbers = [], []
    for name, values in activity.items():
        cuts = _segment_starts(by_segment.get(name), len(values))
        if name in by_time:
            rate, gaps = _read_times(name_of(name, joint, "times"), by_time[name], cuts)
            rates.append(rate)
            cuts = cuts | gaps
        cuts[0] = True
        numbers.append(cuts)
    if rates and max(rates) / min(rates) - 1 > _STEP_TOLERANCE:
        raise InputError(
            f"sessions were sampled at {min(rates):g} to {max(rates):g} Hz; bring them to one rate first."
        )
    lengths = [len(values) for values in activity.values()]
    return Sessions(
        activity,
        _discrete(np.concatenate([by_label[name] for name in activity])) if by_label else None,
        np.cumsum(np.concatenate(numbers)) - 1,
        np.repeat(np.arange(len(lengths)), lengths),
        float(np.median(rates)) if rates else sfreq,
    )


def name_of(session: str, joint: bool, argument: str = "X") -> str:
    """Return what an argument of a session is called in messages."""
    return f"{argument}[{session!r}]" if joint else argument


def read_activity(name: str, value: ArrayLike) -> NDArray[np.float32]:
    """Return a population's activity as float32, or refuse it."""
    activity = check_array(name, value, ndim=2).astype(np.float32, copy=False)
    if activity.shape[1] == 0:
        raise InputError(f"`{name}` has no channel, its shape is {activity.shape}.")
    return activity


def windows_of(segments: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    """Return the rows of the window around each row; beyond an end of the segment its last row repeats."""
    rows = np.empty((len(segments), window), dtype=np.int64)
    offsets = np.arange(window) - window // 2
    for piece in run_slices(segments, name="segments").values():
        around = np.arange(piece.start, piece.stop)[:, None] + offsets
        rows[piece] = np.clip(around, piece.start, piece.stop - 1)
    return rows


def _by_session(
    name: str, value: ByArray | None, activity: Mapping[str, NDArray[np.float32]], joint: bool
) -> dict[str, NDArray[np.generic]]:
    if value is None:
        return {}
    if isinstance(value, Mapping) != joint:
        raise InputError(
            f"`{name}` must be {'a mapping with the sessions of `X`' if joint else 'an array, as `X` is'}, "
            f"got {type(value).__name__}."
        )
    given = dict(value) if isinstance(value, Mapping) else {ONLY: value}
    for session in given:
        if session not in activity:
            raise InputError(f"`{name}` has a session {session!r}; {did_you_mean(session, list(activity))}")
    found = {}
    for session, samples in activity.items():
        if session not in given:
            raise InputError(f"`{name}` has no session {session!r}, which `X` has. Give it for all of them.")
        array = np.asarray(given[session])
        if array.shape != samples.shape[:1]:
            raise InputError(
                f"`{name_of(session, joint, name)}` must have one value for each of {len(samples)} samples, "
                f"got shape {array.shape}."
            )
        found[session] = array
    return found


def _discrete(labels: NDArray[np.generic]) -> NDArray[np.generic]:
    if labels.dtype.kind == "O":
        missing = [value is None or value != value for value in labels.tolist()]
        if any(missing):
            raise InputError(
                f"`labels` has no value for {sum(missing)} sample(s), the first at row "
                f"{missing.index(True)}. Leave these samples out, as segments of their own."
            )
        return labels.astype(str)
    if labels.dtype.kind == "f":
        values = labels.astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError(
                f"`labels` holds {int((~np.isfinite(values)).sum())} NaN or infinite value(s). Leave these "
                "samples out, as segments of their own."
            )
        if (values != np.round(values)).any():
            raise InputError(
                f"`labels` must be discrete, got {len(np.unique(values))} numbers, some "
                f"not whole, such as {values[values != np.round(values)][0]:g}. Cut a continuous behaviour "
                "into bins first, such as with `numpy.digitize`."
            )
    return labels


def _segment_starts(segments: NDArray[np.generic] | None, n_samples: int) -> NDArray[np.bool_]:
    starts = np.zeros(n_samples, dtype=bool)
    starts[0] = True
    if segments is not None:
        starts[[piece.start for piece in run_slices(segments, name="segments").values()]] = True
    return starts


def _read_times(
    name: str, times: NDArray[np.generic], starts: NDArray[np.bool_]
) -> tuple[float, NDArray[np.bool_]]:
    """Return the sampling rate, and where a new stretch begins behind a gap."""
    seconds = check_array(name, times, ndim=1, dtype=np.float64, min_rows=2)
    steps = np.diff(seconds)
    within = ~starts[1:]
    if not within.any():
        raise InputError(f"`{name}`: no segment has two samples, so that there is no step in time.")
    if (steps[within] <= 0).any():
        row = int(np.flatnonzero((steps <= 0) & within)[0]) + 1
        raise InputError(
            f"`{name}` must rise within a segment, but goes from {seconds[row - 1]:g} to {seconds[row]:g} s "
            f"at row {row}. Sort the samples, or give `segments`."
        )
    step = float(np.median(steps[within]))
    gaps = within & (steps > _GAP * step)
    uneven = within & ~gaps & (np.abs(steps - step) > _STEP_TOLERANCE * step)
    if uneven.any():
        row = int(np.flatnonzero(uneven)[0]) + 1
        raise InputError(
            f"`{name}` must be evenly spaced between gaps: the step is {step:g} s, but {steps[row - 1]:g} s "
            f"at row {row} ({int(uneven.sum())} such steps). Interpolate to even times, or count in bins."
        )
    return 1.0 / step, np.concatenate([[False], gaps])
