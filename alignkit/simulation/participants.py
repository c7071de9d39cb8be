"""Files of simulated participants in a BIDS layout: what belongs to the set, and each fMRI participant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import __version__
from ..recordings.stimuli import StimulusSet
from .anatomy import SPACE, BrainGrid, occipital_grid, place_regions
from .bold import BoldProtocol, bold_run, run_events
from .responses import Region

TASK = "images"
STIMULI = "stimuli"
PARAMETERS = "simulation.json"
TRUTH = "truth.tsv"
_README = """Simulated participants, made by alignkit {version}.

Nothing here was measured. Each region's responses follow the model in truth.tsv; simulation.json holds
every parameter. The same parameters and seed give the same data.
"""


def subject_names(n_subjects: int) -> list[str]:
    """Return ``sub-01``, ``sub-02`` and so on."""
    return [f"sub-{number + 1:02d}" for number in range(n_subjects)]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON with a final newline."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """Write a tab-separated table as BIDS wants it."""
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def write_set(folder: Path, *, n_subjects: int, truth: pd.DataFrame, parameters: Mapping[str, Any]) -> None:
    """Write what belongs to the whole set: description, participants, truth and parameters."""
    made_by = {"Name": "alignkit.simulation", "Version": __version__}
    description = {"Name": "alignkit simulated participants", "BIDSVersion": "1.9.0", "License": "CC0"}
    # Data in template space are derivatives to BIDS, not raw data.
    write_json(
        folder / "dataset_description.json",
        {**description, "DatasetType": "derivative", "GeneratedBy": [made_by]},
    )
    (folder / "README").write_text(_README.format(version=__version__), encoding="utf-8")
    write_tsv(folder / "participants.tsv", pd.DataFrame({"participant_id": subject_names(n_subjects)}))
    write_tsv(folder / TRUTH, truth)
    write_json(folder / PARAMETERS, parameters)


def write_bold_participant(
    folder: Path,
    subject: str,
    *,
    stimuli: StimulusSet,
    regions: Sequence[Region],
    responses: Mapping[str, NDArray[np.float64]],
    n_runs: int,
    protocol: BoldProtocol,
    rng: np.random.Generator,
) -> None:
    """Write one participant's runs, events, brain mask and region labels.

    Parameters
    ----------
    folder : Path
        Of the set; files go to ``<subject>/func``.
    subject : str
        Such as ``sub-01``.
    stimuli : StimulusSet
        Shown once in every run.
    regions : sequence of Region
        In the order of their labels.
    responses : mapping of str to ndarray of shape (n_stimuli, n_voxels)
        Standardised noise-free responses by region name.
    n_runs : int
        One run is one repetition of every stimulus.
    protocol : BoldProtocol
        How the scanner ran.
    rng : Generator
        This participant's own.
    """
    func = folder / subject / "func"
    func.mkdir(parents=True)
    grid = occipital_grid()
    labels = place_regions(grid, regions)
    signal = np.zeros((len(stimuli), len(labels)))
    snr = np.zeros(len(labels))
    for number, region in enumerate(regions, start=1):
        inside = labels == number
        signal[:, inside] = responses[region.name]
        snr[inside] = region.snr * _voxel_gains(region.n_voxels, rng)
    stem = f"{subject}_task-{TASK}"
    row_of = {file: row for row, file in enumerate(stimuli.table["file"])}
    for run in range(1, n_runs + 1):
        events = run_events(stimuli.table, protocol, rng)
        rows = [row_of[file] for file in events["stim_file"]]
        percent = bold_run(signal[rows], events["onset"], snr, protocol, rng)
        units = np.round(protocol.baseline * (1 + percent / 100)).astype(np.int16)
        _write_volume(func / f"{stem}_run-{run:02d}_bold.nii.gz", grid, units, tr_s=protocol.tr_s)
        write_tsv(func / f"{stem}_run-{run:02d}_events.tsv", events)
    _write_volume(func / f"{stem}_mask.nii.gz", grid, np.ones(len(labels), dtype=np.uint8))
    _write_volume(func / f"{stem}_dseg.nii.gz", grid, labels.astype(np.uint8))
    names = pd.DataFrame({"index": range(1, len(regions) + 1), "name": [region.name for region in regions]})
    write_tsv(func / f"{stem}_dseg.tsv", names)


def write_bold_sidecar(folder: Path, protocol: BoldProtocol) -> None:
    """Write the facts that all runs share."""
    facts = {"TaskName": TASK, "RepetitionTime": protocol.tr_s, "SpatialReference": SPACE}
    write_json(folder / f"task-{TASK}_bold.json", facts)


def _voxel_gains(n_voxels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how much clearer each voxel is than the region's mean: log-normal, mean exactly 1."""
    gains = np.exp(0.3 * rng.standard_normal(n_voxels))
    return np.asarray(gains / gains.mean(), dtype=np.float64)


def _write_volume(path: Path, grid: BrainGrid, values: NDArray[Any], tr_s: float | None = None) -> None:
    """Write values of the brain's voxels, one volume or several ((n_volumes, n_voxels)); 0 outside."""
    import nibabel as nib

    shape = grid.mask.shape if tr_s is None else (*grid.mask.shape, len(values))
    volume = np.zeros(shape, dtype=values.dtype)
    volume[grid.mask] = values if tr_s is None else values.T
    image: Any = nib.Nifti1Image(volume, grid.affine)  # type: ignore[no-untyped-call]
    image.set_sform(grid.affine, code="mni")
    image.set_qform(grid.affine, code="mni")
    image.header.set_xyzt_units("mm", "sec")
    if tr_s is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
    nib.save(image, path)
