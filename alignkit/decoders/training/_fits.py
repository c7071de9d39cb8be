"""Whether recordings fit a trained network, and what tells one part of trials from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ..._core.hashing import digest_array, digest_json, digest_table
from ...recordings.recording import Recording
from .._reading import read_rows
from ..trials import Trials
from ._channels import names_of

_FINGERPRINT_BYTES, _RUNS = 256 * 2**20, 64


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
    """Return what tells a part from others.

    It covers subjects, the names and places of their channels, times, targets, the table of trials and their
    data: all of a subject's where they fit in 256 MiB, else 64 runs of neighbours of as much together, since
    all may be larger than memory. Where the data lie changes nothing.
    """
    subjects = []
    for subject, recording in trials.study.items():
        rows = np.sort(trials.column("row")[(trials.table["subject"] == subject).to_numpy()])
        place = None if recording.geometry is None else recording.geometry.digest
        times = None if recording.times_s is None else digest_array(recording.times_s)
        shape = list(map(int, recording.data.shape[1:]))
        subjects.append(
            [
                subject,
                list(names_of(recording)),
                place,
                times,
                shape,
                recording.unit,
                _digest(recording, rows),
            ]
        )
    return digest_json([subjects, trials.targets.digest, digest_table(trials.table)])


def _digest(recording: Recording, rows: NDArray[np.intp]) -> str:
    row_bytes = 4 * int(np.prod(recording.data.shape[1:], dtype=np.int64))
    length = max(1, _FINGERPRINT_BYTES // (_RUNS * row_bytes))
    if len(rows) <= _RUNS * length:
        # Runs as long as the chunks that recordings are written in, so that each is read about once.
        length *= 4
        starts = np.arange(0, len(rows), length)
    else:
        starts = np.linspace(0, len(rows) - length, _RUNS).astype(np.intp)
    return digest_json(
        [digest_array(read_rows(recording, rows[start : start + length])) for start in starts.tolist()]
    )
