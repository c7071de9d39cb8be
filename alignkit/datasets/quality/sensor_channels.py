"""Channels of one run: flat, clipped, noisy, or full of line noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from ...preprocessing.meeg.bad_channels import find_bad_channels
from ...preprocessing.meeg.sensors import units_of
from .._arrays import readable
from .report import Check, Curve, Dots, warn_if
from .sensor_measures import clipped_share, flat_channels, line_noise_ratio, power_spectrum

if TYPE_CHECKING:
    import mne

BAD = "no channel is far off its kind"
FLAT = "no channel is flat"
CLIPPED = "no channel is clipped"
LINE = "little line noise"
_SAMPLED = 24_000_000
_LINES_HZ = (50.0, 60.0)
_LOUD_LINE = 10.0
_CLIPPED = 0.001
_HIGH_PASS_HZ = 1.0
_SHOWN = 8
_NAMES = {"eeg": "EEG", "mag": "magnetometer", "grad": "gradiometer", "seeg": "sEEG", "ecog": "ECoG"}
_RULE = "spread more than 3 times, and 5 robust SD, off the median of its kind"
SCALES = {"V": (1e6, "\u00b5V"), "T": (1e15, "fT"), "T/m": (1e13, "fT/cm"), "M": (1e6, "\u00b5M")}


@dataclass
class Seen:
    """What one run's data gave."""

    checks: list[Check] = field(default_factory=list)
    figures: list[Any] = field(default_factory=list)
    n_found: int = 0
    n_flat: int = 0
    line: float = float("nan")
    n_refused: int | float = float("nan")


def _sample(raw: mne.io.BaseRaw, picks: Sequence[int], path: Path) -> mne.io.RawArray:
    """Return a recording of at most so many values: all of it, or blocks spread evenly over it."""
    import mne

    n_kept = _SAMPLED // len(picks)
    info = mne.pick_info(raw.info, list(picks), copy=True)
    if raw.n_times <= n_kept:
        starts, length = [0], raw.n_times
    else:
        length = max(1, n_kept // 10)
        starts = [int(start) for start in np.linspace(0, raw.n_times - length, 10)]
    with readable(path, "a continuous recording"):
        parts = [raw.get_data(picks=picks, start=s, stop=s + length, verbose="error") for s in starts]
    return mne.io.RawArray(np.concatenate(parts, axis=1), info, verbose="error")


def look_at_channels(raw: mne.io.BaseRaw, picks: Sequence[int], path: Path, where: str, seen: Seen) -> None:
    """Look for flat, clipped and bad channels and line noise; add checks and figures to `seen`."""
    sample = _sample(raw, picks, path)
    data = sample.get_data()
    names = sample.ch_names
    marked = [name for name in names if name in raw.info["bads"]]
    flat = [name for name, is_flat in zip(names, flat_channels(data), strict=True) if is_flat]
    seen.n_flat = len(flat)
    unmarked = [name for name in flat if name not in marked]
    detail = (
        f"{len(flat)} of {len(names)} channels never change: {listed(flat)}."
        if flat
        else f"All {len(names)} vary."
    )
    seen.checks.append(Check(FLAT, where, "warn" if unmarked else "pass", detail))
    shares = np.nan_to_num(clipped_share(data))
    clipped = [name for name, share in zip(names, shares, strict=True) if share > _CLIPPED]
    detail = f"Share of samples at a channel's own limit, 3 or more in a row: {shares.max():.2%} at most."
    if clipped:
        count = f"{len(clipped)} of {len(names)} channels"
        detail = f"{count} stand at their limit in over {_CLIPPED:.1%} of samples: {listed(clipped)}."
    seen.checks.append(Check(CLIPPED, where, "warn" if clipped else "pass", detail))
    _spectra(sample, data, marked + flat, where, seen)
    _bad(sample, marked, where, seen)


def _bad(sample: mne.io.RawArray, marked: Sequence[str], where: str, seen: Seen) -> None:
    """Look for bad channels on filtered data, and show the spread of each channel."""
    rate = float(sample.info["sfreq"])
    filtered = sample.copy()
    # A filter longer than the recording would be worse than none.
    if sample.n_times > 4 * rate:
        filtered.filter(_HIGH_PASS_HZ, None, method="iir", verbose="error")
    low, high = np.quantile(filtered.get_data(), (0.25, 0.75), axis=1)
    spread = (high - low) / 1.349
    try:
        found = find_bad_channels(filtered, where=where)
    except InputError as error:
        seen.checks.append(Check(BAD, where, "pass", f"Not looked for: {error}"))
        found = {}
    else:
        seen.n_found = len(found)
        said = f"{len(marked)} are marked bad ({listed(marked)})" if marked else "None is marked bad"
        if found:
            reasons = "; ".join(f"{name} {reason}" for name, reason in list(found.items())[:_SHOWN])
            detail = f"{said}; {len(found)} more were found (above 1 Hz, {_RULE}): {reasons}."
        else:
            detail = f"{said}, none was found (above 1 Hz, {_RULE})."
        seen.checks.append(Check(BAD, where, "warn" if found else "pass", detail))
    for kind, unit, members in _by_kind(sample):
        scale, shown = SCALES.get(unit, (1.0, unit))
        names = tuple(sample.ch_names[i] for i in members)
        flagged = tuple(name for name in names if name in found or name in marked)
        label = f"standard deviation above 1 Hz ({shown})"
        seen.figures.append(
            Dots(
                f"Amplitude of {_NAMES.get(kind, kind)} channels",
                where,
                label,
                names,
                scale * spread[members],
                flagged,
            )
        )


def _spectra(
    sample: mne.io.RawArray, data: NDArray[np.float64], leave_out: Sequence[str], where: str, seen: Seen
) -> None:
    rate = float(sample.info["sfreq"])
    frequencies, power = power_spectrum(data, sfreq_hz=rate)
    # Above half the rate nothing is known; far below a file's own low-pass there is nothing to see.
    shown = (frequencies > 0) & (frequencies <= min(rate / 2, 150.0))
    good = [i for i, name in enumerate(sample.ch_names) if name not in leave_out] or list(range(len(power)))
    ratios = {
        hertz: float(np.nanmedian(ratio))
        for hertz in _LINES_HZ
        if np.isfinite(ratio := line_noise_ratio(frequencies, power[good], line_hz=hertz)).any()
    }
    if ratios:
        hertz = max(ratios, key=ratios.__getitem__)
        seen.line = ratios[hertz]
        said = ", ".join(f"{value:.1f} x at {each:g} Hz" for each, value in ratios.items())
        verdict = warn_if(seen.line > _LOUD_LINE)
        remedy = f" A notch at {hertz:g} Hz (`notch_hz`) takes it out." if verdict == "warn" else ""
        detail = f"Median power over its neighbours: {said}.{remedy}"
        seen.checks.append(Check(LINE, where, verdict, detail))
    for kind, unit, members in _by_kind(sample):
        scale, name = SCALES.get(unit, (1.0, unit))
        part = scale**2 * power[[i for i in members if i in set(good)] or members][:, shown]
        low, middle, high = np.quantile(part, (0.1, 0.5, 0.9), axis=0)
        lines = {"median over channels": middle, "9 of 10 channels are below": high, "1 of 10 is below": low}
        lines = {key: np.where(values > 0, values, np.nan) for key, values in lines.items()}
        label = f"{name}\u00b2 / Hz"
        if np.isfinite(middle).any() and (middle > 0).any():
            seen.figures.append(
                Curve(
                    f"Power spectrum of {_NAMES.get(kind, kind)} channels",
                    where,
                    "hertz",
                    label,
                    frequencies[shown],
                    lines,
                    log=True,
                )
            )


def _by_kind(raw: mne.io.BaseRaw) -> Iterator[tuple[str, str, list[int]]]:
    kinds, units = raw.get_channel_types(), units_of(raw.info)
    for kind in dict.fromkeys(kinds):
        members = [i for i, each in enumerate(kinds) if each == kind]
        yield kind, units[members[0]], members


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them, the first few of many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
