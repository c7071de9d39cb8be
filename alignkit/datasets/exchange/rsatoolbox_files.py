"""rsatoolbox `Dataset`, `TemporalDataset` and `RDMs`: its HDF5 files, and its objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..._core.atomic import atomic_file
from ..._core.errors import InputError, MissingDataError
from ...recordings.rdms import RDMs
from ...recordings.recording import Recording
from .._arrays import check_links, readable, require_file
from ._rsatoolbox_content import Content, TimeUnit, content_of, rdms_of, recording_of

_SUFFIXES = (".h5", ".hdf5")
# The version whose layout is written; rsatoolbox itself does not look at it.
_LAYOUT_VERSION = "0.3.2"


def read_rsatoolbox(
    path: str | Path,
    *,
    stimuli: str | None = None,
    channels: str | None = None,
    time_unit: TimeUnit | None = None,
) -> Recording | RDMs:
    """Read what rsatoolbox saved as HDF5.

    Parameters
    ----------
    path : str or Path
        From the `save` of a `Dataset`, `TemporalDataset` or `RDMs`, with ``file_type="hdf5"``.
    stimuli : str, optional
        The descriptor of the observations (of RDMs: of the patterns) that names the stimulus. By default
        `stimulus_id`, or the only one of `stimulus`, `stim`, `conds`, `condition` and their like.
    channels : str, optional
        The descriptor that names the channels; by default `name`, or the only one of `channel`,
        `electrode`, `neuron`, `voxel` and their like. Without one they are numbered, and a note says so.
    time_unit : {"s", "ms"}, optional
        Of the time descriptor `time`; by default what the file says in its descriptor `time_unit`, or
        seconds with a note.

    Returns
    -------
    thing : Recording or RDMs
        Descriptors become columns; those of the whole (`subject`, `modality`, `unit`) facts, others notes.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is a pickle, damaged, of another kind, or does not name its stimuli.

    References
    ----------
    Nili et al. (2014). A toolbox for representational similarity analysis. PLoS Computational Biology
    10:e1003553. doi:10.1371/journal.pcbi.1003553
    """
    content = read_content(path)
    if "dissimilarities" in content:
        return rdms_of(str(path), content, stimuli=stimuli)[0]
    return recording_of(str(path), content, stimuli=stimuli, channels=channels, time_unit=time_unit)


def write_rsatoolbox(path: str | Path, thing: Recording | RDMs) -> None:
    """Write a file that rsatoolbox's `load_dataset` or `load_rdm` reads, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in ``.h5`` or ``.hdf5``.
    thing : Recording or RDMs
        A recording with times becomes a `TemporalDataset` with `time` in seconds. Columns become
        descriptors; `subject`, `modality` and `unit` those of the whole. Geometry is not written.

    Raises
    ------
    InputError
        If the suffix is another one, a text is not ASCII (rsatoolbox cannot read it then), or the name of a
        column holds a ``/``.

    Examples
    --------
    >>> import tempfile
    >>> recording = Recording.from_arrays(np.eye(2), ["cat", "dog"], subject="s1")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_rsatoolbox(Path(folder) / "s1.h5", recording)
    ...     read_rsatoolbox(Path(folder) / "s1.h5")
    Recording(s1, unknown, arbitrary: 2 samples of 2 stimuli; 2 channels)
    """
    import h5py

    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"rsatoolbox knows its files by {' or '.join(_SUFFIXES)}, got {path.name!r}; pickles are not "
            "written."
        )
    content = content_of(thing)
    with atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["rsatoolbox_version"] = _LAYOUT_VERSION
        _write(file, content)


def to_rsatoolbox(thing: Recording | RDMs) -> Any:
    """Return the rsatoolbox object of a recording or of dissimilarities.

    Raises
    ------
    MissingDataError
        If rsatoolbox is not installed.
    """
    try:
        from rsatoolbox.data.dataset import dataset_from_dict
        from rsatoolbox.rdm.rdms import rdms_from_dict
    except ImportError as error:
        raise MissingDataError("making an rsatoolbox object needs it; pip install rsatoolbox") from error
    content = content_of(thing)
    make: Any = rdms_from_dict if isinstance(thing, RDMs) else dataset_from_dict
    return make(content)


def from_rsatoolbox(
    thing: Any, *, stimuli: str | None = None, channels: str | None = None, time_unit: TimeUnit | None = None
) -> Recording | RDMs:
    """Return the recording or dissimilarities of an rsatoolbox object; options as :func:`read_rsatoolbox`.

    Raises
    ------
    InputError
        If it is no `Dataset`, `TemporalDataset` or `RDMs`, or does not name its stimuli.
    """
    where = f"the rsatoolbox {type(thing).__name__}"
    content = thing.to_dict() if hasattr(thing, "to_dict") else {}
    _check_kind(where, content)
    if "dissimilarities" in content:
        return rdms_of(where, content, stimuli=stimuli)[0]
    return recording_of(where, content, stimuli=stimuli, channels=channels, time_unit=time_unit)


def read_content(path: str | Path) -> Content:
    """Return the nested dictionary of a file.

    Raises
    ------
    MissingDataError, InputError
        As :func:`read_rsatoolbox`.
    """
    import h5py

    path = require_file(path)
    with path.open("rb") as file:
        first = file.read(1)
    if path.suffix.lower() in (".pkl", ".pickle") or first == b"\x80":
        raise InputError(
            f"{path} is a pickle, which can run any program when it is opened, and is never read. Load it "
            "with rsatoolbox, if you trust it, and save it with `file_type='hdf5'`."
        )
    with readable(path, "an rsatoolbox file (HDF5)"):
        check_links(path)
        with h5py.File(path, "r") as handle:
            content = _read(handle)
    _check_kind(str(path), content)
    return content


def _check_kind(where: str, content: Mapping[str, Any]) -> None:
    is_data = (
        content.get("type") in ("Dataset", "DatasetBase", "TemporalDataset") and "measurements" in content
    )
    if not is_data and "dissimilarities" not in content:
        raise InputError(
            f"{where} is no Dataset, TemporalDataset or RDMs of rsatoolbox; it holds "
            f"{', '.join(sorted(map(str, content))[:8]) or 'nothing'}."
        )


def _read(group: Any) -> Content:
    import h5py

    found: Content = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            found[name] = _read(item)
        elif item.shape is None:
            found[name] = None
        else:
            values = item[()]
            found[name] = values.decode() if isinstance(values, bytes) else values
    return found | {name: _plain_attribute(value) for name, value in group.attrs.items()}


def _plain_attribute(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _write(group: Any, content: Content) -> None:
    for name, value in content.items():
        if "/" in name:
            raise InputError(
                f"the column {name!r} has a '/' in its name, which HDF5 takes for a group; rename it."
            )
        if isinstance(value, dict):
            _write(group.create_group(name), value)
        elif isinstance(value, str):
            group.attrs[name] = value
        elif value.dtype.kind == "U":
            group[name] = _as_bytes(name, value)
        else:
            group[name] = value


def _as_bytes(name: str, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    try:
        return values.astype("S")
    except UnicodeEncodeError as error:
        text = next(str(value) for value in values if not str(value).isascii())
        raise InputError(
            f"the column {name!r} holds {text!r}, which rsatoolbox cannot read back from HDF5 (ASCII only); "
            "rename it."
        ) from error
