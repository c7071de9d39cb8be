"""One array with named coordinates out of a netCDF file, and into one, by xarray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.errors import InputError, MissingDataError
from .._arrays import check_links, readable, require_file

if TYPE_CHECKING:
    import xarray as xr

_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def require_xarray() -> ModuleType:
    """Return xarray, or say how to install it."""
    try:
        import h5netcdf  # noqa: F401
        import xarray
    except ImportError as error:
        raise MissingDataError(
            "reading and writing Brain-Score assemblies needs xarray and h5netcdf; "
            'pip install "alignkit[exchange]"'
        ) from error
    return xarray


@contextmanager
def open_assembly(path: str | Path) -> Iterator[xr.DataArray]:
    """Yield a file's array, not yet read: its variable ``data``, or the only one with dimensions."""
    xarray = require_xarray()
    path = require_file(path)
    with path.open("rb") as file:
        start = file.read(8)
    if start[:4] not in _CLASSIC and start != _HDF5:
        raise InputError(
            f"{path} is no netCDF file (it starts with {start!r}); an assembly is saved as netCDF-4 (.nc)."
        )
    engine = "h5netcdf" if start == _HDF5 else "scipy"
    with readable(path, "netCDF"):
        if engine == "h5netcdf":
            check_links(path)
        # Bins in ms are numbers here, not durations that xarray would make of their unit.
        with xarray.open_dataset(path, engine=engine, decode_times=False) as dataset:
            named = [str(name) for name in dataset.data_vars if dataset[name].ndim]
            if "data" not in named and len(named) != 1:
                raise InputError(
                    f"{path} holds the arrays {', '.join(named) or 'none'}; an assembly has one, `data`."
                )
            yield dataset["data" if "data" in named else named[0]]


def coordinate_table(array: xr.DataArray, dim: str) -> pd.DataFrame:
    """Return the coordinates that lie along one dimension alone, as a table with a row per entry."""
    found: dict[str, Any] = {}
    for name, coordinate in array.coords.items():
        if coordinate.dims == (dim,) and name != dim:
            found[str(name)] = plain_values(coordinate.values)
    return pd.DataFrame(found, index=pd.RangeIndex(array.sizes[dim]))


def plain_values(values: NDArray[Any]) -> NDArray[Any] | list[str]:
    """Return text as ``str`` whatever it was stored as, and numbers in the machine's byte order."""
    if values.dtype.kind in "OSU":
        return [_as_text(value) for value in values.ravel()]
    return values.astype(values.dtype.newbyteorder("="))


def storable_values(column: pd.Series) -> NDArray[Any]:
    """Return a column as netCDF can hold it: numbers and truth values as they are, the rest as text."""
    if pd.api.types.is_bool_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=np.int64)
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.array(["" if pd.isna(value) else str(value) for value in column], dtype=object)


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return "" if value is None or value != value else str(value)
