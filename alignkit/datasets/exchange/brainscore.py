"""Brain-Score assemblies: netCDF with the dimensions `presentation`, `neuroid` and `time_bin`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError
from ...recordings.recording import Recording
from ._netcdf import coordinate_table, open_assembly

if TYPE_CHECKING:
    import xarray as xr

Missing = Literal["error", "drop-samples", "drop-channels"]
_SAMPLE, _CHANNEL, _TIME = "presentation", "neuroid", "time_bin"
_SUBJECT_NAMES = ("subject", "animal")
_FACTS = ("identifier", "stimulus_set_identifier")


def read_brainscore(
    path: str | Path,
    *,
    subject: str | None = None,
    modality: str | None = None,
    unit: str | None = None,
    missing: Missing = "error",
) -> Recording:
    """Read an assembly: responses of neuroids to presentations of stimuli.

    Parameters
    ----------
    path : str or Path
        A netCDF file with one array over `presentation`, `neuroid` and perhaps `time_bin`, in any order.
    subject : str, optional
        Keep the neuroids of this animal or person (coordinate `subject` or `animal` of the neuroids); only
        they are read, and presentations that they have no response to at all are left out. By default all
        neuroids stand side by side, and the subject is named after all (``"Chabo+Tito"``).
    modality, unit : str, optional
        Facts that the file does not hold; by default what :func:`write_brainscore` put there, or
        ``"unknown"`` and ``"arbitrary"``.
    missing : {"error", "drop-samples", "drop-channels"}
        What to do about NaN that are left: refuse the file, or leave the presentations or the neuroids out.

    Returns
    -------
    recording : Recording
        data (n_presentations, n_neuroids[, n_time_bins]). Samples: `stimulus_id` (or of older files
        `image_id`) and the other coordinates of `presentation`; `repetition` counts from 1, and what the
        file says is `repetition_in_file` where it does not. Channels: `name` (`neuroid_id`), `roi`
        (`region`) and the other coordinates of `neuroid`. Times are the middles of the bins in seconds;
        a single bin is no time axis, and is named in the notes.

    Raises
    ------
    MissingDataError
        If there is no such file, or xarray is not installed.
    InputError
        If it is damaged, no assembly, has no such subject, or NaN that `missing` does not allow.

    References
    ----------
    Schrimpf et al. (2020). Integrative benchmarking to advance neurally mechanistic models of human
    intelligence. Neuron 108:413-423. doi:10.1016/j.neuron.2020.07.040
    """
    check_option("missing", missing, ("error", "drop-samples", "drop-channels"))
    path = Path(path)
    with open_assembly(path) as array:
        array, notes = _with_known_dims(path, array)
        samples, channels = coordinate_table(array, _SAMPLE), coordinate_table(array, _CHANNEL)
        name, keep = _of_subject(path, channels, subject, array.attrs)
        values = _values(array, keep)
        times_s, time_notes = _times(path, array)
        facts = {key: str(value) for key, value in array.attrs.items() if isinstance(value, str)}
    samples = _samples(path, samples)
    channels = _channels(path, channels.iloc[keep].reset_index(drop=True), name)
    values, rows, columns, lost = _without_missing(path, values, name, subject is not None, missing)
    notes += tuple(f"{key}: {facts[key]}." for key in _FACTS if facts.get(key)) + time_notes + lost
    return Recording(
        values if times_s is not None else values.reshape(values.shape[:2]),
        with_repetitions(samples.iloc[rows].reset_index(drop=True)),
        channels.iloc[columns],
        times_s=times_s,
        subject=name,
        modality=modality or facts.get("modality", "unknown"),
        unit=unit or facts.get("unit", "arbitrary"),
        notes=notes,
    )


def brainscore_subjects(path: str | Path) -> list[str]:
    """Return the animals or people whose neuroids an assembly holds, sorted; empty where it does not say.

    Raises
    ------
    MissingDataError
        If there is no such file, or xarray is not installed.
    InputError
        If it is damaged or no assembly.
    """
    with open_assembly(path) as array:
        if _CHANNEL not in array.dims:
            return []
        table = coordinate_table(array, _CHANNEL)
    column = _subject_column(table)
    return [] if column is None else sorted({str(value) for value in table[column]})


def with_repetitions(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples with `repetition` counted from 1 within each stimulus.

    Where the file counts otherwise, its order is kept and its numbers stay as `repetition_in_file`.

    Examples
    --------
    >>> with_repetitions(pd.DataFrame({"stimulus_id": ["a", "a", "b"], "repetition": [4, 2, 0]}))
      stimulus_id  repetition  repetition_in_file
    0           a           2                   4
    1           a           1                   2
    2           b           1                   0
    """
    given = samples["repetition"] if "repetition" in samples else pd.Series(0, index=samples.index)
    counted = _rank(given)
    order = pd.DataFrame({"stimulus_id": samples["stimulus_id"], "given": counted})
    number = order.groupby("stimulus_id", sort=False)["given"].rank(method="first").astype(np.int64)
    table = samples.drop(columns="repetition", errors="ignore")
    table.insert(1, "repetition", number.to_numpy())
    if "repetition" in samples and list(given) != list(number):
        table["repetition_in_file"] = given
    return table


def _rank(values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers if not numbers.isna().any() else pd.Series(0, index=values.index)


def _with_known_dims(path: Path, array: xr.DataArray) -> tuple[xr.DataArray, tuple[str, ...]]:
    lacking = [dim for dim in (_SAMPLE, _CHANNEL) if dim not in array.dims]
    if lacking:
        raise InputError(
            f"{path} has the dimensions {', '.join(map(str, array.dims))}; an assembly needs "
            f"{' and '.join(lacking)}."
        )
    if 0 in array.shape:
        raise InputError(f"{path} holds an empty assembly of shape {array.shape}.")
    others = [str(dim) for dim in array.dims if dim not in (_SAMPLE, _CHANNEL, _TIME)]
    large = [dim for dim in others if array.sizes[dim] > 1]
    if large:
        raise InputError(
            f"{path} has the dimensions {', '.join(map(str, array.dims))}; beside {_SAMPLE}, {_CHANNEL} and "
            f"{_TIME} none may have several entries. Select one entry of {', '.join(large)}, or stack it."
        )
    notes = tuple(f"The dimension {dim} of the file has one entry and was left out." for dim in others)
    if others:
        array = array.isel({dim: 0 for dim in others})
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path} holds {array.dtype} values, real numbers are wanted.")
    return array, notes


def _of_subject(
    path: Path, channels: pd.DataFrame, subject: str | None, attrs: dict[Any, Any]
) -> tuple[str, NDArray[np.intp]]:
    column = _subject_column(channels)
    everyone = np.arange(len(channels))
    if column is None:
        if subject is not None and subject != attrs.get("subject"):
            raise InputError(
                f"{path} does not say whose neuroids it holds (no coordinate `subject` or `animal`), so "
                f"{subject!r} cannot be selected."
            )
        return str(attrs.get("subject", "subject")), everyone
    names = channels[column].astype(str)
    if subject is None:
        return "+".join(sorted(set(names))), everyone
    if subject not in set(names):
        raise InputError(
            f"the subject {subject!r} is not in {path}, {did_you_mean(subject, sorted(set(names)))}"
        )
    return subject, np.flatnonzero((names == subject).to_numpy())


def _subject_column(channels: pd.DataFrame) -> str | None:
    return next((name for name in _SUBJECT_NAMES if name in channels), None)


def _values(array: xr.DataArray, keep: NDArray[np.intp]) -> NDArray[np.float32]:
    is_run = len(keep) == keep[-1] - keep[0] + 1
    # HDF5 reads a run of columns at once, and a list of them one by one.
    part = array.isel({_CHANNEL: slice(int(keep[0]), int(keep[-1]) + 1)})
    if not is_run:
        part = part.load().isel({_CHANNEL: keep - keep[0]})
    dims = [_SAMPLE, _CHANNEL, *([_TIME] if _TIME in part.dims else [])]
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(part.transpose(*dims).values, dtype=np.float32)


def _times(path: Path, array: xr.DataArray) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    names = ("time_bin_start", "time_bin_end")
    found = [np.atleast_1d(array.coords[name].values) for name in names if name in array.coords]
    n_bins = array.sizes.get(_TIME, 1)
    if len(found) < 2 or any(len(each) != n_bins for each in found):
        if n_bins == 1:
            return None, ()
        raise InputError(
            f"{path} has {n_bins} time bins but not their bounds; it needs the coordinates "
            "`time_bin_start` and `time_bin_end`, in ms."
        )
    start, end = (np.asarray(each, dtype=np.float64) for each in found)
    if n_bins == 1:
        return None, (f"Responses are of the time from {start[0]:g} to {end[0]:g} ms after onset.",)
    width = np.unique(np.round(end - start, 6))
    widths = f"{width[0]:g} ms" if len(width) == 1 else f"{width[0]:g} to {width[-1]:g} ms"
    return (start + end) / 2000, (f"Times are the middles of bins of {widths}.",)


def _samples(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    if "stimulus_id" not in table:
        if "image_id" not in table:
            raise InputError(
                f"{path} needs the coordinate `stimulus_id` (of older files `image_id`) along {_SAMPLE}, it "
                f"has {', '.join(table.columns) or 'none'}."
            )
        table = table.rename(columns={"image_id": "stimulus_id"})
    elif "image_id" in table and list(table["image_id"]) == list(table["stimulus_id"]):
        table = table.drop(columns="image_id")
    first = [table["stimulus_id"].astype(str)]
    return pd.concat([*first, table.drop(columns="stimulus_id")], axis=1)


def _channels(path: Path, table: pd.DataFrame, subject: str) -> pd.DataFrame:
    if "neuroid_id" not in table:
        raise InputError(
            f"{path} needs the coordinate `neuroid_id` along {_CHANNEL}, it has "
            f"{', '.join(table.columns) or 'none'}."
        )
    taken = [name for old, name in (("neuroid_id", "name"), ("region", "roi")) if {old, name} <= set(table)]
    if taken:
        raise InputError(
            f"{path} has both names of a coordinate of {_CHANNEL}: {', '.join(taken)}; drop one."
        )
    column = _subject_column(table)
    if column is not None and set(table[column].astype(str)) == {subject}:
        table = table.drop(columns=column)
    table = table.rename(columns={"neuroid_id": "name", "region": "roi"})
    return table[["name", *(each for each in table.columns if each != "name")]]


def _without_missing(
    path: Path, values: NDArray[np.float32], name: str, one_subject: bool, missing: Missing
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp], tuple[str, ...]]:
    rows, columns = np.arange(values.shape[0]), np.arange(values.shape[1])
    notes: list[str] = []
    lost: NDArray[np.bool_] = np.isnan(values).reshape(*values.shape[:2], -1)
    unseen = lost.all(axis=(1, 2))
    if one_subject and unseen.any() and not unseen.all():
        rows = rows[~unseen]
        notes.append(f"{name}: {int(unseen.sum())} presentations without any response were left out.")
    holes: NDArray[np.bool_] = np.asarray(lost[rows].any(axis=2))
    if holes.any() and missing == "error":
        raise InputError(
            f"{path}: {int(holes.any(axis=1).sum())} of {len(rows)} presentations and "
            f"{int(holes.any(axis=0).sum())} of {len(columns)} neuroids of {name} hold NaN. Select one "
            "`subject`, or set `missing` to 'drop-samples' or 'drop-channels'."
        )
    if holes.any():
        axis = 1 if missing == "drop-samples" else 0
        whole = np.logical_not(holes.any(axis=axis))
        if not whole.any():
            raise InputError(f"{path}: nothing is left of {name} with `missing` {missing!r}: each holds NaN.")
        notes.append(
            f"{name}: {int((~whole).sum())} {'presentations' if axis else 'neuroids'} with NaN were left out."
        )
        rows, columns = (rows[whole], columns) if axis else (rows, columns[whole])
    if len(rows) < values.shape[0] or len(columns) < values.shape[1]:
        values = np.ascontiguousarray(values[rows][:, columns])
    return values, rows, columns, tuple(notes)
