"""Algonauts 2023: responses to natural scenes on the cortical surface, prepared for a challenge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..._core.checks import check_option, check_unique
from ..._core.errors import InputError, MissingDataError
from ...recordings.recording import Recording
from ...recordings.stimuli import StimulusSet
from ...recordings.study import Study
from ...recordings.surface_geometry import SurfaceGeometry
from .._arrays import readable, require_file
from .._dataset import DATASETS, Dataset
from ._algonauts_masks import SHORT, Side, kept_vertices, read_side, region_names
from ._lookup import PublicSet, find_set
from ._subjects import choose_subjects

SUBJECTS = tuple(f"subj{number:02d}" for number in range(1, 9))
_IMAGE = re.compile(r"^(train|test)-(\d{4,})_nsd-(\d{5})\.png$")
_SPLIT = {"training": "train", "test": "test"}

ALGONAUTS2023 = PublicSet(
    folder="algonauts_2023_challenge_data",
    facts={
        "modality": "fmri",
        "subjects": "8",
        "stimuli": "up to 10,000 photographs of natural scenes a subject, of the Natural Scenes Dataset",
        "size": "about 12 GB of responses, and the pictures",
        "shape": "8,779 to 9,841 training pictures x about 39,500 vertices a subject",
        "unit": "z within session, averaged over repetitions",
        "licence": (
            "research only: the challenge's terms and the NSD Terms and Conditions must be agreed to; no "
            "redistribution, no commercial use"
        ),
        "citation": (
            "Gifford et al. 2023, The Algonauts Project 2023 challenge, doi:10.48550/arXiv.2301.03198; data: "
            "Allen et al. 2022, Nature Neuroscience 25:116, doi:10.1038/s41593-021-00962-x"
        ),
        "source": "algonauts.csail.mit.edu (the challenge's form)",
        "summary": "Responses of eight people to natural scenes at the vertices of visual cortex.",
    },
)


@DATASETS.register("algonauts2023", **ALGONAUTS2023.declared())
def load_algonauts2023(
    *,
    split: Literal["training", "test", "both"] = "training",
    hemisphere: Literal["both", "left", "right"] = "both",
    roi: tuple[str, ...] | None = None,
    stimuli: bool = True,
    subjects: tuple[int | str, ...] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the responses in the challenge's space, with their pictures and regions.

    A sample is one picture: the set's owners scaled each vertex to z within each session, then averaged a
    picture's repetitions. Only the chosen vertices are read.

    Parameters
    ----------
    split : {"training", "test", "both"}
        Which part. The challenge withheld the responses to the test pictures: ``"test"`` needs the files
        ``test_split/test_fmri``.
    hemisphere : {"both", "left", "right"}
        Which vertices; left ones come first.
    roi : tuple of str, optional
        Keep the vertices of these regions (``"V1v"``, ``"FFA-1"``) or groups of regions
        (``"prf-visualrois"``). By default all vertices.
    stimuli : bool, default=True
        Take the pictures along.
    subjects : tuple of str or int, optional
        Such as ``("subj01",)`` or ``(1, 2)``; by default all whose files are there.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        No digests are published for this set: asking for it is an error.

    Returns
    -------
    dataset : Dataset
        Samples have `stimulus_id` (``nsd-00013``, as the set ``"nsd"`` has it), `split` and `image`
        (``train-0001``). Channels have a column for each group of regions, and `roi`, the first of them; most
        vertices of a region of one group lie in ``streams`` too. `geometry` puts vertices on fsaverage.

    Raises
    ------
    MissingDataError
        If the set, a subject or a file is not there.
    InputError
        If responses, pictures and masks do not fit each other, or a file is damaged.

    References
    ----------
    Gifford et al. (2023), 10.48550/arXiv.2301.03198.
    """
    check_option("split", split, ("training", "test", "both"))
    check_option("hemisphere", hemisphere, ("both", "left", "right"))
    root = find_set(ALGONAUTS2023, path=path, verify=verify)
    chosen, notes = choose_subjects(
        subjects, SUBJECTS, is_there=lambda name: (root / name).is_dir(), where=str(root)
    )
    parts = ("training", "test") if split == "both" else (split,)
    sides = ("left", "right") if hemisphere == "both" else (hemisphere,)
    recordings, tables, files = [], [], []
    for subject in chosen:
        table = pd.concat([_pictures(root, subject, part) for part in parts], ignore_index=True)
        recording, read = _recording(root, subject, parts, sides, roi, table)
        recordings.append(recording)
        tables.append(table)
        files += read
    shown = pd.concat(tables, ignore_index=True)[["stimulus_id", "file"]].drop_duplicates("stimulus_id")
    return Dataset(
        name="algonauts2023",
        study=Study.of(*recordings),
        stimuli=StimulusSet(shown, root) if stimuli else None,
        files=tuple(dict.fromkeys(files)),
        notes=(
            *notes,
            "Responses were scaled within session and averaged over repetitions by the set's owners.",
            *(f"{each.subject}: {note}" for each in recordings for note in each.notes),
        ),
    )


def _pictures(root: Path, subject: str, part: str) -> pd.DataFrame:
    """Return the pictures of a part in the order of the responses' rows."""
    folder = root / subject / f"{part}_split" / f"{part}_images"
    if not folder.is_dir():
        raise MissingDataError(f"{folder} does not exist; it holds the {part} pictures of {subject}.")
    found = []
    for path in folder.iterdir():
        match = _IMAGE.match(path.name)
        if match is not None and match.group(1) == _SPLIT[part]:
            file = path.relative_to(root).as_posix()
            stem, number = path.name.partition("_")[0], int(match.group(2))
            found.append((number, f"nsd-{match.group(3)}", part, stem, file))
    found.sort()
    if [row[0] for row in found] != list(range(1, len(found) + 1)) or not found:
        raise InputError(
            f"{folder} should hold pictures numbered from 1 without a gap (train-0001_nsd-00013.png), found "
            f"{len(found)} with numbers up to {found[-1][0] if found else 0}. Rows of the responses are "
            "matched by this number: get the pictures again."
        )
    table = pd.DataFrame(found, columns=["number", "stimulus_id", "split", "image", "file"])
    check_unique(f"pictures of {folder}", list(table["stimulus_id"]))
    return table


def _recording(
    root: Path,
    subject: str,
    parts: Sequence[str],
    sides: Sequence[str],
    roi: Sequence[str] | None,
    table: pd.DataFrame,
) -> tuple[Recording, list[Path]]:
    blocks, channels, files = [], [], []
    places: list[NDArray[np.intp]] = []
    read = {side: _responses(root, subject, parts, side) for side in sides}
    found = {side: read_side(root / subject / "roi_masks", side, read[side][0].shape[1]) for side in sides}
    known = sorted({name for side in found.values() for name in region_names(side.channels)})
    for side in sides:
        keep = kept_vertices(found[side].channels, roi, known)
        blocks.append(np.concatenate([np.asarray(part[:, keep]) for part in read[side]]))
        channels.append(found[side].channels.iloc[keep])
        vertices = found[side].vertices
        places += [] if vertices is None else [vertices[keep]]
        files += [*_response_files(root, subject, parts, side), *found[side].files]
    if len({len(block) for block in blocks}) > 1 or len(blocks[0]) != len(table):
        rows = ", ".join(f"{len(block)} ({side})" for block, side in zip(blocks, sides, strict=True))
        raise InputError(f"{subject} has {len(table)} pictures but responses to {rows}; get the files again.")
    if not sum(block.shape[1] for block in blocks):
        raise InputError(f"no vertex of {subject} lies in {', '.join(roi or ())} ({' and '.join(sides)}).")
    is_placed = len(places) == len(sides)
    samples = table[["stimulus_id", "split", "image"]].assign(repetition=1)
    recording = Recording(
        np.concatenate(blocks, axis=1).astype(np.float32, copy=False),
        samples,
        pd.concat(channels, ignore_index=True),
        geometry=_geometry(places, sides, found) if is_placed else None,
        subject=subject,
        modality="fmri",
        unit="z",
        notes=() if is_placed else ("No mask of all vertices is there, so they have no place.",),
    )
    return recording, files


def _response_files(root: Path, subject: str, parts: Sequence[str], side: str) -> list[Path]:
    names = [f"{part}_split/{part}_fmri/{SHORT[side]}_{part}_fmri.npy" for part in parts]
    return [root / subject / name for name in names]


def _responses(root: Path, subject: str, parts: Sequence[str], side: str) -> list[NDArray[Any]]:
    """Open the responses, not yet read."""
    found = []
    for path in _response_files(root, subject, parts, side):
        if not path.is_file() and "test_fmri" in path.name:
            raise MissingDataError(
                f"{path} is not there: the challenge withheld the responses to its test pictures, and they "
                "came out later. Get them, or set `split` to 'training'."
            )
        with readable(require_file(path), "a NumPy array"):
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        if values.ndim != 2 or values.dtype.kind != "f":
            raise InputError(
                f"{path} has {values.dtype} of shape {values.shape}; pictures x vertices wanted."
            )
        found.append(values)
    if len({values.shape[1] for values in found}) > 1:
        raise InputError(f"the parts of {subject} have different numbers of vertices ({side}).")
    return found


def _geometry(
    places: Sequence[NDArray[np.intp]], sides: Sequence[str], found: dict[str, Side]
) -> SurfaceGeometry:
    sizes = tuple(found[side].n_vertices if side in found else 0 for side in ("left", "right"))
    labels = np.repeat(list(sides), [len(vertices) for vertices in places])
    return SurfaceGeometry(np.concatenate(places), labels, (sizes[0], sizes[1]), "fsaverage")
