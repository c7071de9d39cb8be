"""Whether amplitudes are of the size that sensors record, so that no other unit passes for SI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError

if TYPE_CHECKING:
    import mne


class _Band(NamedTuple):
    """Largest standard deviation and value of a kind of sensor, and the unit it is often kept in."""

    unit: str
    largest_spread: float
    largest_value: float
    small_unit: str
    scale: str


_SCALP = _Band("V", 5e-3, 1.0, "microvolts", "1e-6")
_INSIDE = _Band("V", 5e-2, 1.0, "microvolts", "1e-6")
_BANDS = {
    **dict.fromkeys(("eeg", "eog", "ecg", "emg"), _SCALP),
    **dict.fromkeys(("seeg", "ecog", "dbs"), _INSIDE),
    "mag": _Band("T", 1e-9, np.inf, "femtotesla", "1e-15"),
    "grad": _Band("T/m", 1e-7, np.inf, "femtotesla per centimetre", "1e-13"),
}
_LEAST_EEG_V = 1e-9


def check_amplitudes(
    data: NDArray[np.floating[Any]], info: mne.Info, *, subject: str, where: str
) -> list[str]:
    """Refuse values that no sensor of their kind records; return notes on those that are very small.

    Of each kind the median over channels of the standard deviation over all times must be at most 5e-3 V
    for scalp electrodes (EEG, EOG, ECG, EMG), 5e-2 V inside the skull (sEEG, ECoG, DBS), 1e-9 T for
    magnetometers and 1e-7 T/m for gradiometers, 100 times and more what is recorded. No electrode may have
    a value beyond 1 V. EEG whose median is below 1e-9 V is noted, as averages or constants may be so small.
    Other kinds are not checked.

    Parameters
    ----------
    data : ndarray of shape (n, n_channels, n_times)
        In V, T or T/m, if they are what `info` says; without NaN.
    info : mne.Info
        Of those channels.
    subject, where : str
        How notes and messages call it.

    Returns
    -------
    notes : list of str
        What a reader should know.

    Raises
    ------
    InputError
        With the median or value found, and what to do.
    """
    kinds = np.array(info.get_channel_types())
    notes = []
    for kind in dict.fromkeys(kinds):
        band = _BANDS.get(str(kind))
        if band is None or not data.size:
            continue
        members = np.flatnonzero(kinds == kind)
        # Swapped bytes give values whose squares overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            # One channel at a time: a copy of all would double what a long recording takes.
            spreads = np.array([data[:, channel].std() for channel in members])
        typical = float(np.median(np.where(np.isfinite(spreads), spreads, np.inf)))
        highest = np.array([max(data[:, channel].max(), -data[:, channel].min()) for channel in members])
        beyond = np.flatnonzero(highest > band.largest_value)
        if typical > band.largest_spread:
            raise InputError(
                f"the {kind} channels of {where} have a median standard deviation of {typical:.3g} "
                f"{band.unit}, more than the {band.largest_spread:g} {band.unit} that any such sensor "
                f"records: values like {band.small_unit} stored as {band.unit}, or z-scores. Scale the data "
                f"by {band.scale}, or set `unit` where the reader has one; if they are no such unit, the "
                "file is damaged."
            )
        if beyond.size:
            worst = members[beyond[highest[beyond].argmax()]]
            raise InputError(
                f"{len(beyond)} {kind} channels of {where} have values beyond {band.largest_value:g} V, "
                f"up to {highest.max():.3g} V in {info['ch_names'][worst]}; no electrode records that. The "
                "file may be damaged or its unit wrong; mark these channels bad, or correct them."
            )
        if kind == "eeg" and typical < _LEAST_EEG_V:
            notes.append(
                f"{subject}: the EEG channels have a median standard deviation of {typical:.3g} V, less than "
                f"an amplifier resolves ({_LEAST_EEG_V:g} V); they are nearly constant or in another unit."
            )
    return notes
