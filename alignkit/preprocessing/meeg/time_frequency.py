"""Power over time and frequency, by Morlet wavelets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.checks import check_array, check_option
from ..._core.errors import InputError
from ...recordings.recording import Recording
from ._as_epochs import epoch_facts
from .sensors import shared_unit

if TYPE_CHECKING:
    import mne

Scale = Literal["power", "log10", "ratio", "decibel"]
# Epochs at a time, so that the wavelets' result of all of them is never in memory at once.
_BATCH = 64


def time_frequency_power(
    given: Recording | mne.BaseEpochs,
    *,
    frequencies_hz: ArrayLike,
    n_cycles: float | Sequence[float] = 5.0,
    decim: int = 1,
    scale: Scale = "power",
    baseline_s: tuple[float, float] | None = None,
    subject: str | None = None,
) -> Recording:
    """Return the power of every channel at every frequency, over time, per epoch.

    Parameters
    ----------
    given : Recording or mne.BaseEpochs
        Epochs, longer than the wavelets.
    frequencies_hz : array-like of shape (n_frequencies,)
        Rising, below half the sampling rate.
    n_cycles : float or sequence of float, default=5.0
        Length of the wavelets in cycles, one or per frequency. More cycles are sharper in frequency and
        broader in time: the standard deviation in time is n_cycles / (2 pi f).
    decim : int, default=1
        Keep every `decim`-th time.
    scale : {"power", "log10", "ratio", "decibel"}
        Power as it is, its logarithm, or its ratio to the mean power of the epoch's own baseline, plain or as
        10 log10.
    baseline_s : tuple of float, optional
        Of ``"ratio"`` and ``"decibel"``: start and end, in seconds from onset.
    subject : str, optional
        Name of the subject; by default the recording's.

    Returns
    -------
    recording : Recording
        data (n_epochs, n_channels * n_frequencies, n_times); channels ``"Pz 10 Hz"`` with the column
        `frequency_hz` and what the sensor had; unit such as ``"V^2"``. Without geometry.

    Raises
    ------
    InputError
        If there are no times, frequencies are out of range, a wavelet is longer than the epochs, or the
        baseline does not fit.

    Notes
    -----
    Near the ends the wavelets run over the epoch, where zeros are taken; a note says how far.

    Examples
    --------
    >>> recording = Recording.from_arrays(np.ones((2, 1, 100)), ["a", "b"], times_s=np.arange(100) / 100)
    >>> time_frequency_power(recording, frequencies_hz=[10.0, 20.0], n_cycles=3.0).data.shape
    (2, 2, 100)
    """
    check_option("scale", scale, ("power", "log10", "ratio", "decibel"))
    facts = epoch_facts(given, subject)
    rate = _rate(facts.times_s)
    frequencies, cycles = _check_wavelets(frequencies_hz, n_cycles, decim, rate, facts.times_s)
    times = facts.times_s[::decim]
    base = _baseline(times, baseline_s, scale)
    epochs = given.data if isinstance(given, Recording) else given.get_data(copy=False, verbose="error")
    n_epochs, n_channels = epochs.shape[:2]
    power = np.empty((n_epochs, n_channels * len(frequencies), len(times)), dtype=np.float32)
    for start in range(0, n_epochs, _BATCH):
        part = np.asarray(epochs[start : start + _BATCH], dtype=np.float64)
        found = _morlet(part, rate, frequencies, cycles, decim)
        power[start : start + len(part)] = _scaled(found, base, scale).reshape(len(part), -1, len(times))
    channels = _channels(facts.channels, frequencies, scale)
    reach = float((cycles / frequencies).max()) * 5 / (2 * np.pi)
    return Recording(
        power,
        facts.samples,
        channels,
        times_s=times,
        subject=facts.subject,
        modality=facts.modality,
        unit=shared_unit(channels["unit"].to_list()),
        notes=(
            *facts.notes,
            f"{facts.subject}: Morlet power at {len(frequencies)} frequencies; within {reach:.2g} s of the "
            "ends of an epoch the longest wavelet runs over it.",
        ),
    )


def _morlet(
    data: NDArray[np.float64],
    rate: float,
    frequencies: NDArray[np.float64],
    cycles: NDArray[np.float64],
    decim: int,
) -> NDArray[np.float64]:
    """Return power of shape (n_epochs, n_channels, n_frequencies, n_times)."""
    import mne

    return np.asarray(
        mne.time_frequency.tfr_array_morlet(
            data,
            rate,
            frequencies,
            n_cycles=cycles,
            zero_mean=True,
            decim=decim,
            output="power",
            verbose="error",
        ),
        dtype=np.float64,
    )


def _rate(times_s: NDArray[np.float64]) -> float:
    if len(times_s) < 2:
        raise InputError(f"power over time needs epochs of several times, got {len(times_s)}.")
    return 1.0 / float(np.diff(times_s).mean())


def _check_wavelets(
    frequencies_hz: ArrayLike,
    n_cycles: float | Sequence[float],
    decim: int,
    rate: float,
    times_s: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    frequencies = check_array("frequencies_hz", frequencies_hz, ndim=1, dtype=np.float64)
    if (frequencies <= 0).any() or (frequencies >= rate / 2).any() or (np.diff(frequencies) <= 0).any():
        raise InputError(
            f"`frequencies_hz` must rise and lie between 0 and {rate / 2:g} Hz, half the sampling rate; got "
            f"{frequencies.min():g} to {frequencies.max():g} Hz."
        )
    cycles = np.broadcast_to(np.asarray(n_cycles, dtype=np.float64), frequencies.shape).copy()
    if (cycles <= 0).any():
        raise InputError(f"`n_cycles` must be above 0, got {cycles.min():g}.")
    if decim < 1:
        raise InputError(f"`decim` must be at least 1, got {decim}.")
    # MNE cuts a wavelet at 5 standard deviations to either side.
    lengths = 10 * cycles / (2 * np.pi * frequencies)
    lasts = len(times_s) / rate
    if lengths.max() > lasts:
        worst = int(lengths.argmax())
        raise InputError(
            f"the wavelet of {frequencies[worst]:g} Hz with {cycles[worst]:g} cycles is {lengths[worst]:.3g} "
            f"s long, the epochs {lasts:.3g} s. Take fewer cycles, higher frequencies or longer epochs."
        )
    return frequencies, cycles


def _baseline(
    times: NDArray[np.float64], baseline_s: tuple[float, float] | None, scale: Scale
) -> NDArray[np.bool_] | None:
    if scale in ("power", "log10"):
        if baseline_s is not None:
            raise InputError(f"`baseline_s` is for the scales 'ratio' and 'decibel', not {scale!r}.")
        return None
    if baseline_s is None:
        raise InputError(f"the scale {scale!r} needs `baseline_s`.")
    inside = (times >= baseline_s[0] - 1e-6) & (times <= baseline_s[1] + 1e-6)
    if not inside.any():
        raise InputError(
            f"no time lies in `baseline_s`, {baseline_s[0]:g} to {baseline_s[1]:g} s; the epochs have "
            f"{times[0]:g} to {times[-1]:g} s."
        )
    return np.asarray(inside)


def _scaled(power: NDArray[np.float64], base: NDArray[np.bool_] | None, scale: Scale) -> NDArray[np.float64]:
    if scale == "power":
        return power
    if base is not None:
        mean = power[..., base].mean(axis=-1, keepdims=True)
        if not (mean > 0).all():
            raise InputError("a channel has no power in the baseline of an epoch, so no ratio; leave it out.")
        power = power / mean
    if scale == "ratio":
        return power
    if not (power > 0).all():
        raise InputError("a channel has no power at some time, so no logarithm; leave the channel out.")
    return np.log10(power) * (10 if scale == "decibel" else 1)


def _channels(sensors: pd.DataFrame, frequencies: NDArray[np.float64], scale: Scale) -> pd.DataFrame:
    table = sensors.loc[sensors.index.repeat(len(frequencies))].reset_index(drop=True)
    table["frequency_hz"] = np.tile(frequencies, len(sensors))
    table["name"] = [
        f"{name} {hertz:g} Hz" for name, hertz in zip(table["name"], table["frequency_hz"], strict=True)
    ]
    units: dict[str, Any] = {"ratio": "ratio", "decibel": "dB"}
    given = table["unit"] if "unit" in table else pd.Series("arbitrary", index=table.index)
    squared = [f"({unit})^2" if "/" in unit else f"{unit}^2" for unit in given.astype(str)]
    if scale in units:
        table["unit"] = units[scale]
    else:
        table["unit"] = [f"log10 {unit}" for unit in squared] if scale == "log10" else squared
    return table
