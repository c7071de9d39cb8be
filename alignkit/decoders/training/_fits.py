"""Whether recordings fit a trained network, and what tells one part of trials from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json, digest_table
from ...recordings.recording import Recording
from ..trials import Trials
from .scaling import sample_of


def check_channels(recording: Recording, wanted: tuple[str, ...]) -> None:
    """Refuse a recording whose channels are not the trained ones, in their order."""
    names = tuple(recording.channels["name"])
    if names != wanted:
        raise InputError(
            f"the channels of {recording.subject!r} are not those that the decoder was trained on, in their "
            f"order: it has {len(names)} ({', '.join(names[:3])}, ...), wanted are {len(wanted)} "
            f"({', '.join(wanted[:3])}, ...). Order them by name, and interpolate what is missing."
        )


def channels_of(trials: Trials) -> dict[str, tuple[str, ...]]:
    """Return the names of each subject's channels."""
    return {name: tuple(recording.channels["name"]) for name, recording in trials.study.items()}


def check_times(times_s: NDArray[np.float64] | None, wanted: tuple[float, ...] | None, subject: str) -> None:
    """Refuse a recording whose number of times or sampling frequency is not the network's."""
    if (times_s is None) != (wanted is None):
        has, want = ("no times", "times") if times_s is None else ("times", "none")
        raise InputError(f"the recording of {subject!r} has {has}, but the decoder was trained on {want}.")
    if times_s is None or wanted is None:
        return
    rates = [float(np.round(1 / np.diff(t).mean(), 3)) if len(t) > 1 else 0.0 for t in (times_s, wanted)]
    if len(times_s) != len(wanted) or abs(rates[0] - rates[1]) > 1e-3 * rates[1]:
        raise InputError(
            f"the recording of {subject!r} has {len(times_s)} times at {rates[0]:g} Hz, but the decoder was "
            f"trained on {len(wanted)} at {rates[1]:g} Hz. Resample and crop it to the same times."
        )
    if abs(times_s[0] - wanted[0]) > 0.5 / (rates[1] or np.inf):
        raise InputError(
            f"trials of {subject!r} begin at {times_s[0]:g} s, but the decoder was trained on trials that "
            f"begin at {wanted[0]:g} s. Crop it to the same times."
        )


def fingerprint(trials: Trials) -> str:
    """Return what tells a part from others; of the data a sample, since all may be larger than memory."""
    samples = [
        digest_array(sample_of(trials, subject, seed=0, buffer_mb=16.0)) for subject in trials.subjects
    ]
    return digest_json([samples, channels_of(trials), trials.targets.digest, digest_table(trials.table)])
