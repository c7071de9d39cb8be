"""Single-trial responses of BOLD5000's second release: volumes of each session, or tables of regions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError
from ..._core.progress import track
from ...recordings.geometry import VolumeGeometry
from ...recordings.recording import Recording
from .._arrays import readable
from ..fmri._volumes import Grid, grid_of
from ._bold5000_files import (
    N_SESSIONS,
    REGIONS,
    find_file,
    find_regions,
    is_placeless,
    picture_names,
    read_mask,
    region_volume,
)

KIND = "GLMbetas-TYPED-FITHRF-GLMDENOISE-RR"
UNIT = "percent signal change"
_BLOCK_BYTES = 64 * 2**20
_HEMISPHERES = {"LH": "left", "RH": "right"}


def read_volumes(
    root: Path, subject: str, sessions: Sequence[int] | None, roi: Sequence[str]
) -> tuple[Recording, list[Path]]:
    """Read the chosen sessions' volumes at the voxels of the regions, or (none named) of the brain mask.

    Memory: the result and about 64 MiB more.

    Raises
    ------
    MissingDataError
        If a file, or a session, is not there.
    InputError
        If files do not fit each other.
    """
    paths = _session_paths(root, subject)
    chosen = _chosen(sessions, subject, list(paths), root)
    pictures, names_path = picture_names(root, subject)
    grid, counts = _headers([paths[session] for session in range(1, max(chosen) + 1) if session in paths])
    trials, notes = _trials(paths, chosen, counts, pictures, names_path, subject)
    numbers, channels, geometry, read, said = _voxels(root, subject, roi, grid)
    data = np.empty((len(trials), len(channels)), dtype=np.float32)
    row = 0
    for session in track(chosen, f"reading the sessions of {subject}"):
        row += _read(paths[session], numbers, data[row:])
    fine = np.asarray(np.isfinite(data).all(axis=0), dtype=np.bool_)
    fine[fine] &= np.ptp(data[:, fine], axis=0) > 0
    if not fine.any():
        raise InputError(f"no chosen voxel of {subject} has finite responses that vary.")
    dropped = (f"{int((~fine).sum())} of {len(fine)} voxels were dropped: constant or not finite.",)
    recording = Recording(
        data if fine.all() else data[:, fine],
        with_repetitions(trials),
        channels.iloc[np.flatnonzero(fine)],
        geometry=geometry.select(np.flatnonzero(fine)),
        subject=subject,
        modality="fmri",
        unit=UNIT,
        notes=(*notes, *said, *(dropped if not fine.all() else ())),
    )
    return recording, [*(paths[session] for session in chosen), names_path, *read]


def read_region_tables(root: Path, subject: str, roi: Sequence[str]) -> tuple[Recording, list[Path]]:
    """Read the tables of regions (``..._allses_LHEarlyVis.npy``, trials x voxels) of all sessions together.

    Raises
    ------
    MissingDataError
        If there is none.
    InputError
        If a table has another number of trials than there are pictures.
    """
    found = _region_tables(root, subject)
    known = sorted({name for name, _ in found})
    for name in roi:
        if name not in known:
            raise UnknownNameError(f"`roi` names {name!r}, {did_you_mean(name, known)}")
    pictures, names_path = picture_names(root, subject)
    blocks, tables, read = [], [], []
    for name in roi or REGIONS:
        for short, hemisphere in _HEMISPHERES.items():
            path = found.get((name, short))
            if path is None:
                continue
            with readable(path, "a NumPy array"):
                values = np.load(path, allow_pickle=False)
            if values.ndim != 2 or values.dtype.kind != "f" or len(values) != len(pictures):
                raise InputError(
                    f"{path} has {values.dtype} of shape {values.shape}; {len(pictures)} trials (the lines "
                    f"of {names_path.name}) x voxels are wanted."
                )
            blocks.append(values.astype(np.float32))
            names = [f"{hemisphere}-{name}-{k}" for k in range(values.shape[1])]
            tables.append(
                pd.DataFrame({"name": names, "kind": "voxel", "roi": name, "hemisphere": hemisphere})
            )
            read.append(path)
    data = np.concatenate(blocks, axis=1)
    fine = np.isfinite(data).all(axis=0)
    notes = ["The tables of regions name no session, and their voxels have no place."]
    if not fine.all():
        notes.append(f"{int((~fine).sum())} of {len(fine)} voxels were dropped: not finite.")
    recording = Recording(
        data[:, fine],
        with_repetitions(pictures),
        pd.concat(tables, ignore_index=True).iloc[np.flatnonzero(fine)],
        subject=subject,
        modality="fmri",
        unit=UNIT,
        notes=tuple(notes),
    )
    return recording, [*read, names_path]


def with_repetitions(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the samples with `repetition` counted within each stimulus, from 1."""
    samples = samples.drop(columns="repetition", errors="ignore").reset_index(drop=True)
    samples.insert(1, "repetition", samples.groupby("stimulus_id").cumcount() + 1)
    return samples


def session_pattern(subject: str, session: str = "*") -> str:
    """Return how the file of a session is called."""
    return f"{subject}_{KIND}_ses-{session}.nii.gz"


def table_pattern(subject: str) -> str:
    """Return how the tables of regions are called."""
    return f"{subject}_{KIND}_allses_*.npy"


def _session_paths(root: Path, subject: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for session in range(1, N_SESSIONS[subject] + 1):
        paths = find_file(root, session_pattern(subject, f"{session:02d}"))
        if len(paths) > 1:
            raise InputError(f"{paths[0]} and {paths[1]} are both session {session}; keep one.")
        if paths:
            found[session] = paths[0]
    return found


def _chosen(wanted: Sequence[int] | None, subject: str, there: Sequence[int], root: Path) -> list[int]:
    chosen = list(there) if wanted is None else sorted(wanted)
    wrong = [session for session in chosen if not 1 <= session <= N_SESSIONS[subject]]
    if wrong or len(set(chosen)) != len(chosen) or not chosen:
        raise InputError(
            f"`sessions` of {subject} must be different numbers in 1..{N_SESSIONS[subject]}, got {chosen}."
        )
    # The list of pictures runs through all sessions: where one begins is known from those before it.
    absent = [session for session in range(1, max(chosen) + 1) if session not in there]
    if absent:
        raise MissingDataError(
            f"session {', '.join(map(str, absent))} of {subject} is not in {root}; sessions up to the last "
            f"chosen one ({max(chosen)}) are needed to count trials. Get it, or choose earlier `sessions`."
        )
    return chosen


def _headers(paths: Sequence[Path]) -> tuple[Grid, list[int]]:
    import nibabel as nib

    grid: Grid | None = None
    counts = []
    for path in paths:
        with readable(path, "a NIfTI image"):
            image: Any = nib.load(path)
        if image.ndim != 4:
            raise InputError(f"{path} has {image.ndim} dimensions; x, y, z, trials are wanted.")
        own = grid_of(image)
        grid = grid or own
        if not own.is_same(grid):
            raise InputError(f"{path} lies on another grid ({own}) than {paths[0].name} ({grid}).")
        counts.append(int(image.shape[3]))
    assert grid is not None
    return grid, counts


def _trials(
    paths: dict[int, Path],
    chosen: Sequence[int],
    counts: Sequence[int],
    pictures: pd.DataFrame,
    names_path: Path,
    subject: str,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    total = sum(counts)
    is_whole = max(chosen) == N_SESSIONS[subject]
    if total > len(pictures) or (is_whole and total != len(pictures)):
        raise InputError(
            f"{names_path} names {len(pictures)} pictures but the sessions up to {max(chosen)} of {subject} "
            f"have {total} trials; get the files of one subject."
        )
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = []
    for session in chosen:
        part = pictures.iloc[starts[session - 1] : starts[session]].reset_index(drop=True)
        part.insert(1, "session", f"{session:02d}")
        parts.append(part)
    n_sessions = N_SESSIONS[subject]
    note = (f"{len(chosen)} of {n_sessions} sessions were read.",) if len(chosen) < n_sessions else ()
    return pd.concat(parts, ignore_index=True), note


def _voxels(
    root: Path, subject: str, roi: Sequence[str], grid: Grid
) -> tuple[NDArray[np.bool_], pd.DataFrame, VolumeGeometry, list[Path], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    named: dict[int, Any] = {}
    if roi:
        regions, notes = find_regions(root, subject, roi)
        numbers, named = region_volume(regions, grid)
        read = [region.path for region in regions]
    else:
        masks = find_file(root, f"{subject}_brainmask.nii.gz")
        if len(masks) != 1:
            raise MissingDataError(f"{root} should hold one {subject}_brainmask.nii.gz, found {len(masks)}.")
        numbers, read = read_mask(masks[0], grid).astype(np.int64), masks
    inside = numbers > 0
    geometry = VolumeGeometry(grid.affine, grid.shape, np.argwhere(inside), "native")
    table = pd.DataFrame({"name": [f"x{x}y{y}z{z}" for x, y, z in geometry.voxels], "kind": "voxel"})
    if named:
        table["roi"] = [named[int(number)].name for number in numbers[inside]]
        table["hemisphere"] = [named[int(number)].hemisphere for number in numbers[inside]]
    if is_placeless(grid):
        said = "The responses' header names no place; masks were matched voxel by voxel, by their size."
        return inside, table, geometry, read, (*notes, said)
    for axis, column in enumerate(("x_mm", "y_mm", "z_mm")):
        table[column] = geometry.coordinates_mm[:, axis]
    return inside, table, geometry, read, notes


def _read(path: Path, inside: NDArray[np.bool_], data: NDArray[np.float32]) -> int:
    """Fill the first rows of `data` with a session's trials, and return how many they are."""
    import nibabel as nib

    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path, keep_file_open=True)
        n_trials = int(image.shape[3])
        step = max(1, _BLOCK_BYTES // (4 * inside.size))
        for start in range(0, n_trials, step):
            block = np.asarray(image.dataobj[..., start : start + step], dtype=np.float32)
            data[start : start + block.shape[3]] = block[inside].T
    return n_trials


def _region_tables(root: Path, subject: str) -> dict[tuple[str, str], Path]:
    found: dict[tuple[str, str], Path] = {}
    for path in find_file(root, table_pattern(subject)):
        label = path.stem.rpartition("_allses_")[2]
        key = (label[2:], label[:2])
        if key[1] in _HEMISPHERES and found.setdefault(key, path) != path:
            raise InputError(f"{found[key]} and {path} are both the table of {label}; keep one.")
    if not found:
        raise MissingDataError(f"{table_pattern(subject)} is not in {root}.")
    return found
