"""Continuous recordings in tables of text, as consumer devices and laboratory streams write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option, check_unique, did_you_mean
from ..._core.errors import InputError
from ...preprocessing.meeg.sensors import place_sensors
from .._arrays import readable, require_file
from ._timestamps import even_times

if TYPE_CHECKING:
    import mne

Unit = Literal["V", "mV", "uV", "nV", "T", "pT", "fT", "T/m", "M", "uM"]
Timestamps = Literal["check", "nominal", "resample"]
_FACTORS = {
    "V": 1.0,
    "mV": 1e-3,
    "uV": 1e-6,
    "nV": 1e-9,
    "T": 1.0,
    "pT": 1e-12,
    "fT": 1e-15,
    "T/m": 1.0,
    "M": 1.0,
    "uM": 1e-6,
}
_ELECTRIC = ("eeg", "seeg", "ecog", "dbs", "eog", "ecg", "emg")
# Typical amplitudes of electric recordings lie far inside of these, in volts.
_TOO_LARGE_V, _TOO_SMALL_V = 1e-2, 1e-9


def read_csv_raw(
    path: str | Path | Sequence[str | Path],
    *,
    time_column: str | None,
    channels: Sequence[str],
    unit: Unit,
    marker_column: str | None = None,
    sfreq_hz: float | None = None,
    timestamps: Timestamps = "check",
    kind: str = "eeg",
    montage: str | None = None,
) -> mne.io.BaseRaw:
    """Read a continuous recording from csv or tsv files, gzipped ones too.

    Parameters
    ----------
    path : str, Path or sequence of them
        A row per sample. Several files are joined in the order given, with annotations at the edges that keep
        filters and epochs from crossing them.
    time_column : str or None
        Seconds. None where there is none: then `sfreq_hz` counts.
    channels : sequence of str
        Columns with data, in the order wanted.
    unit : {"V", "mV", "uV", "nV", "T", "pT", "fT", "T/m", "M", "uM"}
        Of those columns.
    marker_column : str, optional
        Where it changes to something but 0 or nothing, an annotation of that name begins.
    sfreq_hz : float, optional
        Sampling rate; by default that of the timestamps.
    timestamps : {"check", "nominal", "resample"}
        ``"check"``: refuse gaps of more than 1.5 samples and times that fall. ``"nominal"``: take the rows
        for evenly spaced at `sfreq_hz`, whatever their times (for devices that stamp packets).
        ``"resample"``: interpolate linearly at even times; gaps of more than 1.5 samples are annotated
        ``bad_gap``.
    kind : str, default="eeg"
        MNE's type of all channels.
    montage : str, optional
        Where the sensors are: a standard montage of MNE, or a file of positions.

    Returns
    -------
    raw : mne.io.BaseRaw
        In V, T, T/m or M; its description says how even the timestamps were.

    Raises
    ------
    InputError
        If a column is missing or comes twice, a value is no number, timestamps are uneven, the unit seems
        wrong, or files differ in their rate.

    Examples
    --------
    >>> raw = read_csv_raw(
    ...     "run-1.csv", time_column="time", channels=["TP9", "TP10"], unit="uV", marker_column="Marker0"
    ... )  # doctest: +SKIP
    """
    import mne

    check_option("unit", unit, tuple(_FACTORS))
    check_option("timestamps", timestamps, ("check", "nominal", "resample"))
    check_unique("channels", list(channels))
    if (time_column is None or timestamps == "nominal") and sfreq_hz is None:
        raise InputError("without timestamps to go by, `sfreq_hz` is needed.")
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        raise InputError("`path` is empty; give at least one file.")
    raws = []
    for each in map(require_file, paths):
        table = _read(each, [*channels], time_column, marker_column)
        data = table[list(channels)].to_numpy(dtype=np.float64).T * _FACTORS[unit]
        if kind in _ELECTRIC:
            _check_unit(each, data, unit)
        times = None if time_column is None else table[time_column].to_numpy(dtype=np.float64)
        even = even_times(times, len(table), sfreq_hz=sfreq_hz, how=timestamps, where=str(each))
        if even.times is not None and times is not None:
            data = np.stack([np.interp(even.times, times, row) for row in data])
        info = mne.create_info(list(channels), even.rate, kind)
        info["description"] = even.note
        raw = mne.io.RawArray(data, info, verbose="error")
        markers = None if marker_column is None else _markers(table[marker_column], even.onsets)
        raw.set_annotations(_annotations(markers, even.gaps))
        raws.append(raw)
    joined = _join(raws, paths)
    place_sensors(joined, montage, where=str(paths[0]))
    return joined


def _read(path: Path, channels: list[str], time: str | None, marker: str | None) -> pd.DataFrame:
    separator = "\t" if ".tsv" in path.suffixes else ","
    wanted = [*([time] if time else []), *channels, *([marker] if marker else [])]
    with readable(path, "a table"):
        # Read as a row: pandas would rename a column that comes twice.
        first = pd.read_csv(path, sep=separator, nrows=1, header=None, dtype="str", encoding="utf-8-sig")
        names = [str(name).strip() for name in first.iloc[0]]
        check_unique(f"columns of {path}", names)
        for name in wanted:
            if name not in names:
                raise InputError(f"{path} has no column {name!r}, {did_you_mean(name, names)}")
        table = pd.read_csv(path, sep=separator, header=0, names=names, usecols=wanted, encoding="utf-8-sig")
    if not len(table):
        raise InputError(f"{path} has no rows.")
    for name in wanted:
        if name == marker:
            continue
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        lost = ~np.isfinite(numbers)
        if lost.any():
            raise InputError(
                f"{path}: {int(lost.sum())} of {len(lost)} rows of the column {name!r} hold no number, the "
                f"first in data row {int(lost.argmax()) + 1} ({table[name].iloc[int(lost.argmax())]!r}). "
                "Fill them in, or leave the column out."
            )
        table[name] = numbers
    return table


def _check_unit(path: Path, data: NDArray[np.float64], unit: str) -> None:
    spread = np.median(np.abs(data - np.median(data, axis=1, keepdims=True)), axis=1)
    typical = float(np.median(spread))
    if typical > _TOO_LARGE_V:
        hint = "these look like microvolts, set `unit` to 'uV'" if unit == "V" else "check `unit`"
        raise InputError(
            f"the values of {path} vary by {typical / _FACTORS[unit]:.3g} {unit} at the median, more than "
            f"any electrode records; {hint}."
        )
    if 0 < typical < _TOO_SMALL_V:
        hint = "these look like volts, set `unit` to 'V'" if unit != "V" else "check `unit`"
        raise InputError(
            f"the values of {path} vary by {typical / _FACTORS[unit]:.3g} {unit} at the median, less than "
            f"any amplifier resolves; {hint}."
        )


def _markers(column: pd.Series, onsets: NDArray[np.float64]) -> list[tuple[float, str]]:
    """Return time and name of every change to something but 0 or nothing."""
    names = [_marker_name(value) for value in column]
    changes = [i for i, name in enumerate(names) if name and (i == 0 or names[i - 1] != name)]
    return [(float(onsets[i]), names[i]) for i in changes]


def _marker_name(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, float | int | np.number):
        return "" if value == 0 else f"{value:g}"
    text = str(value).strip()
    return "" if text in ("", "0", "n/a") else text


def _annotations(
    markers: list[tuple[float, str]] | None, gaps: Sequence[tuple[float, float]]
) -> mne.Annotations:
    import mne

    found = [(onset, 0.0, name) for onset, name in markers or []]
    found += [(onset, duration, "bad_gap") for onset, duration in gaps]
    onsets, durations, names = zip(*found, strict=True) if found else ((), (), ())
    return mne.Annotations(list(onsets), list(durations), list(names))


def _join(raws: list[mne.io.BaseRaw], paths: Sequence[str | Path]) -> mne.io.BaseRaw:
    import mne

    rates = [float(raw.info["sfreq"]) for raw in raws]
    if max(rates) > min(rates) * (1 + 1e-9):
        known = ", ".join(f"{Path(path).name} {rate:g} Hz" for path, rate in zip(paths, rates, strict=True))
        raise InputError(
            f"the files have different sampling rates ({known}); give `sfreq_hz`, or join later."
        )
    if len(raws) == 1:
        return raws[0]
    return mne.concatenate_raws(raws, verbose="error")
