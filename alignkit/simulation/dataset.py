"""The dataset `simulated`: participants with a known truth, made once and read like real recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pandas as pd

from .._core.folders import cache_folder
from .._core.hashing import digest_json
from ..datasets import DATASETS, Dataset


@DATASETS.register(
    "simulated",
    modality="fmri, meg, eeg",
    subjects="4",
    stimuli="96 images, photographs and drawings, of eight categories",
    shape="384 events x 1,800 voxels each (fmri), 384 epochs x 64 or 102 sensors x 51 times (eeg, meg)",
    unit="percent signal change, V or T",
    licence="generated",
    citation="",
    source="made on this computer; nothing is downloaded",
    sha256={},
    summary="Participants with a known truth: an early region after gabor-energy, a late one after HMAX C2.",
)
def simulated(
    *,
    modality: Literal["fmri", "meg", "eeg"] = "fmri",
    n_subjects: int = 4,
    n_images: int = 96,
    n_repetitions: int = 4,
    snr: float | None = None,
    random_state: int = 0,
    folder: Path | None = None,
) -> Dataset:
    """Return simulated participants, written to disk in real formats the first time they are asked for.

    Parameters
    ----------
    modality : {"fmri", "meg", "eeg"}, default="fmri"
        What is written: BOLD NIfTI in MNI space, or epochs in FIF.
    n_subjects, n_images, n_repetitions : int
        How many participants, images, and presentations of each image.
    snr : float, optional
        Signal-to-noise ratio of one presentation, for every region; by default each region's own.
    random_state : int, default=0
        The same seed gives the same data.
    folder : Path, optional
        Where the files are kept. By default a folder of the cache, one for every choice of parameters; a
        folder of your own is used again when it holds the same choice, and made anew when it does not.

    Returns
    -------
    dataset : Dataset
        With the planted model of each region in `truth`.

    Raises
    ------
    InputError
        If an option is out of range, or `folder` holds anything but a simulation.
    """
    from ._simulate import simulate, simulation_parameters
    from .images import read_stimuli
    from .participants import STIMULI, TRUTH

    parameters = simulation_parameters(
        modality=modality,
        n_subjects=n_subjects,
        n_images=n_images,
        n_repetitions=n_repetitions,
        snr=snr,
        random_state=random_state,
    )
    key = digest_json(parameters)
    place = cache_folder() / "simulated" / key[:16] if folder is None else Path(folder)
    if _key_of(place) != key:
        simulate(
            place,
            modality=modality,
            n_subjects=n_subjects,
            n_images=n_images,
            n_repetitions=n_repetitions,
            snr=snr,
            random_state=random_state,
        )
    stimuli = read_stimuli(place / STIMULI)
    read = _read_bold(place) if modality == "fmri" else DATASETS["fif"](folder=place)
    truth = pd.read_csv(place / TRUTH, sep="\t")
    planted = ", ".join(f"{row.roi} {row.model} ({row.layer})" for row in truth.itertuples())
    return replace(
        read,
        name="simulated",
        stimuli=stimuli,
        labels=stimuli.table.drop(columns="file"),
        truth=truth,
        notes=(f"Simulated, not measured. Planted: {planted}.", *read.notes),
    )


def _read_bold(folder: Path) -> Dataset:
    from .anatomy import SPACE
    from .bold import BoldProtocol

    start, stop = BoldProtocol().window_s
    return DATASETS["nifti"](
        folder=folder,
        delay_s=start,
        duration_s=stop - start,
        space=SPACE,
    )


def _key_of(folder: Path) -> str | None:
    """Return the key of the simulation that a folder holds, None where it holds none that can be read."""
    from .participants import PARAMETERS

    try:
        return digest_json(json.loads((folder / PARAMETERS).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
