"""Recordings as Brain-Score assemblies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..._core.atomic import atomic_file
from ..._core.errors import InputError
from ...recordings.recording import Recording
from ._netcdf import require_xarray, storable_values

_RESERVED = ("presentation", "neuroid", "time_bin", "time_bin_start", "time_bin_end", "data")
_CHANNEL_NAMES = {"name": "neuroid_id", "roi": "region"}
# Deflate beyond this costs several times the time for one or two per cent.
_COMPRESSION = 4


def write_brainscore(
    path: str | Path,
    recording: Recording,
    *,
    identifier: str,
    stimulus_set_identifier: str,
    time_bins_s: ArrayLike | None = None,
) -> None:
    """Write a recording as an assembly that Brain-Score and xarray read, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in ``.nc``; Brain-Score itself calls the file ``assy_<identifier with _ for .>.nc``.
    recording : Recording
        Its samples become `presentation`, its channels `neuroid` (`name` as `neuroid_id`, `roi` as
        `region`), its times `time_bin`. All columns are kept; what is neither number nor truth value is
        written as text, and an empty cell of text as ``""``. Geometry is not written.
    identifier, stimulus_set_identifier : str
        What Brain-Score knows the assembly and its stimulus set by.
    time_bins_s : array-like of shape (n_times, 2), optional
        Start and end of each bin from stimulus onset, in seconds (milliseconds in the file). By default bins
        that touch, with `times_s` in their middles. A recording without times gets one bin, or none.

    Raises
    ------
    MissingDataError
        If xarray is not installed.
    InputError
        If a column of the samples and one of the channels have one name, or bins do not fit.

    Examples
    --------
    >>> import tempfile
    >>> from alignkit.datasets.exchange.brainscore import read_brainscore
    >>> recording = Recording.from_arrays(np.eye(2), ["cat", "dog"], unit="Hz")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "assy_lab_2025.nc"
    ...     write_brainscore(path, recording, identifier="lab.2025", stimulus_set_identifier="pets")
    ...     read_brainscore(path)
    Recording(subject, unknown, Hz: 2 samples of 2 stimuli; 2 channels)
    """
    xarray = require_xarray()
    path = Path(path)
    if path.suffix != ".nc":
        raise InputError(f"an assembly is written to a file that ends in .nc, got {path.name!r}.")
    data = np.asarray(recording.data[...])
    bins = _bins_ms(recording, time_bins_s)
    dims = ["presentation", "neuroid"]
    if bins is not None:
        data = data.reshape(*data.shape[:2], -1)
        dims.append("time_bin")
    coords = _coordinates(recording)
    if bins is not None:
        coords["time_bin_start"], coords["time_bin_end"] = (("time_bin", bound) for bound in bins.T)
    facts = {name: getattr(recording, name) for name in ("subject", "modality", "unit")}
    named = {"identifier": identifier, "stimulus_set_identifier": stimulus_set_identifier}
    array = xarray.DataArray(data, coords=coords, dims=dims, name="data", attrs=named | facts)
    with atomic_file(path) as temporary:
        array.to_netcdf(
            temporary,
            engine="h5netcdf",
            encoding={"data": {"zlib": True, "complevel": _COMPRESSION, "_FillValue": None}},
        )


def _coordinates(recording: Recording) -> dict[str, tuple[str, NDArray[Any]]]:
    channels = recording.channels
    both = [f"{a} and {b}" for a, b in _CHANNEL_NAMES.items() if {a, b} <= set(channels)]
    if both:
        raise InputError(f"the channels have columns that would get one name ({', '.join(both)}); drop one.")
    channels = channels.rename(columns=_CHANNEL_NAMES)
    if not {"subject", "animal"} & {*channels.columns, *recording.samples.columns}:
        channels = channels.assign(subject=recording.subject)
    shared = sorted(set(map(str, recording.samples)) & set(map(str, channels)))
    if shared:
        raise InputError(
            f"the samples and the channels both have a column {', '.join(shared)}; the coordinates of an "
            "assembly have one name each. Rename or drop one of the two."
        )
    found: dict[str, tuple[str, NDArray[Any]]] = {}
    for dim, table in (("presentation", recording.samples), ("neuroid", channels)):
        for name in table.columns:
            if str(name) in _RESERVED:
                raise InputError(f"the column {name!r} has the name of a part of the assembly; rename it.")
            found[str(name)] = (dim, storable_values(pd.Series(table[name])))
    return found


def _bins_ms(recording: Recording, time_bins_s: ArrayLike | None) -> NDArray[np.float64] | None:
    """Return start and end of each bin in milliseconds, shape (n_times, 2)."""
    times_s = recording.times_s
    n_bins = 1 if times_s is None else len(times_s)
    if time_bins_s is not None:
        bins = np.asarray(time_bins_s, dtype=np.float64)
        if bins.shape != (n_bins, 2) or not (bins[:, 1] > bins[:, 0]).all():
            raise InputError(
                f"`time_bins_s` must have shape ({n_bins}, 2) with each end after its start, got shape "
                f"{bins.shape}."
            )
        if times_s is not None and not np.allclose(bins.mean(axis=1), times_s, atol=1e-6):
            raise InputError("`time_bins_s` must have their middles at the `times_s` of the recording.")
    elif times_s is None:
        return None
    else:
        if n_bins == 1:
            raise InputError("a recording of one time has no bin width; give `time_bins_s`.")
        step = np.diff(times_s)
        if not (step > 0).all() or np.ptp(step) > 1e-3 * step.mean():
            raise InputError("the times are not evenly spaced, so bins cannot be told; give `time_bins_s`.")
        half = step.mean() / 2
        bins = np.column_stack([times_s - half, times_s + half])
    # Microseconds of a millisecond: rounding of binary fractions must not show in the file.
    return np.round(bins * 1000, 6)
