"""Block-design fMRI of one subject who looked at eight categories of objects (one slice)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from ..._core.checks import check_option
from ..._core.errors import InputError
from ...recordings.study import Study
from .._dataset import DATASETS, Dataset
from ..fmri.bold import read_bold
from ._lookup import PublicSet, find_set

_N_RUNS = 12
_FACES_AND_ANIMALS = {"face": ("animate", "face"), "cat": ("animate", "no face")}
CATEGORIES = ("bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe")

HAXBY2001 = PublicSet(
    folder="haxby2001",
    sha256={
        "bold.nii.gz": "cbbd4d07803caaa9f77381af24e790cf77058664a128bd514a4c1668eefb92d7",
        "mask.nii.gz": "8d879d35aaeee3afddfb69a7e1b8dd2b3be446671452d7e841dc6588845f2877",
        "attributes_literal.txt": "7769f235e93d3157ef7bd1102abfaf3bc058ad9ca28e89dc60b8e47f473207c3",
    },
    facts={
        "modality": "fmri",
        "subjects": "1 (one axial slice)",
        "stimuli": "8 categories of grey photographs, in blocks; the pictures are not included",
        "size": "1.3 MB",
        "shape": "12 runs x 8 blocks x 530 voxels (1452 volumes, repetition time 2.5 s)",
        "unit": "z within run, or percent signal change",
        "licence": "CC BY-SA 3.0 (data, with the original authors' copyright)",
        "citation": (
            "Haxby et al. 2001, Science 293:2425, doi:10.1126/science.1063736; "
            "Hanke et al. 2009, Neuroinformatics 7:37, doi:10.1007/s12021-008-9041-y"
        ),
        "source": "github.com/PyMVPA/PyMVPA at 20f0335f98bbb59a0e11bc0b7a469edf8681a9a1 (mvpa2/data)",
        "summary": "One slice of BOLD, 12 runs with one block of each of 8 object categories.",
    },
)


@DATASETS.register("haxby2001", **HAXBY2001.declared())
def load_haxby2001(
    *,
    layout: Literal["attributes", "openfmri"] = "attributes",
    delay_s: float = 0.0,
    detrend: Literal["linear", "none"] = "linear",
    standardize: Literal["percent", "zscore", "none"] = "zscore",
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the blocks: a sample is the mean of one block, a stimulus is a category, a repetition is a run.

    Parameters
    ----------
    layout : {"attributes", "openfmri"}
        Read the one series with a label per volume, or the same subject's runs with their events.
    delay_s : float, default=0.0
        Added to the published onsets, in seconds. They follow the response, not the picture: averaged over
        all blocks, whatever the category, the signal rises with a block's first label and falls with its
        last.
    detrend, standardize : str
        See :func:`alignkit.datasets.read_bold`.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the files with their published SHA-256.

    Returns
    -------
    dataset : Dataset
        96 samples (12 runs x 8 categories); `conditions` is ``"stimulus_id"``; `labels` say which categories
        are animate, have a face, and are intact.
    """
    check_option("layout", layout, ("attributes", "openfmri"))
    root = find_set(HAXBY2001, path=path, verify=verify)
    if layout == "attributes":
        bold, events, labels = [root / "bold.nii.gz"], None, root / "attributes_literal.txt"
    else:
        bold = sorted((root / "openfmri" / "sub001" / "BOLD").glob("task001_run*/bold_1slice.nii.gz"))
        events, labels = [path.with_name("bold_events.tsv") for path in bold], None
    recording = read_bold(
        bold,
        mask=root / "mask.nii.gz",
        events=events,
        volume_labels=labels,
        average="block",
        delay_s=delay_s,
        detrend=detrend,
        standardize=standardize,
        subject="sub001",
    )
    blocks = recording.samples.groupby(["run", "stimulus_id"]).size()
    if len(blocks) != _N_RUNS * len(CATEGORIES) or (blocks != 1).any():
        raise InputError(
            f"{root} should hold one block of each of {len(CATEGORIES)} categories in {_N_RUNS} runs, found "
            f"{int(blocks.sum())} blocks; get the files again."
        )
    files = [*bold, *(events or []), *([labels] if labels else []), root / "mask.nii.gz"]
    return Dataset(
        name="haxby2001",
        study=Study.of(recording),
        labels=_labels(),
        conditions="stimulus_id",
        files=tuple(files),
        notes=("The pictures are not part of the set: categories are compared with label models only.",),
    )


def _labels() -> pd.DataFrame:
    described = [_FACES_AND_ANIMALS.get(name, ("inanimate", "no face")) for name in CATEGORIES]
    return pd.DataFrame(
        {
            "stimulus_id": CATEGORIES,
            "animacy": [animacy for animacy, _ in described],
            "face": [face for _, face in described],
            "intact": ["scrambled" if name == "scrambledpix" else "intact" for name in CATEGORIES],
        }
    )
