"""The masks of Algonauts 2023: regions of the challenge's vertices, and where these are on fsaverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, UnknownNameError
from .._arrays import readable, require_file
from ._plain_pickle import load_object_array

GROUPS = ("prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams")
SHORT = {"left": "lh", "right": "rh"}
_UNKNOWN = 0


@dataclass(frozen=True, eq=False)
class Side:
    """One hemisphere's vertices in the challenge's space.

    Attributes
    ----------
    channels : DataFrame
        `name`, `kind`, `hemisphere`, `roi`, and a column for each group of regions.
    vertices : ndarray of shape (n_channels,) or None
        Where they are on fsaverage; None where no mask tells.
    n_vertices : int
        Size of the mesh.
    files : list of Path
        What was read.
    """

    channels: pd.DataFrame
    vertices: NDArray[np.intp] | None
    n_vertices: int
    files: list[Path]


def read_side(folder: Path, side: str, n_channels: int) -> Side:
    """Return one hemisphere's channels with their regions, and where they are on fsaverage.

    Raises
    ------
    InputError
        If a mask does not fit the number of channels, or a region has no name.
    """
    short = SHORT[side]
    columns: dict[str, NDArray[Any]] = {}
    files: list[Path] = []
    for group in GROUPS:
        path = folder / f"{short}.{group}_challenge_space.npy"
        names_path = folder / f"mapping_{group}.npy"
        if not path.is_file():
            continue
        numbers = _mask(path, n_channels)
        names = _names(require_file(names_path), numbers)
        columns[group] = np.array([names[int(number)] for number in numbers], dtype=object)
        files += [path, names_path]
    table = pd.DataFrame(
        {"name": [f"{side}-{k}" for k in range(n_channels)], "kind": "vertex", "hemisphere": side}
    )
    first = np.full(n_channels, "", dtype=object)
    for column in reversed(columns.values()):
        first = np.where(column != "", column, first)
    table["roi"] = first
    vertices, size = None, 0
    everything = folder / f"{short}.all-vertices_fsaverage_space.npy"
    if everything.is_file():
        inside = _mask(everything, None) > 0
        vertices, size = np.flatnonzero(inside), len(inside)
        if len(vertices) != n_channels:
            raise InputError(
                f"{everything} marks {len(vertices)} vertices but the responses have {n_channels}; get the "
                "files of one subject."
            )
        table["name"] = [f"{side}-{vertex}" for vertex in vertices]
        files.append(everything)
    return Side(table.assign(**columns), vertices, size, files)


def _mask(path: Path, n_channels: int | None) -> NDArray[np.int64]:
    with readable(path, "a NumPy array"):
        values = np.load(path, allow_pickle=False)
    wanted = "" if n_channels is None else f" of {n_channels} vertices"
    is_mask = values.ndim == 1 and values.dtype.kind in "fiub" and (n_channels in (None, len(values)))
    if not is_mask or not np.array_equal(values, np.round(values)):
        raise InputError(
            f"{path} should hold region numbers{wanted}, got {values.dtype} of shape {values.shape}; a mask "
            "of another subject or space does not fit."
        )
    return np.asarray(values, dtype=np.int64)


def _names(path: Path, numbers: NDArray[np.int64]) -> dict[int, str]:
    """Return the name of each number; 0 (called Unknown) is no region."""
    mapping = load_object_array(path)
    if not isinstance(mapping, dict) or not all(isinstance(name, str) for name in mapping.values()):
        raise InputError(f"{path} should hold a dictionary from numbers to names of regions.")
    names = {int(number): str(name) for number, name in mapping.items()} | {_UNKNOWN: ""}
    unnamed = sorted(set(np.unique(numbers).tolist()) - set(names))
    if unnamed:
        raise InputError(f"{path} has no name for the region(s) {', '.join(map(str, unnamed))}.")
    return names


def region_names(channels: pd.DataFrame) -> set[str]:
    """Return what `roi` may name: groups of regions, and regions."""
    groups = [group for group in GROUPS if group in channels]
    return {name for group in groups for name in channels[group] if name} | set(groups)


def kept_vertices(
    channels: pd.DataFrame, roi: Sequence[str] | None, known: Sequence[str]
) -> NDArray[np.intp]:
    """Return the vertices of the named regions or groups; all, where `roi` is None.

    Raises
    ------
    InputError
        If `roi` is empty.
    UnknownNameError
        If there is no such region (close matches listed).
    """
    if roi is None:
        return np.arange(len(channels))
    if not roi:
        raise InputError(f"`roi` is empty; name some of {', '.join(known)}, or leave it out.")
    inside = np.zeros(len(channels), dtype=bool)
    for name in roi:
        if name not in known:
            raise UnknownNameError(f"`roi` names {name!r}, {did_you_mean(name, known)}")
        for group in (group for group in GROUPS if group in channels):
            column = channels[group].to_numpy()
            inside |= (column != "") if group == name else (column == name)
    return np.flatnonzero(inside)
