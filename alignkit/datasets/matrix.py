"""A recording as a plain matrix, with a table of what each row is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._core.checks import check_finite
from .._core.errors import InputError
from ..recordings.recording import Recording
from ..recordings.study import Study
from ._arrays import (
    ARRAY_SUFFIXES,
    array_suffix,
    choose_array,
    read_array,
    read_names,
    require_array_file,
    unwritten_chunks,
)
from ._dataset import DATASETS, Dataset
from ._stimuli import check_conditions, match_stimuli
from ._tables import (
    SAMPLE_COLUMNS,
    TABLE_SUFFIXES,
    check_numbers,
    check_repetitions,
    label_table,
    read_table,
)
from ._zarr_stores import missing_chunks, store_files

_SAMPLE_NUMBERS = ("onset_s", "duration_s")
_ID_NAMES = ("stimulus_id", "stimulus_ids")


def read_matrix(path: str | Path, *, variable: str | None = None) -> NDArray[Any]:
    """Read a matrix of real numbers from a file.

    Parameters
    ----------
    path : str or Path
        ``.npy``, ``.npz``, ``.mat`` (version 4 to 7.3), ``.h5``, ``.hdf5``, a zarr store (version 2 or 3),
        or a table (``.csv``, ``.tsv``, ``.parquet``) with a row per sample and a column per channel; columns
        that say what a sample is (`stimulus_id`, `repetition`, `session`, `run`, `onset_s`, `duration_s`)
        are left out.
    variable : str, optional
        Which array of a file that holds several: by default ``data``, or the only one that fits.

    Returns
    -------
    matrix : ndarray of shape (n_samples, n_channels) or (n_samples, n_channels, n_times)
        In the file's own dtype and axes.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged, of an unknown format, not numeric, complex, a pickled object, or holds several
        arrays that would do.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "rates.npy", np.eye(3))
    ...     read_matrix(Path(folder) / "rates.npy").shape
    (3, 3)
    """
    path = require_array_file(path)
    suffix = array_suffix(path)
    if suffix in TABLE_SUFFIXES:
        return _as_matrix(_numbers(path, read_table(path)))
    if suffix not in ARRAY_SUFFIXES:
        known = ", ".join((*ARRAY_SUFFIXES, *TABLE_SUFFIXES))
        raise InputError(f"{path} has the suffix {suffix!r}; a matrix is one of {known}.")
    return read_array(path, variable=variable, ndims=(2, 3))


@DATASETS.register(
    "matrix",
    modality="any",
    subjects="1",
    stimuli="your own",
    shape="samples x channels [x times]",
    unit="as given",
    licence="your own",
    citation="",
    source="your own files: a matrix, a table of its rows, a folder of images",
    sha256={},
    summary="A matrix (npy, npz, mat, h5, zarr, csv, parquet) with a table that names each row's stimulus.",
)
def load_matrix(
    *,
    recording: Path,
    samples: Path | None = None,
    channels: Path | None = None,
    stimuli: Path | None = None,
    variable: str | None = None,
    subject: str = "subject",
    modality: str = "unknown",
    unit: str = "arbitrary",
    transpose: bool = False,
    sfreq_hz: float | None = None,
    tmin_s: float = 0.0,
    conditions: str | None = None,
) -> Dataset:
    """Read one subject's matrix.

    Parameters
    ----------
    recording : Path
        See :func:`read_matrix`; samples x channels, or samples x channels x times.
    samples : Path, optional
        A table with a row per sample and a column `stimulus_id`; further columns may be `repetition`,
        `session`, `run`, `onset_s`, and labels of the stimuli. Not needed where the recording itself holds
        `stimulus_id` (as a column of a table, or a text array or MATLAB cell beside the data).
    channels : Path, optional
        A table with a row per channel: `name`, and where known `kind`, `roi`, `x_mm`, `y_mm`, `z_mm`.
    stimuli : Path, optional
        Folder of images whose stems are the stimulus ids.
    variable : str, optional
        Which array of the file.
    subject, modality, unit : str
        Facts.
    transpose : bool, default=False
        The file holds channels x samples.
    sfreq_hz : float, optional
        Sampling rate of the third axis; needed where there is one.
    tmin_s : float, default=0.0
        Time of the first point from stimulus onset, in seconds.
    conditions : str, optional
        Column of the samples that carries the condition, for block designs.

    Returns
    -------
    dataset : Dataset
        With one subject; `labels` are the columns of the samples that sort stimuli into categories.

    Raises
    ------
    MissingDataError
        If a file is not there.
    InputError
        If the parts do not fit each other; the message names the stimuli, rows or shapes.
    """
    recording = require_array_file(recording)
    data = read_matrix(recording, variable=variable)
    if transpose:
        data = np.swapaxes(data, 0, 1)
    table = _samples(recording, samples)
    _check_rows(recording, data, len(table))
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(data, dtype=np.float32)
    _check_fits(recording, data, values)
    made = Recording(
        values,
        table,
        _channels(recording, channels, values.shape[1], transpose=transpose),
        times_s=_times(values, sfreq_hz, tmin_s),
        subject=subject,
        modality=modality,
        unit=unit,
    )
    images, notes = (None, ()) if stimuli is None else match_stimuli(stimuli, made.stimulus_ids)
    return Dataset(
        name="matrix",
        study=Study.of(made),
        stimuli=images,
        labels=label_table(table),
        conditions=check_conditions(conditions, table),
        files=(*_files(recording), *(path for path in (samples, channels) if path is not None)),
        notes=(*notes, *_unstored(recording, variable), *_unused(values, sfreq_hz, tmin_s)),
    )


def _files(recording: Path) -> list[Path]:
    return store_files(recording) if recording.is_dir() else [recording]


def _unstored(recording: Path, variable: str | None) -> tuple[str, ...]:
    suffix = array_suffix(recording)
    if suffix not in (".zarr", ".h5", ".hdf5", ".mat"):
        return ()
    chosen = choose_array(recording, variable=variable, ndims=(2, 3))
    if suffix == ".zarr":
        what, (missing, total, fill) = "zarr", missing_chunks(recording, chosen)
    else:
        what, (missing, total, fill) = "HDF5", unwritten_chunks(recording, chosen)
    if not missing:
        return ()
    return (
        f"{missing} of {total} chunks of {recording.name} are not stored and were read as {fill}, which "
        f"{what} allows on purpose; chunks that got lost or were never written would look the same.",
    )


def _unused(values: NDArray[np.float32], sfreq_hz: float | None, tmin_s: float) -> tuple[str, ...]:
    if values.ndim == 3 or (sfreq_hz is None and tmin_s == 0):
        return ()
    return (f"The data have no time axis (shape {values.shape}): `sfreq_hz` and `tmin_s` were not used.",)


def _check_fits(recording: Path, data: NDArray[Any], values: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity, and say so where a number is only too large for single precision."""
    lost = np.isfinite(data) & ~np.isfinite(values)
    if lost.any():
        place = tuple(int(i) for i in np.argwhere(lost)[0])
        raise InputError(
            f"{recording.name} holds {int(lost.sum())} numbers that do not fit float32 (beyond 3.4e38), the "
            f"first is {data[place]:g} at {place}. Wrong byte order? Otherwise choose a larger unit."
        )
    check_finite(recording.name, values)


def _as_matrix(table: pd.DataFrame) -> NDArray[Any]:
    # Columns of pandas' own types have holes that are no numbers.
    plain = all(isinstance(dtype, np.dtype) for dtype in table.dtypes)
    return table.to_numpy() if plain else table.to_numpy(dtype=np.float64, na_value=np.nan)


def _numbers(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    numbers = table[[c for c in table.columns if c not in SAMPLE_COLUMNS]]
    if not len(numbers.columns) or not len(numbers):
        raise InputError(f"{path} has no channel columns or no rows.")
    for column in numbers.columns:
        if not pd.api.types.is_numeric_dtype(numbers[column]):
            text = [v for v in numbers[column] if pd.isna(pd.to_numeric(v, errors="coerce"))][:1]
            raise InputError(
                f"{path}: the column {column!r} holds text ({text[0] if text else 'objects'!r}), numbers are "
                "wanted. Put what describes the samples into the table `samples`."
            )
        if pd.api.types.is_complex_dtype(numbers[column]):
            raise InputError(f"{path}: the column {column!r} is complex, real numbers are wanted.")
    return numbers


def _samples(recording: Path, samples: Path | None) -> pd.DataFrame:
    inside = _samples_inside(recording)
    if samples is None:
        if inside is None:
            raise InputError(
                f"{recording} does not say which stimulus each row belongs to; give `samples`, a table with "
                "a row per sample and a column 'stimulus_id'."
            )
        return inside
    table = read_table(samples, needs=["stimulus_id"])
    check_numbers(samples, table, _SAMPLE_NUMBERS)
    check_repetitions(samples, table)
    if inside is not None and list(inside["stimulus_id"]) != list(table["stimulus_id"]):
        raise InputError(
            f"{recording} and {samples} name different stimuli for the rows; keep one of the two."
        )
    key = [c for c in ("stimulus_id", "session", "run", "repetition") if c in table]
    if "repetition" in table and table.duplicated(key).any():
        row = table[table.duplicated(key)].iloc[0][key].to_dict()
        raise InputError(f"{samples} has the same presentation twice: {row}. Number the repetitions anew.")
    return table


def _samples_inside(recording: Path) -> pd.DataFrame | None:
    if array_suffix(recording) in TABLE_SUFFIXES:
        table = read_table(recording)
        if "stimulus_id" not in table:
            return None
        kept = read_table(recording, needs=["stimulus_id"])[[c for c in SAMPLE_COLUMNS if c in table]]
        check_numbers(recording, kept, _SAMPLE_NUMBERS)
        check_repetitions(recording, kept)
        return kept
    names = read_names(recording, _ID_NAMES)
    return None if names is None else pd.DataFrame({"stimulus_id": names})


def _check_rows(recording: Path, data: NDArray[Any], n_samples: int) -> None:
    if 0 in data.shape:
        raise InputError(f"{recording} holds an empty array of shape {data.shape}.")
    if data.shape[0] != n_samples:
        fits = data.shape[1] == n_samples
        remedy = (
            "With its first two axes exchanged it would fit: set `transpose: true`."
            if fits
            else "Give a table with a row for every sample."
        )
        raise InputError(
            f"{recording} has {data.shape[0]} rows (shape {data.shape}) but the samples have {n_samples}. "
            f"{remedy}"
        )


def _channels(recording: Path, channels: Path | None, n_channels: int, *, transpose: bool) -> pd.DataFrame:
    if channels is not None:
        table = read_table(channels, needs=["name"])
        check_numbers(channels, table, ("x_mm", "y_mm", "z_mm"))
        if len(table) != n_channels:
            raise InputError(f"{channels} has {len(table)} rows but {recording} has {n_channels} channels.")
        return table
    if array_suffix(recording) in TABLE_SUFFIXES and not transpose:
        return pd.DataFrame({"name": list(_numbers(recording, read_table(recording)).columns)})
    return pd.DataFrame({"name": [f"c{i}" for i in range(n_channels)]})


def _times(data: NDArray[np.float32], sfreq_hz: float | None, tmin_s: float) -> NDArray[np.float64] | None:
    if not np.isfinite(tmin_s):
        raise InputError(f"`tmin_s` must be a time in seconds, got {tmin_s}.")
    if data.ndim == 2:
        return None
    if sfreq_hz is None or not 0 < sfreq_hz < np.inf:
        raise InputError(
            f"the data have a time axis (shape {data.shape}); give its sampling rate as `sfreq_hz`, "
            f"got {sfreq_hz}."
        )
    return np.asarray(tmin_s + np.arange(data.shape[2]) / sfreq_hz, dtype=np.float64)
