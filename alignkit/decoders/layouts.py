"""The layout that a network is built for, read off recordings; and padding to its number of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .._core.errors import InputError
from ..recordings.geometry import SensorGeometry
from ..recordings.recording import Recording
from ..recordings.study import Study
from ._layout import Layout

# Angle from straight up that lies on the rim of the unit square's disc. It is the same for every study, so
# that a new subject's sensors land where a trained network knows them. The lowest electrode of MNE's
# montages (HydroCel 257, on the cheeks) is at 136 degrees.
_RIM_DEG = 140.0

# Steps of times may differ by this share of their mean, which is what files rounded to microseconds show.
_UNEVEN = 1e-3


def layout_of(study: Study) -> Layout:
    """Return the layout of a study's recordings: channels, times, sampling frequency, places of sensors.

    A sensor at direction (azimuth, polar angle) from the origin of its coordinates is put at that azimuth,
    at a distance in proportion to the polar angle: MNE's projection for topographies, without the sensor's
    distance from the origin. The scale is fixed (140 degrees from straight up lie on the rim), so that
    places can be compared between subjects and between studies.

    Parameters
    ----------
    study : Study
        Recordings with the same times, or all without (fMRI, spike counts).

    Returns
    -------
    layout : Layout
        `n_channels` is the most that a subject has. `positions` are seen from above, x to the right and y to
        the front, (0.5, 0.5) straight up; NaN for channels without a place, for padding, and for subjects
        without sensors; None where no channel of any subject has a place.

    Raises
    ------
    InputError
        If times are not evenly spaced, or subjects differ in their number of times, sampling frequency or
        first time; the message names the subjects.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.recordings import Recording, Study
    >>> times_s = np.arange(5) / 100
    >>> small, large = np.zeros((2, 3, 5)), np.zeros((2, 4, 5))
    >>> study = Study.of(
    ...     Recording.from_arrays(small, ["a", "b"], times_s=times_s, subject="s1"),
    ...     Recording.from_arrays(large, ["a", "b"], times_s=times_s, subject="s2"),
    ... )
    >>> layout = layout_of(study)
    >>> layout.n_channels, layout.n_times, layout.n_subjects, layout.sfreq_hz
    (4, 5, 2, 100.0)
    """
    n_times, sfreq_hz = _shared_times(study)
    n_channels = max(recording.n_channels for recording in study.values())
    positions = np.full((len(study), n_channels, 2), np.nan)
    for row, recording in enumerate(study.values()):
        positions[row, : recording.n_channels] = _positions(recording)
    known = bool(np.isfinite(positions).any())
    return Layout(
        n_channels=n_channels,
        n_times=n_times,
        n_subjects=len(study),
        sfreq_hz=sfreq_hz,
        positions=torch.tensor(positions, dtype=torch.float32) if known else None,
    )


def pad_channels(data: ArrayLike, n_channels: int) -> NDArray[Any]:
    """Append channels of zeros.

    Parameters
    ----------
    data : array-like of shape (n_trials, n_own_channels[, n_times])
        Of one subject.
    n_channels : int
        Of the layout.

    Returns
    -------
    padded : ndarray of shape (n_trials, n_channels[, n_times])
        `data` itself where nothing is missing.

    Raises
    ------
    InputError
        If there are more channels than the layout has.

    Examples
    --------
    >>> pad_channels([[1.0, 2.0]], 3)
    array([[1., 2., 0.]])
    """
    array = np.asarray(data)
    if array.ndim not in (2, 3):
        raise InputError(f"`data` must be trials x channels [x times], got shape {array.shape}.")
    missing = n_channels - array.shape[1]
    if missing < 0:
        raise InputError(
            f"`data` has {array.shape[1]} channels but the network was built for at most {n_channels}. "
            "Keep the channels that it was trained on, or train it again."
        )
    if not missing:
        return array
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)])


def _shared_times(study: Study) -> tuple[int, float | None]:
    """Return the number of times and the sampling frequency that all recordings share."""
    resolved = [subject for subject, recording in study.items() if recording.times_s is not None]
    if not resolved:
        return 1, None
    if len(resolved) < len(study):
        without = [subject for subject in study if subject not in resolved]
        raise InputError(
            f"{', '.join(map(repr, without[:5]))} has no times but {', '.join(map(repr, resolved[:5]))} has. "
            "Decode them apart, or average a window of the latter."
        )
    first, (n_times, rate, start_s) = resolved[0], _times(study[resolved[0]])
    for subject in resolved[1:]:
        own_times, own_rate, own_start_s = _times(study[subject])
        same_rate = own_rate == rate or (
            own_rate is not None and rate is not None and abs(own_rate - rate) <= _UNEVEN * rate
        )
        # Half a sample is where one recording's grid would round to another's neighbour.
        if own_times != n_times or not same_rate or abs(own_start_s - start_s) > 0.5 / (rate or np.inf):
            raise InputError(
                f"{subject!r} has {_sentence(own_times, own_rate, own_start_s)}, but {first!r} has "
                f"{_sentence(n_times, rate, start_s)}. Resample and crop all subjects to the same times."
            )
    return n_times, rate


def _times(recording: Recording) -> tuple[int, float | None, float]:
    """Return the number of times, the sampling frequency (None for a single time) and the first time."""
    times_s = np.asarray(recording.times_s)
    if len(times_s) == 1:
        return 1, None, float(times_s[0])
    steps = np.diff(times_s)
    step = float(steps.mean())
    if step <= 0 or float(np.abs(steps - step).max()) > _UNEVEN * step:
        raise InputError(
            f"the times of {recording.subject!r} must be evenly spaced and rise, got steps of "
            f"{steps.min():g} to {steps.max():g} s. Resample them."
        )
    # Rounded, since the differences of times in binary make 249.99999999999994 of 250.
    return len(times_s), float(np.round(1.0 / step, 6)), float(times_s[0])


def _sentence(n_times: int, rate: float | None, start_s: float) -> str:
    pace = "" if rate is None else f" at {rate:g} Hz"
    return f"{n_times} time(s){pace} from {start_s:g} s"


def _positions(recording: Recording) -> NDArray[np.float64]:
    """Return each channel's place in the unit square, NaN where it is not known."""
    places = np.full((recording.n_channels, 2), np.nan)
    if not isinstance(recording.geometry, SensorGeometry):
        return places
    coordinates = np.array([channel["loc"][:3] for channel in recording.geometry.info["chs"]], dtype=float)
    # MNE writes NaN or the origin for a channel whose place is not known.
    known = np.isfinite(coordinates).all(1) & (np.abs(coordinates).max(1) > 0)
    right, front, up = coordinates[known].T
    polar = np.degrees(np.arctan2(np.hypot(right, front), up))
    azimuth = np.arctan2(front, right)
    radius = 0.5 * np.minimum(polar / _RIM_DEG, 1.0)
    places[known] = 0.5 + radius[:, None] * np.column_stack([np.cos(azimuth), np.sin(azimuth)])
    return places
