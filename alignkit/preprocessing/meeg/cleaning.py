"""Cleaning of a continuous recording: filters, bad channels, reference, sampling rate, outliers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError
from ._spread import robust_spread
from .bad_channels import data_channels, find_bad_channels
from .epoching import check_limits

if TYPE_CHECKING:
    import mne

_INTERPOLATED = ("eeg", "mag", "grad", "hbo", "hbr", "fnirs_od", "fnirs_cw_amplitude")
# Channels whose values are read at a time when outliers are clamped.
_BATCH = 16


@dataclass(frozen=True)
class Cleaning:
    """What is done to a continuous recording, in the order of :func:`clean_raw`, and to its epochs.

    Attributes
    ----------
    high_pass_hz, low_pass_hz : float or None
        Edges of the filter, in hertz, without a phase shift.
    notch_hz : sequence of float or None
        Frequencies to take out, such as the mains and its harmonics ``(50, 100)``, in hertz.
    filter_method : {"fir", "iir"}
        MNE's windowed FIR filter, or a Butterworth filter of order 4 run forwards and backwards.
    bad_channels : {"marked", "find"} or sequence of str
        Those that the file marks; with ``"find"`` also those that `find_bad_channels` finds after the
        filters; with names also these.
    interpolate : bool
        Replace bad channels by what their neighbours show (MNE: spherical splines for EEG, field mapping for
        MEG); otherwise they stay marked and are left out of recordings.
    reference : {"average"}, sequence of str or None
        Subtract from every EEG or intracranial channel the mean of all good ones, or of those named.
    resample_hz : float or None
        New sampling rate, in hertz, at most the old one; MNE filters against aliasing.
    clamp : float or None
        Clip each data channel at this many robust standard deviations (interquartile range / 1.349 over the
        whole recording) around its median; values within, and units, stay. 20 takes out jumps only.
    baseline_s : tuple of float or None
        Of epochs: the window whose mean is subtracted, in seconds from onset.
    reject : mapping of str to float or None
        Of epochs: the largest peak-to-peak amplitude by channel type, in V (``"eeg"``), T (``"mag"``) or T/m
        (``"grad"``).

    Examples
    --------
    >>> Cleaning(high_pass_hz=0.5, low_pass_hz=30.0, reference="average").notch_hz is None
    True
    """

    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    notch_hz: Sequence[float] | None = None
    filter_method: Literal["fir", "iir"] = "fir"
    bad_channels: str | Sequence[str] = "marked"
    interpolate: bool = False
    reference: str | Sequence[str] | None = None
    resample_hz: float | None = None
    clamp: float | None = None
    baseline_s: tuple[float, float] | None = None
    reject: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        check_option("filter_method", self.filter_method, ("fir", "iir"))
        if isinstance(self.bad_channels, str):
            check_option("bad_channels", self.bad_channels, ("marked", "find"))
        if isinstance(self.reference, str):
            check_option("reference", self.reference, ("average",))
        for name in ("high_pass_hz", "low_pass_hz", "resample_hz", "clamp"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"`{name}` must be above 0, got {value}.")
        check_limits("reject", self.reject)
        if self.high_pass_hz and self.low_pass_hz and not self.high_pass_hz < self.low_pass_hz:
            raise InputError(
                f"`high_pass_hz` ({self.high_pass_hz:g}) must be below `low_pass_hz` ({self.low_pass_hz:g})."
            )


def clean_raw(
    raw: mne.io.BaseRaw, cleaning: Cleaning, *, where: str = "the recording"
) -> tuple[mne.io.BaseRaw, tuple[str, ...]]:
    """Clean a continuous recording; the one given stays as it is.

    The order: notch, high and low pass; bad channels, interpolated where asked; reference; sampling rate;
    clamping. Filters and the reference take bad channels along or leave them out as they should: bad ones are
    filtered, but are no part of an average.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        In V, T, T/m or M.
    cleaning : Cleaning
        What to do.
    where : str
        How messages call the recording.

    Returns
    -------
    cleaned : mne.io.BaseRaw
        Loaded, in the same units.
    notes : tuple of str
        What was done that is not plain from the options: channels found or interpolated, values clamped, and
        what MNE warns of.

    Raises
    ------
    InputError
        If a frequency is not below half the sampling rate, a channel is not there, the data hold NaN, or
        positions that interpolation needs are missing.

    Examples
    --------
    >>> import mne, numpy as np
    >>> raw = mne.io.RawArray(np.ones((2, 600)), mne.create_info(["Fz", "Cz"], 200.0, "eeg"), verbose="error")
    >>> cleaned, notes = clean_raw(raw, Cleaning(reference="average", resample_hz=100.0))
    >>> cleaned.info["sfreq"], float(abs(cleaned.get_data()).max())
    (100.0, 0.0)
    """
    _check_rates(raw, cleaning, where)
    cleaned = raw.copy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cleaned.load_data(verbose="error")
        _check_finite(cleaned, where)
        _filter(cleaned, cleaning)
        notes = _handle_bad_channels(cleaned, cleaning, where)
        _set_reference(cleaned, cleaning.reference, where)
        if cleaning.resample_hz is not None and cleaning.resample_hz != cleaned.info["sfreq"]:
            cleaned.resample(cleaning.resample_hz, verbose="warning")
        if cleaning.clamp is not None:
            notes.append(_clamp(cleaned, cleaning.clamp, where))
    said = dict.fromkeys(
        " ".join(str(warning.message).split())
        for warning in caught
        if not issubclass(warning.category, (DeprecationWarning, FutureWarning))
    )
    return cleaned, (*notes, *(f"{where}: {message}" for message in said))


def _check_rates(raw: mne.io.BaseRaw, cleaning: Cleaning, where: str) -> None:
    rate = float(raw.info["sfreq"])
    notches = [float(hertz) for hertz in cleaning.notch_hz or ()]
    for name, hertz in (
        ("high_pass_hz", cleaning.high_pass_hz),
        ("low_pass_hz", cleaning.low_pass_hz),
        *(("notch_hz", notch) for notch in notches),
    ):
        if hertz is not None and not 0 < hertz < rate / 2:
            raise InputError(
                f"`{name}` is {hertz:g} Hz, but {where} has {rate:g} samples per second, so it must lie "
                f"between 0 and {rate / 2:g} Hz."
            )
    if cleaning.resample_hz is not None and cleaning.resample_hz > rate:
        raise InputError(
            f"`resample_hz` is {cleaning.resample_hz:g}, above the {rate:g} Hz of {where}; samples that were "
            "not recorded cannot be made."
        )


def _check_finite(raw: mne.io.BaseRaw, where: str) -> None:
    for index in data_channels(raw):
        lost = ~np.isfinite(raw.get_data(picks=[index])[0])
        if lost.any():
            first, last = np.flatnonzero(lost)[[0, -1]] / float(raw.info["sfreq"])
            raise InputError(
                f"the channel {raw.ch_names[index]!r} of {where} holds {int(lost.sum())} NaN or infinite "
                f"values, from {first:g} to {last:g} s; a filter would spread them. Leave the "
                "channel out, or fill them."
            )


def _filter(raw: mne.io.BaseRaw, cleaning: Cleaning) -> None:
    picks = data_channels(raw)
    if cleaning.notch_hz is not None and len(cleaning.notch_hz):
        raw.notch_filter(
            list(cleaning.notch_hz), picks=picks, method=cleaning.filter_method, verbose="warning"
        )
    if cleaning.high_pass_hz is not None or cleaning.low_pass_hz is not None:
        raw.filter(
            cleaning.high_pass_hz,
            cleaning.low_pass_hz,
            picks=picks,
            method=cleaning.filter_method,
            verbose="warning",
        )


def _handle_bad_channels(raw: mne.io.BaseRaw, cleaning: Cleaning, where: str) -> list[str]:
    notes = []
    if isinstance(cleaning.bad_channels, str):
        found: Mapping[str, str] = {}
        if cleaning.bad_channels == "find":
            found = find_bad_channels(raw, where=where)
            reasons = ", ".join(f"{name} ({reason})" for name, reason in found.items())
            notes.append(f"{where}: {len(found)} bad channels were found{': ' if found else ''}{reasons}.")
        named = list(found)
    else:
        named = list(cleaning.bad_channels)
        for name in named:
            if name not in raw.ch_names:
                raise InputError(f"`bad_channels` names {name!r}, {did_you_mean(name, raw.ch_names)}")
    raw.info["bads"] = list(dict.fromkeys([*raw.info["bads"], *named]))
    if cleaning.interpolate and raw.info["bads"]:
        notes.append(_interpolate(raw, where))
    return notes


def _interpolate(raw: mne.io.BaseRaw, where: str) -> str:
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    bads = [name for name in raw.info["bads"] if kinds[name] in _INTERPOLATED]
    others = [name for name in raw.info["bads"] if name not in bads]
    places = {channel["ch_name"]: channel["loc"][:3] for channel in raw.info["chs"]}
    lost = [name for name in raw.ch_names if kinds[name] in _INTERPOLATED and not _is_place(places[name])]
    if bads and lost:
        raise InputError(
            f"bad channels of {where} cannot be interpolated: {len(lost)} sensors have no position "
            f"({', '.join(lost[:5])}). Set `montage`, or `interpolate` to false."
        )
    if bads:
        raw.info["bads"] = bads
        raw.interpolate_bads(reset_bads=True, verbose="warning")
        raw.info["bads"] = others
    kept = f"; {', '.join(others)} cannot be and stay bad" if others else ""
    return f"{where}: {len(bads)} bad channels were interpolated: {', '.join(bads) or 'none'}{kept}."


def _is_place(place: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(place).all() and np.any(place))


def _set_reference(raw: mne.io.BaseRaw, reference: str | Sequence[str] | None, where: str) -> None:
    if reference is None:
        return
    kinds = raw.get_channel_types()
    if not {"eeg", "seeg", "ecog", "dbs"} & set(kinds):
        raise InputError(
            f"`reference` is for EEG and intracranial channels; {where} has {', '.join(sorted(set(kinds)))}."
        )
    if not isinstance(reference, str):
        for name in reference:
            if name not in raw.ch_names:
                raise InputError(f"`reference` names {name!r}, {did_you_mean(name, raw.ch_names)}")
            if name in raw.info["bads"]:
                raise InputError(f"`reference` names {name!r}, which is a bad channel of {where}.")
    raw.set_eeg_reference(
        reference if isinstance(reference, str) else list(reference), projection=False, verbose="warning"
    )


def _clamp(raw: mne.io.BaseRaw, clamp: float, where: str) -> str:
    picks = data_channels(raw)
    n_clipped = 0
    for start in range(0, len(picks), _BATCH):
        batch = picks[start : start + _BATCH]
        data = raw.get_data(picks=batch)
        center, spread = robust_spread(data.T)
        low, high = center - clamp * spread, center + clamp * spread
        clipped = np.clip(data, low[:, None], high[:, None])
        n_clipped += int((clipped != data).sum())
        raw[batch] = clipped
    share = n_clipped / max(len(picks) * raw.n_times, 1)
    limit = f"{clamp:g} robust standard deviations"
    return f"{where}: {n_clipped} values ({100 * share:.2g} %) were clamped at {limit}."
