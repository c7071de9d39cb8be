"""Repetition and start times of BIDS runs, which may be said far from the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..._core.errors import InputError
from .._arrays import readable
from ..fmri._volumes import header_tr
from .entities import RAW
from .index import BidsIndex
from .possibilities import Run
from .sidecars import metadata


def run_timing(
    index: BidsIndex, runs: Sequence[Run], given: Mapping[str, Any], notes: list[str]
) -> dict[str, float]:
    """Return repetition and start time where the readers cannot see them; refuse what disagrees.

    The readers look beside a file; BIDS also says them further up, and in the raw data.
    """
    said: dict[str, dict[str, float]] = {"RepetitionTime": {}, "StartTime": {}}
    for run in runs:
        facts = metadata(index, run.file)
        if run.file.pipeline != RAW:
            source = metadata(index, run.file, pipeline=RAW)
            facts.setdefault("RepetitionTime", source.get("RepetitionTime"))
        if facts.get("VolumeTiming") is not None:
            raise InputError(
                f"{run.file.relative} was scanned with pauses (VolumeTiming); its volumes are not evenly "
                "spaced, which is not supported. Resample it first."
            )
        for key, found in said.items():
            value = facts.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(
                    f"the sidecars of {run.file.relative} give {key} as {value!r}, not in seconds."
                )
            found[str(run)] = float(value)
        tr_s = said["RepetitionTime"].get(str(run))
        if given.get("tr_s") is None and tr_s is not None:
            _check_header(run, tr_s)
    made: dict[str, float] = {}
    for option, key in (("tr_s", "RepetitionTime"), ("start_time_s", "StartTime")):
        found = said[key]
        if given.get(option) is not None or not found:
            continue
        if len(found) == len(runs) and len(set(found.values())) > 1:
            shown = ", ".join(f"{name} {value:g} s" for name, value in list(found.items())[:4])
            raise InputError(
                f"the runs have different {key}s ({shown}); read them apart, or give `{option}`."
            )
        if len(found) == len(runs):
            made[option] = next(iter(found.values()))
    if made.get("start_time_s"):
        notes.append(
            f"Volumes are taken {made['start_time_s']:g} s after their begin (StartTime of the sidecars)."
        )
    return made


def _check_header(run: Run, tr_s: float) -> None:
    """Refuse a header that gives another repetition time than the sidecars."""
    import nibabel as nib

    if run.file.extension not in (".nii", ".nii.gz"):
        return
    path = run.file.path
    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        header_s, _ = header_tr(path, image)
    if header_s and abs(header_s - tr_s) > 1e-3 * tr_s:
        raise InputError(
            f"{run.file.relative} has a repetition time of {header_s:g} s in its header but {tr_s:g} s in "
            "its sidecars (RepetitionTime); say which is right with `tr_s`."
        )
