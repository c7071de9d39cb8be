"""What files of other laboratories' tools hold: NWB sessions, Brain-Score assemblies, rsatoolbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..._core.errors import InputError
from .._arrays import readable
from ..exchange._netcdf import open_assembly
from ..exchange._rsatoolbox_content import rdms_of, recording_of
from ..exchange.brainscore import brainscore_subjects
from ..exchange.rsatoolbox_files import read_content
from ..spikes._nwb_files import find_nwb_files
from ..spikes._nwb_session import fluorescence_series, interval_tables, opened, unit_table
from ..spikes._nwb_tables import ONSET
from .inspection import Inspection
from .report import Table

_STANDARD = (ONSET, "stop_time", "tags", "timeseries", "id")
_STIMULUS = ("stimulus_id", "stimulus_name", "stimulus", "image", "condition")
_MOST = 20


def inspect_nwb(path: Path) -> Inspection:
    """Say what an NWB session holds: units, trials, fluorescence.

    Raises
    ------
    MissingDataError
        If pynwb is not installed.
    InputError
        If it cannot be read.
    """
    files, _ = find_nwb_files(path, None)
    file = files[0]
    facts = [("version", file.version), ("subject", file.subject), ("session", file.session)]
    where = str(path.resolve())
    if file.version.removeprefix("NWB-").startswith(("0.", "1.")):
        remark = "Missing: `intervals`, `start_s` and `stop_s` (dataset kind 'nwb'; two-photon, NWB 1)."
        return Inspection(where, "NWB 1 session", tuple(facts), (), None, remark)
    with opened(path) as session:
        has_units = session.units is not None and "spike_times" in session.units.colnames
        units = unit_table(session) if has_units else pd.DataFrame({"name": []})
        tables = {name: table for name, table in interval_tables(session).items() if ONSET in table}
        series = {
            name: f"{' x '.join(map(str, each.data.shape))} {each.unit}"
            for name, each in fluorescence_series(session).items()
        }
    facts.append(("sorted units", str(len(units)) if has_units else "none"))
    if "roi" in units:
        facts.append(("regions", ", ".join(sorted(set(map(str, units["roi"]))))))
    facts += [("fluorescence", f"{name} ({size})") for name, size in series.items()]
    rows = tuple(
        (n, len(t), ", ".join(c for c in t.columns if c not in _STANDARD)) for n, t in tables.items()
    )
    shown = (Table("Tables of intervals", ("name", "rows", "columns"), rows),) if rows else ()
    dataset, remark = _nwb_dataset(where, tables, has_units, series)
    details = {"n_units": len(units), "intervals": {name: len(table) for name, table in tables.items()}}
    return Inspection(where, "NWB session", tuple(facts), shown, dataset, remark, details)


def _nwb_dataset(
    where: str, tables: Mapping[str, pd.DataFrame], has_units: bool, series: Mapping[str, str]
) -> tuple[dict[str, Any] | None, str]:
    usual = {name: table for name, table in tables.items() if name != "invalid_times" and len(table)}
    if not usual or not (has_units or series):
        lacks = "a table of trials or presentations" if not usual else "sorted units or fluorescence"
        return None, f"Missing: {lacks}."
    name, table = next(iter(usual.items()))
    columns = [str(column) for column in table.columns if column not in _STANDARD]
    if not columns:
        return None, f"Missing: a column of {name} that names the stimulus."
    column = next((c for c in _STIMULUS if c in columns), columns[0])
    lasting = np.nan
    if "stop_time" in table:
        lasting = float(np.median(table["stop_time"] - table[ONSET]))
    stop_s = round(lasting, 3) if np.isfinite(lasting) and lasting > 0 else 0.5
    made: dict[str, Any] = {"kind": "nwb", "path": where, "start_s": 0.0, "stop_s": stop_s}
    remarks = [f"The window of {stop_s:g} s is the median length of a trial; set `start_s` and `stop_s`."]
    if has_units and series:
        made["signal"] = "spikes"
        remarks.append("`signal` may also be 'fluorescence'.")
    elif len(series) > 1:
        made["series"] = next((each for each in series if "DfOverF" in each), next(iter(series)))
    if len(usual) > 1:
        made["intervals"] = name
        remarks.append(f"`intervals` may also be {', '.join(list(usual)[1:])}.")
    if column != "stimulus_id":
        made["stimulus_column"] = column
        others = [each for each in columns if each != column]
        remarks.append(f"`stimulus_column` may also be {', '.join(others[:_MOST])}." if others else "")
    return made, " ".join(filter(None, remarks))


def inspect_assembly(path: Path) -> Inspection:
    """Say what a Brain-Score assembly (netCDF) holds.

    Raises
    ------
    MissingDataError
        If xarray is not installed.
    InputError
        If it is none.
    """
    where = str(path.resolve())
    with open_assembly(path) as array, readable(path, "netCDF"):
        sizes = {str(dim): int(n) for dim, n in array.sizes.items()}
        rows = tuple(
            (str(name), " x ".join(map(str, coordinate.dims)), str(coordinate.dtype))
            for name, coordinate in array.coords.items()
        )
        facts = [("array", f"{array.name} ({' x '.join(f'{n} {dim}' for dim, n in sizes.items())})"),
                 ("numbers", str(array.dtype))]  # fmt: skip
        known = [("identifier", str(array.attrs[key])) for key in ("identifier",) if key in array.attrs]
    tables = (Table("Coordinates", ("name", "along", "dtype"), rows),)
    details = {"sizes": sizes, "coordinates": [row[0] for row in rows]}
    names = {row[0] for row in rows}
    if not {"stimulus_id", "image_id"} & names or "presentation" not in sizes:
        remark = "Missing: the dimensions presentation and neuroid with a coordinate stimulus_id."
        return Inspection(where, "netCDF array", (*facts, *known), tables, None, remark, details)
    subjects = brainscore_subjects(path)
    facts.append(("subjects", ", ".join(subjects) if subjects else "not told apart"))
    return Inspection(
        where,
        "Brain-Score assembly",
        (*facts, *known),
        tables,
        {"kind": "brainscore", "assembly": where},
        "",
        details,
    )


def is_rsatoolbox(path: Path) -> bool:
    """Tell whether an HDF5 file was written by rsatoolbox."""
    import h5py

    if not h5py.is_hdf5(path):
        return False
    with readable(path, "HDF5"), h5py.File(path, "r") as file:
        return "measurements" in file or "dissimilarities" in file


def inspect_rsatoolbox(path: Path) -> Inspection:
    """Say what a file that rsatoolbox saved holds.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    content = read_content(path)
    where = str(path.resolve())
    is_rdms = "dissimilarities" in content
    array = np.asarray(content["dissimilarities" if is_rdms else "measurements"])
    groups = {
        name: ", ".join(map(str, value)) or "none"
        for name, value in content.items()
        if name.endswith("descriptors") and isinstance(value, Mapping)
    }
    facts = [("array", f"{' x '.join(map(str, array.shape))} {array.dtype}")]
    facts += [(name.replace("_", " "), shown) for name, shown in groups.items()]
    kind = "rsatoolbox RDMs" if is_rdms else "rsatoolbox dataset"
    dataset: dict[str, Any] | None = {"kind": "rsatoolbox", "files": where}
    remark = ""
    try:
        if is_rdms:
            rdms_of(where, content, stimuli=None)
        else:
            recording_of(where, content, stimuli=None, channels=None, time_unit=None)
    except InputError as error:
        dataset, remark = None, f"Missing: {error}"
    return Inspection(where, kind, tuple(facts), (), dataset, remark, {"shape": list(array.shape)})
