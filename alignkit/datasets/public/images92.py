"""92 object images and the dissimilarities of human fMRI responses to them, from two laboratories."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..._core.checks import check_option, did_you_mean
from ..._core.errors import InputError
from ...recordings.rdms import RDMs
from ...recordings.stimuli import StimulusSet
from .._dataset import DATASETS, Dataset
from .._stimuli import add_labels
from .._tables import label_table, read_table
from ..rdms import read_rdm_structs, read_rdms
from ._lookup import PublicSet, find_set

_CICHY = "fmri_cichy2014/fmri_{roi}_RDMs.npz"
_KRIEGESKORTE = "fmri_kriegeskorte2008/92_brainRDMs.mat"

IMAGES92 = PublicSet(
    folder="images92",
    sha256={
        "stimuli_92.csv": "a141f5bbb445b984b96dde86211afd9573e9a88465ad94eff958f814161dcec3",
        _CICHY.format(roi="EVC"): "c73de20f9cb2229f1796085e79c153f63a4287b8bf7faaf7531571b1898d3f8b",
        _CICHY.format(roi="IT"): "ecf104457ae841d2a2bf503fb0dc16c6387e32d0cd74fb5217ca4ef859a805dd",
        _KRIEGESKORTE: "1743f90a15e895798a94318649e80e1123a7e5943a1703fa1dd7c31ea5780b7c",
    },
    facts={
        "modality": "fmri",
        "subjects": "15 (cichy2014), 4 with 2 sessions each (kriegeskorte2008)",
        "stimuli": "92 object photographs, 175 x 175 pixels",
        "size": "3 MB",
        "shape": "15 subjects x 2 regions (EVC, IT) x 92 x 92; 4 subjects x 2 sessions (IT) x 92 x 92",
        "unit": "1 - Pearson r between voxel patterns",
        "licence": "repositories BSD-3-Clause and MIT; no licence of the data themselves was found",
        "citation": (
            "Cichy, Pantazis, Oliva 2014, Nature Neuroscience 17:455, doi:10.1038/nn.3635; "
            "Cichy et al. 2019, arXiv:1905.05675; Kriegeskorte et al. 2008, Neuron 60:1126, "
            "doi:10.1016/j.neuron.2008.10.043"
        ),
        "source": (
            "github.com/cvai-roig-lab/Net2Brain at 05ac462951ef792ff2ba70c4b97d5409a8e44289 (input_data), "
            "github.com/rsagroup/rsatoolbox at f1f83cadb7243492a1aae7460466e0f0140b20ac (demos/92imageData)"
        ),
        "summary": "Dissimilarities of human fMRI responses to 92 object images in EVC and IT, two labs.",
    },
)

# The published columns under readable names. Columns not listed repeat one of these (`human`, `face`,
# `animal`, `cat_inanim`, `cat_artiObj`, `cat_other48`) or are random controls (`cat_rand24`, `cat_rand48`).
_LABELS = {
    "category": "category",
    "cat_animate": "animacy",
    "natural": "naturalness",
    "cat_human": "human",
    "cat_nonhumani": "nonhuman",
    "cat_face": "face",
    "cat_body": "body",
    "cat_natObj": "natural object",
    "cat_monkeyape": "monkey or ape",
}
_VALUES = {"animacy": ("inanimate", "animate"), "naturalness": ("artificial", "natural")}


@DATASETS.register("images92", **IMAGES92.declared())
def load_images92(
    *,
    source: Literal["cichy2014", "kriegeskorte2008"] = "cichy2014",
    roi: list[str] | None = None,
    path: Path | None = None,
    verify: bool = False,
) -> Dataset:
    """Read the dissimilarities of one laboratory, the images and their category labels.

    Parameters
    ----------
    source : {"cichy2014", "kriegeskorte2008"}
        15 subjects with EVC and IT, or 4 subjects with two sessions of IT.
    roi : list of str, optional
        Regions to keep; by default all.
    path : Path, optional
        Where the set lies; by default it is looked up in ``ALIGNKIT_DATA``.
    verify : bool, default=False
        Compare the files with their published SHA-256.

    Returns
    -------
    dataset : Dataset
        `rdms` with one matrix per subject and region (and session), `stimuli` with labels.
    """
    check_option("source", source, ("cichy2014", "kriegeskorte2008"))
    root = find_set(IMAGES92, path=path, verify=verify)
    table = read_table(root / "stimuli_92.csv", needs=["file"])
    table["stimulus_id"] = [Path(str(file)).stem for file in table["file"]]
    labels = label_table(_readable_labels(table))
    stimuli = StimulusSet(table[["stimulus_id", "file"]], root / "stimuli")
    there = ["EVC", "IT"] if source == "cichy2014" else ["IT"]
    wanted = there if roi is None else list(roi)
    for name in wanted:
        if name not in there:
            raise InputError(f"`roi` holds {name!r}, {did_you_mean(name, there)}")
    if not wanted:
        raise InputError("`roi` is empty; name a region, or leave it out for all.")
    read = _read_cichy if source == "cichy2014" else _read_kriegeskorte
    rdms, files = read(root, list(table["stimulus_id"]), wanted)
    return Dataset(
        name="images92",
        rdms=rdms,
        stimuli=add_labels(stimuli, labels),
        labels=labels,
        files=(root / "stimuli_92.csv", *files),
    )


def _read_cichy(root: Path, ids: list[str], rois: list[str]) -> tuple[RDMs, list[Path]]:
    files = [root / _CICHY.format(roi=roi) for roi in rois]
    squares = [read_rdms(file, variable="Net_RDM") for file in files]
    table = pd.DataFrame(
        [
            {"subject": f"sub-{number + 1:02d}", "roi": roi}
            for roi, matrices in zip(rois, squares, strict=True)
            for number in range(len(matrices))
        ]
    )
    return RDMs.from_square(np.concatenate(squares), ids, table, measure="correlation"), files


def _read_kriegeskorte(root: Path, ids: list[str], rois: list[str]) -> tuple[RDMs, list[Path]]:
    file = root / _KRIEGESKORTE
    structs = read_rdm_structs(file, variable="RDMs")
    if structs is None:
        raise InputError(f"{file} has no struct array `RDMs`; get the file again.")
    squares, names = structs
    # A name reads "hIT | BE | Session: 1".
    parts = [[part.strip() for part in name.split("|")] for name in names]
    table = pd.DataFrame(
        [{"subject": part[1], "roi": rois[0], "session": part[2].split(":")[-1].strip()} for part in parts]
    )
    return RDMs.from_square(squares, ids, table, measure="correlation"), [file]


def _readable_labels(table: pd.DataFrame) -> pd.DataFrame:
    named = pd.DataFrame({"stimulus_id": table["stimulus_id"]})
    for column, name in _LABELS.items():
        if column not in table:
            raise InputError(f"stimuli_92.csv has no column {column!r}; get the file again.")
        no, yes = _VALUES.get(name, (f"not {name}", name))
        values = table[column]
        named[name] = values if column == "category" else [yes if value else no for value in values]
    return named
