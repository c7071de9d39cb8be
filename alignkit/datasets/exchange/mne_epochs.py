"""Recordings as MNE epochs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...recordings.geometry import SensorGeometry
from ...recordings.recording import Recording

if TYPE_CHECKING:
    import mne

# MNE keeps SI units: what a value in each unit is multiplied by.
_TO_SI = {
    "V": 1.0,
    "mV": 1e-3,
    "uV": 1e-6,
    "µV": 1e-6,
    "nV": 1e-9,
    "T": 1.0,
    "pT": 1e-12,
    "fT": 1e-15,
    "T/m": 1.0,
    "fT/cm": 1e-13,
    "M": 1.0,
    "V/m^2": 1.0,
}


def to_mne_epochs(recording: Recording) -> mne.EpochsArray:
    """Return a recording with times as MNE epochs.

    Parameters
    ----------
    recording : Recording
        data (n_samples, n_channels, n_times) on evenly spaced times. Its sensors come from its geometry, or
        else from the columns `kind` (a channel type of MNE) and `x_mm`, `y_mm`, `z_mm` (head coordinates) of
        its channels.

    Returns
    -------
    epochs : mne.EpochsArray
        Values in SI units, as MNE keeps them; those of a channel whose unit is not known to MNE (z-scores,
        say) as they are, and the description of the `Info` names the unit. Events are the stimuli; the
        metadata are the samples. Projectors stay unapplied.
        ``alignkit.datasets.meeg.epochs.recording_of_epochs`` leads back.

    Raises
    ------
    InputError
        If there are no times or they are not evenly spaced, or nothing says what kind the sensors are.

    Examples
    --------
    >>> recording = Recording.from_arrays(
    ...     np.zeros((2, 1, 3)), ["cat", "dog"], channel_names=["Cz"], times_s=[0, 0.01, 0.02], unit="uV"
    ... )
    >>> recording = Recording(
    ...     recording.data, recording.samples, recording.channels.assign(kind="eeg"), recording.times_s
    ... )
    >>> to_mne_epochs(recording).info["sfreq"]
    100.0
    """
    import mne

    first_s, rate_hz = _timing(recording)
    info = _info(recording, rate_hz)
    scale, foreign = _scales(recording)
    if foreign:
        info["description"] = f"values in {', '.join(foreign)}, not in the SI units that MNE shows"
    data = np.asarray(recording.data[...], dtype=np.float64) * scale[None, :, None]
    names = list(dict.fromkeys(recording.stimulus_ids))
    event_id = {name: number + 1 for number, name in enumerate(names)}
    # Epochs must start at samples of their own; where they lay in the recording is not known any more.
    start = np.arange(recording.n_samples) * data.shape[2]
    codes = [event_id[name] for name in recording.stimulus_ids]
    events = np.column_stack([start, np.zeros_like(start), codes])
    with warnings.catch_warnings():
        # MNE's own calls of pandas on the metadata: nothing the caller can act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return mne.EpochsArray(
            data,
            info,
            events=events,
            tmin=first_s,
            event_id=event_id,
            metadata=recording.samples.copy(),
            proj=False,
            verbose="error",
        )


def _timing(recording: Recording) -> tuple[float, float]:
    times_s = recording.times_s
    if times_s is None or len(times_s) < 2:
        raise InputError(
            f"the recording of {recording.subject!r} has {0 if times_s is None else len(times_s)} time(s); "
            "epochs need at least 2."
        )
    step = np.diff(times_s)
    if not (step > 0).all() or np.ptp(step) > 1e-3 * step.mean():
        raise InputError(
            f"the times of {recording.subject!r} must be evenly spaced and rise, got steps of "
            f"{step.min():g} to {step.max():g} s. Resample, or select an evenly spaced part."
        )
    # Rates are round numbers that a mean of differences misses by rounding.
    return float(times_s[0]), float(np.round(1 / step.mean(), 6))


def _info(recording: Recording, rate_hz: float) -> mne.Info:
    import mne

    if isinstance(recording.geometry, SensorGeometry):
        info = recording.geometry.info.copy()
        if info["sfreq"] != rate_hz:
            nyquist = min(float(info["lowpass"] or rate_hz / 2), rate_hz / 2)
            info = mne.Info({**info, "sfreq": rate_hz, "lowpass": nyquist})
        return info
    channels = recording.channels
    if "kind" not in channels or channels["kind"].isna().any():
        raise InputError(
            f"nothing says what kind the channels of {recording.subject!r} are: there is no sensor geometry, "
            "and no column `kind` (such as 'eeg', 'mag', 'seeg') in every row of the channels."
        )
    try:
        info = mne.create_info(list(channels["name"]), rate_hz, list(channels["kind"]), verbose="error")
    except (KeyError, ValueError) as error:
        raise InputError(
            f"the channels of {recording.subject!r} have kinds that MNE does not know ({error}); epochs are "
            "for sensors such as 'eeg', 'mag', 'grad', 'seeg', 'ecog'."
        ) from error
    columns = ["x_mm", "y_mm", "z_mm"]
    if set(columns) <= set(channels):
        places = channels[columns].to_numpy(dtype=np.float64) / 1000
        known = {
            name: place
            for name, place in zip(channels["name"], places, strict=True)
            if np.isfinite(place).all()
        }
        if known:
            info.set_montage(
                mne.channels.make_dig_montage(known, coord_frame="head"), on_missing="ignore", verbose="error"
            )
    return info


def _scales(recording: Recording) -> tuple[NDArray[np.float64], list[str]]:
    channels = recording.channels
    # A recording's unit speaks for all channels; only where it is mixed do the channels speak.
    own = recording.unit not in _TO_SI and "unit" in channels
    units = [str(unit) for unit in channels["unit"]] if own else [recording.unit] * recording.n_channels
    foreign = list(dict.fromkeys(unit for unit in units if unit not in _TO_SI))
    return np.array([_TO_SI.get(unit, 1.0) for unit in units]), foreign
