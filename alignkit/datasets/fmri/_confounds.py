"""Confounds of a run: which columns of fMRIPrep's tables (or a scanner's motion file) are regressed out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError
from .._arrays import readable, require_file
from .._tables import read_table

ConfoundColumns = list[str] | Literal["none", "motion6", "motion24", "motion24+wm+csf"]

_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
_EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
_MOTION24 = tuple(f"{name}{ending}" for name in _MOTION for ending in _EXPANSIONS)
STRATEGIES = {
    "none": (),
    "motion6": _MOTION,
    "motion24": _MOTION24,
    "motion24+wm+csf": (*_MOTION24, "white_matter", "csf"),
}
_MOTION_SUFFIXES = (".txt", ".par", ".1d")
# fMRIPrep before 1.2 named columns in camel case.
_OLD_NAMES = {
    **dict(zip(("X", "Y", "Z", "RotX", "RotY", "RotZ"), _MOTION, strict=True)),
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "FramewiseDisplacement": "framewise_displacement",
    "stdDVARS": "std_dvars",
}
_OLD_SERIES = (
    (re.compile(r"aCompCor(\d+)"), "a_comp_cor_"),
    (re.compile(r"tCompCor(\d+)"), "t_comp_cor_"),
    (re.compile(r"Cosine(\d+)"), "cosine"),
    (re.compile(r"NonSteadyStateOutlier(\d+)"), "non_steady_state_outlier"),
    (re.compile(r"AROMAAggrComp(\d+)"), "aroma_motion_"),
)


@dataclass(frozen=True)
class Confounds:
    """Regressors of one file, a row for each of its volumes; NaN where the table has ``n/a``."""

    source: Path
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def of_volumes(self, start: int, stop: int, *, n_dropped: int) -> tuple[NDArray[np.float64], list[str]]:
        """Return the regressors of one run's kept volumes, and what was done about odd columns.

        A derivative has no value at a run's first volume: there it gets that of the second.
        """
        part = self.table.iloc[start:stop]
        values = part.to_numpy(dtype=np.float64, copy=True)
        notes: list[str] = []
        if len(values) > 1:
            empty = np.isnan(values[0]) & ~np.isnan(values[1])
            values[0, empty] = values[1, empty]
            if empty.any():
                notes.append(
                    f"{_listed(part.columns[empty])}: the first volume has no value and got that of the "
                    "second"
                )
        self._refuse_gaps(part, values)
        values = values[n_dropped:]
        constant = np.ptp(values, axis=0) <= 1e-9 * np.abs(values).max(axis=0, initial=0)
        if constant.any():
            notes.append(f"{_listed(part.columns[constant])}: constant, so nothing was regressed out by them")
        extra = _n_collinear(values[:, ~constant])
        if extra:
            notes.append(f"{extra} of {int((~constant).sum())} confounds are sums of the others")
        return values[:, ~constant], notes

    def _refuse_gaps(self, part: pd.DataFrame, values: NDArray[np.float64]) -> None:
        gaps = ~np.isfinite(values)
        if gaps.any():
            row, column = (int(i) for i in np.argwhere(gaps)[0])
            raise InputError(
                f"{self.source}: {part.columns[column]!r} has no number at volume {row + 1} of its run "
                f"({int(gaps.sum())} such cells); only the first may be empty. Choose other "
                "`confound_columns`."
            )


def check_choice(
    confounds: Sequence[str | Path] | None, columns: ConfoundColumns, *, n_files: int
) -> tuple[str, ...]:
    """Return the wanted columns and patterns, with strategies spelled out.

    Raises
    ------
    InputError
        If there are columns but no tables, tables but no columns, or another number of tables than series.
    """
    chosen = [columns] if isinstance(columns, str) else list(columns)
    if isinstance(columns, str) and columns not in STRATEGIES:
        raise InputError(
            f"`confound_columns` is {columns!r}, {did_you_mean(columns, STRATEGIES)} Columns of your choice "
            "are given as a list."
        )
    wanted = tuple(dict.fromkeys(name for item in chosen for name in STRATEGIES.get(item, (item,))))
    if confounds is None:
        if wanted:
            raise InputError(
                f"`confound_columns` asks for {_listed(wanted)}, but no `confounds` are given: one table for "
                "each run."
            )
        return ()
    if not wanted:
        raise InputError(
            "`confounds` are given but `confound_columns` is 'none': say which to regress out, one of "
            f"{', '.join(repr(name) for name in STRATEGIES if name != 'none')} or a list of columns."
        )
    if isinstance(confounds, str | Path):
        raise InputError("`confounds` is a sequence of paths, one for each run; got a single path.")
    if len(confounds) != n_files:
        raise InputError(
            f"there are {n_files} BOLD files but {len(confounds)} confounds files; one for each run."
        )
    return wanted


def read_confounds(path: str | Path, wanted: Sequence[str], *, n_volumes: int) -> Confounds:
    """Read the wanted columns of a confounds table.

    Parameters
    ----------
    path : path
        fMRIPrep's tsv of any version, another tsv or csv with a header, or the six motion parameters without
        one as ``.txt``, ``.par`` (FSL), ``rp_*.txt`` (SPM) or ``.1D`` (AFNI).
    wanted : sequence of str
        Columns, old or new names, or patterns such as ``"a_comp_cor_0*"``.
    n_volumes : int
        Of the series.

    Raises
    ------
    InputError
        If a column is not there, or the table is of a run of another length.
    """
    path = require_file(path)
    notes: list[str] = []
    old: dict[str, str] = {}
    if path.suffix.lower() in _MOTION_SUFFIXES:
        table = _motion_file(path)
        if not set(_MOTION) <= set(wanted):
            raise InputError(
                f"{path} has no header, and packages differ in which three of its columns are rotations: "
                "take all six, with `confound_columns` 'motion6' or 'motion24'."
            )
        notes.append("the six columns of a file without a header were read as motion parameters")
    else:
        table = read_table(path)
        old = {_new_name(name): name for name in table.columns}
        table.columns = list(old)
    if len(table) != n_volumes:
        raise InputError(
            f"{path} has {len(table)} rows but the series has {n_volumes} volumes; it is of another run, or "
            "volumes were cut off one of the two."
        )
    made = _expanded_motion(table)
    added = [name for name in made if name in wanted]
    if added:
        notes.append("derivatives and squares of the motion parameters were made here")
    whole = pd.concat([table, made], axis=1)
    names = [name for pattern in wanted for name in _matching(path, whole, pattern, old)]
    names = list(dict.fromkeys(names))
    chosen = pd.DataFrame({name: pd.to_numeric(whole[name], errors="coerce") for name in names})
    worded = whole[names].notna().to_numpy() & chosen.isna().to_numpy()
    if worded.any():
        row, column = (int(i) for i in np.argwhere(worded)[0])
        raise InputError(
            f"{path}: {names[column]!r} holds {whole[names].iloc[row, column]!r}, a number is wanted."
        )
    if any(name.startswith("a_comp_cor") for name in names) and not any("cosine" in n for n in names):
        notes.append(
            "anatomical components were made from filtered series: use them with the columns 'cosine*', or a "
            "high-pass as slow"
        )
    return Confounds(path, chosen.astype(np.float64), tuple(notes))


def _matching(path: Path, table: pd.DataFrame, pattern: str, old: dict[str, str]) -> list[str]:
    """Return the columns that a pattern means, by their new or their old name."""
    new = _new_name(pattern)
    found = [
        name
        for name in map(str, table.columns)
        if fnmatchcase(name, new) or fnmatchcase(old.get(name, name), pattern)
    ]
    if not found:
        raise InputError(
            f"{path} has no confound {pattern!r}, {did_you_mean(pattern, [str(c) for c in table.columns])}"
        )
    return found


def _motion_file(path: Path) -> pd.DataFrame:
    with readable(path, "six motion parameters in each line"):
        values = np.loadtxt(path, ndmin=2)
    if values.shape[1] != len(_MOTION):
        raise InputError(
            f"{path} has {values.shape[1]} columns; a file without a header is read as the six motion "
            "parameters. Save other confounds as a tsv whose first line names them."
        )
    return pd.DataFrame(values, columns=list(_MOTION))


def _expanded_motion(table: pd.DataFrame) -> pd.DataFrame:
    """Return the expansions of the motion parameters that a table lacks."""
    made: dict[str, pd.Series] = {}
    for name in _MOTION:
        if name in table and pd.api.types.is_numeric_dtype(table[name]):
            change = table[name].diff()
            for ending, values in zip(_EXPANSIONS[1:], (change, table[name] ** 2, change**2), strict=True):
                if name + ending not in table:
                    made[name + ending] = values
    return pd.DataFrame(made, index=table.index)


def _new_name(name: str) -> str:
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    for old, new in _OLD_SERIES:
        match = old.fullmatch(name)
        if match:
            return new + match.group(1).zfill(2)
    return name


def _n_collinear(values: NDArray[np.float64]) -> int:
    """Return how many columns are sums of the others and a constant."""
    if values.shape[1] < 2:
        return 0
    centred = values - values.mean(axis=0)
    scaled = centred / np.linalg.norm(centred, axis=0)
    singular = np.linalg.svd(scaled, compute_uv=False)
    return int(values.shape[1]) - int((singular > 1e-9 * singular[0]).sum())


def _listed(names: Sequence[str] | pd.Index) -> str:
    shown = ", ".join(map(str, list(names)[:4]))
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")
