"""Where the files of BOLD5000 lie, what its pictures are called, and where its regions are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_unique, did_you_mean
from ..._core.errors import InputError, MissingDataError, UnknownNameError
from .._arrays import readable
from ..fmri._volumes import Grid, as_mask, grid_of

N_SESSIONS = {"CSI1": 15, "CSI2": 15, "CSI3": 15, "CSI4": 9}
SUBJECTS = tuple(N_SESSIONS)
REGIONS = ("EarlyVis", "LOC", "OPA", "PPA", "RSC")
# Five of the published masks bear a slip of the pen in their names.
_SLIPS = {"LO": "LOC", "RRSC": "RSC"}
_HEMISPHERES = {"LH": "left", "RH": "right"}
_REPEATED = "rep_"
_DEEPEST = 4


@dataclass(frozen=True, eq=False)
class Region:
    """One hemisphere's part of a region."""

    name: str
    hemisphere: str
    path: Path


def find_file(root: Path, pattern: str) -> list[Path]:
    """Return the files that fit `pattern` in `root` and a few folders below, sorted."""
    found: set[Path] = set()
    for depth in range(_DEEPEST + 1):
        found |= {path for path in root.glob("*/" * depth + pattern) if not path.name.startswith(".")}
    return sorted(path for path in found if path.is_file())


def has_files(root: Path, pattern: str) -> bool:
    """Tell whether a file fits `pattern` in `root` or a few folders below."""
    return bool(find_file(root, pattern))


def picture_names(root: Path, subject: str) -> tuple[pd.DataFrame, Path]:
    """Return the picture of every trial of all sessions, in order, and the file that names them.

    Columns: `stimulus_id` (the file's stem, without the mark ``rep_`` of repeated pictures), `image_type`
    and `is_repeated`.

    Raises
    ------
    MissingDataError
        If there is no such file.
    InputError
        If there are several that differ, or a line is empty.
    """
    pattern = f"{subject}_imgnames.txt"
    paths = find_file(root, pattern)
    if not paths:
        raise MissingDataError(f"{pattern} is not in {root}; it names the picture of each trial.")
    with readable(paths[0], "a list of pictures"):
        texts = {path.read_text(encoding="utf-8") for path in paths}
    if len(texts) > 1:
        raise InputError(f"{paths[0]} and {paths[1]} differ; keep one.")
    lines = [line.strip() for line in texts.pop().splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines):
        raise InputError(f"{paths[0]} has an empty line; every line names the picture of a trial.")
    return describe_pictures(lines), paths[0]


def describe_pictures(names: Sequence[str]) -> pd.DataFrame:
    """Return `stimulus_id`, `image_type` and `is_repeated` of pictures as the set's files name them."""
    ids = [picture_id(name) for name in names]
    table = pd.DataFrame({"stimulus_id": ids, "image_type": [_image_type(each) for each in ids]})
    marked = np.array([Path(name).name.startswith(_REPEATED) for name in names])
    table["is_repeated"] = (marked | table["stimulus_id"].duplicated(keep=False).to_numpy()).astype(bool)
    return table


def picture_id(name: str) -> str:
    """Return the id of a picture: its file's stem, without the mark of repeated ones.

    Examples
    --------
    >>> picture_id("rep_homeoffice6.jpg"), picture_id("COCO_train2014_000000211198.jpg")
    ('homeoffice6', 'COCO_train2014_000000211198')
    """
    base = name.replace("\\", "/").rsplit("/", maxsplit=1)[-1].removeprefix(_REPEATED)
    stem, dot, suffix = base.rpartition(".")
    return stem if dot and suffix.isalpha() else base


def find_regions(root: Path, subject: str, wanted: Sequence[str]) -> tuple[list[Region], tuple[str, ...]]:
    """Return the masks of the wanted regions, of both hemispheres where both are there.

    Raises
    ------
    UnknownNameError
        If there is no mask of a region (those that are there are listed).
    """
    check_unique("roi", wanted)
    found: dict[tuple[str, str], Region] = {}
    notes = []
    for path in find_file(root, f"sub-{subject}_mask-*.nii.gz"):
        match = re.match(r".*_mask-(LH|RH)(\w+)\.nii\.gz$", path.name)
        if match is None:
            continue
        name = _SLIPS.get(match.group(2), match.group(2))
        if name != match.group(2):
            notes.append(f"{path.name} was read as the mask of {name}.")
        region = Region(name, _HEMISPHERES[match.group(1)], path)
        other = found.setdefault((name, region.hemisphere), region)
        if other.path != path:
            raise InputError(f"{other.path} and {path} are both masks of {name}; keep one.")
    known = sorted({name for name, _ in found})
    for name in wanted:
        if name not in known:
            raise UnknownNameError(
                f"`roi` names {name!r}, {did_you_mean(name, known)} The masks sub-{subject}_mask-*.nii.gz of "
                f"OpenNeuro ds001499 (derivatives/spm) were looked for in {root}."
            )
    kept = [region for name in wanted for region in found.values() if region.name == name]
    used = {region.path.name for region in kept}
    return kept, tuple(note for note in notes if note.split()[0] in used)


def region_volume(regions: Sequence[Region], grid: Grid) -> tuple[NDArray[np.int64], dict[int, Region]]:
    """Return a volume of region numbers (0 for none) on `grid`; the first region that has a voxel keeps it.

    Raises
    ------
    InputError
        If a mask lies on another grid.
    """
    numbers = np.zeros(grid.shape, dtype=np.int64)
    named = {number: region for number, region in enumerate(regions, start=1)}
    for number, region in named.items():
        numbers[read_mask(region.path, grid) & (numbers == 0)] = number
    return numbers, named


def read_mask(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Return a mask on the grid of the responses.

    Responses whose header names no place (no offset, no rotation) are taken to lie on the mask's voxels when
    the sizes agree.

    Raises
    ------
    InputError
        If it lies on another grid.
    """
    import nibabel as nib

    with readable(path, "a NIfTI image"):
        image: Any = nib.load(path)
        values = np.asarray(image.dataobj)
        own = grid_of(image)
    fits = own.is_same(grid) or (own.shape == grid.shape and is_placeless(grid))
    if values.ndim != 3 or not fits:
        raise InputError(
            f"the mask {path} lies on another grid ({own}) than the responses ({grid}). Bring it onto "
            "theirs, or choose another with `roi`."
        )
    return as_mask(values, path)


def is_placeless(grid: Grid) -> bool:
    """Tell whether an affine says no more than the size of a voxel."""
    steps = np.abs(np.diag(grid.affine))
    return bool(np.allclose(np.abs(grid.affine), np.diag(steps), atol=1e-6))


def _image_type(stem: str) -> str:
    if stem.startswith("COCO_"):
        return "coco"
    return "imagenet" if re.match(r"n\d{8}_\d+$", stem) else "scenes"
