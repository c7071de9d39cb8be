"""Preprocessed THINGS-EEG2 in its three published forms: saved dictionary, pickled dictionary, torch file."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core.errors import InputError
from .._arrays import readable, require_file
from ._plain_pickle import load_object_array, loads_plain_pickle, read_plain_pickle

_NUMPY = b"\x93NUMPY"
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class EEGFile:
    """What a file holds.

    Attributes
    ----------
    path : Path
        The file.
    values : array or tensor of shape (n_conditions, n_repetitions, n_channels, n_times)
        Responses.
    ch_names : tuple of str
        Channels.
    times_s : ndarray of shape (n_times,)
        From onset, in seconds.
    session : ndarray of shape (n_conditions, n_repetitions) or None
        Where the file tells.
    images : tuple of str or None
        File name of each condition's image, where the file tells.
    notes : tuple of str
        What was settled on the way.
    """

    path: Path
    values: Any
    ch_names: tuple[str, ...]
    times_s: NDArray[np.float64]
    session: NDArray[np.int64] | None
    images: tuple[str, ...] | None
    notes: tuple[str, ...]

    def blocks(self, times: slice) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the place of some conditions and their responses, about 64 MiB at a time."""
        n_conditions = self.values.shape[0]
        step = max(1, _BLOCK_BYTES // (4 * int(np.prod(self.values.shape[1:]))))
        for start in range(0, n_conditions, step):
            place = slice(start, min(start + step, n_conditions))
            yield place, np.asarray(self.values[place, :, :, times], dtype=np.float32)


def read_eeg_file(path: Path) -> EEGFile:
    """Read a file of any of the three forms; what kind it is shows in its first bytes.

    Nothing of a pickle is run: plain arrays, text and containers are read, all else is refused. Torch files
    stay on the disk until they are sliced; the other two are in memory whole.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If it is damaged, holds anything but plain data, or its parts do not fit each other.
    """
    path = require_file(path)
    content = _content(path)
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds a {type(content).__name__}, a dictionary of EEG is wanted.")
    name = next((key for key in ("preprocessed_eeg_data", "eeg") if key in content), None)
    missing = [key for key in ("ch_names", "times") if key not in content]
    if name is None or missing:
        wanted = ", ".join([*([] if name else ["preprocessed_eeg_data"]), *missing])
        raise InputError(f"{path} lacks {wanted}; it holds {', '.join(map(str, content)) or 'nothing'}.")
    values = content[name]
    if len(values.shape) != 4:
        raise InputError(
            f"{path}: `{name}` has shape {tuple(values.shape)}; conditions x repetitions x channels x times "
            "are wanted."
        )
    ch_names = tuple(str(each) for each in np.ravel(np.asarray(content["ch_names"])))
    if len(ch_names) != values.shape[2]:
        raise InputError(f"{path} names {len(ch_names)} channels, its data have {values.shape[2]}.")
    times_s, notes = _times(path, np.ravel(np.asarray(content["times"], dtype=np.float64)), values.shape[3])
    n_conditions, n_repetitions = int(values.shape[0]), int(values.shape[1])
    session = content.get("session")
    return EEGFile(
        path,
        values,
        ch_names,
        times_s,
        None if session is None else _per_trial(path, "session", session, (n_conditions, n_repetitions)),
        None if content.get("img") is None else _images(path, content["img"], (n_conditions, n_repetitions)),
        notes,
    )


def _content(path: Path) -> Any:
    if path.suffix.lower() == ".pt":
        return _torch_content(path)
    with path.open("rb") as file:
        is_saved = file.read(len(_NUMPY)) == _NUMPY
    # One release wrote the dictionary with numpy, another pickled it into a file of the same name.
    return load_object_array(path) if is_saved else read_plain_pickle(path)


def _torch_content(path: Path) -> Any:
    import torch

    with readable(path, "a torch file"), warnings.catch_warnings():
        # That the file was pickled by another protocol than torch's own; the next line tells if it matters.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except pickle.UnpicklingError:
            # Arrays of numpy rather than tensors: what torch calls unsafe, the plain reader can tell apart.
            with zipfile.ZipFile(path) as archive:
                name = next(name for name in archive.namelist() if PurePosixPath(name).name == "data.pkl")
                return loads_plain_pickle(archive.read(name), source=str(path))


def _times(
    path: Path, times_s: NDArray[np.float64], n_times: int
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    if len(times_s) == n_times:
        return times_s, ()
    # In one release the data were cut to start at onset, and their times were not.
    start = int(np.searchsorted(times_s, -1e-6))
    cut = times_s[start : start + n_times]
    if len(times_s) < n_times or len(cut) < n_times:
        raise InputError(
            f"{path} has {len(times_s)} times for {n_times} samples, {len(times_s) - start} of them from "
            "onset on; the file is not whole."
        )
    return cut, (
        f"{path.name} lists {len(times_s)} times for {n_times} samples; these are taken to start at onset.",
    )


def _per_trial(path: Path, name: str, value: Any, shape: tuple[int, int]) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.size != shape[0] * shape[1]:
        raise InputError(
            f"{path}: `{name}` has shape {array.shape}, one entry for each of {shape} is wanted."
        )
    return array.reshape(shape).astype(np.int64)


def _images(path: Path, value: Any, shape: tuple[int, int]) -> tuple[str, ...]:
    names = np.ravel(np.asarray(value))
    if names.size == shape[0] * shape[1] and shape[1] > 1:
        table = names.reshape(shape)
        if (table != table[:, :1]).any():
            raise InputError(f"{path}: the repetitions of a condition name different images in `img`.")
        names = table[:, 0]
    if names.size != shape[0]:
        raise InputError(f"{path}: `img` names {names.size} images, there are {shape[0]} conditions.")
    return tuple(str(name) for name in names)
