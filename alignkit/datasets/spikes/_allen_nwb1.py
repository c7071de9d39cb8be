"""NWB 1 files of the Allen Brain Observatory: two-photon traces and stimulus tables, read with h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._arrays import readable
from ._calcium import Traces
from ._nwb_tables import ONSET

# The files say the first; the documentation says the second.
_PIPELINES = ("brain_observatory_pipeline", "visual_coding_pipeline")
_SUFFIX = "_stimulus"


def read_allen(path: Path, intervals: str | None) -> tuple[Traces, pd.DataFrame, str]:
    """Return the dF/F of all cells, a table of presentations with `start_time`, and the stimulus's name.

    Parameters
    ----------
    path : Path
        An NWB 1 file.
    intervals : str, optional
        Name of the stimulus, such as ``"natural_scenes"``.

    Raises
    ------
    InputError
        If the file has no such traces or stimulus, or several stimuli and none is named.
    """
    import h5py

    with readable(path, "NWB 1 (HDF5)"), h5py.File(path, "r") as file:
        traces = _traces(path, file)
        stimuli = {}
        for name, group in (file.get("stimulus/presentation") or {}).items():
            if isinstance(group, h5py.Group) and "frame_duration" in group and "data" in group:
                stimuli[name.removesuffix(_SUFFIX)] = group
        chosen = _choose(path, list(stimuli), intervals)
        return traces, _presentations(path, chosen, stimuli[chosen], traces), chosen


def _traces(path: Path, file: Any) -> Traces:
    for pipeline in _PIPELINES:
        plane = file.get(f"processing/{pipeline}/DfOverF/imaging_plane_1")
        if plane is None:
            continue
        # On disk (cells, frames), other than in NWB 2.
        values = plane["data"][...].T
        ids = file.get(f"processing/{pipeline}/ImageSegmentation/cell_specimen_ids")
        names = [f"roi{k}" for k in range(values.shape[1])] if ids is None else [str(i) for i in ids[...]]
        if len(names) != values.shape[1]:
            raise InputError(f"{path} has {values.shape[1]} traces, but names {len(names)} cells.")
        return Traces(values, np.asarray(plane["timestamps"][...], dtype=np.float64), names, "dF/F")
    raise InputError(
        f"{path} is an NWB 1 file without processing/{_PIPELINES[0]}/DfOverF; of NWB 1 only the two-photon "
        "files "
        "of the Allen Brain Observatory are read. Convert it to NWB 2."
    )


def _choose(path: Path, known: list[str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted.removesuffix(_SUFFIX) not in known:
            raise InputError(f"{path}: `intervals` is {wanted!r}, {did_you_mean(wanted, known)}")
        return wanted.removesuffix(_SUFFIX)
    if len(known) != 1:
        raise InputError(
            f"{path} has {len(known)} stimuli; choose one with `intervals`: {', '.join(known) or 'none'}."
        )
    return known[0]


def _presentations(path: Path, name: str, group: Any, traces: Traces) -> pd.DataFrame:
    values = np.asarray(group["data"][...])
    values = values[:, None] if values.ndim == 1 else values
    first_and_last = np.asarray(group["frame_duration"][...]).astype(np.int64)
    n_frames = len(traces.times_s)
    if len(first_and_last) != len(values) or first_and_last.min() < 0 or first_and_last.max() >= n_frames:
        raise InputError(
            f"{path}: {name} has {len(values)} presentations and frames {first_and_last.min()} to "
            f"{first_and_last.max()}, which do not go with {len(first_and_last)} durations and {n_frames} "
            "frames."
        )
    features = group.get("features")
    names = ["frame"] if features is None else [_text(each) for each in features[...]]
    if len(names) != values.shape[1]:
        raise InputError(f"{path}: {name} has {values.shape[1]} columns, but names {len(names)}.")
    table = pd.DataFrame(values, columns=names)
    return table.assign(
        **{ONSET: traces.times_s[first_and_last[:, 0]], "stop_time": traces.times_s[first_and_last[:, 1]]}
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
