"""Sampling rates and times of recordings, compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...recordings.recording import Recording


def times_note(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Return a note where subjects differ in sampling rate or in the times of their epochs."""
    first = recordings[0]
    if all(same_times(first, other) for other in recordings[1:]):
        return ()
    groups: dict[str, list[str]] = {}
    for each in recordings:
        groups.setdefault(_times(each), []).append(each.subject)
    said = "; ".join(f"{', '.join(subjects)} {times}" for times, subjects in groups.items())
    return (
        f"The subjects differ in sampling rate or times ({said}); windows of time need equal ones. Set "
        "`resample_hz`, `tmin_s` and `tmax_s` to bring them to one.",
    )


def same_times(a: Recording, b: Recording) -> bool:
    """Return whether two recordings have the same times of epochs, or the same rate where they have none."""
    if a.times_s is None or b.times_s is None:
        return bool(np.isclose(rate_of(a), rate_of(b), equal_nan=True))
    return len(a.times_s) == len(b.times_s) and bool(np.allclose(a.times_s, b.times_s))


def rate_of(recording: Recording) -> float:
    """Return the sampling rate in hertz; NaN of a single sample."""
    times = recording.samples["onset_s"].to_numpy() if recording.times_s is None else recording.times_s
    return 1.0 / float(np.diff(times[:2])[0]) if len(times) > 1 else float("nan")


def _times(recording: Recording) -> str:
    rate = f"{rate_of(recording):g} Hz"
    if recording.times_s is None:
        return rate
    return f"{rate} from {recording.times_s[0]:.4g} to {recording.times_s[-1]:.4g} s"
