"""Bringing a new recording to the channels and times that a decoder was fitted on, or refusing it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.errors import InputError, MissingDataError
from ..recordings.geometry import AnyGeometry, SensorGeometry, load_geometry
from ..recordings.recording import Recording

_FILE = "expected.json"
_GEOMETRY = "geometry"
# More than this share of sensors cannot be told from the others.
MOST_MISSING = 0.25
# Data a hundred times larger or smaller than those of the fit are in another unit.
_OTHER_UNIT = 100.0
_RATE_TOLERANCE = 1e-3
_OLD_NAMES = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8"}
_INTERPOLATED = {"eeg", "mag", "grad"}
_SAMPLED = 256  # trials that show the spread of the data


@dataclass(frozen=True, eq=False)
class Expected:
    """What a decoder takes: the channels, times and unit of the recordings it was fitted on.

    Attributes
    ----------
    channels : tuple of str
        Names, in order.
    modality, unit : str
        Such as ``"eeg"`` and ``"V"``.
    times_s : ndarray or None
        Times of a trial, in seconds from onset.
    geometry : VolumeGeometry, SurfaceGeometry, SensorGeometry or None
        Where the channels are.
    spread : float
        Median over channels of the standard deviation, in `unit`.
    """

    channels: tuple[str, ...]
    modality: str
    unit: str
    times_s: NDArray[np.float64] | None
    geometry: AnyGeometry | None
    spread: float

    @classmethod
    def of(cls, recording: Recording) -> Expected:
        """Return what a decoder that is fitted on this recording will expect."""
        names = tuple(str(name) for name in recording.channels["name"])
        times = recording.times_s
        return cls(names, recording.modality, recording.unit, times, recording.geometry, _spread(recording))

    def save(self, folder: Path) -> None:
        """Write to an existing folder."""
        place = self.geometry
        if place is not None:
            (folder / _GEOMETRY).mkdir(exist_ok=True)
            place.save(folder / _GEOMETRY)
        content = {
            "channels": list(self.channels),
            "modality": self.modality,
            "unit": self.unit,
            "times_s": None if self.times_s is None else [float(time) for time in self.times_s],
            "geometry": None if place is None else {"kind": place.kind, "space": place.space},
            "spread": self.spread,
        }
        (folder / _FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Expected:
        """Read what :meth:`save` wrote.

        Raises
        ------
        MissingDataError
            If the file is not there.
        InputError
            If it is damaged.
        """
        path = folder / _FILE
        if not path.is_file():
            raise MissingDataError(f"{folder} does not say what recordings its decoder takes (no {_FILE}).")
        try:
            facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            times = facts["times_s"]
            return cls(
                tuple(map(str, facts["channels"])),
                str(facts["modality"]),
                str(facts["unit"]),
                None if times is None else np.array(times, dtype=np.float64),
                load_geometry(folder / _GEOMETRY, facts["geometry"]),
                float(facts["spread"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error!r}); fit the decoder again.") from error


def fit_in(recording: Recording, expected: Expected) -> tuple[Recording, tuple[str, ...]]:
    """Bring a recording to the channels and times of a fitted decoder.

    Channels are matched by name, never by position. Names count as the same without regard to case, spaces,
    hyphens and a leading "EEG" or "MEG"; T3, T4, T5 and T6 are T7, T8, P7 and P8. Missing sensors with known
    places are interpolated from the others (spherical splines for EEG, field mapping for MEG).

    Parameters
    ----------
    recording : Recording
        A new one.
    expected : Expected
        Of the decoder.

    Returns
    -------
    recording : Recording
        With the expected channels, in their order, and the expected times.
    notes : tuple of str
        What was changed, a sentence each.

    Raises
    ------
    InputError
        If modality, unit, montage, sampling rate or times do not fit (the message says which, and what was
        wanted), or more than a quarter of the channels is missing, or missing ones cannot be interpolated.
    """
    if "unknown" not in (recording.modality, expected.modality) and recording.modality != expected.modality:
        raise InputError(
            f"the recording is {recording.modality}, and the decoder was fitted on {expected.modality}."
        )
    notes: list[str] = []
    fitted = _timed(_channelled(recording, expected, notes), expected, notes)
    _check_unit(fitted, expected)
    return fitted, tuple(notes)


def _channelled(recording: Recording, expected: Expected, notes: list[str]) -> Recording:
    names = [str(name) for name in recording.channels["name"]]
    if tuple(names) == expected.channels:
        return recording
    place = _places(names, expected.channels)
    found = [name for name in expected.channels if name in place]
    if not found:
        raise InputError(
            f"none of the recording's {len(names)} channels ({_listed(names)}) is one of the "
            f"{len(expected.channels)} that the decoder was fitted on ({_listed(expected.channels)}): it has "
            "another montage. Fit a decoder on recordings of this montage, or rename the channels."
        )
    missing = [name for name in expected.channels if name not in place]
    if len(missing) > MOST_MISSING * len(expected.channels):
        raise InputError(
            f"{len(missing)} of the {len(expected.channels)} channels that the decoder was fitted on are "
            f"missing: {_listed(missing)}. At most a quarter can be interpolated."
        )
    renamed = {names[place[name]]: name for name in found if names[place[name]] != name}
    if renamed:
        notes.append(
            "Channels go by other names: " + _listed([f"{a} is {b}" for a, b in renamed.items()]) + "."
        )
    dropped = [name for row, name in enumerate(names) if row not in set(place.values())]
    if dropped:
        notes.append(
            f"{len(dropped)} channel(s) that the decoder does not know were left out: {_listed(dropped)}."
        )
    rows = [place[name] for name in found]
    if rows != sorted(rows):
        notes.append("The channels were brought into the decoder's order, by name.")
    data = np.asarray(recording.data[...], dtype=np.float32)[:, rows]
    if missing:
        data = _interpolated(data, found, missing, expected)
        notes.append(
            f"{len(missing)} missing channel(s) were interpolated from the others: {_listed(missing)}."
        )
    table = pd.DataFrame({"name": list(expected.channels)})
    return replace(recording, data=data, channels=table, geometry=expected.geometry)


def _places(names: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    """Return the row of each wanted channel that is there; exact names come first."""
    exact = {name: row for row, name in enumerate(names)}
    loose: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if name not in wanted:
            loose.setdefault(_plain(name), []).append(row)
    alike = Counter(_plain(name) for name in wanted)
    place = {}
    for name in wanted:
        if name in exact:
            place[name] = exact[name]
        # What two channels could be meant by is neither of them.
        elif len(loose.get(_plain(name), [])) == 1 and alike[_plain(name)] == 1:
            place[name] = loose[_plain(name)][0]
    return place


def _plain(name: str) -> str:
    # Between two digits a separator tells numbers apart: "EEG 1-0" is not "EEG 10".
    text = re.sub(r"(?<!\d)[\s_\-.]+|[\s_\-.]+(?!\d)", "", name.lower())
    text = re.sub(r"^(eeg|meg)(?=.)", "", text)
    text = re.sub(r"(?<=[a-z0-9])ref$", "", text)
    return _OLD_NAMES.get(text, text)


def _interpolated(
    data: NDArray[np.float32], found: Sequence[str], missing: Sequence[str], expected: Expected
) -> NDArray[np.float32]:
    import mne

    from ..preprocessing.meeg._quiet import quiet_mne

    geometry = expected.geometry
    what = f"{len(missing)} channel(s) that the decoder was fitted on are missing ({_listed(missing)})"
    if not isinstance(geometry, SensorGeometry):
        raise InputError(f"{what}, and only sensors with known places can be interpolated.")
    info = mne.Info({**geometry.info.copy(), "bads": list(missing), "projs": []})
    kinds = dict(zip(info["ch_names"], info.get_channel_types(), strict=True))
    places = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    lost = [
        name for name in expected.channels if not np.isfinite(places[name]).all() or not places[name].any()
    ]
    if lost or not {kinds[name] for name in missing} <= _INTERPOLATED:
        raise InputError(
            f"{what}, and they cannot be interpolated: "
            + (f"the place of {_listed(lost)} is not known." if lost else "they are neither EEG nor MEG.")
        )
    full = np.zeros((len(data), len(expected.channels), *data.shape[2:]))
    index = {name: row for row, name in enumerate(expected.channels)}
    full[:, [index[name] for name in found]] = data
    with quiet_mne():
        epochs = mne.EpochsArray(
            full if full.ndim == 3 else full[..., None], info, proj=False, verbose="error"
        )
        try:
            epochs.interpolate_bads(reset_bads=True, verbose="error", origin=_origin(info))
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{what}, and MNE cannot interpolate them: {error}") from error
        filled = epochs.get_data(copy=False)
    return np.asarray(filled.reshape(full.shape), dtype=np.float32)


def _origin(info: Any) -> Any:
    """Return the centre of the head for splines: fitted to digitised points, else the usual place."""
    return "auto" if info["dig"] else (0.0, 0.0, 0.04)


def _timed(recording: Recording, expected: Expected, notes: list[str]) -> Recording:
    wanted, times = expected.times_s, recording.times_s
    if wanted is None or times is None:
        if (wanted is None) != (times is None):
            has, needs = ("times", "none") if wanted is None else ("no times", "times")
            raise InputError(f"the recording has {has}, and the decoder was fitted on data with {needs}.")
        return recording
    if len(times) > 1 and len(wanted) > 1:
        rate, needed = (float((len(each) - 1) / (each[-1] - each[0])) for each in (times, wanted))
        if abs(rate - needed) > _RATE_TOLERANCE * needed:
            raise InputError(
                f"the recording has a sampling rate of {rate:g} Hz, and the decoder was fitted at "
                f"{needed:g} Hz. Resample it before it is epoched (`resample_hz` of the dataset)."
            )
    step = float(wanted[1] - wanted[0]) if len(wanted) > 1 else 1.0
    first = int(np.argmin(np.abs(times - wanted[0])))
    kept = times[first : first + len(wanted)]
    if len(kept) < len(wanted) or np.abs(kept - wanted).max() > 0.5 * step:
        raise InputError(
            f"the recording's trials go from {times[0]:g} to {times[-1]:g} s, and the decoder needs "
            f"{wanted[0]:g} to {wanted[-1]:g} s. Cut longer trials (`tmin_s`, `tmax_s` of the dataset)."
        )
    if len(kept) == len(times):
        return replace(recording, times_s=wanted)
    notes.append(f"Trials were cut to {wanted[0]:g} to {wanted[-1]:g} s.")
    data = np.asarray(recording.data[...])[:, :, first : first + len(wanted)]
    return replace(recording, data=data, times_s=wanted)


def _check_unit(recording: Recording, expected: Expected) -> None:
    if recording.unit != expected.unit and "arbitrary" not in (recording.unit, expected.unit):
        raise InputError(
            f"the recording is in {recording.unit!r}, and the decoder was fitted on data in "
            f"{expected.unit!r}. Bring it to that unit."
        )
    spread = _spread(recording)
    ratio = spread / expected.spread if expected.spread > 0 else 1.0
    if not 1 / _OTHER_UNIT < ratio < _OTHER_UNIT:
        raise InputError(
            f"the recording's values spread {ratio:.3g} times as much as those of the fit ({spread:.3g} "
            f"against {expected.spread:.3g} {expected.unit}); it may be in another unit. Bring it to "
            f"{expected.unit!r}."
        )


def _spread(recording: Recording) -> float:
    rows = np.linspace(0, recording.n_samples - 1, min(_SAMPLED, recording.n_samples)).astype(int)
    data = np.stack([np.asarray(recording.data[int(row)]) for row in rows]).astype(np.float64)
    over = (0, 2) if data.ndim == 3 else (0,)
    return float(np.median(data.std(axis=over)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
