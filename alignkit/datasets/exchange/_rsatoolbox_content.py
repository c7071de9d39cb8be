"""What rsatoolbox keeps of a dataset or of dissimilarities: the nested dictionary of its `to_dict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from ...recordings.rdms import RDMs
from ...recordings.recording import Recording

Content = dict[str, Any]
TimeUnit = Literal["s", "ms"]
# What people call the stimulus and the channel; one of them is taken, two are asked about.
_STIMULUS_NAMES = ("stimulus_id", "stimulus", "stimuli", "stim", "conds", "condition", "conditions")
_CHANNEL_NAMES = ("name", "names", "channel", "channels", "electrode", "neuron", "voxel", "neuroid_id")
_FACTS = ("subject", "modality", "unit")
_TIME_UNIT = "time_unit"


def content_of(thing: Recording | RDMs) -> Content:
    """Return a recording or dissimilarities as rsatoolbox keeps them."""
    if isinstance(thing, RDMs):
        return {
            "dissimilarities": np.asarray(thing.values, dtype=np.float64),
            "descriptors": {},
            "rdm_descriptors": _descriptors(thing.table) | {"index": np.arange(len(thing))},
            "pattern_descriptors": {
                "stimulus_id": np.array(thing.stimulus_ids),
                "index": np.arange(thing.n_stimuli),
            },
            "dissimilarity_measure": thing.measure,
        }
    content: Content = {
        "measurements": np.asarray(thing.data[...]),
        "descriptors": {name: getattr(thing, name) for name in _FACTS},
        "obs_descriptors": _descriptors(thing.samples),
        "channel_descriptors": _descriptors(thing.channels),
        "type": "Dataset" if thing.times_s is None else "TemporalDataset",
    }
    if thing.times_s is not None:
        content["time_descriptors"] = {"time": np.asarray(thing.times_s, dtype=np.float64)}
        content["descriptors"][_TIME_UNIT] = "s"
    return content


def recording_of(
    where: str,
    content: Mapping[str, Any],
    *,
    stimuli: str | None,
    channels: str | None,
    time_unit: TimeUnit | None,
) -> Recording:
    """Return the recording of a content; `where` names its source in messages."""
    measurements = np.asarray(content["measurements"])
    is_temporal = content.get("type") == "TemporalDataset"
    if measurements.ndim != (3 if is_temporal else 2) or measurements.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: the measurements of a {content.get('type')} must be real numbers of "
            f"{3 if is_temporal else 2} dimensions, got {measurements.dtype} of shape {measurements.shape}."
        )
    facts = {key: value for key, value in content.get("descriptors", {}).items() if _is_fact(value)}
    notes: list[str] = []
    table = _table(where, content.get("obs_descriptors", {}), measurements.shape[0], notes)
    samples = _named(where, table, "stimulus_id", stimuli, _STIMULUS_NAMES, notes)
    if samples is None:
        raise InputError(
            f"{where} does not say which stimulus each observation is of; choose one of its descriptors with "
            f"`stimuli`. It has {', '.join(table.columns) or 'none'}."
        )
    described = _table(where, content.get("channel_descriptors", {}), measurements.shape[1], notes)
    named = _named(where, described, "name", channels, _CHANNEL_NAMES, notes)
    if named is None:
        named = described.assign(name=[f"c{i}" for i in range(measurements.shape[1])])
        notes.append("The channels have no names in the file; they were numbered.")
    times_s = _times(where, content, time_unit, notes) if is_temporal else None
    notes += [f"{key}: {value}." for key, value in facts.items() if key not in (*_FACTS, _TIME_UNIT)]
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(measurements, dtype=np.float32)
    return Recording(
        data,
        samples,
        named,
        times_s=times_s,
        subject=str(facts.get("subject", "subject")),
        modality=str(facts.get("modality", "unknown")),
        unit=str(facts.get("unit", "arbitrary")),
        notes=tuple(notes),
    )


def rdms_of(
    where: str, content: Mapping[str, Any], *, stimuli: str | None
) -> tuple[RDMs, pd.DataFrame, tuple[str, ...]]:
    """Return the dissimilarities of a content, the table of its patterns, and notes."""
    values = np.asarray(content["dissimilarities"])
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{where}: the dissimilarities must be real numbers of shape (n_rdms, n_pairs), got "
            f"{values.dtype} of shape {values.shape}."
        )
    notes: list[str] = []
    n_stimuli = (1 + int(np.sqrt(1 + 8 * values.shape[1]))) // 2
    patterns = _table(where, content.get("pattern_descriptors", {}), n_stimuli, notes)
    named = _named(where, patterns, "stimulus_id", stimuli, _STIMULUS_NAMES, notes)
    if named is None:
        raise InputError(
            f"{where} does not name its patterns; choose one of its descriptors with `stimuli` (such as "
            f"'index', to number them). It has {', '.join(patterns.columns) or 'none'}."
        )
    named = named.drop(columns="index", errors="ignore")
    table = _table(where, content.get("rdm_descriptors", {}), len(values), notes).drop(
        columns="index", errors="ignore"
    )
    descriptors = content.get("descriptors", {})
    if "subject" not in table:
        if "subject" in descriptors:
            table = table.assign(subject=str(descriptors["subject"]))
        else:
            table = table.assign(subject=[f"sub-{number + 1:02d}" for number in range(len(values))])
            notes.append("The matrices have no subjects in the file; they were numbered.")
    measure = content.get("dissimilarity_measure")
    made = RDMs(
        values.astype(np.float64),
        tuple(named["stimulus_id"]),
        table[["subject", *(name for name in table.columns if name != "subject")]],
        "unknown" if measure is None else str(measure),
    )
    return made, named, tuple(notes)


def _descriptors(table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    found = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            found[str(name)] = column.to_numpy(dtype=None if not column.isna().any() else np.float64)
        else:
            found[str(name)] = np.array(["" if pd.isna(value) else str(value) for value in column])
    return found


def _table(where: str, descriptors: Mapping[str, Any], n_rows: int, notes: list[str]) -> pd.DataFrame:
    found: dict[str, Any] = {}
    for name, given in descriptors.items():
        values = np.asarray(given)
        if values.ndim != 1:
            notes.append(f"The descriptor {name!r} of shape {values.shape} is no column; it was left out.")
            continue
        if len(values) != n_rows:
            raise InputError(f"{where}: the descriptor {name!r} has {len(values)} entries for {n_rows} rows.")
        if values.dtype.kind in "SOU":
            found[str(name)] = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
        else:
            found[str(name)] = values.astype(values.dtype.newbyteorder("="))
    return pd.DataFrame(found, index=pd.RangeIndex(n_rows))


def _named(
    where: str,
    table: pd.DataFrame,
    target: str,
    chosen: str | None,
    known: Sequence[str],
    notes: list[str],
) -> pd.DataFrame | None:
    """Return the table with the column that names its rows first, called `target`; None without one."""
    if chosen is not None and chosen not in table:
        raise InputError(f"{where} has no descriptor {chosen!r}, {did_you_mean(chosen, list(table.columns))}")
    if chosen is None and target not in table:
        found = [name for name in known if name in table]
        if len(found) > 1:
            raise InputError(
                f"{where} has the descriptors {' and '.join(found)}; choose which is the {target}."
            )
        if not found:
            return None
        chosen = found[0]
        notes.append(f"The descriptor {chosen!r} was taken for the {target}.")
    source = chosen or target
    texts = [_plain(value) for value in table[source]]
    rest = table.drop(columns=[source, *([target] if target in table and target != source else [])])
    rest.insert(0, target, texts)
    return rest


def _plain(value: Any) -> str:
    # Numbered conditions are often saved as floats: 3.0 is the stimulus "3".
    return str(int(value)) if isinstance(value, float | np.floating) and value == int(value) else str(value)


def _times(
    where: str, content: Mapping[str, Any], time_unit: TimeUnit | None, notes: list[str]
) -> NDArray[np.float64]:
    descriptors = content.get("time_descriptors", {})
    if "time" not in descriptors:
        raise InputError(f"{where} has no time descriptor 'time'; it has {', '.join(descriptors) or 'none'}.")
    times = np.asarray(descriptors["time"], dtype=np.float64)
    unit = time_unit or content.get("descriptors", {}).get(_TIME_UNIT)
    if unit is None:
        if np.array_equal(times, np.arange(len(times))) and len(times) > 1:
            raise InputError(
                f"{where}: its times are the numbers 0 to {len(times) - 1}, which rsatoolbox puts where none "
                "are given. Save it with times, or set `time_unit` if they are meant."
            )
        unit = "s"
        notes.append("The unit of the times is not in the file; they were taken for seconds.")
    if unit not in ("s", "ms"):
        raise InputError(f"`time_unit` must be 's' or 'ms', got {unit!r}.")
    return times if unit == "s" else times / 1000


def _is_fact(value: Any) -> bool:
    return isinstance(value, str | int | float | np.number | np.bool_)
