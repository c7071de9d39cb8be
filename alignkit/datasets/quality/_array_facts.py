"""What files of arrays and tables hold: variables, and which one alignkit would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..._core.errors import InputError
from .._arrays import ARRAY_SUFFIXES, _opened, array_suffix, check_links, choose_array, read_names, readable
from .._tables import SAMPLE_COLUMNS, TABLE_SUFFIXES, read_table
from ..rdms import read_rdms
from .inspection import Inspection
from .report import Table

ARRAYS = (*ARRAY_SUFFIXES, *TABLE_SUFFIXES)
_IDS = ("stimulus_id", "stimulus_ids")
_RATE = "Missing: `sfreq_hz`, the sampling rate of the third axis (and `tmin_s`, its first time)."
_MOST_SQUARE = 200_000_000


def inspect_arrays(path: Path) -> Inspection:
    """Say which variables a npy, npz, mat, HDF5 or zarr holds, and which one would be read.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    suffix = array_suffix(path)
    if suffix in (".h5", ".hdf5"):
        with readable(path, "HDF5"):
            check_links(path)
    with readable(path, "a file of arrays"), _opened(path) as variables:
        rows = tuple(
            (each.name, " x ".join(map(str, each.shape)) or "scalar", each.kind) for each in variables
        )
        shapes = {each.name: tuple(each.shape) for each in variables}
    tables = (Table("Variables", ("name", "shape", "dtype"), rows),)
    details: dict[str, Any] = {
        "variables": [{"name": n, "shape": list(shapes[n]), "dtype": k} for n, _, k in rows]
    }
    as_rdms = _rdms(path, shapes, rows)
    if as_rdms is not None:
        return Inspection(
            str(path.resolve()), "dissimilarity matrices", as_rdms[1], tables, as_rdms[0], as_rdms[2], details
        )
    kind = {".npy": "NumPy array", ".npz": "NumPy archive", ".mat": "MATLAB file", ".zarr": "zarr store"}
    named = kind.get(suffix, "HDF5 file")
    try:
        chosen = choose_array(path, ndims=(2, 3))
    except InputError as error:
        remark = f"Missing: a choice. {error}"
        return Inspection(str(path.resolve()), named, (), tables, None, remark, details)
    facts = [("taken", f"{chosen} ({' x '.join(map(str, shapes[chosen]))})")]
    dataset, remark = _matrix(path, chosen, shapes[chosen], facts, named=len(rows) > 1)
    return Inspection(str(path.resolve()), named, tuple(facts), tables, dataset, remark, details)


def inspect_table(path: Path) -> Inspection:
    """Say which columns a csv, tsv or parquet holds, and what it would be read as.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    table = read_table(path)
    rows = tuple((str(name), str(table[name].dtype), str(table[name].nunique())) for name in table.columns)
    tables = (Table("Columns", ("name", "dtype", "different values"), rows),)
    numeric = [
        c for c in table.columns if c not in SAMPLE_COLUMNS and pd.api.types.is_numeric_dtype(table[c])
    ]  # fmt: skip
    facts = [("rows", str(len(table))), ("columns", str(len(rows)))]
    details = {"columns": [row[0] for row in rows], "n_rows": len(table)}
    where = str(path.resolve())
    if {"unit", "time_s"} <= set(table.columns):
        remark = (
            "Missing: `events`, a table with stimulus_id and onset_s, and a window (dataset kind 'spikes')."
        )
        return Inspection(where, "table of spikes", tuple(facts), tables, None, remark, details)
    if "onset" in table or "onset_s" in table and not numeric[1:]:
        remark = "A table of events goes with a recording; inspect the recording."
        return Inspection(where, "table of events", tuple(facts), tables, None, remark, details)
    channels = [c for c in table.columns if c not in SAMPLE_COLUMNS]
    if not numeric or len(numeric) < len(channels):
        remark = f"Not all columns are numbers: perhaps the `samples` of a matrix of {len(table)} rows."
        return Inspection(where, "table", tuple(facts), tables, None, remark, details)
    facts.append(("taken", f"{len(table)} samples x {len(channels)} channels"))
    if table[channels].isna().to_numpy().any():
        remark = "Some of its numbers are missing; fill or drop them first."
        return Inspection(where, "matrix in a table", tuple(facts), tables, None, remark, details)
    if "stimulus_id" in table:
        return Inspection(
            where,
            "matrix in a table",
            tuple(facts),
            tables,
            {"kind": "matrix", "recording": where},
            "",
            details,
        )
    dataset, remark = _with_samples(path, (len(table), len(channels)), {"kind": "matrix", "recording": where})
    return Inspection(where, "matrix in a table", tuple(facts), tables, dataset, remark, details)


def samples_beside(path: Path, n_rows: int) -> Path | None:
    """Return the one table beside a matrix that names a stimulus for each of its rows."""
    found = []
    for each in sorted(path.parent.glob("*")):
        if each.suffix.lower() not in TABLE_SUFFIXES or each == path or not each.is_file():
            continue
        try:
            table = read_table(each)
        except InputError:
            continue
        if "stimulus_id" in table and len(table) == n_rows and (table["stimulus_id"].astype(str) != "").all():
            found.append(each)
    named = [each for each in found if path.stem in each.stem] or found
    return named[0] if len(named) == 1 else None


def _matrix(
    path: Path, chosen: str, shape: tuple[int, ...], facts: list[tuple[str, str]], *, named: bool
) -> tuple[dict[str, Any] | None, str]:
    made: dict[str, Any] = {"kind": "matrix", "recording": str(path.resolve())}
    if named:
        made["variable"] = chosen
    if len(shape) == 3:
        return None, _RATE
    ids = read_names(path, _IDS)
    if ids is not None and len(ids) in shape[:2]:
        facts.append(("stimuli", f"{len(set(ids))} in `stimulus_id`"))
        return ({**made, "transpose": True} if len(ids) != shape[0] else made), ""
    return _with_samples(path, shape, made)


def _with_samples(
    path: Path, shape: tuple[int, ...], made: dict[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    samples = samples_beside(path, shape[0])
    if samples is not None:
        return {**made, "samples": str(samples.resolve())}, f"{samples.name} names the stimulus of each row."
    return (
        None,
        f"Missing: `samples`, a table of {shape[0]} rows with a column stimulus_id.",
    )


def _rdms(
    path: Path, shapes: dict[str, tuple[int, ...]], rows: tuple[tuple[str, str, str], ...]
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...], str] | None:
    """Return the dataset of square, symmetric matrices; None where a file holds something else."""
    square = [
        name for name, shape in shapes.items()
        if len(shape) in (2, 3) and len(set(shape)) < len(shape) and 2 < max(shape)
        and np.prod(shape) < _MOST_SQUARE
    ]  # fmt: skip
    structs = [name for name, _, kind in rows if kind == "struct"]
    if len(square) + len(structs) != 1:
        return None
    try:
        matrices = read_rdms(path)
    except (InputError, ValueError):
        return None
    facts = (("taken", f"{len(matrices)} matrices of {matrices.shape[1]} stimuli"),)
    remark = (
        "The stimuli have no names here; give `samples`, a table with stimulus_id."
        if read_names(path, _IDS) is None
        else ""
    )
    return {"kind": "rdms", "rdms": str(path.resolve())}, facts, remark
