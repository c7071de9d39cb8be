"""When volumes were taken: repetition time and start time, from headers and sidecars."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._core.errors import InputError
from .._arrays import readable

_SHORTEST_S, _LONGEST_S = 0.05, 60.0
_ENDINGS = (".nii.gz", ".nii", ".func.gii", ".gii", ".mgz", ".mgh")


@dataclass(frozen=True)
class Timing:
    """When the volumes of one file were taken.

    `tr_s` is the time between them, `start_s` the time of the first one, from the beginning of the run.
    """

    tr_s: float
    start_s: float
    header_note: str | None = None
    start_note: str | None = None


def file_timing(
    path: Path,
    header_tr_s: float | None,
    *,
    tr_s: float | None,
    start_time_s: float | None,
    header_note: str | None = None,
    unknown_start: float = 0.0,
) -> Timing:
    """Return when volumes were taken: as the user says, or else as header and sidecar do.

    Parameters
    ----------
    path : Path
        The series; its sidecar has the same name with ``.json``.
    header_tr_s : float or None
        What the header says, None where it says nothing.
    tr_s, start_time_s : float, optional
        What the user says.
    header_note : str, optional
        What was assumed to read the header.
    unknown_start : float, default=0.0
        When a volume is taken that nobody says a start time of, as a share of the repetition time.

    Raises
    ------
    InputError
        If header and sidecar disagree, or neither gives a repetition time.
    """
    said = _sidecar(path) if tr_s is None or start_time_s is None else {}
    start_note = None
    if tr_s is None:
        tr_s, is_of_header = _repetition_time(path, header_tr_s, said)
        header_note = header_note if is_of_header else None
    else:
        header_note = None
        if not _SHORTEST_S <= tr_s <= _LONGEST_S:
            raise InputError(f"`tr_s` must be a repetition time in seconds, got {tr_s}.")
    if start_time_s is None:
        by_sidecar = _number(path, said, "StartTime")
        start_time_s = unknown_start * tr_s if by_sidecar is None else by_sidecar
        if by_sidecar is None and unknown_start:
            start_note = (
                f"No start time is known: volumes were taken to be scanned at {unknown_start:g} of their "
                f"repetition time of {tr_s:g} s."
            )
        elif by_sidecar:
            start_note = (
                f"Volumes are taken {start_time_s:g} s after their begin: StartTime of the sidecars, which "
                "says to which time slices were moved."
            )
    if not np.isfinite(start_time_s) or abs(start_time_s) > 10 * tr_s:
        raise InputError(
            f"the first volume of {path.name} is said to be taken {start_time_s:g} s after the run's begin, "
            f"with a repetition time of {tr_s:g} s; give the time in seconds as `start_time_s`."
        )
    return Timing(tr_s, start_time_s, header_note, start_note)


def common_tr(timings: list[Timing]) -> float:
    """Return the repetition time of all runs, or refuse runs that differ."""
    times = [timing.tr_s for timing in timings]
    if max(times) - min(times) > 1e-3 * times[0]:
        raise InputError(
            f"the runs have different repetition times ({min(times):g} to {max(times):g} s); read them "
            "apart, or give `tr_s`."
        )
    return times[0]


def _repetition_time(path: Path, header_tr_s: float | None, said: dict[str, object]) -> tuple[float, bool]:
    """Return the repetition time in seconds, and whether only the header says it."""
    by_sidecar = _number(path, said, "RepetitionTime")
    if by_sidecar is not None and header_tr_s is not None and header_tr_s > 0:
        if abs(by_sidecar - header_tr_s) > 1e-3 * header_tr_s:
            raise InputError(
                f"{path.name} has a repetition time of {header_tr_s:g} s in its header but {by_sidecar:g} s "
                f"in {_sidecar_path(path).name}; say which is right with `tr_s`."
            )
    # A header's 0 is a field that nobody filled in.
    found = by_sidecar if by_sidecar is not None and not header_tr_s else header_tr_s
    if found is None:
        raise InputError(
            f"{path.name} does not say its repetition time, and there is no {_sidecar_path(path).name} with "
            "a RepetitionTime beside it; give it as `tr_s`."
        )
    if not np.isfinite(found) or not _SHORTEST_S <= found <= _LONGEST_S:
        raise InputError(f"the header of {path} gives a repetition time of {found:g} s; give it as `tr_s`.")
    return found, by_sidecar is None


def _sidecar_path(path: Path) -> Path:
    ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), path.suffix)
    # A CIFTI series has two endings of its own: bold.dtseries.nii goes with bold.json.
    stem = path.name.removesuffix(ending).removesuffix(".dtseries")
    return path.with_name(stem + ".json")


def _sidecar(path: Path) -> dict[str, object]:
    sidecar = _sidecar_path(path)
    if not sidecar.is_file():
        return {}
    with readable(sidecar, "JSON"):
        return dict(json.loads(sidecar.read_text(encoding="utf-8")))


def _number(path: Path, said: dict[str, object], key: str) -> float | None:
    value = said.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            f"{_sidecar_path(path)}: {key} is {value!r}, a number of seconds is wanted. Correct the sidecar."
        )
    return float(value)
